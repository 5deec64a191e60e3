/* getaddrinfo(3) by a table of the test's, in place of the C library's: include it in one source of
 * a test, which is then the whole program's. Literal addresses, and names that no row has, are the
 * C library's business as before. */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NAMES_ADDRESSES_MAX 40

struct names_row {
	const char *name;
	int eai;          /* what is answered */
	int error;        /* errno, for EAI_SYSTEM */
	bool hang;        /* until names_release is posted, once for each lookup */
	int hang_without; /* a family: likewise lookups of any other, and of both */
	const char *addresses[NAMES_ADDRESSES_MAX];
};

extern const struct names_row names_rows[]; /* the test's; the last has no name */

static sem_t names_release; /* to be set up with sem_init(3) where a row hangs */

typedef int getaddrinfo_function(const char *, const char *, const struct addrinfo *,
                                 struct addrinfo **);

static getaddrinfo_function *names_real(void)
{
	return (getaddrinfo_function *)dlsym(RTLD_NEXT, "getaddrinfo");
}

static const struct names_row *names_find(const char *name)
{
	for (const struct names_row *row = names_rows; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

/* The C library's own nodes, chained: its freeaddrinfo(3) takes them one by one. */
static int names_answer(const struct names_row *row, int family, struct addrinfo **ret)
{
	struct addrinfo hints = {
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST,
	};
	struct addrinfo **end = ret;

	*ret = NULL;
	for (size_t i = 0; i < NAMES_ADDRESSES_MAX && row->addresses[i]; i++) {
		if (names_real()(row->addresses[i], NULL, &hints, end) != 0)
			continue; /* of the other family */
		while (*end)
			end = &(*end)->ai_next;
	}
	return *ret ? 0 : EAI_NODATA;
}

static bool names_hangs(const struct names_row *row, int family)
{
	return row->hang || (row->hang_without && row->hang_without != family);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
	const struct names_row *row = names_find(name);

	if (!row)
		return names_real()(name, service, hints, ret);
	if (hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	while (names_hangs(row, hints->ai_family) && sem_wait(&names_release) < 0)
		;
	if (row->eai != 0) {
		errno = row->error;
		return row->eai;
	}
	return names_answer(row, hints->ai_family, ret);
}
