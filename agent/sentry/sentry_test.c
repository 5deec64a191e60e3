/* The reporter between a program, a store and a server: a real store, a scripted server, the time as an argument
 * (contract sentry.md 2.1, 4.7, 6.2, 7.3, checks 5 and 12 to 14; pod-service R8, R61, R62; bars P5, P6). */
#include "agent/sentry/sentry.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sentry/crash_file.h"
#include "agent/sentry/crash_handler.h"
#include "agent/sentry/crash_record.h"
#include "agent/sentry/sentry_spool.h"
#include "agent/store/store.h"
#include "tests/cases.h"
#include "tests/store_rig.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

#define DSN    "https://0123456789abcdef0123456789abcdef@sentry.example/7"
#define SECRET "the-pods-CANARY"
#define NOON_S 1767614400ULL

/* --- a server that answers as told ----------------------------------------------------------------------- */

static struct {
	uint64_t now_ns, utc_ns;
	unsigned int posts, cancels;
	char envelope[SENTRY_QUEUE_MAX * 8192]; /* of the last post */
	char request[1024];                     /* its URL and headers */
	sentry_done done;
	void *owner;
	bool refuse; /* post() itself */
} server;

static uint64_t now_ns(void)
{
	return server.now_ns;
}

static uint64_t utc_ns(void)
{
	return server.utc_ns;
}

static int take_post(void *self, const struct sentry_request *r, sentry_done done, void *owner)
{
	(void)self;
	server.posts++;
	assert_null(server.done); /* one at a time */
	assert_true(r->body_bytes < sizeof(server.envelope));
	memcpy(server.envelope, r->body, r->body_bytes + 1);
	snprintf(server.request, sizeof(server.request), "%s\n%s\n%s\n%s", r->url, r->user_agent,
	         r->headers[0], r->headers[1]);
	assert_int_equal(r->timeout_ns, 30 * NS_PER_S);
	assert_int_equal(r->reply_bytes_max, 64 * 1024);
	if (server.refuse)
		return -ENETUNREACH;
	server.done = done;
	server.owner = owner;
	return 0;
}

static void take_cancel(void *self)
{
	(void)self;
	server.cancels++;
	server.done = NULL;
}

static void answer_with(const struct sentry_reply *reply)
{
	sentry_done done = server.done;

	assert_non_null(done);
	server.done = NULL;
	done(server.owner, reply);
}

static void answer(int status)
{
	answer_with(&(struct sentry_reply){ .status = status });
}

/* --- a pod ------------------------------------------------------------------------------------------------- */

static const char *directory;
static struct store *store;
static struct sentry *sentry;

static void open_store(void)
{
	static const struct store_limits limits;

	assert_int_equal(store_open(directory, STORE_DAEMON, &limits, &store, NULL, NULL), 0);
}

/* One that grows what it takes the place of beyond every ceiling. */
static const char *growing;

static void open_sentry(void)
{
	struct sentry_options options = {
		.dsn = DSN,
		.store = store,
		.transport = { NULL, take_post, take_cancel },
		.known = { 2, { { SECRET, "[secret]" }, { growing ? "grow" : NULL, growing } } },
		.now_ns = now_ns,
		.utc_ns = utc_ns,
	};

	assert_int_equal(sentry_open(&options, &sentry, NULL), 0);
	assert_non_null(sentry);
}

static int setup(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	server.now_ns = 1000 * NS_PER_S;
	server.utc_ns = NOON_S * NS_PER_S;
	directory = store_rig_make();
	open_store();
	open_sentry();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sentry = sentry_close(sentry);
	store = store_close(store);
	store_rig_remove();
	return 0;
}

static void restart(void)
{
	sentry = sentry_close(sentry);
	store = store_close(store);
	server.done = NULL;
	open_store();
	open_sentry();
}

static void pass(uint64_t ns)
{
	server.now_ns += ns;
	server.utc_ns += ns;
}

static uint64_t stored(void)
{
	struct store_counts counts;

	assert_int_equal(store_count(store, &counts, NULL), 0);
	return counts.events;
}

static void report(const char *class)
{
	struct err err = {};

	ERR_SET(&err, -ENOSPC, ERR_SYS, 0, "write store.db");
	sentry_report(sentry, "store", class, &err, SENTRY_ERROR);
}

static void report_numbered(int n)
{
	char class[32];

	snprintf(class, sizeof(class), "CLASS_%d", n);
	report(class);
}

/* Lets time pass as the loop would, until something is posted; at most that long. */
static bool run_until_post(uint64_t most_ns)
{
	uint64_t end_ns = server.now_ns + most_ns;
	unsigned int posts = server.posts;

	for (int turns = 0; turns < 1000; turns++) {
		uint64_t wake_ns = sentry_turn(sentry);

		if (server.posts > posts)
			return true;
		if (wake_ns > end_ns)
			break;
		if (wake_ns > server.now_ns)
			pass(wake_ns - server.now_ns);
	}
	pass(end_ns - server.now_ns);
	return false;
}

/* --- on and off ------------------------------------------------------------------------------------------- */

static void off_is_nothing(void **state)
{
	struct sentry_options options = { .dsn = "" };
	struct sentry *s = (struct sentry *)&options;
	char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(sentry_open(&options, &s, NULL), SENTRY_OFF);
	assert_null(s);
	options.dsn = NULL;
	assert_int_equal(sentry_open(&options, &s, NULL), SENTRY_OFF);
	sentry_report(NULL, "a", "B", NULL, SENTRY_ERROR);
	sentry_breadcrumb(NULL, SENTRY_INFO, "a", "b");
	sentry_operation(NULL, "a");
	sentry_hold(NULL, true);
	sentry_stop(NULL);
	assert_true(sentry_stopped(NULL));
	assert_int_equal(sentry_turn(NULL), CLOCK_NEVER_NS);
	assert_int_equal(sentry_next_envelope(NULL, &text, &n, NULL), SENTRY_OFF);
	sentry_child_ended(NULL, "measure", 0, -1);
	assert_null(sentry_close(NULL));
}

/* Standard error of what is called, as text. */
static void malformed(void **state)
{
	struct sentry_options options = { .dsn = "https://CANARY@sentry.example" };
	char path[] = "/tmp/sentry_test_XXXXXX", text[1024] = "";
	int fd = mkstemp(path), was = dup(STDERR_FILENO);
	struct sentry *s;

	(void)state;
	dup2(fd, STDERR_FILENO);
	assert_int_equal(sentry_open(&options, &s, NULL), SENTRY_OFF);
	dup2(was, STDERR_FILENO);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	unlink(path);
	close(fd);
	close(was);
	assert_non_null(strstr(text, "could not read sentry_dsn: no project at its end"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	assert_null(strstr(text, "CANARY"));
}

/* --- one report --------------------------------------------------------------------------------------------- */

static void R61_a_request(void **state)
{
	(void)state;
	report("WRITE_FAILED");
	assert_true(run_until_post(66 * NS_PER_S));
	assert_string_equal(
		server.request,
		"https://sentry.example/api/7/envelope/\n"
		"radar-pod/" POD_VERSION "\n"
		"Content-Type: application/x-sentry-envelope\n"
		"X-Sentry-Auth: Sentry sentry_version=7, sentry_client=radar-pod/" POD_VERSION
		", sentry_key=0123456789abcdef0123456789abcdef");
	assert_non_null(
		strstr(server.envelope,
	               "\"fingerprint\":[\"agent\",\"store\",\"WRITE_FAILED\",\"ENOSPC\"]"));
	assert_non_null(strstr(server.envelope, "\"user\":{\"id\":\""));
	answer(200);
	assert_false(run_until_post(3600 * NS_PER_S));
	assert_int_equal(stored(), 0);
}

/* Nothing before 5 s, so that a start is not an event of the network; an error within the minute. */
static void not_at_once(void **state)
{
	(void)state;
	report("WRITE_FAILED");
	assert_false(run_until_post(5 * NS_PER_S - 1));
	assert_true(run_until_post(61 * NS_PER_S));
}

static void the_fatal_at_once(void **state)
{
	(void)state;
	pass(10 * NS_PER_S);
	sentry_report(sentry, "agent", "LOOP_FAILED", NULL, SENTRY_FATAL);
	assert_true(run_until_post(0));
}

/* Check 12. */
static void a_storm_is_one(void **state)
{
	(void)state;
	for (int i = 0; i < 10000; i++)
		report("WRITE_FAILED");
	assert_true(run_until_post(66 * NS_PER_S));
	answer(200);
	assert_false(run_until_post(3500 * NS_PER_S));
	pass(100 * NS_PER_S);
	report("WRITE_FAILED");
	assert_true(run_until_post(66 * NS_PER_S));
	assert_non_null(strstr(server.envelope, "\"suppressed_count\":9999"));
	answer(200);
}

static void an_hours_cap(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		report_numbered(i);
		sentry_turn(sentry);
	}
	assert_int_equal(stored(), 20);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_non_null(
		strstr(server.envelope,
	               "{\"reason\":\"backpressure\",\"category\":\"error\",\"quantity\":20}"));
	answer(200);
}

/* R8, P6: whatever way it came. */
static void R8_P6_no_secret_is_seen(void **state)
{
	struct err err = {};

	(void)state;
	sentry_breadcrumb(sentry, SENTRY_INFO, "service",
	                  "login with " SECRET " to https://a.example/?t=CANARY");
	sentry_operation(sentry, "login " SECRET);
	ERR_SET(&err, -EACCES, ERR_SYS, 0, "log in with " SECRET " Bearer CANARY");
	sentry_report(sentry, "service", "LOGIN_" SECRET, &err, SENTRY_ERROR);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_null(strstr(server.envelope, "CANARY"));
	assert_non_null(strstr(server.envelope, "log in with [secret]"));
	assert_non_null(strstr(server.envelope, "login with [secret] to https://a.example/?…"));
	answer(200);
}

/* --- answers ------------------------------------------------------------------------------------------------ */

struct answer_case {
	const char *name;
	int status;
	bool want_kept;
	bool want_counted;
	uint64_t want_next_s; /* until another one that waits is sent, at least */
	uint64_t want_next_most_s;
};

static struct answer_case answer_cases[] = {
	{ "200", 200, false, false, 0, 1 },
	{ "400", 400, false, true, 0, 1 },
	{ "401", 401, false, true, 0, 1 },
	{ "404", 404, false, true, 0, 1 },
	{ "413", 413, false, true, 0, 1 },
	{ "429", 429, false, false, 60, 61 },
	{ "500", 500, false, true, 0, 1 },
	{ "503", 503, false, true, 0, 1 },
	{ "R61: no answer", 0, true, false, 45, 76 },
};

/* Check 5. */
static void answers(void **state)
{
	const struct answer_case *c = *state;
	char first[128];

	report_numbered(1);
	assert_true(run_until_post(66 * NS_PER_S));
	memcpy(first, server.envelope, sizeof(first));
	assert_int_equal(stored(), 1);
	answer(c->status);
	assert_int_equal(stored(), c->want_kept);
	if (c->status == 429)
		pass(60 * NS_PER_S); /* what came meanwhile would be gone */
	sentry_report(sentry, "agent", "NEXT", NULL, SENTRY_FATAL);
	if (c->want_next_s && c->status != 429)
		assert_false(run_until_post(c->want_next_s * NS_PER_S - 1));
	assert_true(run_until_post(c->want_next_most_s * NS_PER_S));
	assert_int_equal(strstr(server.envelope, "send_error") != NULL, c->want_counted);
	if (c->want_kept) {
		assert_memory_equal(server.envelope, first, 45);     /* the same id, */
		assert_memory_not_equal(server.envelope, first, 90); /* at another time */
	}
	answer(200);
}

static void three_refusals_are_a_wrong_dsn(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		report_numbered(i);
	for (int i = 0; i < 3; i++) {
		assert_true(run_until_post(66 * NS_PER_S));
		answer(403);
	}
	assert_false(run_until_post(3600 * NS_PER_S - 1));
	assert_true(run_until_post(1));
	answer(200);
	assert_int_equal(stored(), 1);
}

static void limited_are_gone_and_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		report_numbered(i);
	assert_true(run_until_post(66 * NS_PER_S));
	answer_with(&(struct sentry_reply){ .status = 200, .rate_limits = "600:error:key" });
	assert_true(run_until_post(66 * NS_PER_S)); /* of what was lost; that is not limited */
	assert_null(strstr(server.envelope, "\"type\":\"event\""));
	assert_non_null(
		strstr(server.envelope,
	               "{\"reason\":\"ratelimit_backoff\",\"category\":\"error\",\"quantity\":2}"));
	answer(200);
	assert_int_equal(stored(), 0);
}

static void a_limit_of_all_holds_everything(void **state)
{
	(void)state;
	report_numbered(1);
	assert_true(run_until_post(66 * NS_PER_S));
	answer_with(&(struct sentry_reply){ .status = 429, .rate_limits = "600::organization" });
	report_numbered(2);
	assert_false(run_until_post(599 * NS_PER_S));
	assert_true(run_until_post(62 * NS_PER_S));
	assert_non_null(strstr(server.envelope, "ratelimit_backoff"));
	answer(200);
}

static void a_transport_that_cannot_begin(void **state)
{
	(void)state;
	server.refuse = true;
	report_numbered(1);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_int_equal(stored(), 1);
	assert_false(run_until_post(45 * NS_PER_S - 1));
	server.refuse = false;
	assert_true(run_until_post(31 * NS_PER_S));
	answer(200);
	assert_int_equal(stored(), 0);
}

/* Check 14: one that never answers is given up. */
static void a_transport_that_forgets(void **state)
{
	(void)state;
	report_numbered(1);
	assert_true(run_until_post(66 * NS_PER_S));
	pass(35 * NS_PER_S);
	sentry_turn(sentry);
	assert_int_equal(server.cancels, 1);
	assert_int_equal(stored(), 1);
}

/* Waits grow to an hour, and what has arrived ends them. */
static void waits_grow(void **state)
{
	uint64_t waited_ns = 0;

	(void)state;
	report_numbered(1);
	for (int i = 0; i < 9; i++) {
		uint64_t begun_ns = server.now_ns;

		assert_true(run_until_post(2 * 3600 * NS_PER_S));
		waited_ns = server.now_ns - begun_ns;
		answer(0);
	}
	assert_in_range(waited_ns, 2700 * NS_PER_S, 4500 * NS_PER_S);
	assert_true(run_until_post(2 * 3600 * NS_PER_S));
	answer(200);
	assert_int_equal(stored(), 0);
}

/* Makes `n` reports that are kept and not sent, of two hours: one has room for 20. */
static void keep_reports(int n)
{
	for (int i = 0; i < n; i++) {
		if (i % 20 == 0)
			pass(3601 * NS_PER_S);
		report_numbered(i);
		if (i % 10 == 9 || i == n - 1)
			restart();
	}
}

/* Check 6: 30 wait, the network fails at the third; oldest first, 100 ms apart. */
static void a_drain(void **state)
{
	(void)state;
	keep_reports(30);
	assert_int_equal(stored(), 30);
	for (int i = 0; i < 3; i++) {
		uint64_t begun_ns = server.now_ns;
		char class[32];

		assert_true(run_until_post(66 * NS_PER_S));
		if (i > 0)
			assert_int_equal(server.now_ns - begun_ns, 100 * NS_PER_MS);
		snprintf(class, sizeof(class), "\"CLASS_%d\"", i);
		assert_non_null(strstr(server.envelope, class));
		answer(i < 2 ? 200 : 0);
	}
	assert_int_equal(stored(), 28);
	assert_false(run_until_post(44 * NS_PER_S));
}

/* --- bounds ------------------------------------------------------------------------------------------------- */

/* R61: within its bounds; what is dropped is counted. */
static void R61_the_store_is_bounded(void **state)
{
	(void)state;
	keep_reports(40);
	assert_int_equal(stored(), STORE_EVENTS_MAX);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_non_null(strstr(server.envelope, "\"CLASS_10\""));
	answer(200);
}

/* While a test runs nothing is written: the queue has room for 16, and for what is fatal. */
static void the_queue_is_bounded(void **state)
{
	(void)state;
	sentry_hold(sentry, true);
	for (int i = 0; i < 18; i++)
		report_numbered(i);
	sentry_report(sentry, "agent", "LAST", NULL, SENTRY_FATAL);
	assert_int_equal(sentry_turn(sentry), CLOCK_NEVER_NS);
	assert_int_equal(stored(), 0);
	sentry_hold(sentry, false);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_int_equal(stored(), 16);
	assert_non_null(
		strstr(server.envelope,
	               "{\"reason\":\"queue_overflow\",\"category\":\"error\",\"quantity\":3}"));
	answer(200);
}

/* Check 13. */
static void held_while_a_test_runs(void **state)
{
	(void)state;
	report_numbered(1);
	assert_true(run_until_post(66 * NS_PER_S));
	sentry_hold(sentry, true);
	assert_int_equal(server.cancels, 1);
	assert_false(run_until_post(600 * NS_PER_S));
	sentry_hold(sentry, false);
	assert_true(run_until_post(NS_PER_S));
	answer(200);
	assert_int_equal(stored(), 0);
}

static void without_a_store(void **state)
{
	struct store *kept = store;

	(void)state;
	sentry = sentry_close(sentry);
	store = NULL;
	open_sentry();
	report_numbered(1);
	report_numbered(2);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_null(strstr(server.envelope, "\"user\""));
	answer(0);
	assert_true(run_until_post(76 * NS_PER_S));
	answer(200);
	assert_true(run_until_post(NS_PER_S));
	assert_non_null(strstr(server.envelope, "CLASS_2"));
	answer(200);
	assert_false(run_until_post(3600 * NS_PER_S));
	sentry = sentry_close(sentry);
	store = kept;
}

/* A full disk, a broken one: what cannot be kept is sent from memory, once, and lost with the process. */
static void a_store_that_takes_nothing(void **state)
{
	static const struct store_limits limits;
	struct store_counts counts;

	(void)state;
	sentry = sentry_close(sentry);
	store = store_close(store);
	assert_int_equal(store_open(directory, STORE_READER, &limits, &store, NULL, NULL), 0);
	open_sentry();
	report_numbered(1);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_int_equal(store_count(store, &counts, NULL), 0);
	assert_int_equal(counts.events, 0);
	answer(200);
	assert_false(run_until_post(3600 * NS_PER_S));
}

/* It fails closed: of a report that the gate cannot finish, type, release and level are told. */
static void what_cannot_be_scrubbed(void **state)
{
	static char placeholder[300];
	struct err err = {};

	(void)state;
	memset(placeholder, 'x', sizeof(placeholder) - 1);
	sentry = sentry_close(sentry);
	growing = placeholder;
	open_sentry();
	growing = NULL;
	ERR_SET(&err, -EIO, ERR_SYS, 0, "CANARY %s%s%s%s", "growgrowgrowgrowgrowgrowgrowgrow",
	        "growgrowgrowgrowgrowgrowgrowgrow", "growgrowgrowgrowgrowgrowgrowgrow",
	        "growgrowgrowgrowgrowgrowgrowgrow");
	sentry_report(sentry, "store", "READ_FAILED", &err, SENTRY_ERROR);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_null(strstr(server.envelope, "CANARY"));
	assert_non_null(
		strstr(server.envelope,
	               "\"platform\":\"c\",\"level\":\"error\",\"release\":\"radar-pod@" POD_VERSION
	               "\",\"exception\":{\"values\":[{\"type\":\"READ_FAILED\"}]}}\n"));
	answer(200);
}

static void outlives_a_restart(void **state)
{
	char id[64] = "";

	(void)state;
	report_numbered(1);
	sentry_turn(sentry);
	restart();
	report_numbered(1); /* alike, and told within the hour */
	assert_true(run_until_post(66 * NS_PER_S));
	sscanf(strstr(server.envelope, "\"user\":{\"id\":\""), "\"user\":{\"id\":\"%32[0-9a-f]",
	       id);
	assert_int_equal(strlen(id), 32);
	answer(200);
	restart();
	report_numbered(2);
	assert_true(run_until_post(66 * NS_PER_S));
	assert_non_null(strstr(server.envelope, id));
	answer(200);
	assert_false(run_until_post(60 * NS_PER_S));
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static void stops_with_all_told(void **state)
{
	(void)state;
	report_numbered(1);
	report_numbered(2);
	sentry_stop(sentry);
	assert_true(run_until_post(200 * NS_PER_MS));
	assert_false(sentry_stopped(sentry));
	answer(200);
	assert_false(sentry_stopped(sentry));
	assert_true(run_until_post(200 * NS_PER_MS));
	answer(200);
	run_until_post(200 * NS_PER_MS);
	assert_true(sentry_stopped(sentry));
	assert_int_equal(stored(), 0);
}

static void stops_within_two_seconds(void **state)
{
	(void)state;
	report_numbered(1);
	sentry_stop(sentry);
	assert_true(run_until_post(200 * NS_PER_MS));
	pass(1900 * NS_PER_MS);
	assert_true(sentry_stopped(sentry));
	sentry = sentry_close(sentry);
	assert_int_equal(server.cancels, 1);
	assert_int_equal(stored(), 1);
}

static void stops_at_once_without_a_network(void **state)
{
	(void)state;
	report_numbered(1);
	report_numbered(2);
	sentry_stop(sentry);
	assert_true(run_until_post(200 * NS_PER_MS));
	answer(0);
	assert_true(sentry_stopped(sentry));
	assert_int_equal(stored(), 2);
}

/* What --dry-run prints is what is sent. */
static void the_next_envelope(void **state)
{
	char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(sentry_next_envelope(sentry, &text, &n, NULL), SENTRY_OFF);
	report_numbered(1);
	pass(66 * NS_PER_S);
	assert_int_equal(sentry_next_envelope(sentry, &text, &n, NULL), 0);
	assert_true(run_until_post(0));
	assert_string_equal(server.envelope, text);
	assert_int_equal(n, strlen(text));
	free(text);
	answer(200);
}

/* --- crashes ------------------------------------------------------------------------------------------------- */

static void write_crash(int fd, int signal)
{
	struct crash_record r = { .event_id = { 1, 2, 3 },
		                  .release = "0.0.9",
		                  .role = "agent",
		                  .arch = CRASH_ARCH,
		                  .signal = signal,
		                  .utc_ns = NOON_S * NS_PER_S,
		                  .frames_count = 1,
		                  .frames = { 0x1234 } };

	crash_record_seal(&r);
	assert_int_equal(pwrite(fd, &r, sizeof(r), 0), sizeof(r));
}

static void leave_crash(int signal)
{
	int fd = -1;

	assert_int_equal(crash_file_open(directory, "agent", &fd, NULL), 0);
	if (signal)
		write_crash(fd, signal);
	close(fd);
}

static void a_crash_is_one_report(void **state)
{
	(void)state;
	leave_crash(SIGSEGV);
	sentry_take_crash(sentry, directory, "agent");
	assert_int_equal(stored(), 1);
	leave_crash(0);
	sentry_take_crash(sentry, directory, "agent");
	assert_int_equal(stored(), 1);
	pass(5 * NS_PER_S);
	assert_true(run_until_post(0));
	assert_non_null(
		strstr(server.envelope, "{\"event_id\":\"01020300000040008000000000000000\""));
	assert_non_null(
		strstr(server.envelope, "\"level\":\"fatal\",\"release\":\"radar-pod@0.0.9\""));
	answer(200);
}

/* Check 10, from the crash to the server: the process ends by its signal, and the next start tells of it once. */
static void a_real_crash_is_one_report(void **state)
{
	pid_t child = fork();
	int status = 0, fd = -1;

	(void)state;
	if (child == 0) {
		if (crash_file_open(directory, "agent", &fd, NULL) < 0 ||
		    crash_handler_begin(fd, "agent", NULL) < 0)
			_exit(1);
		sentry_breadcrumb(sentry, SENTRY_INFO, "agent", "before the end " SECRET);
		abort();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	for (int starts = 0; starts < 3; starts++) {
		restart();
		sentry_take_crash(sentry, directory, "agent");
		leave_crash(0);
		assert_int_equal(stored(), 1);
	}
	assert_true(run_until_post(5 * NS_PER_S));
	assert_non_null(strstr(server.envelope, "\"type\":\"SIGABRT\""));
	assert_non_null(strstr(server.envelope, "{\"instruction_addr\":\"0x"));
	assert_non_null(strstr(server.envelope, "\"code_file\":\"sentry_test\",\"code_id\":\""));
	assert_non_null(strstr(server.envelope, "\"message\":\"before the end [secret]\""));
	answer(200);
	assert_false(run_until_post(3600 * NS_PER_S));
}

/* 7.4: at most three in ten minutes. */
static void a_crash_loop_is_three(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		leave_crash(SIGABRT);
		sentry_take_crash(sentry, directory, "agent");
		restart();
		pass(NS_PER_S);
	}
	assert_int_equal(stored(), 3);
}

static void R62_a_record_that_is_none(void **state)
{
	char path[512];
	int fd;

	(void)state;
	fd = open(store_rig_path("crash-agent.record", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "what", 4), 4);
	close(fd);
	sentry_take_crash(sentry, directory, "agent");
	assert_int_equal(stored(), 0);
	assert_int_equal(access(store_rig_path("crash-agent.bad", path), F_OK), 0);
	sentry_take_crash(NULL, directory, "agent");
}

/* Reports are off: the log tells of it, once, and no later start takes it for its own "last run". */
static void a_crash_without_a_dsn_is_told_once(void **state)
{
	char path[512];

	(void)state;
	leave_crash(SIGSEGV);
	sentry_take_crash(NULL, directory, "agent");
	assert_int_equal(access(store_rig_path("crash-agent.record", path), F_OK), -1);
	sentry_take_crash(sentry, directory, "agent");
	assert_int_equal(stored(), 0);
}

/* P5: the process that measures, ended by SIGSEGV, with a record, without one, with another's. */
static void P5_a_childs_crash(void **state)
{
	int fd = -1;

	(void)state;
	pass(10 * NS_PER_S);
	assert_int_equal(crash_file_open_unnamed(&fd, NULL), 0);
	sentry_child_ended(sentry, "measure", SIGSEGV,
	                   fd); /* a wait status: ended by that signal */
	assert_true(run_until_post(0));
	assert_non_null(strstr(server.envelope,
	                       "\"fingerprint\":[\"agent\",\"measure\",\"SIGSEGV\",\"0\"]"));
	answer(200);
	write_crash(fd, SIGSEGV);
	sentry_child_ended(sentry, "measure", SIGSEGV, fd);
	assert_true(run_until_post(NS_PER_S));
	assert_non_null(strstr(server.envelope, "\"platform\":\"native\""));
	answer(200);
	assert_int_equal(ftruncate(fd, 100), 0);
	sentry_child_ended(sentry, "measure", SIGBUS, fd);
	assert_true(run_until_post(NS_PER_S));
	answer(200);
	close(fd);
}

static void a_child_that_did_not_crash(void **state)
{
	(void)state;
	sentry_child_ended(sentry, "measure", 0, -1);
	sentry_child_ended(sentry, "measure", 1 << 8, -1);
	sentry_child_ended(sentry, "measure", SIGKILL, -1);
	sentry_child_ended(sentry, "measure", SIGTERM, -1);
	sentry_turn(sentry);
	assert_int_equal(stored(), 0);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_is_nothing),
		cmocka_unit_test(malformed),
		ROW(R61_a_request),
		ROW(not_at_once),
		ROW(the_fatal_at_once),
		ROW(a_storm_is_one),
		ROW(an_hours_cap),
		ROW(R8_P6_no_secret_is_seen),
		ROW(three_refusals_are_a_wrong_dsn),
		ROW(limited_are_gone_and_counted),
		ROW(a_limit_of_all_holds_everything),
		ROW(a_transport_that_cannot_begin),
		ROW(a_transport_that_forgets),
		ROW(waits_grow),
		ROW(a_drain),
		ROW(R61_the_store_is_bounded),
		ROW(the_queue_is_bounded),
		ROW(held_while_a_test_runs),
		ROW(without_a_store),
		ROW(a_store_that_takes_nothing),
		ROW(what_cannot_be_scrubbed),
		ROW(outlives_a_restart),
		ROW(stops_with_all_told),
		ROW(stops_within_two_seconds),
		ROW(stops_at_once_without_a_network),
		ROW(the_next_envelope),
		ROW(a_crash_is_one_report),
		ROW(a_real_crash_is_one_report),
		ROW(a_crash_loop_is_three),
		ROW(a_crash_without_a_dsn_is_told_once),
		ROW(R62_a_record_that_is_none),
		ROW(P5_a_childs_crash),
		ROW(a_child_that_did_not_crash),
	};
	struct CMUnitTest rows[sizeof(answer_cases) / sizeof(*answer_cases)];
	int failed;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		rows[i] = (struct CMUnitTest){ answer_cases[i].name, answers, setup, teardown,
			                       &answer_cases[i] };
	failed = cmocka_run_group_tests_name("answer_cases", rows, NULL, NULL);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
