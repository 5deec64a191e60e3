#include "agent/run/round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/cases.h"
#include "tests/process.h"
#include "tests/store_rig.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define OBJECT(id) "{\"schema\":\"radar-pod/result/1\",\"id\":\"0190f3c2-0000-7000-8000-" id "\"}"

/* Notes its interface, or that it is Ookla's; ndt7 on eth2 fails. */
static const char program[] =
	"#!/bin/sh\n"
	"case \"$*\" in\n"
	"*--interface\\ eth1*) echo -n 'n1 ' >>LOG; echo '" OBJECT(
		"000000000001") "' >&3;;\n"
				"*--interface\\ eth2*) echo -n 'n2 ' >>LOG; exit 1;;\n"
				"*--interface\\ eth3*) echo -n 'n3 ' >>LOG; echo '" OBJECT(
					"000000000003") "' >&3;;\n"
							"*--ip*) echo -n \"o$5 \" >>LOG; exit 2;;\n"
							"*) echo -n 'n ' >>LOG; echo '" OBJECT(
								"000000000000") "' >&3;;\n"
										"esac\n";

struct rig {
	const char *directory;
	struct loop *loop;
	struct store *store;
	struct config config;
	struct runner *runner;
	struct round *round;
	struct round_end end;
	int ended;
	const char *skip; /* an interface */
	bool stop;        /* at the second */
	size_t prepared;
	bool wants_failures;
	int failed;
};

static void on_prepare(void *owner, const char *interface)
{
	struct rig *rig = owner;
	struct round_radio radio = { .address = "192.0.2.1" };

	rig->prepared++;
	if (rig->skip && strcmp(interface, rig->skip) == 0)
		round_skip(rig->round, "there is no such interface");
	else
		round_go(rig->round, &radio);
	if (rig->stop && rig->prepared == 2)
		round_stop(rig->round);
}

static void on_failed(void *owner, enum config_runner kind, const struct runner_end *end)
{
	struct rig *rig = owner;

	assert_int_equal(kind, CONFIG_RUNNER_NDT7);
	assert_string_equal(runner_failure_name(end->failure), "RESULT_UNREADABLE");
	assert_non_null(strstr(end->why, "code 0"));
	rig->failed++;
}

static void on_done(void *owner, const struct round_end *end)
{
	struct rig *rig = owner;

	rig->end = *end;
	rig->ended++;
	loop_stop(rig->loop);
}

static void write_program(struct rig *rig)
{
	char path[512], log[512], command[2048];
	FILE *f = fopen(store_rig_path("program", path), "w");

	assert_non_null(f);
	fputs(program, f);
	fclose(f);
	snprintf(command, sizeof(command), "sed -i s,LOG,%s, %s && chmod 700 %s",
	         store_rig_path("log", log), path, path);
	assert_int_equal(system(command), 0);
	snprintf(rig->config.ookla_binary, sizeof(rig->config.ookla_binary), "%s", path);
	rig->config.ookla_accept_license = true;
}

static void play(struct rig *rig, unsigned int runners, const char *const *on, char log[256])
{
	struct store_limits limits = {};
	struct runner_options o = { .config = &rig->config };
	struct round_wish wish = { .runners = runners,
		                   .failed = rig->wants_failures ? on_failed : NULL };
	char path[512];
	FILE *f;

	rig->directory = store_rig_make();
	assert_int_equal(config_parse("c", "", 0, &rig->config, NULL, NULL), 0);
	write_program(rig);
	assert_int_equal(loop_open(LOOP_BODY_AUTO, &rig->loop, NULL), 0);
	assert_int_equal(store_open(rig->directory, STORE_DAEMON, &limits, &rig->store, NULL, NULL),
	                 0);
	o.loop = rig->loop;
	o.store = rig->store;
	o.executable = rig->config.ookla_binary;
	assert_int_equal(runner_new(&o, &rig->runner, NULL), 0);
	for (; *on; on++)
		schedule_interfaces_add(&wish.on, *on);
	assert_int_equal(round_start(rig->loop, rig->runner, &wish, on_prepare, on_done, rig,
	                             &rig->round, NULL),
	                 0);
	assert_int_equal(loop_run(rig->loop, loop_now_ns(rig->loop) + 20 * NS_PER_S, NULL),
	                 LOOP_STOPPED);
	assert_int_equal(rig->ended, 1);
	f = fopen(store_rig_path("log", path), "r");
	memset(log, 0, 256);
	assert_true(!f || fread(log, 1, 255, f) > 0);
	if (f)
		fclose(f);
	runner_free(rig->runner);
	store_close(rig->store);
	loop_close(rig->loop);
	store_rig_remove();
}

static void R41_interfaces_one_after_the_other(void **state)
{
	static const char *const on[] = { "eth1", "eth3", "", NULL };
	struct rig rig = {};
	char log[256];

	(void)state;
	rig.wants_failures = true;
	play(&rig, CONFIG_RUNNER_NDT7, on, log);
	assert_string_equal(log, "n1 n3 n ");
	assert_int_equal(rig.end.measured, 3);
	assert_int_equal(rig.end.uploads, 0); /* without a raw result */
	assert_int_equal(rig.failed, 3);
}

static void R40_one_that_fails_takes_nothing_from_another(void **state)
{
	static const char *const on[] = { "eth1", "eth2", "eth3", NULL };
	struct rig rig = {};
	char log[256];

	(void)state;
	play(&rig, CONFIG_RUNNER_NDT7 | CONFIG_RUNNER_OOKLA, on, log);
	assert_string_equal(log, "n1 n2 n3 o--ip o--ip o--ip ");
	assert_int_equal(rig.end.tried, 6);
	assert_int_equal(rig.end.measured, 2);
}

static void one_may_be_skipped(void **state)
{
	static const char *const on[] = { "eth1", "eth2", "eth3", NULL };
	struct rig rig = { .skip = "eth2" };
	char log[256];

	(void)state;
	play(&rig, CONFIG_RUNNER_NDT7, on, log);
	assert_string_equal(log, "n1 n3 ");
	assert_int_equal(rig.end.tried, 2);
}

static void R63_a_stop_begins_no_other(void **state)
{
	static const char *const on[] = { "eth1", "eth2", "eth3", NULL };
	struct rig rig = { .stop = true };
	char log[256];

	(void)state;
	play(&rig, CONFIG_RUNNER_NDT7, on, log);
	assert_null(strstr(log, "n3"));
	assert_true(rig.end.stopped);
	assert_int_equal(rig.end.tried, 2);
}

static void nothing_that_can_be_run_is_an_end(void **state)
{
	static const char *const on[] = { "eth1", NULL };
	struct rig rig = {};
	char log[256];

	(void)state;
	play(&rig, 0, on, log);
	assert_string_equal(log, "");
	assert_int_equal(rig.end.tried, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(R41_interfaces_one_after_the_other),
		cmocka_unit_test(R40_one_that_fails_takes_nothing_from_another),
		cmocka_unit_test(one_may_be_skipped),
		cmocka_unit_test(R63_a_stop_begins_no_other),
		cmocka_unit_test(nothing_that_can_be_run_is_an_end),
	};

	process_needs_pidfd();
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
