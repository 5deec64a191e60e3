#include "agent/run/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/process.h"
#include "tests/raw_result.h"
#include "tests/store_rig.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

#define ID     "0190f3c2-1111-7222-8333-444455556666"
#define OBJECT "{\"schema\":\"radar-pod/result/1\",\"id\":\"" ID "\",\"bytes_used\":289}"
#define OOKLA                                                                                      \
	"{\"type\":\"result\",\"ping\":{},\"download\":{\"bandwidth\":125000,\"bytes\":200},"      \
	"\"upload\":{\"bandwidth\":250000,\"bytes\":89},\"result\":{\"id\":\"x\"}}"

/* A program that says this; the here-document keeps every sign as it is. */
#define SAYS(fd, text) "cat >&" fd " <<'END'\n" text "\nEND\n"

struct rig {
	const char *directory;
	struct loop *loop;
	struct store *store;
	struct config config;
	struct runner *runner;
	struct runner_end end;
	int times;
	char line[LOG_LINE_BYTES]; /* the last one of the log */
};

static void note_line(void *owner, const struct log_entry *entry)
{
	struct rig *rig = owner;

	bytes_copy_text(rig->line, sizeof(rig->line), entry->message);
}

static void on_done(void *owner, const struct runner_end *end)
{
	struct rig *rig = owner;

	rig->end = *end;
	rig->times++;
	loop_stop(rig->loop);
}

static const char *write_program(const char *script, char path[512])
{
	FILE *f = fopen(store_rig_path("program", path), "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
	return path;
}

static void rig_open(struct rig *rig, const char *script, uint64_t max_bytes)
{
	static char path[512];
	struct store_limits limits = { .max_bytes = max_bytes };
	/* What ends by itself is given its time, what does not is not waited for. */
	struct runner_options o = { .deadline_ns = strstr(script, "sleep") ? NS_PER_S / 2
		                                                           : 20 * NS_PER_S };

	*rig = (struct rig){ .directory = store_rig_make() };
	assert_int_equal(loop_open(LOOP_BODY_AUTO, &rig->loop, NULL), 0);
	assert_int_equal(store_open(rig->directory, STORE_DAEMON, &limits, &rig->store, NULL, NULL),
	                 0);
	assert_int_equal(config_parse("c", "", 0, &rig->config, NULL, NULL), 0);
	o.loop = rig->loop;
	o.store = rig->store;
	o.config = &rig->config;
	o.executable = write_program(script, path);
	o.state_dir = rig->directory;
	snprintf(rig->config.ookla_binary, sizeof(rig->config.ookla_binary), "%s", path);
	rig->config.ookla_accept_license = true;
	assert_int_equal(runner_new(&o, &rig->runner, NULL), 0);
}

static void rig_close(struct rig *rig)
{
	runner_free(rig->runner);
	store_close(rig->store);
	loop_close(rig->loop);
	store_rig_remove();
}

static void run(struct rig *rig, const struct runner_test *t)
{
	struct err err = {};

	if (runner_start(rig->runner, t, on_done, rig, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(runner_start(rig->runner, t, on_done, rig, &err), -EBUSY);
	assert_int_equal(loop_run(rig->loop, loop_now_ns(rig->loop) + 20 * NS_PER_S, NULL),
	                 LOOP_STOPPED);
	assert_false(runner_is_busy(rig->runner));
}

/* --- what a test's process leaves ----------------------------------------------------------------------- */

struct leave_case {
	const char *name, *script;
	bool measured, upload;
	const char *why; /* a part of it */
};

static struct leave_case ndt7_cases[] = {
	{ "a whole result", SAYS("1", RAW_RESULT) SAYS("3", OBJECT), true, true, "" },
	{ "R33 a direction failed: no raw result", SAYS("3", OBJECT) "echo no upload >&2; exit 1",
	  true, false, "code 1: no upload" },
	{ "R33 a raw result with a 0",
	  SAYS("1", RAW_ROWS "{\"Download\":{\"Value\":0},\"Upload\":{\"Value\":1},"
	                     "\"MinRTT\":{\"Value\":1}}") SAYS("3", OBJECT),
	  true, false, "Download.Value is not above 0" },
	{ "both whole, and then a crash", SAYS("1", RAW_RESULT) SAYS("3", OBJECT) "kill -SEGV $$",
	  true, true, "" },
	{ "P5 a crash", "kill -SEGV $$", false, false, "it crashed (SIGSEGV)" },
	{ "P5 a crash between the two", SAYS("1", RAW_RESULT) "kill -ABRT $$", false, false,
	  "SIGABRT" },
	{ "P5 half a result object", SAYS("1", RAW_RESULT) "printf '{\"schema\":\"radar-pod' >&3",
	  false, false, "code 0" },
	{ "P5 any bytes", "head -c 100000 /dev/urandom; head -c 100000 /dev/urandom >&3", false,
	  false, "code 0" },
	{ "P5 an object of another kind", SAYS("3", "[1,2]"), false, false, "code 0" },
	{ "P5 without an id", SAYS("3", "{\"schema\":\"radar-pod/result/1\"}"), false, false,
	  "no id" },
	{ "P5 an id that is none",
	  SAYS("3", "{\"schema\":\"radar-pod/result/"
	            "1\",\"id\":\"0190f3c2-1111-7222-8333-44445555666'\"}"),
	  false, false, "none that can be stored" },
	{ "P5 raw without end", "yes", false, false, "more than a result can be" },
	{ "P5 an object without end", "yes >&3", false, false, "more than a result can be" },
	{ "it hangs", SAYS("1", RAW_RESULT) "sleep 60", false, false, "did not end in time" },
	{ "nothing", "", false, false, "there is no result" },
};

static void check(struct rig *rig, const struct leave_case *c)
{
	struct store_counts counts;

	assert_int_equal(rig->times, 1);
	assert_int_equal(rig->end.measured, c->measured);
	assert_int_equal(rig->end.upload, c->upload);
	if (!strstr(rig->end.why, c->why))
		fail_msg("\"%s\" does not say \"%s\"", rig->end.why, c->why);
	assert_int_equal(*rig->end.why != '\0', *c->why != '\0');
	assert_int_equal(store_count(rig->store, &counts, NULL), 0);
	assert_int_equal(counts.results, c->measured);
	assert_int_equal(counts.pending, c->upload);
}

static void an_ndt7_test_is_stored(void **state)
{
	const struct leave_case *c = *state;
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct rig rig;

	rig_open(&rig, c->script, 0);
	run(&rig, &t);
	check(&rig, c);
	rig_close(&rig);
}

static struct leave_case ookla_cases[] = {
	{ "R34 one value", SAYS("1", OOKLA), true, true, "" },
	{ "R34 the line of the result",
	  SAYS("1", "{\"type\":\"log\"}\n" OOKLA "\n{\"type\":\"log\"}"), true, true, "" },
	{ "R34 no result among the lines", SAYS("1", "{\"type\":\"log\"}\n{\"type\":\"x\"}"), false,
	  false, "take the raw result" },
	{ "R34 without ping",
	  SAYS("1", "{\"type\":\"result\",\"download\":{\"bandwidth\":1,\"bytes\":1}}"), false,
	  false, "is missing" },
	{ "R42 it hangs", "trap '' TERM\nwhile :; do sleep 1; done", false, false,
	  "did not end in time" },
	{ "it fails", "echo '[error] no servers' >&2; exit 2", false, false,
	  "code 2: [error] no servers" },
	{ "a whole result, and code 2", SAYS("1", OOKLA) "echo '[error] cannot read' >&2; exit 2",
	  false, false,
	  "code 2: [error] cannot read; take the result that it has printed, as it did not" },
	{ "a whole result, and a crash", SAYS("1", OOKLA) "kill -SEGV $$", false, false,
	  "it crashed (SIGSEGV); take the result that it has printed" },
	{ "a whole result, and no end", SAYS("1", OOKLA) "sleep 60", false, false,
	  "did not end in time and was ended; take the result that it has printed" },
};

static void an_ookla_test_is_stored(void **state)
{
	const struct leave_case *c = *state;
	struct runner_test t = { .kind = CONFIG_RUNNER_OOKLA, .interface = "eth9" };
	struct store_result *result = NULL;
	struct rig rig;

	rig_open(&rig, c->script, 0);
	run(&rig, &t);
	check(&rig, c);
	if (c->measured) {
		assert_int_equal(store_get(rig.store, rig.end.id, &result, NULL), 0);
		assert_string_equal(result->test, "ookla");
		assert_string_equal(result->interface, "eth9");
		assert_int_equal(result->bytes_used, 289);
		assert_memory_equal(result->raw, OOKLA, strlen(OOKLA));
		assert_in_range(result->raw_bytes, strlen(OOKLA), strlen(OOKLA) + 1);
		assert_non_null(strstr(result->object, "\"goodput_mbps\":1,\"bytes\":200"));
		free(result);
	}
	rig_close(&rig);
}

/* The day's cap is of what the line has carried. */
static void what_a_refused_result_used_is_counted(void **state)
{
	struct runner_test t = { .kind = CONFIG_RUNNER_OOKLA, .interface = "" };
	uint64_t used, now_ns = clock_utc_ns();
	struct rig rig;

	(void)state;
	rig_open(&rig, SAYS("1", OOKLA) "exit 2", 0);
	run(&rig, &t);
	assert_int_equal(rig.end.failure, RUNNER_FAILED);
	assert_int_equal(store_usage_get(rig.store, now_ns, &used, NULL), 0);
	assert_int_equal(used, 289);
	rig_close(&rig);
}

/* --- what is stored with it --------------------------------------------------------------------------------- */

static void what_is_known_goes_with_it(void **state)
{
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7,
		                 .cause = STORE_SCHEDULED,
		                 .interface = "",
		                 .name = "wlan7",
		                 .wireless = true,
		                 .connection_info = "{\"signal\":-57}" };
	struct store_result *result = NULL;
	uint64_t used, before_ns = clock_utc_ns();
	struct rig rig;

	(void)state;
	rig_open(&rig, SAYS("1", RAW_RESULT) SAYS("3", OBJECT), 0);
	run(&rig, &t);
	assert_int_equal(store_get(rig.store, ID, &result, NULL), 0);
	assert_string_equal(result->interface, "wlan7");
	assert_string_equal(result->connection_info, t.connection_info);
	assert_true(result->wireless && result->cause == STORE_SCHEDULED);
	assert_in_range(result->started_utc_ns, before_ns, clock_utc_ns());
	assert_int_equal(result->bytes_used, 289);
	assert_int_equal(result->raw_bytes, strlen(RAW_RESULT) + 1);
	assert_int_equal(store_usage_get(rig.store, before_ns, &used, NULL), 0);
	assert_int_equal(used, 289);
	free(result);
	rig_close(&rig);
}

#define OF_LOCATE(members)                                                                         \
	SAYS("3", "{\"schema\":\"radar-pod/result/1\",\"id\":\"" ID "\"," members "}") "exit 1"

static struct hold_case {
	const char *name;
	const char *script;
	uint64_t want_s;
} hold_cases[] = {
	{ "it has not said", OF_LOCATE("\"bytes_used\":0"), 0 },
	{ "N79 its next request", OF_LOCATE("\"next_request_s\":7200"), 7200 },
	{ "N80 it has no room",
	  OF_LOCATE("\"errors\":[{\"retry_after_s\":58},{\"retry_after_s\":61}]"), 61 },
	{ "a year", OF_LOCATE("\"next_request_s\":31536000"), 86400 },
};

static void locate_says_when_it_wants_the_next(void **state)
{
	const struct hold_case *c = *state;
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct rig rig;

	rig_open(&rig, c->script, 0);
	run(&rig, &t);
	assert_int_equal(rig.end.hold_local_ns, c->want_s * NS_PER_S);
	rig_close(&rig);
}

static void arguments_are_the_configurations(void **state)
{
	static const char text[] = "scheme=ws\nlocate_url=http://l/x\ninterface=eth3\nca_file=/c\n";
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct rig rig;

	(void)state;
	setenv("RADAR_ACCOUNT_TOKEN", "canary", 1);
	setenv("JOURNAL_STREAM", "8:9", 1);
	setenv("https_proxy", "http://p:1", 1);
	rig_open(&rig, "echo \"$*|$https_proxy$RADAR_ACCOUNT_TOKEN$JOURNAL_STREAM\" >&2; exit 1",
	         0);
	assert_int_equal(config_parse("c", text, strlen(text), &rig.config, NULL, NULL), 0);
	run(&rig, &t);
	assert_non_null(strstr(rig.end.why, "test ndt7 --format raw --result /dev/fd/3 --scheme ws "
	                                    "--locate-url http://l/x --interface eth3 --ca-file /c "
	                                    "--no-store|http://p:1;"));
	t.interface = "eth4"; /* R41 */
	t.warning = "not quiet";
	run(&rig, &t);
	assert_non_null(strstr(rig.end.why, "--interface eth4 "));
	assert_non_null(strstr(rig.end.why, "--warning not quiet --no-store"));
	unsetenv("https_proxy");
	rig_close(&rig);
}

/* The shelf has what the program writes where it is told to; what it does not write is lost, and said to be. */
static void a_trace_is_kept_within_its_quota(void **state)
{
	static const char script[] =
		"while [ \"$1\" != --trace ]; do shift; done; echo \"$3 $4\" >\"$2\"; " SAYS(
			"1", RAW_RESULT) SAYS("3", OBJECT);
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct rig rig;
	glob_t found;
	char pattern[512], line[64] = "";
	FILE *trace;

	(void)state;
	rig_open(&rig, script, 0);
	rig.config.trace = CONFIG_TRACE_FULL;
	run(&rig, &t);
	assert_true(rig.end.measured);
	snprintf(pattern, sizeof(pattern), "%s/traces/*Z.jsonl.zst", rig.directory);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	trace = fopen(found.gl_pathv[0], "r");
	assert_non_null(fgets(line, sizeof(line), trace));
	assert_string_equal(line, "--trace-interval 0\n");
	fclose(trace);
	globfree(&found);
	rig.config.trace_quota_bytes = 10; /* less than one of them */
	run(&rig, &t);
	assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH);
	rig_close(&rig);
}

static void a_trace_that_is_lost_costs_no_result(void **state)
{
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct rig rig;
	char path[512];
	int fd;

	(void)state;
	rig_open(&rig, SAYS("1", RAW_RESULT) SAYS("3", OBJECT) "echo no room >&2", 0);
	rig.config.trace = CONFIG_TRACE_SUMMARY;
	log_set_watcher(note_line, &rig);
	run(&rig, &t);
	log_set_watcher(NULL, NULL);
	assert_true(rig.end.measured && rig.end.upload);
	assert_string_equal(rig.line, "the trace of the result " ID " is lost: no room");
	snprintf(path, sizeof(path), "%s/traces", rig.directory);
	assert_int_equal(rmdir(path), 0);
	fd = creat(path, 0600);
	close(fd);
	rig.times = 0;
	run(&rig, &t); /* it cannot be made at all */
	assert_int_equal(rig.times, 1);
	rig_close(&rig);
}

static void R42_ookla_is_disabled_by_default(void **state)
{
	struct runner_test t = { .kind = CONFIG_RUNNER_OOKLA, .interface = "" };
	struct err err = {};
	struct rig rig;

	(void)state;
	rig_open(&rig, "", 0);
	assert_int_equal(runner_can(rig.runner, CONFIG_RUNNER_OOKLA, &err), 0);
	rig.config.ookla_accept_license = false;
	assert_int_equal(runner_start(rig.runner, &t, on_done, &rig, &err), -ENOENT);
	assert_non_null(strstr(err.text, "ookla_accept_license is off"));
	rig.config.ookla_accept_license = true;
	strcpy(rig.config.ookla_binary, "/nowhere");
	assert_int_equal(runner_can(rig.runner, CONFIG_RUNNER_OOKLA, &err), -ENOENT);
	rig.config.ookla_binary[0] = '\0';
	assert_int_equal(runner_can(rig.runner, CONFIG_RUNNER_OOKLA, &err), -ENOENT);
	assert_int_equal(runner_can(rig.runner, CONFIG_RUNNER_NDT7, &err), 0);
	rig_close(&rig);
}

/* Another writer holds the file's lock for as long as it takes: -EBUSY stands for a disk without room. */
static void a_result_without_room_is_held(void **state)
{
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct store *other = NULL;
	struct store_counts counts;
	struct rig rig;

	(void)state;
	rig_open(&rig, SAYS("1", RAW_RESULT) SAYS("3", OBJECT), 0);
	assert_int_equal(store_open(rig.directory, STORE_GUEST, NULL, &other, NULL, NULL), 0);
	assert_int_equal(store_batch_begin(other, NULL), 0);
	run(&rig, &t);
	assert_true(rig.end.measured && rig.end.upload && runner_is_holding(rig.runner));
	assert_int_equal(store_batch_end(other, NULL), 0);
	store_close(other);
	assert_int_equal(store_count(rig.store, &counts, NULL), 0);
	assert_int_equal(counts.results, 0);
	rig.runner = runner_free(rig.runner);
	assert_int_equal(store_count(rig.store, &counts, NULL), 0);
	assert_int_equal(counts.pending, 1);
	rig_close(&rig);
}

static void on_stored(void *owner)
{
	struct rig *rig = owner;

	assert_false(runner_is_holding(rig->runner));
	loop_stop(rig->loop);
}

static void that_a_held_result_is_stored_is_told(void **state)
{
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct runner_options o = { .again_ns = 1, .stored = on_stored };
	struct store *other = NULL;
	char path[512];
	struct rig rig;

	(void)state;
	rig_open(&rig, SAYS("1", RAW_RESULT) SAYS("3", OBJECT), 0);
	runner_free(rig.runner);
	o.loop = rig.loop;
	o.store = rig.store;
	o.config = &rig.config;
	o.executable = store_rig_path("program", path);
	o.owner = &rig;
	assert_int_equal(runner_new(&o, &rig.runner, NULL), 0);
	assert_int_equal(store_open(rig.directory, STORE_GUEST, NULL, &other, NULL, NULL), 0);
	assert_int_equal(store_batch_begin(other, NULL), 0);
	run(&rig, &t);
	assert_true(runner_is_holding(rig.runner));
	assert_int_equal(store_batch_end(other, NULL), 0);
	store_close(other);
	assert_int_equal(loop_run(rig.loop, loop_now_ns(rig.loop) + 60 * NS_PER_S, NULL),
	                 LOOP_STOPPED);
	rig_close(&rig);
}

static void a_test_is_stopped(void **state)
{
	struct runner_test t = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct rig rig;

	(void)state;
	rig_open(&rig, "sleep 60", 0);
	assert_int_equal(runner_start(rig.runner, &t, on_done, &rig, NULL), 0);
	runner_stop(rig.runner);
	assert_int_equal(loop_run(rig.loop, loop_now_ns(rig.loop) + 20 * NS_PER_S, NULL),
	                 LOOP_STOPPED);
	assert_non_null(strstr(rig.end.why, "it was stopped"));
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_refused_result_used_is_counted),
		cmocka_unit_test(what_is_known_goes_with_it),
		cmocka_unit_test(arguments_are_the_configurations),
		cmocka_unit_test(a_trace_is_kept_within_its_quota),
		cmocka_unit_test(a_trace_that_is_lost_costs_no_result),
		cmocka_unit_test(R42_ookla_is_disabled_by_default),
		cmocka_unit_test(a_result_without_room_is_held),
		cmocka_unit_test(that_a_held_result_is_stored_is_told),
		cmocka_unit_test(a_test_is_stopped),
	};
	int failed;

	process_needs_pidfd();
	failed = CASES_RUN(an_ndt7_test_is_stored, ndt7_cases);
	failed += CASES_RUN(an_ookla_test_is_stored, ookla_cases);
	failed += CASES_RUN(locate_says_when_it_wants_the_next, hold_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
