/* The schedule (agent/schedule/schedule.h) as a daemon keeps it: by the configuration's options, with the day of the
 * store, on CLOCK_BOOTTIME, and with the tests that earlier processes have begun, so that a daemon that is restarted
 * again and again keeps the spacing and the tests of a day.
 *
 *   daemon_plan_start(&plan, store, config);
 *   daemon_plan_turn(&plan, &test, &wait_ns)         as schedule_turn()
 *   daemon_plan_ended(&plan, measured, hold_local_ns);
 *
 * What is asked of the schedule besides is asked of plan.schedule.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/schedule/schedule.h"
#include "agent/store/store.h"

struct config;

/* A test that was begun. */
struct daemon_plan_begun {
	enum schedule_cause cause;
	struct store_clock at;
};

struct daemon_plan {
	struct schedule schedule;
	struct store *store;
	struct schedule_day day; /* as it was looked at last */
	size_t begun_count;
	struct daemon_plan_begun begun[SCHEDULE_PER_DAY_MAX]; /* within a day, the oldest first */
};

void daemon_plan_start(struct daemon_plan *p, struct store *s, const struct config *config);

/* The configuration is another. */
void daemon_plan_set_config(struct daemon_plan *p, const struct config *config);

uint64_t daemon_plan_now_ns(void);

/* *ret_wait_ns: for how long, CLOCK_NEVER_NS: until something changes. */
enum schedule_turn daemon_plan_turn(struct daemon_plan *p, struct schedule_test *ret_test,
                                    uint64_t *ret_wait_ns);

/* `hold_local_ns`: the locate service wants no test of our own before; 0: it has not said. */
void daemon_plan_ended(struct daemon_plan *p, bool measured, uint64_t hold_local_ns);
