/* What a daemon that was taken over may still have started. */
#include "agent/daemon/daemon_children.h"

#include "agent/run/test_command.h"
#include "tests/cases.h"

#define OURS "/proc/self/exe"

static const struct daemon_children children = { "/var/lib/radar-pod", "/opt/ookla/speedtest" };

struct child_case {
	const char *name, *program;
	bool may;
	const char *argv[10];
};

static const struct child_case child_cases[] = {
	{ "a courier", OURS, true, { "radar-pod", "courier" } },
	{ "a courier with its authorities",
	  OURS,
	  true,
	  { "radar-pod", "courier", "/etc/pod.pem" } },
	{ "a courier with more", OURS, false, { "radar-pod", "courier", "a", "b" } },
	{ "a test", OURS, true, { "radar-pod", "test", "ndt7", "--format", "raw", "--no-store" } },
	{ "a test's result, to whom it is",
	  OURS,
	  true,
	  { "radar-pod", "test", "ndt7", "--result", "/dev/fd/3" } },
	{ "a test's trace, on the shelf",
	  OURS,
	  true,
	  { "radar-pod", "test", "ndt7", "--trace", "/var/lib/radar-pod/traces/1.jsonl.zst" } },
	{ "a result elsewhere",
	  OURS,
	  false,
	  { "radar-pod", "test", "ndt7", "--result", "/etc/cron.d/x" } },
	{ "an output", OURS, false, { "radar-pod", "test", "ndt7", "--output", "/etc/cron.d/x" } },
	{ "a trace elsewhere",
	  OURS,
	  false,
	  { "radar-pod", "test", "ndt7", "--trace", "/home/x.csv" } },
	{ "a trace in a namesake",
	  OURS,
	  false,
	  { "radar-pod", "test", "ndt7", "--trace", "/var/lib/radar-pod2/x.csv" } },
	{ "a trace by a way round",
	  OURS,
	  false,
	  { "radar-pod", "test", "ndt7", "--trace", "/var/lib/radar-pod/../x.csv" } },
	{ "another state directory",
	  OURS,
	  false,
	  { "radar-pod", "test", "ndt7", "--state-dir", "/etc" } },
	{ "an option without its value", OURS, false, { "radar-pod", "test", "ndt7", "--format" } },
	{ "an option as a value",
	  OURS,
	  false,
	  { "radar-pod", "test", "ndt7", "--format", "raw", "--format", "--no-store", "--output",
	    "x" } },
	{ "a test of nothing", OURS, false, { "radar-pod", "test" } },
	{ "another test", OURS, false, { "radar-pod", "test", "ookla" } },
	{ "the loader", OURS, false, { "radar-pod", "bpf-loader" } },
	{ "any program by ours", OURS, false, { "radar-pod", "record", "--", "sh" } },
	{ "no command", OURS, false, { "radar-pod" } },
	{ "Ookla's program", "/opt/ookla/speedtest", true, { "speedtest", "--format", "json" } },
	{ "another one", "/bin/sh", false, { "speedtest" } },
	{ "one below it", "/opt/ookla/speedtest/x", false, { "speedtest" } },
};

static void is_started_or_not(void **state)
{
	const struct child_case *c = *state;

	assert_int_equal(daemon_children_may(&children, c->program, (char *const *)c->argv),
	                 c->may);
}

static void without_a_program_none_is_started(void **state)
{
	static const struct daemon_children none = { "/var/lib/radar-pod", "" };
	char *const argv[] = { (char *)"x", NULL };

	(void)state;
	assert_false(daemon_children_may(&none, "", argv));
}

/* Whatever options the runner comes to use. */
static void what_the_runner_orders_is_started(void **state)
{
	static struct config config;
	struct test_command_wish wish = { .interface = "eth0",
		                          .trace_path = "/var/lib/radar-pod/traces/x.jsonl.zst",
		                          .warning = "--output" };
	struct test_command command;

	(void)state;
	assert_int_equal(
		config_parse("", "trace=full\nca_file=/etc/a.pem\n", 30, &config, NULL, NULL), 0);
	test_command_ndt7(&config, &wish, "/dev/fd/3", &command);
	assert_true(daemon_children_may(&children, OURS, (char *const *)command.argv));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_program_none_is_started),
		cmocka_unit_test(what_the_runner_orders_is_started),
	};
	int failed = CASES_RUN(is_started_or_not, child_cases);

	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
