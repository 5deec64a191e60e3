#include "transport/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

struct parse_case {
	const char *name;
	const char *text;
	const char *host;
	bool host_is_ipv6;
	uint16_t port;
	const char *target;
	const char *authority;
	const char *whole; /* as url_format() writes it */
};

static struct parse_case parse_cases[] = {
	{ "default port of wss", "wss://h.example/ndt/v7/download", "h.example", false, 443,
	  "/ndt/v7/download", "h.example", "wss://h.example/ndt/v7/download" },
	{ "default port of ws", "ws://h/p", "h", false, 80, "/p", "h", "ws://h/p" },
	{ "default port of http", "http://h/p", "h", false, 80, "/p", "h", "http://h/p" },
	{ "default port of https", "https://h/p", "h", false, 443, "/p", "h", "https://h/p" },
	{ "the default port, given", "https://h:443/p", "h", false, 443, "/p", "h", "https://h/p" },
	{ "the other scheme's default", "wss://h:80/p", "h", false, 80, "/p", "h:80",
	  "wss://h:80/p" },
	{ "empty port", "ws://h:/p", "h", false, 80, "/p", "h", "ws://h/p" },
	{ "port with leading zeros", "ws://h:008080/p", "h", false, 8080, "/p", "h:8080",
	  "ws://h:8080/p" },
	{ "largest port", "ws://h:65535", "h", false, 65535, "/", "h:65535", "ws://h:65535/" },
	{ "no path", "wss://h", "h", false, 443, "/", "h", "wss://h/" },
	{ "query without a path", "wss://h?a=b", "h", false, 443, "/?a=b", "h", "wss://h/?a=b" },
	{ "fragment is dropped", "wss://h/p?a=b#c?d", "h", false, 443, "/p?a=b", "h",
	  "wss://h/p?a=b" },
	{ "fragment without a path", "wss://h#c", "h", false, 443, "/", "h", "wss://h/" },
	{ "upper case in scheme and host only", "WsS://H.Example/P?A=B", "h.example", false, 443,
	  "/P?A=B", "h.example", "wss://h.example/P?A=B" },
	{ "N47: IPv6 literal, port, query", "ws://[::1]:8080/ndt/v7/upload?token=x%2Fy", "::1",
	  true, 8080, "/ndt/v7/upload?token=x%2Fy", "[::1]:8080",
	  "ws://[::1]:8080/ndt/v7/upload?token=x%2Fy" },
	{ "IPv6 literal", "https://[2001:DB8::1]/", "2001:db8::1", true, 443, "/", "[2001:db8::1]",
	  "https://[2001:db8::1]/" },
	{ "IPv4 mapped in IPv6", "ws://[::ffff:192.0.2.1]/", "::ffff:192.0.2.1", true, 80, "/",
	  "[::ffff:192.0.2.1]", "ws://[::ffff:192.0.2.1]/" },
	{ "IPv4 literal", "ws://192.0.2.1:81/", "192.0.2.1", false, 81, "/", "192.0.2.1:81",
	  "ws://192.0.2.1:81/" },
	{ "bytes beyond ASCII in the target stay", "ws://h/\xc3\xa9", "h", false, 80, "/\xc3\xa9",
	  "h", "ws://h/\xc3\xa9" },
	{ "at sign and colon in the path", "ws://h/@a:b", "h", false, 80, "/@a:b", "h",
	  "ws://h/@a:b" },
	{ "at sign in the query", "ws://h?m=a@b", "h", false, 80, "/?m=a@b", "h", "ws://h/?m=a@b" },
};

static void check_url(const struct parse_case *c, const struct url *u)
{
	char authority[URL_AUTHORITY_MAX], whole[256];

	assert_string_equal(u->host, c->host);
	assert_int_equal(u->host_is_ipv6, c->host_is_ipv6);
	assert_int_equal(u->port, c->port);
	assert_string_equal(u->target, c->target);
	assert_string_equal(url_authority(u, authority), c->authority);
	assert_int_equal(url_format(u, whole, sizeof(whole)), 0);
	assert_string_equal(whole, c->whole);
	assert_int_equal(u->tls, strncmp(whole, "wss", 3) == 0 || strncmp(whole, "https", 5) == 0);
}

static void url_parses(void **state)
{
	const struct parse_case *c = *state;
	struct url u = {};

	assert_int_equal(url_parse(c->text, &u, NULL), 0);
	check_url(c, &u);
}

struct refuse_case {
	const char *name;
	const char *text;
	int want;
};

static struct refuse_case refuse_cases[] = {
	{ "another scheme", "ftp://h/", -EPROTONOSUPPORT },
	{ "a scheme that begins alike", "wssx://h/", -EPROTONOSUPPORT },
	{ "no scheme", "h/p", -EINVAL },
	{ "scheme without slashes", "ws:h/p", -EINVAL },
	{ "one slash", "ws:/h/p", -EINVAL },
	{ "nothing", "", -EINVAL },
	{ "only a scheme", "wss://", -EINVAL },
	{ "no host: three slashes", "ws:///ndt/v7/download", -EINVAL },
	{ "no host: port only", "ws://:80/", -EINVAL },
	{ "user", "ws://u@h/", -EINVAL },
	{ "user and password", "ws://u:p@h/", -EINVAL },
	{ "port 0", "ws://h:0/", -EINVAL },
	{ "port 65536", "ws://h:65536/", -EINVAL },
	{ "port beyond 32 bits", "ws://h:4294967376/", -EINVAL },
	{ "port with a letter", "ws://h:8o/", -EINVAL },
	{ "port with a sign", "ws://h:+80/", -EINVAL },
	{ "two ports", "ws://h:80:81/", -EINVAL },
	{ "space in the path", "ws://h/a b", -EINVAL },
	{ "space in front", " ws://h/", -EINVAL },
	{ "line break: a second header", "ws://h/a\r\nX: y", -EINVAL },
	{ "tab in the host", "ws://h\t/", -EINVAL },
	{ "DEL in the query", "ws://h/?\x7f", -EINVAL },
	{ "host beyond ASCII", "ws://h\xc3\xa9/", -EINVAL },
	{ "host with an escape", "ws://h%41/", -EINVAL },
	{ "backslash in the host", "ws://h\\x/", -EINVAL },
	{ "IPv6 without brackets", "ws://::1/", -EINVAL },
	{ "IPv6 without an end", "ws://[::1/", -EINVAL },
	{ "IPv6 that is none", "ws://[::g]/", -EINVAL },
	{ "IPv4 in brackets", "ws://[192.0.2.1]/", -EINVAL },
	{ "empty brackets", "ws://[]/", -EINVAL },
	{ "letters behind brackets", "ws://[::1]x/", -EINVAL },
	{ "IPv6 with a zone", "ws://[fe80::1%25eth0]/", -EINVAL },
	{ "IPv6 with far too much",
	  "ws://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]/", -EINVAL },
};

static void url_is_refused(void **state)
{
	const struct refuse_case *c = *state;
	struct url u = { .port = 7 };
	struct err err = {};

	assert_int_equal(url_parse(c->text, &u, &err), c->want);
	assert_int_equal(err.code, c->want);
	assert_true(strlen(err.text) > 0);
	assert_null(strstr(err.text, "u:p")); /* never a password */
	assert_int_equal(u.port, 7);          /* untouched */
}

struct server_case {
	const char *name;
	const char *text;
	const char *scheme;
	int want;
	const char *whole;
};

static struct server_case server_cases[] = {
	{ "host", "h.example", "wss", 0, "wss://h.example/" },
	{ "host and port", "h:8080", "ws", 0, "ws://h:8080/" },
	{ "host, path and query", "h:81/lab?a=b", "ws", 0, "ws://h:81/lab?a=b" },
	{ "IPv4", "192.0.2.1", "ws", 0, "ws://192.0.2.1/" },
	{ "IPv6, bare", "2001:db8::1", "wss", 0, "wss://[2001:db8::1]/" },
	{ "IPv6, bare, with a path", "::1/lab", "ws", 0, "ws://[::1]/lab" },
	{ "IPv6 in brackets", "[::1]", "ws", 0, "ws://[::1]/" },
	{ "IPv6 in brackets and port", "[::1]:8080", "wss", 0, "wss://[::1]:8080/" },
	{ "a whole URL's scheme wins", "ws://h/lab", "wss", 0, "ws://h/lab" },
	{ "another URL in the query", "h/p?u=ftp://x", "ws", 0, "ws://h/p?u=ftp://x" },
	{ "https", "https://h/", "wss", -EPROTONOSUPPORT, NULL },
	{ "ftp", "ftp://h/", "wss", -EPROTONOSUPPORT, NULL },
	{ "a default that is none", "h", "gopher", -EPROTONOSUPPORT, NULL },
	{ "IPv6 in a whole URL needs brackets", "ws://::1/", "ws", -EINVAL, NULL },
	{ "IPv6 with a zone", "fe80::1%eth0", "ws", -EINVAL, NULL },
	{ "two ports", "h:1:2", "ws", -EINVAL, NULL },
	{ "nothing", "", "ws", -EINVAL, NULL },
	{ "white space", "h ", "ws", -EINVAL, NULL },
};

static void server_parses(void **state)
{
	const struct server_case *c = *state;
	struct url u = {};
	struct err err = {};
	char whole[256];

	assert_int_equal(url_parse_server(c->text, c->scheme, &u, &err), c->want);
	if (c->want < 0)
		return;
	assert_int_equal(url_format(&u, whole, sizeof(whole)), 0);
	assert_string_equal(whole, c->whole);
}

struct set_case {
	const char *name;
	const char *target;
	const char *key, *value;
	const char *want;
};

static struct set_case set_cases[] = {
	{ "first parameter", "/p", "a", "1", "/p?a=1" },
	{ "appended", "/p?b=2", "a", "1", "/p?b=2&a=1" },
	{ "overwritten where it stands", "/p?a=0&b=2", "a", "1", "/p?a=1&b=2" },
	{ "overwritten once, others dropped", "/p?a=0&b=2&a=3&a", "a", "1", "/p?a=1&b=2" },
	{ "overwritten though its escape is broken", "/p?a=%zz", "a", "1", "/p?a=1" },
	{ "its name was encoded", "/p?%61=0", "a", "1", "/p?a=1" },
	{ "a longer name is another", "/p?ab=0", "a", "1", "/p?ab=0&a=1" },
	{ "a shorter name is another", "/p?a=0", "ab", "1", "/p?a=0&ab=1" },
	{ "case matters", "/p?A=0", "a", "1", "/p?A=0&a=1" },
	{ "empty query", "/p?", "a", "1", "/p?a=1" },
	{ "empty value", "/p", "a", "", "/p?a=" },
	{ "N6: space, & and %", "/p", "client_name", "a b&c%d=e+f",
	  "/p?client_name=a%20b%26c%25d%3De%2Bf" },
	{ "N6: UTF-8", "/p", "client_name", "é", "/p?client_name=%C3%A9" },
	{ "unreserved stays", "/p", "v", "1.0-rc_1~x", "/p?v=1.0-rc_1~x" },
	{ "name is encoded too", "/p", "a&b", "1", "/p?a%26b=1" },
	{ "N77: token stays byte for byte, in its place",
	  "/ndt/v7/"
	  "download?access_token=eyJ.a-b_c%2f%2F==&client_name=acme&index=0&locate_version=v2",
	  "client_name", "radar-pod",
	  "/ndt/v7/"
	  "download?access_token=eyJ.a-b_c%2f%2F==&client_name=radar-pod&index=0&locate_version="
	  "v2" },
	{ "what others wrote stays, odd or not", "/p?&x;y=%zz&&=v&+", "a", "1",
	  "/p?&x;y=%zz&&=v&+&a=1" },
};

static void query_is_set(void **state)
{
	const struct set_case *c = *state;
	struct url u = {};
	char value[64];

	strcpy(u.target, c->target);
	assert_int_equal(url_query_set(&u, c->key, c->value), 0);
	assert_string_equal(u.target, c->want);
	assert_int_equal(url_query_get(u.target, c->key, value, sizeof(value)), 0);
	assert_string_equal(value, c->value);
}

struct get_case {
	const char *name;
	const char *target;
	const char *key;
	int want;
	const char *value; /* in 8 bytes; after a failure: "" */
};

static struct get_case get_cases[] = {
	{ "found", "/p?a=1", "a", 0, "1" },
	{ "second", "/p?b=2&a=1", "a", 0, "1" },
	{ "first of two", "/p?a=1&a=2", "a", 0, "1" },
	{ "no value", "/p?a", "a", 0, "" },
	{ "plus and %20", "/p?a=x+y%20z", "a", 0, "x y z" },
	{ "escapes in both cases", "/p?a=%c3%A9", "a", 0, "é" },
	{ "escaped name", "/p?%61=1", "a", 0, "1" },
	{ "equals sign in the value", "/p?a=b=c", "a", 0, "b=c" },
	{ "a question mark in the value", "/p?a=b?c", "a", 0, "b?c" },
	{ "seven bytes fit", "/p?a=1234567", "a", 0, "1234567" },
	{ "eight do not", "/p?a=12345678", "a", -ENOSPC, "" },
	{ "broken escape is passed over", "/p?a=%zz&a=2", "a", 0, "2" },
	{ "escape cut short", "/p?a=%4", "a", -ENOENT, "" },
	{ "lone percent", "/p?a=%", "a", -ENOENT, "" },
	{ "broken escape at the pair's end", "/p?a=%4&1=2", "a", -ENOENT, "" },
	{ "semicolon", "/p?a=1;b=2&a=3", "a", 0, "3" },
	{ "escaped NUL in the value", "/p?a=x%00y", "a", -ENOENT, "" },
	{ "escaped NUL in the name", "/p?a%00b=1", "a", -ENOENT, "" },
	{ "no query", "/p", "a", -ENOENT, "" },
	{ "empty query", "/p?", "a", -ENOENT, "" },
	{ "empty name in an empty query", "/p?", "", -ENOENT, "" },
	{ "empty name", "/p?&=1", "", 0, "1" },
};

static void query_is_got(void **state)
{
	const struct get_case *c = *state;
	char value[8] = "";

	assert_int_equal(url_query_get(c->target, c->key, value, sizeof(value)), c->want);
	assert_string_equal(value, c->value);
}

static void query_walks(void **state)
{
	static const char target[] =
		"/p?a=1&&b&broken=%zz&long=12345678&=e&c=x%20y&toolong_name=1&";
	static const char *const want[][2] = {
		{ "a", "1" }, { "b", "" }, { "", "e" }, { "c", "x y" }
	};
	const char *at = NULL;
	char name[8], value[8];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(url_query_next(target, &at, name, 8, value, 8));
		assert_string_equal(name, want[i][0]);
		assert_string_equal(value, want[i][1]);
	}
	assert_false(url_query_next(target, &at, name, 8, value, 8));
	assert_false(url_query_next(target, &at, name, 8, value, 8)); /* and stays there */
	at = NULL;
	assert_false(url_query_next("/p", &at, name, 8, value, 8));
}

static void ceilings_hold(void **state)
{
	char text[URL_BYTES_MAX + 2], whole[URL_BYTES_MAX];
	struct url u = {};
	struct err err = {};

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "ws://h/", 7);
	text[URL_BYTES_MAX - 1] = '\0';
	assert_int_equal(url_parse(text, &u, &err), 0);
	assert_int_equal(url_format(&u, whole, sizeof(whole)), 0);
	assert_string_equal(whole, text);
	assert_int_equal(url_format(&u, whole, sizeof(whole) - 1), -ENOSPC);
	assert_int_equal(url_query_set(&u, "client_name", "x"), -ENOSPC);
	assert_string_equal(u.target, text + 6);
	assert_int_equal(url_path(&u, whole, 100), -ENOSPC);

	text[URL_BYTES_MAX - 1] = 'a';
	text[URL_BYTES_MAX] = '\0';
	assert_int_equal(url_parse(text, &u, &err), -EINVAL);

	text[URL_BYTES_MAX - 1] = '\0';
	text[6] = '?'; /* formatted with a "/" it is one byte too long */
	assert_int_equal(url_parse(text, &u, &err), -EINVAL);

	memset(text, 'a', URL_BYTES_MAX);
	memcpy(text, "ws://", 5);
	text[5 + URL_HOST_MAX - 1] = '\0';
	assert_int_equal(url_parse(text, &u, &err), 0);
	text[5 + URL_HOST_MAX - 1] = 'a';
	text[5 + URL_HOST_MAX] = '\0';
	assert_int_equal(url_parse(text, &u, &err), -EINVAL);
}

static void path_is_without_query(void **state)
{
	struct url u = {};
	char path[16];

	(void)state;
	strcpy(u.target, "/ndt/v7/upload?a=/b?c");
	assert_int_equal(url_path(&u, path, sizeof(path)), 0);
	assert_string_equal(path, "/ndt/v7/upload");
	assert_int_equal(url_path(&u, path, 14), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_walks),
		cmocka_unit_test(ceilings_hold),
		cmocka_unit_test(path_is_without_query),
	};
	int failed = CASES_RUN(url_parses, parse_cases);

	failed += CASES_RUN(url_is_refused, refuse_cases);
	failed += CASES_RUN(server_parses, server_cases);
	failed += CASES_RUN(query_is_set, set_cases);
	failed += CASES_RUN(query_is_got, get_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
