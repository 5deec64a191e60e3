/* Whole runs in virtual time: which targets are tried in which order, what an end of time or an interrupt
 * leaves, and what a direction that failed says. The servers are tests/far_server.h's; the locate service
 * is a real one on loopback, for which virtual time stands still. */
#include "measure/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "measure/locate.h"
#include "tests/canned.h"
#include "tests/cases.h"
#include "tests/far_server.h"
#include "transport/base/clock.h"
#include "transport/loop/loop.h"
#include "transport/loop/loop_script.h"

#undef run_test /* cmocka has a macro of that name, of its old interface */

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* --- servers ------------------------------------------------------------------------------------ */

#define TEXT_AT(ms, bytes)                                                                         \
	"{\"TCPInfo\":{\"ElapsedTime\":" #ms "000,\"BytesReceived\":" #bytes                       \
	",\"BytesAcked\":" #bytes "}}"

/* Serves either direction: data for who counts it, a count for who sends. */
static const struct far_act whole_acts[] = {
	{ 100, FAR_BINARY, .bytes = 8192 },
	{ 5000, FAR_BINARY, .bytes = 8192 },
	{ 9900, FAR_BINARY, .bytes = 8192 },
	{ 10000, FAR_TEXT, TEXT_AT(10000, 10000000) },
	{ 10000, FAR_CLOSE },
	{ 10050, FAR_END },
};

static const struct far_act quick_acts[] = {
	{ 500, FAR_BINARY, .bytes = 8192 },
	{ 1000, FAR_TEXT, TEXT_AT(1000, 1000000) },
	{ 1000, FAR_CLOSE },
	{ 1050, FAR_END },
};

/* Data now and then, a text now and then, and never an end. */
static struct far_act endless_acts[100];

static const struct far_script whole = { FAR_UPGRADE, .acts = whole_acts,
	                                 .acts_count = COUNT(whole_acts) };
static const struct far_script quick = { FAR_UPGRADE, .acts = quick_acts,
	                                 .acts_count = COUNT(quick_acts) };
static const struct far_script endless = { FAR_UPGRADE, .acts = endless_acts,
	                                   .acts_count = COUNT(endless_acts) };
static const struct far_script silent = { FAR_UPGRADE };
static const struct far_script mute = { FAR_MUTE };
static const struct far_script nowhere = { FAR_NOWHERE };
static const struct far_script refusing = { FAR_REFUSE };
static const struct far_script unauthorized = {
	FAR_ANSWER, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
};
static const struct far_script busy = {
	FAR_ANSWER, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
};

static void fill_endless(void)
{
	static char texts[COUNT(endless_acts)][96];

	for (size_t i = 0; i < COUNT(endless_acts); i++) {
		bool text = i % 2;

		endless_acts[i] = (struct far_act){ 250 * (i + 1), text ? FAR_TEXT : FAR_BINARY,
			                            .bytes = 8192 };
		snprintf(texts[i], sizeof(texts[i]),
		         "{\"TCPInfo\":{\"ElapsedTime\":%zu000,\"BytesReceived\":%zu}}",
		         250 * (i + 1), 100000 * (i + 1));
		endless_acts[i].text = texts[i];
	}
}

/* --- a run -------------------------------------------------------------------------------------- */

#define HEARD_MAX 32

struct world {
	struct loop *loop;
	struct far far;
	struct run_options options;
	struct canned_server locate;
	struct canned page; /* its answer */
	bool located;
	char answer[16384];
	char url[64];
	uint16_t ports[FAR_SERVERS_MAX];
	struct test_result result;
	uint64_t started_ns;
	char heard[256];      /* "starting connected complete …", without progress */
	uint64_t sleep_ns;    /* of a suspended machine, when the download has ended */
	struct loop_timer at; /* interrupts */
	int stop_fd;
};

static void hear(void *owner, const struct run_event *e)
{
	static const char *const names[] = {
		[RUN_STARTING] = "starting ",
		[RUN_CONNECTED] = "connected ",
		[RUN_ERROR] = "error ",
		[RUN_COMPLETE] = "complete ",
	};
	struct world *w = owner;
	size_t n = strlen(w->heard);

	if (e->kind == RUN_MEASUREMENT || e->kind == RUN_PROGRESS)
		return;
	if (e->kind == RUN_ERROR)
		assert_true(strlen(e->failure) > 0);
	snprintf(w->heard + n, sizeof(w->heard) - n, "%s", names[e->kind]);
	if (e->kind == RUN_COMPLETE && e->test == NDT7_DOWNLOAD)
		loop_script_advance(w->loop, w->sleep_ns);
}

static void interrupt(void *owner)
{
	struct world *w = owner;

	assert_int_equal(eventfd_write(w->stop_fd, 1), 0);
}

static void begin_world(struct world *w, const struct far_script *const *scripts)
{
	*w = (struct world){ .options = { .download = true,
		                          .upload = true,
		                          .scheme = RUN_SCHEME_WS,
		                          .client_name = "run_test",
		                          .client_version = "1",
		                          .hear = hear,
		                          .stop_fd = -1 } };
	assert_int_equal(loop_script_open(&w->loop, NULL), 0);
	w->options.loop = w->loop;
	w->options.owner = w;
	w->at = (struct loop_timer){ .fire = interrupt, .owner = w };
	far_open(&w->far, w->loop);
	for (size_t i = 0; i < FAR_SERVERS_MAX && scripts[i]; i++)
		w->ports[i] = far_add(&w->far, scripts[i]);
}

static void end_world(struct world *w)
{
	far_close(&w->far);
	loop_close(w->loop);
	if (w->located)
		canned_stop(&w->locate);
	if (w->stop_fd > 0)
		close(w->stop_fd);
}

static void interrupt_at(struct world *w, uint64_t ms)
{
	w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(w->stop_fd >= 0);
	w->options.stop_fd = w->stop_fd;
	w->far.stop_watched = true;
	loop_timer_set(w->loop, &w->at, loop_now_ns(w->loop) + ms * NS_PER_MS);
}

/* The list that the service answers with: every server, with a token of its own. */
static void write_list(struct world *w)
{
	char list[8192] = "{\"results\":[";
	size_t n = strlen(list);

	for (size_t i = 0; i < w->far.servers_count; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n,
		                      "%s{\"machine\":\"m%zu\",\"urls\":{"
		                      "\"ws:///ndt/v7/download\":\"ws://127.0.0.1:%u/ndt/v7/"
		                      "download?access_token=t%zu\","
		                      "\"ws:///ndt/v7/upload\":\"ws://127.0.0.1:%u/ndt/v7/"
		                      "upload?access_token=t%zu\"}}",
		                      i ? "," : "", i, w->ports[i], i, w->ports[i], i);
	n += (size_t)snprintf(list + n, sizeof(list) - n, "]}");
	snprintf(w->answer, sizeof(w->answer),
	         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
	         "Content-Length: %zu\r\n\r\n%s",
	         n, list);
}

/* The locate service; `answer` is NULL for a list of the servers. */
static void locate_answers(struct world *w, const char *answer)
{
	if (answer)
		snprintf(w->answer, sizeof(w->answer), "%s", answer);
	else
		write_list(w);
	w->page = (struct canned){ .path = "/nearest", .answer = w->answer };
	w->locate = canned_start(&w->page, 1, NULL);
	w->located = true;
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/nearest", w->locate.port);
	w->options.locate_url = w->url;
}

static void run(struct world *w)
{
	struct err err = {};
	int r;

	w->started_ns = loop_now_ns(w->loop);
	r = run_test(&w->options, &w->result, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_string_equal(w->result.io, "script");
}

/* "0 2": the first server, then the third, in the order of the dials. */
static const char *visits(const struct world *w)
{
	static char text[FAR_VISITS_MAX * 4];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < w->far.visits_count; i++) {
		size_t server = 0;

		while (w->ports[server] != w->far.visits[i].port)
			server++;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%zu", i ? " " : "", server);
	}
	return text;
}

static bool warned(const struct test_result *r, const char *words)
{
	for (size_t i = 0; i < r->warnings_count; i++)
		if (strstr(r->warnings[i], words))
			return true;
	return false;
}

/* Whatever happened: a direction that failed has its reason and no figure, one that measured has both
 * bytes and their time. */
static void check_direction(const struct direction_result *d)
{
	struct figure goodput = direction_goodput_mbps(d);

	switch (d->state) {
	case DIRECTION_FAILED:
		assert_true(d->err.code < 0 && strlen(d->err.text) > 0);
		assert_false(goodput.known);
		break;
	case DIRECTION_PARTIAL:
	case DIRECTION_COMPLETE:
		assert_true(goodput.known && goodput.value > 0);
		break;
	case DIRECTION_NOT_ASKED:
		assert_false(goodput.known);
		break;
	}
}

/* --- the order of targets ----------------------------------------------------------------------- */

static struct order_case {
	const char *name;
	const struct far_script *servers[FAR_SERVERS_MAX];
	const char *want_visits;
	enum direction_state download, upload;
	int want_exit;
	const char *want_heard;
} order_cases[] = {
	{ "the first serves both",
	  { &whole, &whole },
	  "0 0",
	  DIRECTION_COMPLETE,
	  DIRECTION_COMPLETE,
	  0,
	  "starting connected complete starting connected complete " },
	{ "N71 a dead first target",
	  { &refusing, &quick, &quick },
	  "0 1 1",
	  DIRECTION_COMPLETE,
	  DIRECTION_COMPLETE,
	  0,
	  "starting connected complete starting connected complete " },
	{ "N12 a target that refuses the token",
	  { &unauthorized, &quick },
	  "0 1 1",
	  DIRECTION_COMPLETE,
	  DIRECTION_COMPLETE,
	  0,
	  "starting connected complete starting connected complete " },
	{ "N12 silence before the upgrade",
	  { &mute, &quick },
	  "0 1 1",
	  DIRECTION_COMPLETE,
	  DIRECTION_COMPLETE,
	  0,
	  "starting connected complete starting connected complete " },
	{ "N12 no answer to the SYN",
	  { &nowhere, &quick },
	  "0 1 1",
	  DIRECTION_COMPLETE,
	  DIRECTION_COMPLETE,
	  0,
	  "starting connected complete starting connected complete " },
	{ "N72 all refuse: each once a direction",
	  { &refusing, &busy, &unauthorized },
	  "0 1 2 2 0 1",
	  DIRECTION_FAILED,
	  DIRECTION_FAILED,
	  1,
	  "starting error complete starting error complete " },
	{ "a failure in the test is not tried elsewhere",
	  { &silent, &quick },
	  "0 0",
	  DIRECTION_FAILED,
	  DIRECTION_COMPLETE,
	  3,
	  "starting connected error complete starting connected complete " },
};

static void targets_are_tried_in_order(void **state)
{
	const struct order_case *c = *state;
	struct world w;

	begin_world(&w, c->servers);
	locate_answers(&w, NULL);
	run(&w);
	assert_string_equal(visits(&w), c->want_visits);
	assert_int_equal(w.result.download.state, c->download);
	assert_int_equal(w.result.upload.state, c->upload);
	assert_string_equal(w.heard, c->want_heard);
	assert_int_equal(result_exit_code(&w.result), c->want_exit);
	check_direction(&w.result.download);
	check_direction(&w.result.upload);
	assert_int_equal(w.result.attempts_count, w.far.visits_count);
	assert_int_equal(canned_requests(&w.locate), 1); /* N71 */
	for (size_t i = 0; i < w.far.visits_count; i++)  /* N77: the token as it came */
		if (w.far.visits[i].target[0])
			assert_non_null(strstr(w.far.visits[i].target, "access_token=t"));
	end_world(&w);
}

/* --- a list that grows old ------------------------------------------------------------------------ */

static struct stale_case {
	const char *name;
	uint64_t sleep_ms; /* between the directions, on top of 10 s of download */
	unsigned int want_requests;
} stale_cases[] = {
	{ "the other direction at once", 0, 1 },
	{ "within the tokens' life", 39000, 1 },
	{ "a token is not used past its life", 41000, 2 },
};

static void old_list_is_asked_for_again(void **state)
{
	const struct far_script *servers[FAR_SERVERS_MAX] = { &refusing, &whole, &whole };
	const struct stale_case *c = *state;
	struct world w;

	begin_world(&w, servers);
	locate_answers(&w, NULL);
	w.sleep_ns = c->sleep_ms * NS_PER_MS;
	run(&w);
	assert_int_equal(canned_requests(&w.locate), c->want_requests);
	assert_int_equal(w.result.download.state, DIRECTION_COMPLETE);
	assert_int_equal(w.result.upload.state, DIRECTION_COMPLETE);
	/* A new list is a new order: the service's, from its head. */
	assert_string_equal(visits(&w), c->want_requests == 1 ? "0 1 1" : "0 1 0 1");
	end_world(&w);
}

/* --- the locate service's refusals ------------------------------------------------------------------ */

#define ANSWER(status, body)                                                                       \
	"HTTP/1.1 " status "\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" body

static struct refusal_case {
	const char *name;
	const char *answer;
	const char *want;
} refusal_cases[] = {
	{ "N73 204", "HTTP/1.1 204 No Content\r\n\r\n", "out of capacity" },
	{ "N74 429", ANSWER("429 Too Many Requests", ""), "too many requests" },
	{ "N73 500",
	  ANSWER("500 Oops",
	         "{\"error\":{\"type\":\"nearest\",\"title\":\"none\",\"status\":500}}"),
	  "none for us" },
	{ "N73 an empty list", ANSWER("200 OK", "{\"results\":[]}"), "list is empty" },
	{ "N73 no JSON", ANSWER("200 OK", "<html>"), "locate service" },
};

/* One request in the whole run, whatever it says: backing off is for who runs us again. */
static void refusal_is_final(void **state)
{
	const struct far_script *servers[FAR_SERVERS_MAX] = { &quick };
	const struct refusal_case *c = *state;
	struct world w;

	begin_world(&w, servers);
	locate_answers(&w, c->answer);
	run(&w);
	assert_int_equal(canned_requests(&w.locate), 1);
	assert_int_equal(w.far.visits_count, 0);
	assert_true(w.result.locate_failed);
	assert_int_equal(w.result.download.state, DIRECTION_FAILED);
	assert_int_equal(w.result.upload.state, DIRECTION_FAILED);
	assert_non_null(strstr(w.result.download.err.text, c->want));
	assert_non_null(strstr(w.result.upload.err.text, c->want));
	assert_string_equal(w.heard, "starting error complete starting error complete ");
	assert_int_equal(result_exit_code(&w.result), 1);
	end_world(&w);
}

static void target_without_our_scheme_is_skipped(void **state) /* N76 */
{
	const struct far_script *servers[FAR_SERVERS_MAX] = { &quick };
	struct world w;

	(void)state;
	begin_world(&w, servers);
	locate_answers(&w, NULL);
	w.options.scheme = RUN_SCHEME_WSS;
	run(&w);
	assert_int_equal(w.far.visits_count, 0);
	assert_int_equal(w.result.download.state, DIRECTION_FAILED);
	assert_non_null(strstr(w.result.download.err.text, "offers wss"));
	end_world(&w);
}

/* --- one server, by name -------------------------------------------------------------------------- */

static void point_at(struct world *w)
{
	snprintf(w->url, sizeof(w->url), "ws://127.0.0.1:%u", w->ports[0]);
	w->options.server = w->url;
}

static struct failure_case {
	const char *name;
	const struct far_script *server;
	const char *want;
	uint64_t within_ms; /* of one direction */
} failure_cases[] = {
	{ "N12 refused", &refusing, "refused", 100 },
	{ "N12 503", &busy, "503", 200 },
	{ "N12 no answer to the SYN", &nowhere, "", 7100 },
	{ "N12 silence before the upgrade", &mute, "within 7 s", 7100 },
};

/* It is tried once a direction, and null comes with a reason. */
static void failure_has_a_reason(void **state)
{
	const struct failure_case *c = *state;
	const struct far_script *servers[FAR_SERVERS_MAX] = { c->server };
	struct world w;

	begin_world(&w, servers);
	point_at(&w);
	run(&w);
	assert_string_equal(visits(&w), "0 0");
	assert_int_equal(w.result.download.state, DIRECTION_FAILED);
	assert_int_equal(w.result.upload.state, DIRECTION_FAILED);
	assert_non_null(strstr(w.result.download.err.text, c->want));
	check_direction(&w.result.download);
	check_direction(&w.result.upload);
	assert_true(loop_now_ns(w.loop) - w.started_ns <= 2 * c->within_ms * NS_PER_MS);
	assert_int_equal(result_exit_code(&w.result), 1);
	end_world(&w);
}

static struct only_case {
	const char *name;
	bool download, upload;
} only_cases[] = {
	{ "only the download", true, false },
	{ "only the upload", false, true },
};

static void only_what_was_asked_for_is_done(void **state)
{
	const struct far_script *servers[FAR_SERVERS_MAX] = { &quick };
	const struct only_case *c = *state;
	struct world w;

	begin_world(&w, servers);
	point_at(&w);
	w.options.download = c->download;
	w.options.upload = c->upload;
	run(&w);
	assert_string_equal(visits(&w), "0");
	assert_int_equal(w.result.download.state,
	                 c->download ? DIRECTION_COMPLETE : DIRECTION_NOT_ASKED);
	assert_int_equal(w.result.upload.state,
	                 c->upload ? DIRECTION_COMPLETE : DIRECTION_NOT_ASKED);
	assert_int_equal(result_exit_code(&w.result), 0);
	end_world(&w);
}

/* --- ends that are ours --------------------------------------------------------------------------- */

static struct interrupt_case {
	const char *name;
	const struct far_script *server;
	uint64_t at_ms;
	enum direction_state download, upload;
	uint64_t within_ms; /* of the interrupt */
} interrupt_cases[] = {
	{ "N88 in the download: a part", &endless, 3000, DIRECTION_PARTIAL, DIRECTION_FAILED,
	  1000 },
	{ "in the upload: the download stays", &whole, 14000, DIRECTION_COMPLETE, DIRECTION_PARTIAL,
	  1000 },
	{ "while it connects", &nowhere, 500, DIRECTION_FAILED, DIRECTION_FAILED, 100 },
	{ "before anything came", &silent, 2000, DIRECTION_FAILED, DIRECTION_FAILED, 1000 },
};

static void interrupt_keeps_what_was_measured(void **state)
{
	const struct interrupt_case *c = *state;
	const struct far_script *servers[FAR_SERVERS_MAX] = { c->server };
	uint64_t took_ns;
	struct world w;

	begin_world(&w, servers);
	point_at(&w);
	interrupt_at(&w, c->at_ms);
	run(&w);
	took_ns = loop_now_ns(w.loop) - w.started_ns;
	assert_true(w.result.interrupted);
	assert_int_equal(w.result.download.state, c->download);
	assert_int_equal(w.result.upload.state, c->upload);
	check_direction(&w.result.download);
	check_direction(&w.result.upload);
	assert_in_range(took_ns, c->at_ms * NS_PER_MS, (c->at_ms + c->within_ms) * NS_PER_MS);
	assert_int_equal(result_exit_code(&w.result), 1);
	if (c->download == DIRECTION_PARTIAL)
		assert_true(warned(&w.result, "download: interrupted after 3."));
	end_world(&w);
}

/* A run that has slept: its deadline comes in the middle of the upload, of which a part stays. */
static void deadline_keeps_what_was_measured(void **state)
{
	const struct far_script *servers[FAR_SERVERS_MAX] = { &endless };
	struct world w;

	(void)state;
	begin_world(&w, servers);
	point_at(&w);
	w.sleep_ns = 72 * NS_PER_S; /* behind 13 s of a download without end */
	run(&w);
	assert_int_equal(w.result.download.state, DIRECTION_COMPLETE);
	assert_int_equal(w.result.upload.state, DIRECTION_PARTIAL);
	assert_true(warned(&w.result, "upload: out of time"));
	assert_in_range(loop_now_ns(w.loop) - w.started_ns, RUN_DEADLINE_NS,
	                RUN_DEADLINE_NS + 2 * NS_PER_S);
	assert_int_equal(result_exit_code(&w.result), 3);
	end_world(&w);
}

static void deadline_leaves_no_direction_without_a_reason(void **state)
{
	const struct far_script *servers[FAR_SERVERS_MAX] = { &quick };
	struct world w;

	(void)state;
	begin_world(&w, servers);
	point_at(&w);
	w.sleep_ns = RUN_DEADLINE_NS;
	run(&w);
	assert_int_equal(w.result.download.state, DIRECTION_COMPLETE);
	assert_int_equal(w.result.upload.state, DIRECTION_FAILED);
	check_direction(&w.result.upload);
	assert_int_equal(result_exit_code(&w.result), 3);
	end_world(&w);
}

/* The loop is the caller's: nothing of the run's stays in it. */
static void loop_is_left_as_it_was(void **state)
{
	const struct far_script *servers[FAR_SERVERS_MAX] = { &quick };
	struct world w;

	(void)state;
	begin_world(&w, servers);
	point_at(&w);
	run(&w);
	far_close(&w.far);
	w.far.servers_count = 0;
	loop_script_set_play(w.loop, NULL, NULL);
	assert_int_equal(loop_script_requests(w.loop, NULL, 0), 0);
	assert_int_equal(loop_run(w.loop, CLOCK_NEVER_NS, NULL), -EDEADLK); /* no timer either */
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(target_without_our_scheme_is_skipped),
		cmocka_unit_test(deadline_keeps_what_was_measured),
		cmocka_unit_test(deadline_leaves_no_direction_without_a_reason),
		cmocka_unit_test(loop_is_left_as_it_was),
	};
	int failed;

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	fill_endless();
	failed = CASES_RUN(targets_are_tried_in_order, order_cases);
	failed += CASES_RUN(old_list_is_asked_for_again, stale_cases);
	failed += CASES_RUN(refusal_is_final, refusal_cases);
	failed += CASES_RUN(failure_has_a_reason, failure_cases);
	failed += CASES_RUN(only_what_was_asked_for_is_done, only_cases);
	failed += CASES_RUN(interrupt_keeps_what_was_measured, interrupt_cases);
	failed += cmocka_run_group_tests_name("run", tests, NULL, NULL);
	return failed != 0;
}
