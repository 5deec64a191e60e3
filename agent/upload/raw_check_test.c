#include "agent/upload/raw_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/store.h"
#include "tests/cases.h"
#include "transport/base/err.h"

#define DOWN                                                                                       \
	"{\"Key\":\"measurement\",\"Value\":{\"AppInfo\":{\"NumBytes\":7340032,\"ElapsedTime\":"   \
	"313308},\"Origin\":\"client\",\"Test\":\"download\"}}\n"
#define UP                                                                                         \
	"{\"Key\":\"measurement\",\"Value\":{\"AppInfo\":{\"NumBytes\":2097152,\"ElapsedTime\":"   \
	"796261},\"Origin\":\"client\",\"Test\":\"upload\"}}\n"
#define SUMMARY                                                                                    \
	"{\"Download\":{\"Value\":187.42},\"Upload\":{\"Value\":21.07},\"MinRTT\":{\"Value\":11."  \
	"8}}"
#define ROW(value)         "{\"Key\":\"measurement\",\"Value\":" value "}\n"
#define SERVER(test, more) ROW("{\"Origin\":\"server\",\"Test\":\"" test "\"," more "}")
#define NDT7(lines)        DOWN UP lines SUMMARY
#define SUM(down, up, rtt) DOWN UP "{\"Download\":" down ",\"Upload\":" up ",\"MinRTT\":" rtt "}"

/* An upload of 66.7 Mbit/s by the server's count, whatever we have counted. */
#define SERVED(count)                                                                              \
	DOWN UP SERVER(                                                                            \
		"upload",                                                                          \
		"\"" count                                                                         \
		"2084375,\"ElapsedTime\":250000}") "{\"Download\":{\"Value\":187.42},\"Upload\":{" \
						   "\"Value\":66.7},\"MinRTT\":{\"Value\":1}}"

/* `why` is a part of the sentence; NULL: it may be sent. */
struct raw_case {
	const char *name, *text, *why;
	size_t n; /* 0: all of the text */
};

/* --- NDT7 ---------------------------------------------------------------------------------------- */

static struct raw_case ndt7_cases[] = {
	{ "R31 as it is made", NDT7("") "\n", NULL },
	{ "no line feed at the end", NDT7(""), NULL },
	{ "several line feeds at the end", NDT7("") "\n\n\n", NULL },
	{ "a server's row with everything",
	  NDT7(SERVER("download", "\"ConnectionInfo\":{\"Client\":\"192.0.2.17:40112\",\"UUID\":"
	                          "\"ndt-abc\"},\"TCPInfo\":{\"BytesSent\":9,\"BytesRetrans\":0}")),
	  NULL },
	{ "an upload's row without BytesSent",
	  NDT7(SERVER("upload", "\"TCPInfo\":{\"BytesReceived\":9}")), NULL },
	{ "members that are not known", NDT7(SERVER("upload", "\"X\":[null,{\"Y\":null}]")), NULL },
	{ "bytes of 0 after others", NDT7(SERVER("upload", "\"AppInfo\":{\"NumBytes\":0}")), NULL },
	{ "a name with an escape",
	  DOWN UP "{\"\\u0044ownload\":{\"Value\":187.42},\"Upload\":{\"Value\":21.07},\"MinRTT\":{"
	          "\"Value\":1}}",
	  NULL },

	{ "R32 the download's rate, to a microsecond",
	  DOWN UP "{\"Download\":{\"Value\":187.420307},\"Upload\":{\"Value\":21.07},"
	          "\"MinRTT\":{\"Value\":1}}",
	  NULL },
	{ "R32 another download than the rows'",
	  SUM("{\"Value\":187.40}", "{\"Value\":1}", "{\"Value\":1}"),
	  "Download.Value is not what the last row of the client says" },
	{ "R32 the last row counts",
	  NDT7(ROW("{\"AppInfo\":{\"NumBytes\":7340032,\"ElapsedTime\":313400},\"Origin\":"
	           "\"client\",\"Test\":\"download\"}")),
	  "Download.Value is not what the last row of the client says" },
	{ "R32 a row that tells no time does not",
	  NDT7(ROW("{\"AppInfo\":{\"NumBytes\":7340033},\"Origin\":\"client\",\"Test\":"
	           "\"download\"}")),
	  NULL },
	{ "R32 the upload as the server's kernel counts it",
	  SERVED("TCPInfo\":{\"BytesReceived\":"), NULL },
	{ "R32 the upload as the server counts it", SERVED("AppInfo\":{\"NumBytes\":"), NULL },
	{ "R32 another upload than any row's",
	  SUM("{\"Value\":187.42}", "{\"Value\":21.09}", "{\"Value\":1}"),
	  "Upload.Value is not what a row of the server or the client says" },

	{ "nothing", "", "it is empty" },
	{ "line feeds alone", "\n\n", "line 1 of the raw result: it is empty" },
	{ "the last line is no JSON", NDT7("") "\nnull x",
	  "line 3 of the raw result: Key is missing" },
	{ "the last line is half", DOWN UP "{\"Download\":{\"Val", "line 3" },
	{ "a blank at the end", NDT7("") "\n ", "line 3 of the raw result: Key is missing" },
	{ "a carriage return at the end", NDT7("") "\r\n", "does not begin and end as an object" },
	{ "the summary is not last", SUMMARY "\n" DOWN UP,
	  "line 1 of the raw result: Key is missing" },
	{ "no summary", DOWN UP, "line 2 of the raw result: Download is missing" },
	{ "summary without Download", DOWN UP "{\"Upload\":{\"Value\":1},\"MinRTT\":{\"Value\":1}}",
	  "Download is missing" },
	{ "summary without Upload", DOWN UP "{\"Download\":{\"Value\":1},\"MinRTT\":{\"Value\":1}}",
	  "Upload is missing" },
	{ "summary without MinRTT", DOWN UP "{\"Download\":{\"Value\":1},\"Upload\":{\"Value\":1}}",
	  "MinRTT is missing" },
	{ "a value of null", SUM("{\"Value\":null}", "{\"Value\":1}", "{\"Value\":1}"),
	  "Download.Value is null" },
	{ "an object that is null", SUM("{\"Value\":1}", "null", "{\"Value\":1}"),
	  "Upload is null" },
	{ "an object that is a number", SUM("{\"Value\":1}", "{\"Value\":1}", "11.8"),
	  "MinRTT is no object" },
	{ "an object without its value", SUM("{\"Value\":1}", "{}", "{\"Value\":1}"),
	  "Upload.Value is missing" },
	{ "a value that is text", SUM("{\"Value\":\"1\"}", "{\"Value\":1}", "{\"Value\":1}"),
	  "Download.Value is no number" },
	{ "R33 a download of 0", SUM("{\"Value\":0}", "{\"Value\":1}", "{\"Value\":1}"),
	  "Download.Value is not above 0" },
	{ "R33 an upload of 0.0", SUM("{\"Value\":1}", "{\"Value\":0.0}", "{\"Value\":1}"),
	  "Upload.Value is not above 0" },
	{ "an upload below 0", SUM("{\"Value\":1}", "{\"Value\":-3}", "{\"Value\":1}"),
	  "Upload.Value is not above 0" },
	{ "more than any number", SUM("{\"Value\":1e999}", "{\"Value\":1}", "{\"Value\":1}"),
	  "Download.Value is no number" },
	{ "a number of 100 digits",
	  SUM("{\"Value\":1."
	      "00000000000000000000000000000000000000000000000000000000000000000000000000}",
	      "{\"Value\":1}", "{\"Value\":1}"),
	  "Download.Value is no number" },
	{ "a value twice", SUM("{\"Value\":1,\"Value\":null}", "{\"Value\":1}", "{\"Value\":1}"),
	  "Download.Value is there twice" },
	{ "a line that is an array", NDT7("[1]\n"), "does not begin and end as an object" },
	{ "a line that is a number", NDT7("3\n"), "does not begin and end as an object" },
	{ "a line that is null", NDT7("null\n"), "does not begin and end as an object" },
	{ "two objects on a line", NDT7("{}{}\n"), "it is no JSON" },
	{ "an empty line between", NDT7("\n"), "line 3 of the raw result: it is empty" },
	{ "half a line", NDT7("{\"Key\":\"measurement\",\"Value\":{}\n"), "it is no JSON" },
	{ "R31 Value of null", NDT7(ROW("null")), "Value is null" },
	{ "Value that is text", NDT7(ROW("\"x\"")), "Value is no object" },
	{ "no Value", NDT7("{\"Key\":\"measurement\"}\n"), "Value is missing" },
	{ "another key",
	  NDT7("{\"Key\":\"error\",\"Value\":{\"Origin\":\"client\",\"Test\":\"upload\"}}\n"),
	  "Key is not \"measurement\"" },
	{ "R31 ConnectionInfo of null", NDT7(SERVER("upload", "\"ConnectionInfo\":null")),
	  "Value.ConnectionInfo is null" },
	{ "ConnectionInfo that is text", NDT7(SERVER("upload", "\"ConnectionInfo\":\"x\"")),
	  "Value.ConnectionInfo is no object" },
	{ "UUID that is a number", NDT7(SERVER("upload", "\"ConnectionInfo\":{\"UUID\":3}")),
	  "UUID is no text" },
	{ "AppInfo without NumBytes", NDT7(SERVER("upload", "\"AppInfo\":{\"ElapsedTime\":3}")),
	  "Value.AppInfo.NumBytes is missing" },
	{ "AppInfo of null", NDT7(SERVER("upload", "\"AppInfo\":null")), "Value.AppInfo is null" },
	{ "NumBytes of null", NDT7(SERVER("upload", "\"AppInfo\":{\"NumBytes\":null}")),
	  "Value.AppInfo.NumBytes is null" },
	{ "NumBytes below 0", NDT7(SERVER("upload", "\"AppInfo\":{\"NumBytes\":-1}")),
	  "Value.AppInfo.NumBytes is below 0" },
	{ "NumBytes with a fraction", NDT7(SERVER("upload", "\"AppInfo\":{\"NumBytes\":1.5}")),
	  "Value.AppInfo.NumBytes is no count" },
	{ "NumBytes of 30 digits",
	  NDT7(SERVER("upload", "\"AppInfo\":{\"NumBytes\":100000000000000000000000000000}")),
	  "Value.AppInfo.NumBytes is no count" },
	{ "R31 a download's TCPInfo without BytesSent",
	  NDT7(SERVER("download", "\"TCPInfo\":{\"BytesRetrans\":1}")),
	  "Value.TCPInfo.BytesSent is missing" },
	{ "R31 a download's TCPInfo with BytesSent of 0",
	  NDT7(SERVER("download", "\"TCPInfo\":{\"BytesSent\":0}")),
	  "Value.TCPInfo.BytesSent is not above 0" },
	{ "BytesRetrans below 0",
	  NDT7(SERVER("download", "\"TCPInfo\":{\"BytesSent\":1,\"BytesRetrans\":-1}")),
	  "Value.TCPInfo.BytesRetrans is below 0" },
	{ "TCPInfo of null", NDT7(SERVER("upload", "\"TCPInfo\":null")), "Value.TCPInfo is null" },
	{ "a test of no name", NDT7(ROW("{\"Origin\":\"client\",\"Test\":\"both\"}")),
	  "Value.Test is neither" },
	{ "no test", NDT7(ROW("{\"Origin\":\"client\"}")), "Value.Test is missing" },
	{ "no row of the upload", DOWN SUMMARY, "no line before it counts bytes of the upload" },
	{ "no row of the download", UP SUMMARY, "no line before it counts bytes of the download" },
	{ "the summary alone", SUMMARY, "no line before it counts bytes of the download" },
	{ "bytes that are not UTF-8", NDT7(SERVER("upload", "\"X\":\"\xff\"")), "it is no JSON" },
	{ "a byte order mark", "\xef\xbb\xbf" NDT7(""), "line 1" },
	{ "a NUL", NDT7("") "\0", "line 3", sizeof(NDT7("")) },
	{ "70 levels",
	  NDT7(SERVER("upload",
	              "\"X\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
	              "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")),
	  "it is no JSON" },
};
/* --- OOKLA --------------------------------------------------------------------------------------- */

#define OOKLA(type, ping, down, up, result)                                                        \
	"{\"type\":" type ",\"ping\":" ping ",\"download\":" down ",\"upload\":" up                \
	",\"packetLoss\":0.4,\"result\":" result "}"
#define PING "{\"jitter\":0.61,\"latency\":9.2}"
#define D    "{\"bandwidth\":23400000,\"bytes\":251000000,\"elapsed\":10712}"
#define U    "{\"bandwidth\":2600000,\"bytes\":20900000,\"elapsed\":8040}"
#define R    "{\"id\":\"6f7b0c1e\",\"persisted\":true}"
#define T    "\"result\""

static struct raw_case ookla_cases[] = {
	{ "R34 as it is made", OOKLA(T, PING, D, U, R), NULL },
	{ "white space around it", " \n" OOKLA(T, PING, D, U, R) "\r\n", NULL },
	{ "without latency, jitter and id", OOKLA(T, "{}", D, U, "{}"), NULL },
	{ "jitter of null", OOKLA(T, "{\"jitter\":null}", D, U, R), NULL },
	{ "two values", OOKLA(T, PING, D, U, R) "{}", "it is no JSON" },
	{ "half of it", "{\"type\":\"result\",\"ping\":{", "it is no JSON" },
	{ "an array", "[]", "no object" },
	{ "null", "null", "no object" },
	{ "a log line", "{\"type\":\"log\",\"level\":\"error\"}", "download is missing" },
	{ "of another type", OOKLA("\"testStart\"", PING, D, U, R), "type is not \"result\"" },
	{ "no ping", OOKLA(T, "null", D, U, R), "ping is null" },
	{ "no download", OOKLA(T, PING, "null", U, R), "download is null" },
	{ "no upload", OOKLA(T, PING, D, "3", R), "upload is no object" },
	{ "no result", OOKLA(T, PING, D, U, "[]"), "result is no object" },
	{ "no bandwidth", OOKLA(T, PING, "{\"bytes\":3}", U, R), "download.bandwidth is missing" },
	{ "R34 ping is not there",
	  "{\"type\":\"result\",\"download\":" D ",\"upload\":" U ",\"result\":" R "}",
	  "ping is missing" },
	{ "R34 download is not there",
	  "{\"type\":\"result\",\"ping\":" PING ",\"upload\":" U ",\"result\":" R "}",
	  "download is missing" },
	{ "R34 upload is not there",
	  "{\"type\":\"result\",\"ping\":" PING ",\"download\":" D ",\"result\":" R "}",
	  "upload is missing" },
	{ "R34 result is not there",
	  "{\"type\":\"result\",\"ping\":" PING ",\"download\":" D ",\"upload\":" U "}",
	  "result is missing" },
	{ "R34 type is not there",
	  "{\"ping\":" PING ",\"download\":" D ",\"upload\":" U ",\"result\":" R "}",
	  "type is missing" },
	{ "R34 no bytes of the download", OOKLA(T, PING, "{\"bandwidth\":3}", U, R),
	  "download.bytes is missing" },
	{ "R34 no bandwidth of the upload", OOKLA(T, PING, D, "{\"bytes\":3}", R),
	  "upload.bandwidth is missing" },
	{ "no bytes", OOKLA(T, PING, D, "{\"bandwidth\":3}", R), "upload.bytes is missing" },
	{ "R33 a bandwidth of 0", OOKLA(T, PING, D, "{\"bandwidth\":0,\"bytes\":3}", R),
	  "upload.bandwidth is not above 0" },
	{ "bytes below 0", OOKLA(T, PING, D, "{\"bandwidth\":1,\"bytes\":-3}", R),
	  "upload.bytes is not above 0" },
	{ "latency that is text", OOKLA(T, "{\"latency\":\"9\"}", D, U, R),
	  "ping.latency is no number" },
	{ "download twice", OOKLA(T, PING, D ",\"download\":null", U, R),
	  "download is there twice" },
};

/* A copy of just so many bytes: what is read beyond them is found. */
static int check(enum raw_style style, const struct raw_case *c, struct raw_figures *f,
                 struct err *err)
{
	size_t n = c->n ? c->n : strlen(c->text);
	char *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, c->text, n);
	r = raw_check(style, copy, n, f, err);
	free(copy);
	return r;
}

static void is_checked(enum raw_style style, const struct raw_case *c)
{
	struct raw_figures f = {};
	struct err err = {};
	int r = check(style, c, &f, &err);

	if (!c->why) {
		if (r != 0)
			fail_msg("%s", err.text);
		assert_true(f.download_mbps > 0 && f.upload_mbps > 0);
		assert_true(f.download_bytes > 0 && f.upload_bytes > 0);
		return;
	}
	assert_int_equal(r, -EBADMSG);
	if (!strstr(err.text, c->why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, c->why);
	assert_true(f.download_bytes == 0);
}

static void ndt7_is_checked(void **state)
{
	is_checked(RAW_NDT7, *state);
}

static void ookla_is_checked(void **state)
{
	is_checked(RAW_OOKLA, *state);
}

static void figures_are_the_services(void **state)
{
	struct raw_figures f;

	(void)state;
	assert_int_equal(raw_check(RAW_NDT7, NDT7(""), strlen(NDT7("")), &f, NULL), 0);
	assert_true(f.download_mbps == 187.42 && f.upload_mbps == 21.07);
	assert_true(f.download_bytes == 7340032 && f.upload_bytes == 2097152);
	assert_int_equal(raw_check(RAW_OOKLA, OOKLA(T, PING, D, U, R),
	                           strlen(OOKLA(T, PING, D, U, R)), &f, NULL),
	                 0);
	assert_true(f.download_mbps == 187.2 && f.upload_mbps == 20.8);
	assert_true(f.download_bytes == 251000000 && f.upload_bytes == 20900000);
}

/* Whatever is cut off, the service would stumble. */
static void every_truncation_is_refused(void **state)
{
	static const char whole[] = NDT7("");

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		struct raw_case c = { .text = whole, .n = n };
		struct raw_figures f;

		if (n > 0)
			assert_int_equal(check(RAW_NDT7, &c, &f, NULL), -EBADMSG);
	}
}

static void what_is_too_large_is_refused(void **state)
{
	(void)state;
	assert_int_equal(raw_check(RAW_NDT7, "", STORE_RAW_BYTES_MAX + 1, NULL, NULL), -EFBIG);
}

static void styles_are_the_two(void **state)
{
	(void)state;
	assert_string_equal(raw_style_name(RAW_NDT7), "NDT7");
	assert_string_equal(raw_style_name(RAW_OOKLA), "OOKLA");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_the_services),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_is_too_large_is_refused),
		cmocka_unit_test(styles_are_the_two),
	};
	int failed = CASES_RUN(ndt7_is_checked, ndt7_cases);

	failed += CASES_RUN(ookla_is_checked, ookla_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
