#include "agent/daemon/daemon_plan.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/config/config.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

#define BEGUN        "tests_begun"
#define DAY_NS       (86400 * NS_PER_S)
#define MLAB_PER_DAY 4 /* its acceptable use; six hours in the mean are 4.3 */

/* CLOCK_MONOTONIC, which the loop's timers are on, stands still in sleep: this soon after it the schedule is looked
 * at. */
#define SLEPT_NS_MOST (60 * NS_PER_S)

uint64_t daemon_plan_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* --- what earlier processes have begun ------------------------------------------------------------- */

/* False: not within a day, or the clock has gone back. */
static bool age_of(const struct daemon_plan_begun *b, const struct store_clock *now,
                   uint64_t *ret_ns)
{
	struct store_wait a_day = { .wait_ns = STORE_WAIT_NS_MAX, .since = b->at };
	uint64_t left_ns = store_wait_left_ns(&a_day, now);

	*ret_ns = STORE_WAIT_NS_MAX - left_ns;
	return left_ns > 0;
}

static void add_begun(struct daemon_plan *p, const struct daemon_plan_begun *b)
{
	if (p->begun_count == SCHEDULE_PER_DAY_MAX)
		memmove(p->begun, p->begun + 1, --p->begun_count * sizeof(*b));
	p->begun[p->begun_count++] = *b;
}

/* "service 4 5 BOOT", a line each: utc_ns, boot_ns and boot_id of struct store_clock. */
static bool read_begun(const char *line, struct daemon_plan_begun *ret)
{
	unsigned long long utc_ns, boot_ns;
	char cause[16];

	if (sscanf(line, "%15s %llu %llu %36s", cause, &utc_ns, &boot_ns, ret->at.boot_id) != 4)
		return false;
	ret->cause = strcmp(cause, store_cause_name(STORE_SCHEDULED)) == 0 ? SCHEDULE_LOCAL
	                                                                   : SCHEDULE_ASKED;
	ret->at.utc_ns = utc_ns;
	ret->at.boot_ns = boot_ns;
	return true;
}

static void remember(struct daemon_plan *p)
{
	char text[STORE_FACT_BYTES], *rest = text, *line;
	struct daemon_plan_begun b;
	struct store_clock now;
	struct err err;
	uint64_t age_ns;
	int r = store_fact_get(p->store, BEGUN, text, sizeof(text), &err);

	if (r != STORE_OK) {
		if (r < 0)
			log_err(LOG_LEVEL_WARNING, &err);
		return;
	}
	store_clock_read(&now);
	while ((line = strsep(&rest, "\n"))) {
		if (!read_begun(line, &b) || !age_of(&b, &now, &age_ns))
			continue;
		add_begun(p, &b);
		schedule_remember(&p->schedule, b.cause, age_ns, daemon_plan_now_ns());
	}
}

/* Before it begins. One that cannot be noted is forgotten by a restart, and runs all the same. */
static void note_begun(struct daemon_plan *p, enum schedule_cause cause)
{
	struct daemon_plan_begun b = { .cause = cause };
	char storage[STORE_FACT_BYTES];
	struct text text = text_on(storage, sizeof(storage));
	struct err err;
	uint64_t age_ns;

	store_clock_read(&b.at);
	add_begun(p, &b);
	for (size_t i = 0; i < p->begun_count; i++)
		if (age_of(&p->begun[i], &b.at, &age_ns))
			text_append(&text, "%s %llu %llu %s\n",
			            store_cause_name(p->begun[i].cause == SCHEDULE_LOCAL
			                                     ? STORE_SCHEDULED
			                                     : STORE_ASKED),
			            (unsigned long long)p->begun[i].at.utc_ns,
			            (unsigned long long)p->begun[i].at.boot_ns,
			            p->begun[i].at.boot_id);
	if (store_fact_set(p->store, BEGUN, storage, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
}

/* --- the schedule ----------------------------------------------------------------------------------- */

static struct schedule_options options_of(const struct config *c)
{
	struct schedule_options o = { .local_per_day = config_is_mlab(c) ? MLAB_PER_DAY : 0,
		                      .spacing_ns = c->min_test_spacing_ns,
		                      .daily_bytes = c->daily_byte_cap,
		                      .asked_within_ns =
		                              SCHEDULE_ASKED_WITHIN_NS(c->fleet_spread_ns) };

	if (c->schedule_ns)
		o.local = memoryless_of(c->schedule_ns);
	return o;
}

void daemon_plan_start(struct daemon_plan *p, struct store *s, const struct config *config)
{
	struct schedule_options o = options_of(config);
	uint64_t seed;

	*p = (struct daemon_plan){ .store = s };
	bytes_random(&seed, sizeof(seed));
	schedule_start(&p->schedule, &o, daemon_plan_now_ns(), seed);
	remember(p);
}

void daemon_plan_set_config(struct daemon_plan *p, const struct config *config)
{
	struct schedule_options o = options_of(config);

	schedule_set_options(&p->schedule, &o, daemon_plan_now_ns());
}

/* A count that cannot be read is the last one. */
static void look_at_day(struct daemon_plan *p)
{
	uint64_t utc_ns = clock_utc_ns();
	struct err err;

	p->day.left_ns = DAY_NS - utc_ns % DAY_NS;
	if (store_usage_get(p->store, utc_ns, &p->day.used_bytes, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
}

enum schedule_turn daemon_plan_turn(struct daemon_plan *p, struct schedule_test *ret_test,
                                    uint64_t *ret_wait_ns)
{
	uint64_t now_ns = daemon_plan_now_ns(), wake_ns;

	look_at_day(p);
	*ret_wait_ns = CLOCK_NEVER_NS;
	if (schedule_turn(&p->schedule, now_ns, &p->day, ret_test, &wake_ns) == SCHEDULE_BEGIN) {
		note_begun(p, ret_test->cause);
		return SCHEDULE_BEGIN;
	}
	if (wake_ns != CLOCK_NEVER_NS)
		*ret_wait_ns = wake_ns - now_ns < SLEPT_NS_MOST ? wake_ns - now_ns : SLEPT_NS_MOST;
	return SCHEDULE_WAIT;
}

void daemon_plan_ended(struct daemon_plan *p, bool measured, uint64_t hold_local_ns)
{
	uint64_t now_ns = daemon_plan_now_ns();

	schedule_ended(&p->schedule, now_ns, measured);
	if (hold_local_ns)
		schedule_hold_local(&p->schedule, now_ns + hold_local_ns);
}
