/* One direction in virtual time, against servers that follow a script (tests/far_server.h): whose count
 * becomes the figure, and whether it is whole, a part, or nothing. The sockets carry none of the bytes, so
 * that our own kernel's counts stay at nothing here. */
#include "measure/subtest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "measure/feed.h"
#include "measure/watch.h"
#include "tests/cases.h"
#include "tests/far_server.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/loop/loop_script.h"
#include "transport/url.h"

#define ACTS_MAX 8

#define TCP(us, bytes)                                                                             \
	FAR_TEXT, "{\"TCPInfo\":{\"ElapsedTime\":" #us ",\"BytesReceived\":" #bytes "}}"
#define APP(us, bytes) FAR_TEXT, "{\"AppInfo\":{\"ElapsedTime\":" #us ",\"NumBytes\":" #bytes "}}"
#define DATA           FAR_BINARY, .bytes = 8192
#define END_AT(ms)                                                                                 \
	{ ms, FAR_CLOSE },                                                                         \
	{                                                                                          \
		ms + 50, FAR_END                                                                   \
	}

struct play {
	struct loop *loop;
	struct subtest *subtest;
	struct feed feed;
	struct direction_result result;
	struct loop_timer stop;
	unsigned int connected, measured, ended;
	bool served;
	void (*looked)(void *owner); /* may be NULL */
	bool stood_still;
};

static struct subtest_case {
	const char *name;
	enum ndt7_test test;
	struct far_act acts[ACTS_MAX];
	uint64_t stop_ms; /* 0: it is not stopped */
	enum direction_state state;
	enum ndt7_ending ending;
	enum goodput_source source;
	uint64_t bytes, elapsed_ms; /* where the source is the server: as it said */
	uint64_t unreadable, unbelieved;
} subtest_cases[] = {
	{ "N28 download, Close at 2 s",
	  NDT7_DOWNLOAD,
	  { { 100, DATA }, { 1900, DATA }, END_AT(2000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_CLIENT_RECEIVED },
	{ "N29 download, FIN at 3 s",
	  NDT7_DOWNLOAD,
	  { { 2900, DATA }, { 3000, FAR_END } },
	  0,
	  DIRECTION_PARTIAL,
	  NDT7_ENDING_END,
	  GOODPUT_CLIENT_RECEIVED },
	{ "N31 download, one frame, then silence",
	  NDT7_DOWNLOAD,
	  { { 100, DATA } },
	  0,
	  DIRECTION_PARTIAL,
	  NDT7_ENDING_STALL,
	  GOODPUT_CLIENT_RECEIVED },
	{ "N31 download, silence",
	  NDT7_DOWNLOAD,
	  {},
	  0,
	  DIRECTION_FAILED,
	  NDT7_ENDING_STALL,
	  GOODPUT_NONE },
	{ "N14 download, a violation behind data",
	  NDT7_DOWNLOAD,
	  { { 100, DATA }, { 1000, FAR_MASKED } },
	  0,
	  DIRECTION_PARTIAL,
	  NDT7_ENDING_VIOLATION,
	  GOODPUT_CLIENT_RECEIVED },
	{ "N14 download, nothing but a violation",
	  NDT7_DOWNLOAD,
	  { { 100, FAR_MASKED } },
	  0,
	  DIRECTION_FAILED,
	  NDT7_ENDING_VIOLATION,
	  GOODPUT_NONE },
	{ "N25 download, a text that is none",
	  NDT7_DOWNLOAD,
	  { { 100, DATA }, { 200, FAR_TEXT, "hello" }, END_AT(1000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_CLIENT_RECEIVED,
	  .unreadable = 1 },
	{ "N25 download, a text that is not UTF-8",
	  NDT7_DOWNLOAD,
	  { { 100, DATA }, { 200, FAR_TEXT, "{\"a\":\"\xff\"}" }, END_AT(1000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_CLIENT_RECEIVED,
	  .unreadable = 1 },
	{ "download, stopped",
	  NDT7_DOWNLOAD,
	  { { 100, DATA }, { 900, DATA } },
	  1000,
	  DIRECTION_PARTIAL,
	  NDT7_ENDING_STOP,
	  GOODPUT_CLIENT_RECEIVED },
	{ "download, stopped before anything came",
	  NDT7_DOWNLOAD,
	  {},
	  1000,
	  DIRECTION_FAILED,
	  NDT7_ENDING_STOP,
	  GOODPUT_NONE },
	{ "N36 upload, the server's last TCPInfo",
	  NDT7_UPLOAD,
	  { { 5000, TCP(5000000, 5000000) }, { 10000, TCP(10000000, 11000000) }, END_AT(10000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_SERVER_TCP_INFO,
	  11000000,
	  10000 },
	{ "N36 upload, AppInfo",
	  NDT7_UPLOAD,
	  { { 9900, APP(9900000, 7000000) }, END_AT(10000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_SERVER_APP_INFO,
	  7000000,
	  9900 },
	{ "N37 upload, no text",
	  NDT7_UPLOAD,
	  { END_AT(10000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_CLIENT_WRITTEN },
	{ "N43 upload, counters that run backwards",
	  NDT7_UPLOAD,
	  { { 9000, TCP(9000000, 9000000) }, { 9900, TCP(9900000, 5) }, END_AT(10000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_SERVER_TCP_INFO,
	  9000000,
	  9000 },
	{ "N43 upload, more than was sent",
	  NDT7_UPLOAD,
	  { { 1000, TCP(1, 4611686018427387904) }, END_AT(2000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_CLIENT_WRITTEN,
	  .unbelieved = 1 },
	{ "N43 upload, by AppInfo more than was sent",
	  NDT7_UPLOAD,
	  { { 1000, TCP(1000000, 1000000) }, { 1900, APP(1, 9223372036854775807) }, END_AT(2000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_SERVER_TCP_INFO,
	  1000000,
	  1000,
	  .unbelieved = 1 },
	{ "N43 upload, first a time to come",
	  NDT7_UPLOAD,
	  { { 100, TCP(10000000, 1000) }, { 1900, TCP(1900000, 2000000) }, END_AT(2000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_SERVER_TCP_INFO,
	  2000000,
	  1900,
	  .unbelieved = 1 },
	{ "N43 upload, a clock 1.9 s ahead",
	  NDT7_UPLOAD,
	  { { 1900, TCP(3800000, 2000000) }, END_AT(2000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_SERVER_TCP_INFO,
	  2000000,
	  3800 },
	{ "upload, a server that falls silent at 4 s",
	  NDT7_UPLOAD,
	  { { 4000, TCP(4000000, 4000000) }, END_AT(10100) },
	  0,
	  DIRECTION_PARTIAL,
	  NDT7_ENDING_TIME,
	  GOODPUT_SERVER_TCP_INFO,
	  4000000,
	  4000 },
	{ "upload, Close at 2 s",
	  NDT7_UPLOAD,
	  { { 2000, TCP(2000000, 2000000) }, END_AT(2000) },
	  0,
	  DIRECTION_COMPLETE,
	  NDT7_ENDING_CLOSE,
	  GOODPUT_SERVER_TCP_INFO,
	  2000000,
	  2000 },
};

static void on_connected(void *owner)
{
	struct play *p = owner;

	p->connected++;
}

static void on_measured(void *owner, const struct measurement *m)
{
	struct play *p = owner;

	(void)m;
	p->measured++;
}

static void on_looked(void *owner)
{
	struct play *p = owner;

	if (p->looked)
		p->looked(p);
}

static void on_ended(void *owner, bool served)
{
	struct play *p = owner;

	p->ended++;
	p->served = served;
	loop_stop(p->loop);
}

static const struct subtest_events events = {
	.connected = on_connected,
	.measured = on_measured,
	.looked = on_looked,
	.ended = on_ended,
};

static void stop(void *owner)
{
	struct play *p = owner;

	subtest_stop(p->subtest);
}

static void begin(struct play *p, struct far *far, const struct far_script *script,
                  enum ndt7_test test)
{
	struct subtest_options o = { .test = test,
		                     .user_agent = "subtest_test",
		                     .events = &events,
		                     .owner = p,
		                     .feed = &p->feed,
		                     .result = &p->result };
	struct url url;
	char text[96];

	*p = (struct play){ .stop = { .fire = stop, .owner = p } };
	assert_int_equal(loop_script_open(&p->loop, NULL), 0);
	far_open(far, p->loop);
	snprintf(text, sizeof(text), "ws://127.0.0.1:%u/ndt/v7/%s", far_add(far, script),
	         ndt7_test_name(test));
	assert_int_equal(url_parse(text, &url, NULL), 0);
	o.loop = p->loop;
	o.url = &url;
	assert_int_equal(subtest_start(&o, &p->subtest, NULL), 0);
	assert_null(subtest_report(p->subtest));
}

static void finish(struct play *p, struct far *far)
{
	assert_int_equal(loop_run(p->loop, loop_now_ns(p->loop) + 30 * NS_PER_S, NULL),
	                 LOOP_STOPPED);
	assert_int_equal(p->ended, 1);
	assert_null(subtest_free(p->subtest));
	assert_null(subtest_free(NULL));
	far_close(far);
	loop_close(p->loop);
}

static void direction_is_judged(void **state)
{
	const struct subtest_case *c = *state;
	struct far_script script = { FAR_UPGRADE, .acts = c->acts };
	const struct direction_result *d;
	struct far far;
	struct play p;

	while (script.acts_count < ACTS_MAX && c->acts[script.acts_count].at_ms)
		script.acts_count++;
	begin(&p, &far, &script, c->test);
	d = &p.result;
	if (c->stop_ms)
		loop_timer_set(p.loop, &p.stop, loop_now_ns(p.loop) + c->stop_ms * NS_PER_MS);
	finish(&p, &far);
	assert_true(p.served && p.connected == 1);
	assert_int_equal(d->report.ending, c->ending);
	assert_int_equal(d->source, c->source);
	assert_int_equal(d->state, c->state);
	assert_int_equal(d->err.code != 0, c->state == DIRECTION_FAILED);
	assert_int_equal(d->unreadable_texts, c->unreadable);
	assert_int_equal(d->unbelieved_texts, c->unbelieved);
	assert_int_equal(direction_goodput_mbps(d).known, c->source != GOODPUT_NONE);
	if (c->bytes) {
		assert_int_equal(d->bytes, c->bytes);
		assert_int_equal(d->elapsed_ns, c->elapsed_ms * NS_PER_MS);
	}
}

static struct refusal_case {
	const char *name;
	struct far_script server;
	uint64_t stop_ms;
	int want_code;
	uint64_t within_ms;
} refusal_cases[] = {
	{ "N12 refused", { FAR_REFUSE }, 0, -ECONNREFUSED, 10 },
	{ "N12 no answer to the SYN", { FAR_NOWHERE }, 0, -ETIMEDOUT, 7000 },
	{ "N12 silence before the upgrade", { FAR_MUTE }, 0, -ETIMEDOUT, 7000 },
	{ "N12 garbage", { FAR_ANSWER, "220 mail.example ESMTP\r\n\r\n" }, 0, -EPROTO, 100 },
	{ "N12 closed at once", { FAR_ANSWER, "H" }, 0, -ECONNRESET, 100 },
	{ "stopped before the upgrade", { FAR_MUTE }, 1000, -ECANCELED, 1000 },
};

static void stand_still(void *owner)
{
	struct play *p = owner;

	if (!p->stood_still && p->connected)
		loop_script_advance(p->loop, 2 * NS_PER_S);
	p->stood_still = p->connected;
}

/* As a stopped process does, or a machine with other work. */
static void pause_of_ours_is_seen(void **state)
{
	static struct far_act acts[] = { { 100, DATA }, { 3900, DATA }, END_AT(4000) };
	struct far_script script = { FAR_UPGRADE, .acts = acts, .acts_count = 4 };
	struct far far;
	struct play p;

	(void)state;
	begin(&p, &far, &script, NDT7_DOWNLOAD);
	finish(&p, &far);
	assert_true(p.result.unseen_ns <= 2 * WATCH_POLL_NS);
	begin(&p, &far, &script, NDT7_DOWNLOAD);
	p.looked = stand_still;
	finish(&p, &far);
	assert_int_equal(p.result.state, DIRECTION_COMPLETE);
	assert_true(p.result.unseen_ns >= 2 * NS_PER_S && p.result.unseen_ns < 3 * NS_PER_S);
}

/* The server's Close never comes, and is waited for until 12.5 s. */
static void limits_end_with_the_count(void **state)
{
	static struct far_act acts[] = { { 9900, TCP(9900000, 9900000) } };
	struct far_script script = { FAR_UPGRADE, .acts = acts, .acts_count = 1 };
	struct far far;
	struct play p;
	const struct limits *const both[] = { &p.result.limits, &p.result.ours };

	(void)state;
	begin(&p, &far, &script, NDT7_UPLOAD);
	finish(&p, &far);
	assert_true(p.result.report.ended_ns - p.result.report.started_ns > 12 * NS_PER_S);
	for (int i = 0; i < 2; i++) {
		uint64_t all_us = both[i]->whole.all_us + both[i]->whole.cpu_us;

		assert_in_range(all_us, 9990000, 10020000);
	}
}

static void target_refuses(void **state)
{
	const struct refusal_case *c = *state;
	uint64_t took_ns;
	struct far far;
	struct play p;

	begin(&p, &far, &c->server, NDT7_DOWNLOAD);
	if (c->stop_ms)
		loop_timer_set(p.loop, &p.stop, loop_now_ns(p.loop) + c->stop_ms * NS_PER_MS);
	assert_int_equal(loop_run(p.loop, loop_now_ns(p.loop) + 30 * NS_PER_S, NULL), LOOP_STOPPED);
	took_ns = loop_now_ns(p.loop) - LOOP_SCRIPT_START_NS;
	loop_stop(p.loop);
	finish(&p, &far);
	assert_false(p.served);
	assert_int_equal(p.connected + p.measured, 0);
	assert_int_equal(p.result.state, DIRECTION_FAILED);
	assert_int_equal(p.result.err.code, c->want_code);
	assert_true(took_ns <= c->within_ms * NS_PER_MS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pause_of_ours_is_seen),
		cmocka_unit_test(limits_end_with_the_count),
	};
	int failed = CASES_RUN(direction_is_judged, subtest_cases);

	failed += CASES_RUN(target_refuses, refusal_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
