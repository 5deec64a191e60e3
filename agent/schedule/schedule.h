/* Which test runs when: what the service asks for, and the pod's own schedule. One at a time, at most one queued.
 *
 *   schedule_start(&s, &options, now_ns, seed);
 *   schedule_ask(&s, &interfaces);                      the service wants one, and says so as often as it likes
 *   if (schedule_turn(&s, now_ns, &day, &test, &wake_ns) == SCHEDULE_BEGIN)
 *           run it, then schedule_ended(&s, now_ns, measured);
 *   else
 *           call schedule_turn() again at wake_ns, or after any of the other calls
 *
 * Promises, whatever is called when:
 *  - no test begins while another runs, nor before `spacing_ns` have passed since the last one's end;
 *  - a request that is repeated is one test: while it is queued, while it runs, and until its results have been
 *    delivered, for until then the service does not know;
 *  - a test that measured nothing is tried again, for the service repeats what it asks, but each time later: twice
 *    the wait, up to SCHEDULE_AGAIN_MOST_NS; so is one whose result the service refuses;
 *  - no more than `local_per_day` of our own begin in any 24 hours.
 *
 * Pure. Instants are of one clock that also goes on in sleep and never back: CLOCK_BOOTTIME.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/schedule/backoff.h"
#include "agent/schedule/memoryless.h"

#define SCHEDULE_INTERFACES_MAX 8
#define SCHEDULE_PER_DAY_MAX    24
#define SCHEDULE_AGAIN_MOST_NS  (3600 * 1000000000ULL)

/* Of the configuration's fleet_spread, as a person may be waiting (docs/fleet.md). */
#define SCHEDULE_ASKED_WITHIN_NS(fleet_spread_ns) ((fleet_spread_ns) / 3)

/* Where a test is to run; no two alike. "" is the default route's. */
struct schedule_interfaces {
	size_t count;
	char names[SCHEDULE_INTERFACES_MAX][IF_NAMESIZE];
};

/* Adds a name unless it is there. False: there are too many, or it is too long for one. */
bool schedule_interfaces_add(struct schedule_interfaces *on, const char *name);

enum schedule_cause { SCHEDULE_ASKED, SCHEDULE_LOCAL };

struct schedule_test {
	enum schedule_cause cause;
	struct schedule_interfaces on;
};

struct schedule_options {
	struct memoryless
		local; /* of our own tests; mean_ns 0: none. Else valid by memoryless_check() */
	unsigned int local_per_day; /* up to SCHEDULE_PER_DAY_MAX; 0: any number */
	uint64_t spacing_ns;        /* from the end of a test to the beginning of the next */
	uint64_t daily_bytes;       /* that tests of a day may use; 0: any amount */
	uint64_t asked_within_ns;   /* what is asked for begins some time within it */
};

/* The day that now is in, as the store counts it. */
struct schedule_day {
	uint64_t used_bytes;
	uint64_t left_ns; /* until the next one begins */
};

struct schedule {
	struct schedule_options options;
	uint64_t random;
	struct backoff again;   /* after tests that measured nothing */
	struct backoff refused; /* after results that the service did not want */
	bool running, queued, delivering;
	bool answered; /* what was asked for is closed at the service: the next request is another one */
	struct schedule_test test;          /* that runs */
	struct schedule_interfaces waiting; /* of what is queued */
	uint64_t asked_at_ns;               /* it does not begin before; 0: not drawn yet */
	uint64_t free_at_ns;                /* none begins before */
	uint64_t local_at_ns;               /* the next tick; CLOCK_NEVER_NS: none */
	uint64_t local_begun_ns[SCHEDULE_PER_DAY_MAX]; /* of the last ones, in a ring */
	unsigned int local_begun;
};

/* The first wait of the local schedule is drawn, too: a fleet that boots together does not test together. */
void schedule_start(struct schedule *s, const struct schedule_options *options, uint64_t now_ns,
                    uint64_t seed);

/* Others, of a configuration that was read again. What runs or is queued stays; another mean is drawn anew. */
void schedule_set_options(struct schedule *s, const struct schedule_options *options,
                          uint64_t now_ns);

enum schedule_answer {
	SCHEDULE_TAKEN,      /* it is queued, alone or with what was queued before */
	SCHEDULE_UNDER_WAY,  /* it is queued already, or the test that runs is it */
	SCHEDULE_DELIVERING, /* results of the last one have not arrived yet: it would be the same */
};

/* `on` has one name at least. */
enum schedule_answer schedule_ask(struct schedule *s, const struct schedule_interfaces *on);

/* Whether results that were measured at the service's request still wait to be delivered; those in quarantine do
 * not, or nothing could ever be asked for again. */
void schedule_set_delivering(struct schedule *s, bool delivering);

/* The service was heard, and asks for no test: what it had asked for has its answer, or is not wanted any more. */
void schedule_answered(struct schedule *s);

/* It refuses a result for good: what it repeats now is a test again, later each time until it is answered. */
void schedule_refused(struct schedule *s, uint64_t now_ns);

/* Whether a request that comes now is the one whose test has been run: nothing has arrived for it, whatever was sent,
 * and who has such a result sends that once more instead of asking for a test. Nobody knows of what was asked of an
 * earlier process: it counts as the same, for a failed upload is never made up for by a test. */
bool schedule_is_repeated(const struct schedule *s);

/* A server told us not to come back before (contract N79): for our own tests. */
void schedule_hold_local(struct schedule *s, uint64_t until_ns);

/* A test of an earlier process, that began so long ago, at most a day, counts as one of this one's. The oldest
 * first. */
void schedule_remember(struct schedule *s, enum schedule_cause cause, uint64_t ago_ns,
                       uint64_t now_ns);

enum schedule_turn {
	SCHEDULE_WAIT,  /* until *ret_wake_ns at the latest, which may be CLOCK_NEVER_NS */
	SCHEDULE_BEGIN, /* *ret_test; it runs from now on */
};

enum schedule_turn schedule_turn(struct schedule *s, uint64_t now_ns,
                                 const struct schedule_day *day, struct schedule_test *ret_test,
                                 uint64_t *ret_wake_ns);

/* The test that runs has ended. `measured`: it has left a result. */
void schedule_ended(struct schedule *s, uint64_t now_ns, bool measured);
