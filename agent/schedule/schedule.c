#include "agent/schedule/schedule.h"

#include <assert.h>
#include <string.h>

#include "transport/base/clock.h"

#define DAY_NS (24 * 3600 * NS_PER_S)

/* So that a service that is hurt by a failing pod does not get them all back at the same moment. */
#define AGAIN_JITTER 0.1

/* --- where a test runs --------------------------------------------------------------------------- */

static bool holds(const struct schedule_interfaces *on, const char *name)
{
	for (size_t i = 0; i < on->count; i++)
		if (strcmp(on->names[i], name) == 0)
			return true;
	return false;
}

static bool holds_all(const struct schedule_interfaces *on, const struct schedule_interfaces *of)
{
	for (size_t i = 0; i < of->count; i++)
		if (!holds(on, of->names[i]))
			return false;
	return true;
}

bool schedule_interfaces_add(struct schedule_interfaces *on, const char *name)
{
	size_t n = strnlen(name, IF_NAMESIZE);

	if (n == IF_NAMESIZE)
		return false;
	if (holds(on, name))
		return true;
	if (on->count == SCHEDULE_INTERFACES_MAX)
		return false;
	memcpy(on->names[on->count++], name, n + 1);
	return true;
}

/* --- what is asked for ----------------------------------------------------------------------------- */

static struct backoff backoff_of(uint64_t spacing_ns)
{
	uint64_t first_ns = spacing_ns ? spacing_ns : NS_PER_S;

	return (struct backoff){ .first_ns = first_ns < SCHEDULE_AGAIN_MOST_NS
		                                     ? first_ns
		                                     : SCHEDULE_AGAIN_MOST_NS,
		                 .most_ns = SCHEDULE_AGAIN_MOST_NS,
		                 .jitter = AGAIN_JITTER };
}

void schedule_set_options(struct schedule *s, const struct schedule_options *options,
                          uint64_t now_ns)
{
	struct memoryless before = s->options.local;

	assert(options->local_per_day <= SCHEDULE_PER_DAY_MAX);
	if (options->spacing_ns != s->options.spacing_ns || s->again.most_ns == 0)
		s->again = s->refused = backoff_of(options->spacing_ns);
	s->options = *options;
	if (options->local.mean_ns == before.mean_ns)
		return;
	s->local_at_ns = options->local.mean_ns
	                         ? now_ns + memoryless_draw_ns(&options->local, &s->random)
	                         : CLOCK_NEVER_NS;
}

void schedule_start(struct schedule *s, const struct schedule_options *options, uint64_t now_ns,
                    uint64_t seed)
{
	*s = (struct schedule){ .random = seed, .local_at_ns = CLOCK_NEVER_NS };
	schedule_set_options(s, options, now_ns);
}

/* Whatever test runs, its upload is what the service waits for. */
enum schedule_answer schedule_ask(struct schedule *s, const struct schedule_interfaces *on)
{
	assert(on->count > 0);
	s->answered = false;
	if (s->running && holds_all(&s->test.on, on))
		return SCHEDULE_UNDER_WAY;
	if (s->queued && holds_all(&s->waiting, on))
		return SCHEDULE_UNDER_WAY;
	if (s->delivering)
		return SCHEDULE_DELIVERING;
	if (!s->queued)
		s->waiting.count = 0;
	for (size_t i = 0; i < on->count; i++)
		schedule_interfaces_add(&s->waiting, on->names[i]);
	s->queued = true;
	return SCHEDULE_TAKEN;
}

void schedule_set_delivering(struct schedule *s, bool delivering)
{
	s->delivering = delivering;
}

void schedule_answered(struct schedule *s)
{
	s->answered = true;
	backoff_reset(&s->refused);
}

static void wait_for(struct schedule *s, uint64_t now_ns, uint64_t wait_ns)
{
	if (s->free_at_ns < now_ns + wait_ns)
		s->free_at_ns = now_ns + wait_ns;
}

void schedule_refused(struct schedule *s, uint64_t now_ns)
{
	wait_for(s, now_ns, backoff_next(&s->refused, &s->random));
}

bool schedule_is_repeated(const struct schedule *s)
{
	return !s->answered && !s->running && !s->queued;
}

void schedule_hold_local(struct schedule *s, uint64_t until_ns)
{
	if (s->local_at_ns < until_ns)
		s->local_at_ns = until_ns;
}

/* Instants before the clock's 0 are as far below it as they wrap around: only differences are looked at. */
void schedule_remember(struct schedule *s, enum schedule_cause cause, uint64_t ago_ns,
                       uint64_t now_ns)
{
	if (ago_ns < s->options.spacing_ns)
		wait_for(s, now_ns, s->options.spacing_ns - ago_ns);
	if (cause == SCHEDULE_LOCAL)
		s->local_begun_ns[s->local_begun++ % SCHEDULE_PER_DAY_MAX] = now_ns - ago_ns;
}

/* --- what begins ------------------------------------------------------------------------------------ */

static bool day_is_used_up(const struct schedule *s, const struct schedule_day *day)
{
	return s->options.daily_bytes && day->used_bytes >= s->options.daily_bytes;
}

static bool enough_of_our_own(const struct schedule *s, uint64_t now_ns)
{
	unsigned int most = s->options.local_per_day;

	if (most == 0 || s->local_begun < most)
		return false;
	return now_ns - s->local_begun_ns[(s->local_begun - most) % SCHEDULE_PER_DAY_MAX] < DAY_NS;
}

/* A tick that finds anything in its way is lost, not queued: what is made up for later has a memory. The timer
 * restarts at the tick, not at the end of its test. */
static bool local_tick_begins(struct schedule *s, uint64_t now_ns, const struct schedule_day *day)
{
	if (now_ns < s->local_at_ns)
		return false;
	s->local_at_ns = now_ns + memoryless_draw_ns(&s->options.local, &s->random);
	if (s->running || s->queued || now_ns < s->free_at_ns || day_is_used_up(s, day) ||
	    enough_of_our_own(s, now_ns))
		return false;
	s->local_begun_ns[s->local_begun++ % SCHEDULE_PER_DAY_MAX] = now_ns;
	return true;
}

static enum schedule_turn begin(struct schedule *s, enum schedule_cause cause,
                                const struct schedule_interfaces *on, struct schedule_test *ret)
{
	s->test = (struct schedule_test){ .cause = cause, .on = *on };
	s->running = true;
	*ret = s->test;
	return SCHEDULE_BEGIN;
}

static uint64_t later_ns(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* When what is queued may begin. */
static uint64_t queued_at_ns(struct schedule *s, uint64_t now_ns, const struct schedule_day *day)
{
	uint64_t at_ns;

	if (!s->queued)
		return CLOCK_NEVER_NS;
	if (!s->asked_at_ns)
		s->asked_at_ns = now_ns + backoff_spread(s->options.asked_within_ns, &s->random);
	if (s->running)
		return CLOCK_NEVER_NS;
	at_ns = later_ns(s->asked_at_ns, s->free_at_ns);
	return day_is_used_up(s, day) ? later_ns(at_ns, now_ns + day->left_ns) : at_ns;
}

enum schedule_turn schedule_turn(struct schedule *s, uint64_t now_ns,
                                 const struct schedule_day *day, struct schedule_test *ret_test,
                                 uint64_t *ret_wake_ns)
{
	static const struct schedule_interfaces by_default = { .count = 1 };
	uint64_t at_ns = queued_at_ns(s, now_ns, day);

	*ret_wake_ns = CLOCK_NEVER_NS;
	if (local_tick_begins(s, now_ns, day))
		return begin(s, SCHEDULE_LOCAL, &by_default, ret_test);
	if (at_ns <= now_ns) {
		s->queued = false;
		s->asked_at_ns = 0;
		return begin(s, SCHEDULE_ASKED, &s->waiting, ret_test);
	}
	*ret_wake_ns = at_ns < s->local_at_ns ? at_ns : s->local_at_ns;
	return SCHEDULE_WAIT;
}

void schedule_ended(struct schedule *s, uint64_t now_ns, bool measured)
{
	assert(s->running);
	s->running = false;
	wait_for(s, now_ns, s->options.spacing_ns);
	if (measured)
		backoff_reset(&s->again);
	else
		wait_for(s, now_ns, backoff_next(&s->again, &s->random));
}
