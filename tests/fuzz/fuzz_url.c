/* Any text as a URL: what was taken formats to something that is taken as the same, and a parameter
 * that was set is got back. Input: URL, name and value, each ended by a NUL or the end. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/err.h"
#include "transport/url.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static char *next_text(const uint8_t **at, size_t *n)
{
	size_t length = strnlen((const char *)*at, *n);
	char *text = strndup((const char *)*at, length);

	length += length < *n; /* the NUL */
	*at += length;
	*n -= length;
	CHECK(text);
	return text;
}

static void check_same(const struct url *a, const struct url *b)
{
	CHECK(strcmp(a->scheme, b->scheme) == 0);
	CHECK(strcmp(a->host, b->host) == 0);
	CHECK(strcmp(a->target, b->target) == 0);
	CHECK(a->tls == b->tls && a->host_is_ipv6 == b->host_is_ipv6);
	CHECK(a->port == b->port && a->port_is_default == b->port_is_default);
}

static void check_round_trip(const struct url *u)
{
	static char whole[URL_BYTES_MAX];
	struct url again;

	CHECK(url_format(u, whole, sizeof(whole)) == 0);
	CHECK(url_parse(whole, &again, NULL) == 0);
	check_same(u, &again);
}

static void check_query(struct url *u, const char *name, const char *value)
{
	static char got[URL_TARGET_MAX], got_name[64];
	const char *at = NULL;

	if (url_query_set(u, name, value) < 0)
		return;
	CHECK(url_query_get(u->target, name, got, sizeof(got)) == 0);
	CHECK(strcmp(got, value) == 0);
	for (size_t pairs = 0; url_query_next(u->target, &at, got_name, sizeof(got_name), got, 64);)
		CHECK(++pairs < URL_TARGET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = next_text(&data, &n), *name = next_text(&data, &n), *value;
	static char got[32];
	struct err err = {};
	struct url u;

	value = next_text(&data, &n);
	url_query_get(text, name, got, sizeof(got));
	if (url_parse(text, &u, &err) == 0 || url_parse_server(text, "wss", &u, &err) == 0) {
		check_round_trip(&u);
		check_query(&u, name, value);
	} else {
		CHECK(err.code < 0 && err.text[0] != '\0');
	}
	free(text);
	free(name);
	free(value);
	return 0;
}
