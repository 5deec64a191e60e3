/* A day on a full disk (bar D4). The schedule is in virtual time; the runner, its tests' processes and the store are real,
 * and nothing that SQLite writes has room. The day's tests are those of a day with room, at the same moments; the newest
 * results are held, each other one is told by its id; with room again those that are held are stored. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/run/held_result.h"
#include "agent/run/runner.h"
#include "agent/schedule/schedule.h"
#include "tests/cases.h"
#include "tests/faulty_vfs.h"
#include "tests/process.h"
#include "tests/raw_result.h"
#include "tests/store_rig.h"
#include "transport/base/clock.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

#define DAY_NS    (86400 * NS_PER_S)
#define MEAN_NS   (3600 * NS_PER_S)
#define TEST_NS   (25 * NS_PER_S)
#define AGAIN_NS  (10 * NS_PER_MS) /* in real time: what waits is offered again */
#define HANG_NS   (60 * NS_PER_S)
#define TESTS_MAX 64
#define SEED      11
#define ID        "0190f3c2-1111-7222-8333-"

/* The bar has a minute for the first result after there is room; a daemon offers it this often. */
_Static_assert(4 * RUNNER_AGAIN_NS <= 60 * NS_PER_S, "a result that is held is offered again soon");

/* Each run of it has another id: the number of the run, which it keeps beside itself. */
static const char program[] = "#!/bin/sh\n"
			      "n=$(($(cat \"$0.count\" 2>/dev/null) + 1))\n"
			      "echo $n >\"$0.count\"\n"
			      "cat <<'END'\n" RAW_RESULT "\nEND\n"
			      "printf '{\"schema\":\"radar-pod/result/1\",\"id\":\"" ID
			      "%012d\",\"bytes_used\":289}' $n >&3\n";

#define OOKLA                                                                                      \
	"{\"type\":\"result\",\"ping\":{\"latency\":9.2},\"download\":{\"bandwidth\":125000,"      \
	"\"bytes\":"                                                                               \
	"200},\"upload\":{\"bandwidth\":125000,\"bytes\":89},\"result\":{\"id\":\"x\"}}"

static const char ookla_program[] = "#!/bin/sh\ncat <<'END'\n" OOKLA "\nEND\n";

struct day {
	struct loop *loop;
	struct store *store;
	struct config config;
	struct runner *runner;
	struct schedule schedule;
	uint64_t now_ns, at_ns[TESTS_MAX];
	unsigned int tests, measured, lost;
	bool told_lost[TESTS_MAX + 1]; /* by the number in the id */
	unsigned int stored;           /* of what was held */
};

static void note_line(void *owner, const struct log_entry *e)
{
	struct day *d = owner;
	unsigned int number;

	if (sscanf(e->message, "the result " ID "%u is lost: there was no room", &number) == 1 &&
	    number <= TESTS_MAX)
		d->told_lost[number] = true;
	d->lost += strstr(e->message, " is lost") != NULL;
}

static void on_stored(void *owner)
{
	struct day *d = owner;

	d->stored++;
	loop_stop(d->loop);
}

static void on_test(void *owner, const struct runner_end *end)
{
	struct day *d = owner;

	d->measured += end->measured;
	loop_stop(d->loop);
}

static void write_program(const char *name, const char *text, char path[512])
{
	FILE *f = fopen(store_rig_path(name, path), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
}

static void begin(struct day *d)
{
	static char path[512];
	struct schedule_options schedule = { .local = memoryless_of(MEAN_NS),
		                             .spacing_ns = 60 * NS_PER_S };
	struct store_limits limits = {};
	struct runner_options o = {
		.executable = path, .again_ns = AGAIN_NS, .stored = on_stored, .owner = d
	};

	*d = (struct day){};
	assert_int_equal(loop_open(LOOP_BODY_AUTO, &d->loop, NULL), 0);
	assert_int_equal(store_open(store_rig_make(), STORE_DAEMON, &limits, &d->store, NULL, NULL),
	                 0);
	write_program("program", program, path);
	assert_int_equal(config_parse("c", "", 0, &d->config, NULL, NULL), 0);
	write_program("ookla", ookla_program, d->config.ookla_binary);
	d->config.ookla_accept_license = true;
	o.loop = d->loop;
	o.store = d->store;
	o.config = &d->config;
	assert_int_equal(runner_new(&o, &d->runner, NULL), 0);
	schedule_start(&d->schedule, &schedule, 0, SEED);
	log_set_watcher(note_line, d);
}

static void end(struct day *d)
{
	log_set_watcher(NULL, NULL);
	runner_free(d->runner);
	store_close(d->store);
	loop_close(d->loop);
	store_rig_remove();
}

static void measure_by(struct day *d, enum config_runner kind)
{
	struct runner_test test = { .kind = kind, .cause = STORE_SCHEDULED, .interface = "" };
	unsigned int before = d->measured;

	assert_int_equal(runner_start(d->runner, &test, on_test, d, NULL), 0);
	assert_int_equal(loop_run(d->loop, loop_now_ns(d->loop) + HANG_NS, NULL), LOOP_STOPPED);
	assert_int_equal(d->measured, before + 1);
}

static void measure(struct day *d)
{
	assert_true(d->tests < TESTS_MAX);
	d->at_ns[d->tests++] = d->now_ns;
	measure_by(d, CONFIG_RUNNER_NDT7);
	d->now_ns += TEST_NS;
	schedule_ended(&d->schedule, d->now_ns, true);
}

static void live(struct day *d)
{
	struct schedule_day day = { .left_ns = DAY_NS };
	struct schedule_test test;
	uint64_t wake_ns;

	while (d->now_ns < DAY_NS) {
		if (schedule_turn(&d->schedule, d->now_ns, &day, &test, &wake_ns) == SCHEDULE_BEGIN)
			measure(d);
		else
			d->now_ns = wake_ns;
	}
}

static void D4_a_day_on_a_full_disk(void **state)
{
	static struct day with_room, full;
	struct store_counts counts;

	(void)state;
	begin(&with_room);
	live(&with_room);
	assert_int_equal(store_count(with_room.store, &counts, NULL), 0);
	assert_int_equal(counts.results, with_room.tests);
	end(&with_room);

	begin(&full);
	faulty_vfs_fail(1, SQLITE_FULL, true);
	live(&full);
	assert_in_range(full.tests, 12, 48);
	assert_int_equal(full.tests, with_room.tests);
	assert_memory_equal(full.at_ns, with_room.at_ns, sizeof(full.at_ns));
	assert_true(runner_is_holding(full.runner) && store_is_full(full.store));
	for (unsigned int n = 1; n <= full.tests; n++)
		assert_int_equal(full.told_lost[n], n + HELD_RESULTS_MAX <= full.tests);

	faulty_vfs_fail(0, 0, false);
	assert_int_equal(loop_run(full.loop, loop_now_ns(full.loop) + HANG_NS, NULL), LOOP_STOPPED);
	assert_int_equal(full.stored, 1);
	assert_false(store_is_full(full.store));
	assert_int_equal(store_count(full.store, &counts, NULL), 0);
	assert_int_equal(counts.results, HELD_RESULTS_MAX);
	assert_int_equal(counts.pending, HELD_RESULTS_MAX);
	print_message("%u tests in a day with room, %u without: all but the last %zu are told as "
	              "lost\n",
	              with_room.tests, full.tests, HELD_RESULTS_MAX);
	end(&full);
}

/* One request, two runners: neither result takes the other's place. */
static void R39_R40_each_result_of_a_round_is_held(void **state)
{
	static struct day d;
	struct store_counts counts;

	(void)state;
	begin(&d);
	faulty_vfs_fail(1, SQLITE_FULL, true);
	measure_by(&d, CONFIG_RUNNER_NDT7);
	measure_by(&d, CONFIG_RUNNER_OOKLA);
	assert_true(runner_is_holding(d.runner));
	faulty_vfs_fail(0, 0, false);
	assert_int_equal(loop_run(d.loop, loop_now_ns(d.loop) + HANG_NS, NULL), LOOP_STOPPED);
	assert_false(runner_is_holding(d.runner));
	assert_int_equal(store_count(d.store, &counts, NULL), 0);
	assert_int_equal(counts.pending, 2);
	assert_int_equal(d.lost, 0);
	end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(D4_a_day_on_a_full_disk),
		cmocka_unit_test(R39_R40_each_result_of_a_round_is_held),
	};

	process_needs_pidfd();
	faulty_vfs_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
