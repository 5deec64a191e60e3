/* Results as files say them: whole, with nulls, of another time, hostile. */
#include "measure/result_read.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

#define SCHEMA "\"schema\":\"radar-pod/result/1\""

static const char whole[] =
	"{" SCHEMA ",\"id\":\"0190f3c2\",\"agent\":{\"version\":\"0.1.0\",\"io\":null},"
	"\"server\":{\"url\":\"wss://h/\\u0041\",\"machine\":null},\"tls\":null,"
	"\"download\":{\"goodput_mbps\":187.42,\"bytes\":234275000,\"steady_ci95_mbps\":[190.2,191."
	"8],"
	"\"rtt_ms\":{\"p50\":14.2,\"p90\":22,\"p99\":null},\"limits_percent\":{\"network\":97.1,"
	"\"cpu\":0},"
	"\"limited_by\":\"network\",\"complete\":true,\"later\":{\"goodput_mbps\":1}},"
	"\"upload\":null,\"latency\":{\"idle_ms\":11.9,\"loaded_up_ms\":null},"
	"\"warnings\":[\"one\",\"two\"],\"errors\":[{\"test\":\"upload\",\"error\":\"no\","
	"\"code\":\"EHOSTUNREACH\",\"domain\":\"system\",\"detail\":null,\"retry_after_s\":60}],"
	"\"next_request_s\":3600,"
	"\"interrupted\":false}";

static bool text_is(const struct told_text *t, const char *want)
{
	return t->at && t->n == strlen(want) && memcmp(t->at, want, t->n) == 0;
}

static void a_whole_one_is_read(void **state)
{
	struct told_result r;

	(void)state;
	assert_int_equal(result_read(whole, strlen(whole), &r, NULL), 0);
	assert_true(text_is(&r.id, "0190f3c2") && text_is(&r.agent_version, "0.1.0"));
	assert_true(text_is(&r.server_url, "wss://h/\\u0041") && !r.server_machine.at);
	assert_true(r.download.there && r.download.complete && !r.upload.there);
	assert_true(r.download.goodput_mbps.value == 187.42);
	assert_true(r.download.bytes.value == 234275000);
	assert_true(r.download.steady_low_mbps.value == 190.2);
	assert_true(r.download.steady_high_mbps.value == 191.8);
	assert_true(r.download.rtt_p90_ms.value == 22 && !r.download.rtt_p99_ms.known);
	assert_true(r.download.limits_percent[LIMIT_NETWORK].value == 97.1);
	assert_true(r.download.limits_percent[LIMIT_CPU].known);
	assert_false(r.download.limits_percent[LIMIT_SENDER].known);
	assert_true(r.idle_ms.value == 11.9 && !r.loaded_up_ms.known && !r.loaded_down_ms.known);
	assert_int_equal(r.warnings_count, 2);
	assert_true(text_is(&r.warnings[1], "two"));
	assert_int_equal(r.errors_count, 1);
	assert_true(text_is(&r.errors[0].test, "upload") && text_is(&r.errors[0].error, "no"));
	assert_true(text_is(&r.errors[0].code, "EHOSTUNREACH") &&
	            text_is(&r.errors[0].domain, "system"));
	assert_true(r.errors[0].retry_after_s.value == 60 && r.next_request_s.value == 3600);
	assert_false(r.interrupted);
}

#define LONG_NAME                                                                                  \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnn"                                                                                     \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static struct read_case {
	const char *name;
	const char *text;
	int want;
	const char *want_words; /* in err->text */
} read_cases[] = {
	{ "the least there can be", "{" SCHEMA "}", 0, "" },
	{ "both directions null", "{" SCHEMA ",\"download\":null,\"upload\":null}", 0, "" },
	{ "everything null", "{" SCHEMA ",\"id\":null,\"latency\":null,\"warnings\":null}", 0, "" },
	{ "what it does not know", "{" SCHEMA ",\"a\":[[{\"b\":[1]}]],\"c\":{}}", 0, "" },
	{ "a name too long for a path", "{\"" LONG_NAME "\":{\"download\":1}," SCHEMA "}", 0, "" },
	{ "a name with a NUL", "{\"\\u0000\":[1,2]," SCHEMA "}", 0, "" },
	{ "the schema last", "{\"download\":{\"bytes\":5}," SCHEMA "}", 0, "" },
	{ "nothing", "", -EBADMSG, "JSON" },
	{ "cut off", "{" SCHEMA ",\"download\":{\"goodput", -EBADMSG, "JSON" },
	{ "behind its end", "{" SCHEMA "}{", -EBADMSG, "JSON" },
	{ "no object", "[1]", -EBADMSG, "schema" },
	{ "no schema", "{\"download\":null}", -EBADMSG, "schema" },
	{ "another schema", "{\"schema\":\"radar-pod/trace/1\"}", -EBADMSG, "schema" },
	{ "a schema that is no text", "{\"schema\":1}", -EBADMSG, "schema: no text" },
	{ "a later version", "{\"schema\":\"radar-pod/result/2\"}", -EPROTONOSUPPORT, "version 2" },
	{ "a later version with other types",
	  "{\"schema\":\"radar-pod/result/10\",\"download\":[1]}", -EPROTONOSUPPORT, "version 10" },
	{ "a rate in words", "{" SCHEMA ",\"download\":{\"goodput_mbps\":\"fast\"}}", -EBADMSG,
	  "download.goodput_mbps: no number" },
	{ "a negative rate", "{" SCHEMA ",\"upload\":{\"goodput_mbps\":-1}}", -EBADMSG,
	  "upload.goodput_mbps" },
	{ "a rate that no double holds", "{" SCHEMA ",\"upload\":{\"goodput_mbps\":1e999}}",
	  -EBADMSG, "upload.goodput_mbps" },
	{ "that which is no member for its name", "{" SCHEMA ",\"download.bytes\":[]}", 0, "" },
	{ "that which is none for its place", "{\"\":{" SCHEMA "}}", -EBADMSG, "schema" },
	{ "a number in an array", "{" SCHEMA ",\"warnings\":[1]}", -EBADMSG,
	  "warnings.0: no text" },
	{ "an array for an object", "{" SCHEMA ",\"download\":[]}", -EBADMSG,
	  "download: no object" },
	{ "a number for a flag", "{" SCHEMA ",\"interrupted\":0}", -EBADMSG, "interrupted" },
	{ "deeper than any result", "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}", -EBADMSG,
	  "JSON" },
};

static void it_reads(void **state)
{
	const struct read_case *c = *state;
	struct told_result r;
	struct err err = {};

	assert_int_equal(result_read(c->text, strlen(c->text), &r, &err), c->want);
	assert_non_null(strstr(err.text, c->want_words));
}

static void of_many_warnings_the_first_are_kept(void **state)
{
	char text[2048] = "{" SCHEMA ",\"warnings\":[\"w\"";
	struct told_result r;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, ",\"w\"");
	strcat(text, "]}");
	assert_int_equal(result_read(text, strlen(text), &r, NULL), 0);
	assert_int_equal(r.warnings_count, RESULT_TOLD_TEXTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_one_is_read),
		cmocka_unit_test(of_many_warnings_the_first_are_kept),
	};
	int failed = CASES_RUN(it_reads, read_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
