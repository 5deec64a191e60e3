/* The parts of daemon_tests to each other: daemon_tests.c its life and its uploads, daemon_round.c from a request to the
 * end of its tests, daemon_tests_status.c what it tells of itself. */
#pragma once

#include "agent/daemon/before_test.h"
#include "agent/daemon/daemon_plan.h"
#include "agent/daemon/daemon_tests.h"
#include "agent/run/round.h"
#include "agent/run/runner.h"
#include "agent/upload/upload_courier.h"
#include "agent/upload/uploader.h"
#include "transport/loop/loop.h"

struct daemon_tests {
	struct daemon_world world; /* loop NULL: not begun */
	struct daemon_plan plan;
	struct loop_timer turn; /* a test may be due */
	struct loop_timer tidy;
	struct runner *runner;
	struct upload_courier *wire;
	struct uploader *uploader;
	bool stopping;
	uint64_t lost; /* results, ever, as far as it was told */

	/* --- the tests of one turn --- */
	struct round *round;        /* NULL: none runs */
	bool waits_for_upload;      /* one is under way, and ends first */
	struct before_test *before; /* what is looked at before the next test */
	struct schedule_test test;
	char interface[IF_NAMESIZE]; /* of the next test, as asked for */
	uint64_t begun_ns;

	/* --- for `status` --- */
	uint64_t rounds, tried, measured;
};

/* daemon_round.c */
void daemon_round_asked(struct daemon_tests *t, const struct schedule_interfaces *on);
void daemon_round_turn(void *owner); /* of a struct daemon_tests: begins what is due */
void daemon_round_upload_ended(struct daemon_tests *t);
void daemon_round_stop(struct daemon_tests *t);

/* daemon_tests.c: nothing is sent while a test runs, nor by who is no pod yet, nor any more. */
void daemon_tests_hold(struct daemon_tests *t);
void daemon_tests_turn_soon(struct daemon_tests *t);
void daemon_tests_say_lost(struct daemon_tests *t);

/* daemon_tests_status.c */
void daemon_tests_put_status(void *self, struct json_writer *w);
