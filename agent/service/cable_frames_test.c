#include "agent/service/cable_frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

#define OURS "{\"channel\":\"PodAgentChannel\",\"id\":\"0d5f6c0e-3f52-4b0e-8a55-1c9d2e7b9a10\"}"
#define QUOTED                                                                                     \
	"\"{\\\"channel\\\":\\\"PodAgentChannel\\\",\\\"id\\\":"                                   \
	"\\\"0d5f6c0e-3f52-4b0e-8a55-1c9d2e7b9a10\\\"}\""
#define ESCAPED                                                                                    \
	"\"{\\u0022channel\\u0022:\\\"PodAgentChannel\\\",\\\"id\\\":"                             \
	"\\\"0d5f6c0e-3f52-4b0e-8a55-1c9d2e7b9a10\\\"}\""
#define UPDATE "{\"version\":\"2.5.0\",\"binary_url\":\"/a/b?signed=true\\u0026c=\\u003c\"}"

/* --- what we are told ------------------------------------------------------------------------------ */

static struct frame_case {
	const char *name;
	const char *text;
	int want; /* enum cable_kind, or a negative errno */
	const char *reason;
	bool stay_away;
	const char *on; /* names, each followed by a comma */
	size_t passed_over;
} frame_cases[] = {
	{ "welcome", "{\"type\":\"welcome\"}", CABLE_WELCOME },
	{ "ping", "{\"type\":\"ping\",\"message\":1767225600}", CABLE_PING },
	{ "a ping that says nothing", "{\"type\":\"ping\"}", CABLE_PING },
	{ "confirm", "{\"identifier\":" QUOTED ",\"type\":\"confirm_subscription\"}",
	  CABLE_CONFIRM },
	{ "confirm, escaped another way",
	  "{\"identifier\":" ESCAPED ",\"type\":\"confirm_subscription\"}", CABLE_CONFIRM },
	{ "confirm of another's identifier",
	  "{\"identifier\":\"{}\",\"type\":\"confirm_subscription\"}", CABLE_UNKNOWN },
	{ "confirm without identifier", "{\"type\":\"confirm_subscription\"}", CABLE_UNKNOWN },
	{ "confirm with an object as identifier",
	  "{\"identifier\":" OURS ",\"type\":\"confirm_subscription\"}", CABLE_UNKNOWN },
	{ "reject", "{\"identifier\":" QUOTED ",\"type\":\"reject_subscription\"}", CABLE_REJECT },
	{ "unauthorized",
	  "{\"type\":\"disconnect\",\"reason\":\"unauthorized\",\"reconnect\":false}",
	  CABLE_DISCONNECT, "unauthorized", true },
	{ "server_restart",
	  "{\"type\":\"disconnect\",\"reason\":\"server_restart\",\"reconnect\":true}",
	  CABLE_DISCONNECT, "server_restart" },
	{ "disconnect without a word", "{\"type\":\"disconnect\"}", CABLE_DISCONNECT },
	{ "disconnect for a reason that is no text",
	  "{\"reconnect\":\"false\",\"reason\":{},\"type\":\"disconnect\"}", CABLE_DISCONNECT },
	{ "a reason for a terminal", "{\"type\":\"disconnect\",\"reason\":\"a\\u001b[1m\"}",
	  CABLE_DISCONNECT, "a?[1m" },

	{ "R25: run_test null", "{\"type\":\"run_test\",\"message\":{\"interfaces\":null}}",
	  CABLE_RUN_TEST, .on = "," },
	{ "R25: run_test absent", "{\"type\":\"run_test\",\"message\":{}}", CABLE_RUN_TEST,
	  .on = "," },
	{ "R25: run_test []", "{\"type\":\"run_test\",\"message\":{\"interfaces\":[]}}",
	  CABLE_RUN_TEST, .on = "," },
	{ "R25: run_test [null]", "{\"type\":\"run_test\",\"message\":{\"interfaces\":[null]}}",
	  CABLE_RUN_TEST, .on = "," },
	{ "R25: run_test [\"\"]", "{\"type\":\"run_test\",\"message\":{\"interfaces\":[\"\"]}}",
	  CABLE_RUN_TEST, .on = "," },
	{ "R25: two, and the same again",
	  "{\"message\":{\"interfaces\":[\"eth0\",null,\"wlan0\",\"eth0\",\"\"]},"
	  "\"type\":\"run_test\"}",
	  CABLE_RUN_TEST, .on = "eth0,,wlan0," },
	{ "R25: test_requested is run_test",
	  "{\"identifier\":" QUOTED ",\"message\":{\"event\":\"test_requested\","
	  "\"payload\":{\"interfaces\":[\"eth0\"]}}}",
	  CABLE_RUN_TEST, .on = "eth0," },
	{ "test_requested, members in another order, a type that is null",
	  "{\"message\":{\"payload\":{\"x\":[{}],\"interfaces\":null},\"event\":\"test_requested\"}"
	  ",\"type\":null,\"identifier\":" QUOTED "}",
	  CABLE_RUN_TEST, .on = "," },
	{ "test_requested to another",
	  "{\"identifier\":\"x\",\"message\":{\"event\":\"test_requested\",\"payload\":{}}}",
	  CABLE_UNKNOWN },
	{ "R24: test_requested without payload",
	  "{\"identifier\":" QUOTED ",\"message\":{\"event\":\"test_requested\"}}", -EBADMSG },
	{ "R24: test_requested, payload null",
	  "{\"identifier\":" QUOTED ",\"message\":{\"event\":\"test_requested\",\"payload\":null}}",
	  -EBADMSG },
	{ "R24: run_test, message null", "{\"type\":\"run_test\",\"message\":null}", -EBADMSG },
	{ "R24: run_test, message a list", "{\"type\":\"run_test\",\"message\":[1]}", -EBADMSG },
	{ "R24: run_test without message", "{\"type\":\"run_test\"}", -EBADMSG },
	{ "R24: interfaces is text",
	  "{\"type\":\"run_test\",\"message\":{\"interfaces\":\"eth0\"}}", -EBADMSG },
	{ "R24: interfaces is an object",
	  "{\"type\":\"run_test\",\"message\":{\"interfaces\":{\"0\":\"eth0\"}}}", -EBADMSG },
	{ "R25: what is no name is passed over",
	  "{\"type\":\"run_test\",\"message\":{\"interfaces\":[1,{\"a\":\"b\"},[\"c\"],true,"
	  "\"sixteen_letters_\",\"eth0\"]}}",
	  CABLE_RUN_TEST, .on = "eth0,", .passed_over = 5 },
	{ "R25: no name at all, and no test then",
	  "{\"type\":\"run_test\",\"message\":{\"interfaces\":[1]}}", CABLE_RUN_TEST, .on = "",
	  .passed_over = 1 },
	{ "R25: more names than a test has room for",
	  "{\"type\":\"run_test\",\"message\":{\"interfaces\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\","
	  "\"g\",\"h\",\"i\",\"j\"]}}",
	  CABLE_RUN_TEST, .on = "a,b,c,d,e,f,g,h,", .passed_over = 2 },

	{ "update", "{\"type\":\"update\",\"message\":" UPDATE "}", CABLE_UPDATE },
	{ "version_changed is update",
	  "{\"identifier\":" QUOTED
	  ",\"message\":{\"event\":\"version_changed\",\"payload\":" UPDATE "}}",
	  CABLE_UPDATE },
	{ "update_watchdog", "{\"type\":\"update_watchdog\",\"message\":" UPDATE "}",
	  CABLE_UPDATE_WATCHDOG },
	{ "watchdog_version_changed is update_watchdog",
	  "{\"identifier\":" QUOTED
	  ",\"message\":{\"event\":\"watchdog_version_changed\",\"payload\":" UPDATE "}}",
	  CABLE_UPDATE_WATCHDOG },
	{ "R24: update without place", "{\"type\":\"update\",\"message\":{\"version\":\"2.5.0\"}}",
	  -EBADMSG },
	{ "R24: update whose version is a number",
	  "{\"type\":\"update\",\"message\":{\"version\":2,\"binary_url\":\"/\"}}", -EBADMSG },

	{ "R24: unknown type", "{\"type\":\"tea\",\"message\":{}}", CABLE_UNKNOWN },
	{ "R24: unknown event",
	  "{\"identifier\":" QUOTED ",\"message\":{\"event\":\"tea\",\"payload\":{}}}",
	  CABLE_UNKNOWN },
	{ "R24: a type that is a number", "{\"type\":1}", CABLE_UNKNOWN },
	{ "R24: an event's name as type", "{\"type\":\"test_requested\",\"message\":{}}",
	  CABLE_UNKNOWN },
	{ "R24: empty object", "{}", CABLE_UNKNOWN },
	{ "R24: message null", "{\"identifier\":" QUOTED ",\"message\":null}", CABLE_UNKNOWN },
	{ "R24: no object", "[]", -EBADMSG },
	{ "R24: null", "null", -EBADMSG },
	{ "R24: empty", "", -EBADMSG },
	{ "R24: no JSON", "{\"type\":\"welcome\"", -EBADMSG },
	{ "R24: more behind it", "{\"type\":\"welcome\"} x", -EBADMSG },
	{ "R24: deeper than anything of theirs",
	  "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", -EBADMSG },
};

static void frame_reads(void **state)
{
	const struct frame_case *c = *state;
	struct cable_frame f = { .kind = CABLE_UNKNOWN };
	struct err err = {};
	char on[256] = "";
	int r = cable_frame_read(c->text, strlen(c->text), OURS, &f, &err);

	if (c->want < 0) {
		assert_int_equal(r, c->want);
		assert_int_equal(err.code, c->want);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(f.kind, c->want);
	assert_string_equal(f.reason, c->reason ? c->reason : "");
	assert_int_equal(f.stay_away, c->stay_away);
	for (size_t i = 0; i < f.on.count; i++)
		snprintf(on + strlen(on), sizeof(on) - strlen(on), "%s,", f.on.names[i]);
	assert_string_equal(on, c->on ? c->on : "");
	assert_int_equal(f.passed_over, c->passed_over);
	if (f.kind >= CABLE_UPDATE) {
		assert_string_equal(f.version, "2.5.0");
		assert_string_equal(f.url, "/a/b?signed=true&c=<");
	}
}

static void r24_one_mib_of_text(void **state)
{
	static const char head[] = "{\"type\":\"ping\",\"x\":\"", tail[] = "\"}";
	size_t n = CABLE_TEXT_BYTES_MAX;
	char *text = malloc(n + 1);
	struct cable_frame f = {};

	(void)state;
	assert_non_null(text);
	memset(text, 'a', n + 1);
	memcpy(text, head, strlen(head));
	memcpy(text + n - strlen(tail), tail, strlen(tail));
	assert_int_equal(cable_frame_read(text, n, OURS, &f, NULL), 0);
	assert_int_equal(f.kind, CABLE_PING);
	assert_int_equal(cable_frame_read(text, n + 1, OURS, &f, NULL), -EBADMSG);
	free(text);
}

/* --- what we say ------------------------------------------------------------------------------------ */

static void r16_as_the_contract_has_it(void **state)
{
	char identifier[CABLE_IDENTIFIER_BYTES], out[1024];
	int n;

	(void)state;
	cable_identifier_write("0d5f6c0e-3f52-4b0e-8a55-1c9d2e7b9a10", identifier);
	assert_string_equal(identifier, OURS);
	n = cable_subscribe_write(identifier, out, sizeof(out));
	assert_string_equal(out, "{\"command\":\"subscribe\",\"identifier\":" QUOTED "}");
	assert_int_equal(n, strlen(out));
	n = cable_message_write(identifier, "pong", "null", out, sizeof(out));
	assert_string_equal(out, "{\"command\":\"message\",\"identifier\":" QUOTED
	                         ",\"data\":\"{\\\"action\\\":\\\"pong\\\","
	                         "\\\"payload\\\":null}\"}");
	assert_int_equal(n, strlen(out));
}

/* Room is judged, never assumed. */
static void a_message_fits_or_is_refused(void **state)
{
	static const char payload[] = "{\"a\":\"\\\"\\\"\\\"\"}";
	char out[CABLE_MESSAGE_BYTES(sizeof(payload))];
	size_t most = sizeof(out), least = 0;
	int n = cable_message_write(OURS, "sync", payload, out, most);

	(void)state;
	assert_true(n > 0);
	for (size_t room = 1; room < most; room++) {
		char *exact = malloc(room);
		int r = cable_message_write(OURS, "sync", payload, exact, room);

		assert_true(r == n || r == -ENOSPC);
		if (r == n && !least)
			least = room;
		assert_true(!least || r == n);
		free(exact);
	}
	assert_true(least > 0);
	assert_int_equal(cable_subscribe_write(OURS, out, 100), -ENOSPC);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(r24_one_mib_of_text),
		cmocka_unit_test(r16_as_the_contract_has_it),
		cmocka_unit_test(a_message_fits_or_is_refused),
	};
	int failed = CASES_RUN(frame_reads, frame_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
