/* What goes in and must not come out (contract sentry.md 10, check 11; pod-service R8; bar P6). */
#include "agent/sentry/sentry_scrub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

#define KNOWN "s3cr3t-CANARY"

static const struct sentry_known_list known = {
	.count = 3,
	.at = { { KNOWN, "[secret]" }, { "pi", "[host]" }, { NULL, "[none]" } },
};

struct text_case {
	const char *name;
	const char *in;
	const char *want;
};

static struct text_case text_cases[] = {
	/* addresses */
	{ "IPv4", "connect 192.0.2.17:443", "connect [ip]:443" },
	{ "IPv4 at an end", "no route to 10.0.0.1.", "no route to [ip]." },
	{ "IPv4 in a word", "host10.1.2.3x", "host[ip]x" },
	{ "IPv4 with zeros", "192.168.001.010", "[ip]" },
	{ "IPv6", "connect to 2001:db8::1: refused", "connect to [ip]: refused" },
	{ "IPv6 in brackets, a port", "[2001:db8::17]:443", "[[ip]]:443" },
	{ "IPv6, whole", "2001:0db8:0000:0000:0000:0000:0000:0001", "[ip]" },
	{ "IPv6 with a port and no brackets", "2001:db8:0:0:0:0:0:1:443", "[ip]" },
	{ "IPv6 of a link, a zone", "fe80::1%wlan0 is down", "[ip] is down" },
	{ "IPv6, mapped", "::ffff:192.0.2.17", "[ip]" },
	{ "IPv6 of the host", "listen on ::1", "listen on [ip]" },
	{ "MAC", "dc:a6:32:01:02:0f left", "[mac] left" },
	{ "MAC with dashes", "DC-A6-32-01-02-0F", "[mac]" },
	{ "MAC of a router", "dca6.3201.020f", "[mac]" },
	{ "a time of day stays", "at 10:00:59.125 and 2026-01-05T10:00:00Z",
	  "at 10:00:59.125 and 2026-01-05T10:00:00Z" },
	{ "a version stays", "kernel 6.12.1, radar-pod@0.1.0", "kernel 6.12.1, radar-pod@0.1.0" },
	{ "e-mail", "mail jo.doe+x@example.org now", "mail [email] now" },
	{ "e-mail at an address", "jo@192.0.2.17", "[email]" },
	{ "user:password@host", "proxy jo:pw@proxy.example", "proxy [email]" },

	/* URLs */
	{ "a query", "wss://ndt.example/ndt/v7/download?access_token=CANARY&x=y failed",
	  "wss://ndt.example/ndt/v7/download?… failed" },
	{ "a fragment", "https://a.example/x#CANARY", "https://a.example/x?…" },
	{ "user and password", "https://jo:CANARY@a.example/x", "https://a.example/x" },
	{ "a password with a slash", "https://jo:p/CANARY@a.example/x", "https://a.example/x" },
	{ "an address as host", "http://192.0.2.17:8080/x", "http://[ip]:8080/x" },
	{ "an IPv6 host", "http://[2001:db8::17]/x", "http://[[ip]]/x" },
	{ "a number in the path", "https://a.example/api/pods/123/results",
	  "https://a.example/api/pods/[id]/results" },
	{ "an id in the path", "https://a.example/r/0190f3c2-1234-7000-8000-0123456789ab/x",
	  "https://a.example/r/[id]/x" },
	{ "a signed path", "https://a.example/f/CANARYsigned0123456789",
	  "https://a.example/f/[id]" },
	{ "an escaped path", "https://a.example/f/a%20CANARY", "https://a.example/f/[id]" },
	{ "two URLs", "http://a.example/1 http://b.example/x?CANARY",
	  "http://a.example/[id] http://b.example/x?…" },
	{ "a query without a host", "GET /x?key=CANARY HTTP/1.1", "GET /x?… HTTP/1.1" },
	{ "a question stays", "retry? no", "retry? no" },

	/* secrets */
	{ "a known secret", "login with " KNOWN " failed", "login with [secret] failed" },
	{ "a known secret, in a word and in capitals", "xS3CR3T-canaryx", "x[secret]x" },
	{ "a known secret in a scheme", "x" KNOWN "y://a.example/", "x[secret]y://a.example/" },
	{ "behind a known secret a token begins", KNOWN "0123456789abcdef0123456789abcdef",
	  "[secret][token]" },
	{ "behind a known secret an address begins", KNOWN "2001:db8::1", "[secret][ip]" },
	{ "behind a known secret an e-mail begins", KNOWN "jo@example.org", "[secret][email]" },
	{ "behind a known secret a name begins", KNOWN "password=CANARY", "[secret][Filtered]" },
	{ "a known text that is too short", "spinning", "spinning" },
	{ "password=", "wifi password=CANARY pass phrase", "wifi [Filtered]" },
	{ "only its line", "token: CANARY\nnext", "[Filtered]\nnext" },
	{ "psk=", "psk=\"CANARY\"", "[Filtered]" },
	{ "JSON in a text", "{\"Secret\":\"CANARY\",\"a\":1}", "{\"[Filtered]" },
	{ "JSON in JSON in a text", "{\\\"client_secret\\\":\\\"CANARY\\\"}", "{\\\"[Filtered]" },
	{ "a header", "Authorization: Basic Q0FOQVJZ", "[Filtered]" },
	{ "a header with dashes", "x-api-key: CANARY", "[Filtered]" },
	{ "a cookie", "Set-Cookie: a=CANARY; b=CANARY", "[Filtered]" },
	{ "Bearer", "sent Bearer CANARY.x-y_z= twice", "sent [token] twice" },
	{ "basic, as a word, stays", "a basic test", "a basic test" },
	{ "a PEM block", "key -----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY----- end",
	  "key [pem]" },
	{ "a PEM block without an end", "-----BEGIN X-----\nCANARY", "[pem]" },
	{ "long hex", "id 0123456789abcdef0123456789abcdef", "id [token]" },
	{ "long base64", "t Q0FOQVJZQ0FOQVJZ/Q0FOQVJZQ0FOQVJZ+Q== x", "t [token] x" },
	{ "short hex stays", "0123456789abcdef", "0123456789abcdef" },
	{ "a home", "open /home/jo/.config/x: denied", "open /home/[user]/.config/x: denied" },
	{ "an SSID", "SSID: CANARY", "[Filtered]" },

	/* what reports are made of */
	{ "an error of ours", "write 4096 bytes of store.db: No space left on device",
	  "write 4096 bytes of store.db: No space left on device" },
	{ "an address in code stays", "0x00005555abcd0123", "0x00005555abcd0123" },
	{ "UTF-8 stays", "Zürich → Genève", "Zürich → Genève" },
	{ "nothing", "", "" },
};

static void texts(void **state)
{
	const struct text_case *c = *state;
	char out[512];

	assert_int_equal(sentry_patterns_scrub(c->in, &known, out, sizeof(out)), 0);
	assert_string_equal(out, c->want);
}

struct tree_case {
	const char *name;
	const char *in;
	const char *want; /* NULL: refused */
};

#define HEX32 "0123456789abcdef0123456789abcdef"
#define BUILD "0123456789abcdef0123456789abcdef01234567"
#define UUID  "01234567-89ab-cdef-0123-456789abcdef"

static struct tree_case tree_cases[] = {
	{ "an event", "{\"a\":[1,-2.50,true,false,null,\"x\"],\"b\":{}}",
	  "{\"a\":[1,-2.50,true,false,null,\"x\"],\"b\":{}}" },
	{ "an integer is exact", "{\"a\":18446744073709551615}", "{\"a\":18446744073709551615}" },
	{ "by name", "{\"api_key\":\"CANARY\"}", "{\"api_key\":\"[Filtered]\"}" },
	{ "by name, whatever it is", "{\"tokens\":{\"a\":[\"CANARY\",{}]},\"b\":1}",
	  "{\"tokens\":\"[Filtered]\",\"b\":1}" },
	{ "by name, a number", "{\"Serial\":123}", "{\"Serial\":\"[Filtered]\"}" },
	{ "by name, written with an escape", "{\"p\\u0061ssword\":\"CANARY\"}",
	  "{\"password\":\"[Filtered]\"}" },
	{ "a text written with escapes", "{\"a\":\"\\u0031\\u0030.0.0.1\"}", "{\"a\":\"[ip]\"}" },
	{ "in a list", "{\"a\":[[\"10.0.0.1\"]]}", "{\"a\":[[\"[ip]\"]]}" },
	{ "a name", "{\"10.0.0.1\":1}", "{\"[ip]\":1}" },
	{ "the event's id", "{\"event_id\":\"" HEX32 "\"}", "{\"event_id\":\"" HEX32 "\"}" },
	{ "an event's id elsewhere", "{\"a\":{\"event_id\":\"" HEX32 "\"}}",
	  "{\"a\":{\"event_id\":\"[token]\"}}" },
	{ "an event's id that is none", "{\"event_id\":\"10.0.0.1\"}", "{\"event_id\":\"[ip]\"}" },
	{ "the release", "{\"release\":\"radar-pod@0.10.10+" HEX32 "\"}",
	  "{\"release\":\"radar-pod@0.10.10+" HEX32 "\"}" },
	{ "a release that is none", "{\"release\":\"jo@example.org\"}",
	  "{\"release\":\"[email]\"}" },
	{ "the installation's id", "{\"user\":{\"id\":\"" HEX32 "\"}}",
	  "{\"user\":{\"id\":\"" HEX32 "\"}}" },
	{ "an id elsewhere", "{\"a\":{\"id\":\"" HEX32 "\"}}", "{\"a\":{\"id\":\"[token]\"}}" },
	{ "build-ids",
	  "{\"debug_meta\":{\"images\":[{\"code_id\":\"" BUILD "\",\"debug_id\":\"" UUID "\"}]}}",
	  "{\"debug_meta\":{\"images\":[{\"code_id\":\"" BUILD "\",\"debug_id\":\"" UUID "\"}]}}" },
	{ "build-ids elsewhere", "{\"debug_id\":\"" UUID "\"}", "{\"debug_id\":\"[token]\"}" },
	{ "the IP address of a user", "{\"user\":{\"ip_address\":\"{{auto}}\"}}",
	  "{\"user\":{\"ip_address\":\"[Filtered]\"}}" },
	{ "not JSON", "{\"a\":", NULL },
	{ "two values", "{} {}", NULL },
	{ "not UTF-8", "{\"a\":\"\xff\"}", NULL },
	{ "half a surrogate", "{\"a\":\"\\ud800\"}", NULL },
	{ "a NUL", "{\"a\":\"x\\u0000CANARY\"}", NULL },
	{ "nothing", "", NULL },
};

static int scrub(const char *in, size_t n, char **ret, struct err *err)
{
	size_t ret_n = 0;
	int r = sentry_scrub(in, n, &known, ret, &ret_n, err);

	if (r == 0)
		assert_int_equal(ret_n, strlen(*ret));
	return r;
}

static void trees(void **state)
{
	const struct tree_case *c = *state;
	char *out = NULL;
	struct err err = {};

	assert_int_equal(scrub(c->in, strlen(c->in), &out, &err), c->want ? 0 : -EBADMSG);
	if (c->want)
		assert_string_equal(out, c->want);
	else
		assert_true(err.text[0] && !strstr(err.text, "CANARY"));
	free(out);
}

/* Each text of the table above, as an error's message, a tag, a breadcrumb and a name. */
static void no_canary_is_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(text_cases) / sizeof(*text_cases); i++) {
		char in[8192], quoted[1024], *out = NULL;

		assert_true(json_quote(text_cases[i].in, quoted, sizeof(quoted)) > 0);
		snprintf(in, sizeof(in),
		         "{\"exception\":{\"values\":[{\"value\":%s}]},\"tags\":{\"a\":%s},"
		         "\"breadcrumbs\":{\"values\":[{\"message\":%s}]},\"extra\":{%s:1}}",
		         quoted, quoted, quoted, quoted);
		assert_int_equal(scrub(in, strlen(in), &out, NULL), 0);
		assert_null(strstr(out, "CANARY"));
		free(out);
	}
}

static void bounded(void **state)
{
	size_t n = SENTRY_EVENT_BYTES_MAX + 1;
	char *in = malloc(n), *out = NULL;

	(void)state;
	memset(in, '[', n);
	assert_int_equal(scrub(in, n, &out, NULL), -EBADMSG);
	assert_int_equal(scrub(in, 1000, &out, NULL), -EBADMSG); /* too deep */
	memset(in, 'x', n);
	memcpy(in, "[\"", 2);
	memcpy(in + SENTRY_TEXT_BYTES_MAX + 8, "\"]", 2);
	assert_int_equal(scrub(in, SENTRY_TEXT_BYTES_MAX + 10, &out, NULL), -EBADMSG);
	assert_int_equal(sentry_scrub(in, n, NULL, &out, &n, NULL), -EBADMSG);
	free(in);
}

/* What grows beyond the ceiling by its placeholders is refused, too. */
static void bounded_behind(void **state)
{
	size_t n = 60 * 1024;
	char *in = malloc(n + 8), *out = NULL;

	(void)state;
	strcpy(in, "[");
	for (size_t i = 1; i + 8 < n; i += 6)
		strcpy(in + i, "\"::1\",");
	strcat(in, "0]");
	assert_int_equal(scrub(in, strlen(in), &out, NULL), -EBADMSG);
	free(in);
}

static void no_room(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(sentry_patterns_scrub("12345678", NULL, out, sizeof(out)), -ENOSPC);
	assert_string_equal(out, "");
	assert_int_equal(sentry_patterns_scrub("1234567", NULL, out, sizeof(out)), 0);
	assert_string_equal(out, "1234567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_canary_is_seen),
		cmocka_unit_test(bounded),
		cmocka_unit_test(bounded_behind),
		cmocka_unit_test(no_room),
	};
	int failed = CASES_RUN(texts, text_cases);

	failed += CASES_RUN(trees, tree_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
