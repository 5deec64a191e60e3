/* One test: a process of its own (agent/run/bounded_child.h), its result looked at (agent/run/runner_judge.h), and stored with
 * its place in the outbox before anything else is done with it.
 *
 *   runner_new(&options, &runner, &err);
 *   runner_start(runner, &test, done, owner, &err);      done() is called once, from the loop
 *   runner_stop(runner);                                 ends the test under way; done() follows
 *   runner_free(runner);
 *
 * A trace that cannot be made, or has no room, is logged as lost; its test goes on, and its result is kept.
 *
 * Results that the store has no room for are held, and offered again every RUNNER_AGAIN_NS; there is a bound to them
 * (agent/run/held_result.h), beyond which the oldest is dropped, and that is logged.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "agent/run/runner_judge.h"
#include "agent/store/store.h"
#include "measure/run.h"

struct child_watch;
struct err;
struct loop;
struct runner;

/* A run ends by itself by RUN_DEADLINE_NS, whatever the servers do: locating, dialing one after the other, both
 * directions. Ten seconds more are for loading BPF, stopping, and writing a trace. */
#define RUNNER_NDT7_NS  (RUN_DEADLINE_NS + 10 * 1000000000ULL)
#define RUNNER_OOKLA_NS (120 * 1000000000ULL) /* contract 7.4 */
#define RUNNER_GRACE_NS (5 * 1000000000ULL)   /* from SIGTERM to SIGKILL; `test` needs up to 2 s */
#define RUNNER_AGAIN_NS (15 * 1000000000ULL)

struct runner_options {
	struct loop *loop;
	struct store *store;
	const struct config *config; /* as it is when a test begins */
	const char *executable;      /* NULL: this program */
	uint64_t deadline_ns;        /* of either test; 0: as above */
	uint64_t again_ns;           /* 0: RUNNER_AGAIN_NS */

	/* Results that were held are in the store now. NULL: nobody wants to know. */
	void (*stored)(void *owner);
	void *owner;

	const char *state_dir; /* where traces are kept that are wanted; NULL: none are */

	/* Who hears of the ends of tests; stays the caller's. NULL: nobody. */
	const struct child_watch *watch;
};

struct runner_test {
	enum config_runner kind;
	enum store_cause cause;
	const char *interface; /* "": the default route's */
	const char *name; /* which that is, for the service to know; NULL: not known, or the same */
	const char *address;    /* of that interface, for Ookla's program; NULL: it chooses */
	const char *trace_path; /* NULL: as the configuration's `trace` says */
	const char *warning;    /* to be among its result's; NULL: none */
	bool wireless;
	const char *connection_info; /* JSON, contract 8.3; NULL */
};

struct runner_end {
	bool measured;          /* a result is in the store, or held for it */
	bool upload;            /* and has a place in the outbox */
	uint64_t hold_local_ns; /* a test of our own is not wanted before (contract N79, N80); 0 */
	char id[STORE_ID_BYTES];
	char why[RUNNER_WHY_BYTES]; /* why not, a sentence; "" */
	enum runner_failure failure;
	int error; /* of it, a negative errno; 0: not known */
};

typedef void (*runner_done)(void *owner, const struct runner_end *end);

int runner_new(const struct runner_options *options, struct runner **ret, struct err *err);

/* Ends what is under way, unheard. Accepts NULL; always returns NULL. */
struct runner *runner_free(struct runner *r);

/* Whether the configuration and this machine have what `kind` needs: 0, or what is missing.
 *   -ENOENT, -EACCES, … */
int runner_can(const struct runner *r, enum config_runner kind, struct err *err);

/*   -EBUSY   a test is under way;  or as runner_can()
 *   else     no process could be made; then there is no done() either */
int runner_start(struct runner *r, const struct runner_test *test, runner_done done, void *owner,
                 struct err *err);
void runner_stop(struct runner *r);

bool runner_is_busy(const struct runner *r);

/* A result waits for room in the store. */
bool runner_is_holding(const struct runner *r);
