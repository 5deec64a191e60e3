/* The tests of one turn: every runner that is configured on every interface that is asked for, one after the other.
 * One that fails takes nothing from another (contract R40, R41).
 *
 *   round_start(runner, &wish, prepare, done, owner, &round, &err);
 *   …  in prepare(), or any time later:  round_go(round, &radio);  or  round_skip(round, why);
 *   done() once, when all have been tried
 *
 * What is done before each test, waiting for the line to be quiet and asking the radio, is the caller's: prepare().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/run/runner.h"
#include "agent/schedule/schedule.h"

struct err;
struct round;

struct round_wish {
	unsigned int runners; /* of enum config_runner */
	enum store_cause cause;
	struct schedule_interfaces on;

	/* A test has left nothing for the service, and that is worth a report. NULL: nobody wants to know. */
	void (*failed)(void *owner, enum config_runner kind, const struct runner_end *end);
};

/* What prepare() has found out. */
struct round_radio {
	const char *name; /* of the interface that "" is; NULL: not known */
	bool wireless;
	const char *connection_info; /* NULL */
	const char *address;         /* of the interface; NULL */
	const char *warning;         /* NULL */
	const char *trace_path;      /* NULL */
};

struct round_end {
	size_t tried, measured, uploads;
	uint64_t hold_local_ns; /* a test of our own is not wanted before; 0: at any time */
	bool stopped;
};

typedef void (*round_prepare)(void *owner, const char *interface);
typedef void (*round_done)(void *owner, const struct round_end *end);

/* Nothing is called from in here; what follows comes from the loop. */
int round_start(struct loop *loop, struct runner *runner, const struct round_wish *wish,
                round_prepare prepare, round_done done, void *owner, struct round **ret,
                struct err *err);

void round_go(struct round *r, const struct round_radio *radio);
void round_skip(struct round *r, const char *why);

/* Ends the test under way, and begins no other; done() follows. */
void round_stop(struct round *r);

/* Before done() was called: it will not be. Accepts NULL; always returns NULL. */
struct round *round_free(struct round *r);
