#include "bench/link/addresses.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/namespaces.h"

static void add(struct addresses *a, const char *name, const char *value)
{
	a->of[a->count].name = name;
	a->of[a->count++].value = value;
}

struct addresses addresses_of(const char *link_name, enum scenario_family family)
{
	struct addresses a = {};
	bool v4 = family != SCENARIO_V6;

	add(&a, "LINK_NAME", link_name);
	add(&a, "LINK_SERVER", v4 ? LINK_SERVER_V4 : LINK_SERVER_V6);
	add(&a, "LINK_CLIENT", v4 ? LINK_CLIENT_V4 : LINK_CLIENT_V6);
	if (family != SCENARIO_V4) {
		add(&a, "LINK_SERVER6", LINK_SERVER_V6);
		add(&a, "LINK_CLIENT6", LINK_CLIENT_V6);
	}
	return a;
}

void addresses_export(const struct addresses *a)
{
	for (int i = 0; i < a->count; i++)
		setenv(a->of[i].name, a->of[i].value, 1);
}

/* The name at `at`, behind its "$": how many bytes the whole takes with its braces; 0: it is none. */
static size_t name_at(const char *at, const char **ret, size_t *ret_bytes)
{
	static const char of_names[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789_";
	bool braces = *at == '{';

	*ret = at + braces;
	*ret_bytes = strspn(*ret, of_names);
	if (braces && (*ret)[*ret_bytes] != '}')
		return 0;
	return *ret_bytes ? *ret_bytes + 2U * braces : 0;
}

static const char *value_of(const struct addresses *a, const char *name, size_t bytes)
{
	for (int i = 0; i < a->count; i++)
		if (strlen(a->of[i].name) == bytes && memcmp(a->of[i].name, name, bytes) == 0)
			return a->of[i].value;
	return NULL;
}

char *addresses_expand(const struct addresses *a, const char *word)
{
	char *out = NULL;
	size_t out_bytes;
	FILE *f = open_memstream(&out, &out_bytes);

	if (!f)
		return NULL;
	while (*word) {
		size_t plain = strcspn(word, "$"), whole = 0, bytes;
		const char *name, *value = NULL;

		fwrite(word, 1, plain, f);
		word += plain;
		if (!*word)
			break;
		whole = name_at(word + 1, &name, &bytes);
		value = whole ? value_of(a, name, bytes) : NULL;
		if (value)
			fputs(value, f);
		else
			fwrite(word, 1, whole + 1, f);
		word += whole + 1;
	}
	if (fclose(f) == 0)
		return out;
	free(out);
	return NULL;
}

bool addresses_are_named(const struct addresses *a, char *const *argv)
{
	for (; *argv; argv++)
		for (int i = 0; i < a->count; i++)
			if (strstr(*argv, a->of[i].name) || strstr(*argv, a->of[i].value))
				return true;
	return false;
}

int addresses_expand_all(const struct addresses *a, char **argv)
{
	for (; *argv; argv++) {
		char *expanded = addresses_expand(a, *argv);

		if (!expanded)
			return -ENOMEM;
		*argv = expanded;
	}
	return 0;
}
