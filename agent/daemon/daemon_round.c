/* From a request to the end of its tests. */
#include <string.h>

#include "agent/config/config.h"
#include "agent/daemon/daemon_tests_internal.h"
#include "agent/upload/upload_policy.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

/* --- a request ------------------------------------------------------------------------------------- */

/* Sent without an answer, twice, and the service still asks: it has not arrived, and goes once more. */
static bool release_asked(struct daemon_tests *t)
{
	struct err err;
	int r;

	if (!schedule_is_repeated(&t->plan.schedule))
		return false;
	r = store_outbox_release_asked(t->world.store, UPLOAD_UNANSWERED_MAX, &err);
	if (r < 0)
		log_err(LOG_LEVEL_ERROR, &err);
	if (r != STORE_OK)
		return false;
	log_info("the service still asks for what it was sent without an answer: it is sent again");
	uploader_wake(t->uploader);
	return true;
}

/* What cannot be read now is as it was. What fails at the service for a day may do so for ever, and is no answer: one test
 * goes after it, which then waits its own day. */
static void look_at_outbox(struct daemon_tests *t)
{
	struct store_outbox_counts c;
	bool on_its_way;
	struct err err;

	if (store_outbox_count(t->world.store, &c, &err) < 0 ||
	    store_outbox_is_on_its_way(t->world.store, UPLOAD_FAILING_NS, &on_its_way, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		return;
	}
	schedule_set_delivering(&t->plan.schedule, on_its_way || runner_is_holding(t->runner) ||
	                                                   (c.quarantined > 0 && release_asked(t)));
}

void daemon_round_asked(struct daemon_tests *t, const struct schedule_interfaces *on)
{
	if (t->stopping)
		return;
	look_at_outbox(t);
	switch (schedule_ask(&t->plan.schedule, on)) {
	case SCHEDULE_TAKEN:
		log_info("the service asks for a test");
		daemon_tests_turn_soon(t);
		break;
	case SCHEDULE_UNDER_WAY:
		log_debug("the service asks for the test that is under way");
		break;
	case SCHEDULE_DELIVERING:
		log_debug("the service asks for a test whose result is on its way");
		break;
	}
}

/* --- before a test ---------------------------------------------------------------------------------- */

static void on_looked(void *owner, const struct before_test_end *end)
{
	struct daemon_tests *t = owner;
	struct round_radio radio = { .name = end->name,
		                     .wireless = end->wireless,
		                     .connection_info = end->connection_info,
		                     .address = *t->interface ? end->address : NULL,
		                     .warning = end->warning };

	t->before = NULL;
	if (end->is_there)
		round_go(t->round, &radio);
	else
		round_skip(t->round, "there is no such interface");
}

static void look(struct daemon_tests *t)
{
	static const struct round_radio nothing;
	const char *ours = t->world.config->interface;
	struct err err;

	if (before_test_start(t->world.loop, *t->interface ? t->interface : ours, on_looked, t,
	                      &t->before, &err) == 0)
		return;
	log_err(LOG_LEVEL_WARNING, &err);
	round_go(t->round, &nothing);
}

static void on_prepare(void *owner, const char *interface)
{
	struct daemon_tests *t = owner;

	bytes_copy_text(t->interface, sizeof(t->interface), interface);
	t->waits_for_upload = uploader_is_busy(t->uploader);
	if (!t->waits_for_upload)
		look(t);
}

void daemon_round_upload_ended(struct daemon_tests *t)
{
	if (!t->waits_for_upload)
		return;
	t->waits_for_upload = false;
	look(t);
}

/* --- the tests of one turn -------------------------------------------------------------------------- */

static void end_round(struct daemon_tests *t, const struct round_end *end)
{
	t->round = NULL;
	t->tried += end->tried;
	t->measured += end->measured;
	daemon_plan_ended(&t->plan, end->uploads > 0, end->hold_local_ns);
	daemon_tests_say_lost(t);
	daemon_tests_hold(t);
	daemon_tests_turn_soon(t);
	t->world.turn_soon(t->world.daemon);
}

static void on_failed(void *owner, enum config_runner kind, const struct runner_end *end)
{
	struct daemon_tests *t = owner;
	struct err err;

	ERR_SET(&err, end->error, ERR_SYS, 0, "measure: %s", end->why);
	t->world.report(t->world.daemon, kind == CONFIG_RUNNER_OOKLA ? "ookla" : "ndt7",
	                runner_failure_name(end->failure), &err);
}

static void on_round(void *owner, const struct round_end *end)
{
	struct daemon_tests *t = owner;

	log_info("tests ended: %zu were run, %zu have a result, %zu of these the service takes",
	         end->tried, end->measured, end->uploads);
	end_round(t, end);
}

static void begin_round(struct daemon_tests *t)
{
	bool asked = t->test.cause == SCHEDULE_ASKED;
	struct round_wish wish = { .runners = t->world.config->runners,
		                   .cause = asked ? STORE_ASKED : STORE_SCHEDULED,
		                   .on = t->test.on,
		                   .failed = on_failed };
	struct round_end none = {};
	struct err err;

	log_info("a test begins, %s", asked ? "as the service asks" : "of our own schedule");
	t->rounds++;
	t->begun_ns = loop_now_ns(t->world.loop);
	if (round_start(t->world.loop, t->runner, &wish, on_prepare, on_round, t, &t->round, &err) <
	    0) {
		log_err(LOG_LEVEL_ERROR, &err);
		end_round(t, &none);
	}
	daemon_tests_hold(t);
}

void daemon_round_turn(void *owner)
{
	struct daemon_tests *t = owner;
	uint64_t wait_ns;

	if (t->stopping || t->round)
		return;
	if (daemon_plan_turn(&t->plan, &t->test, &wait_ns) == SCHEDULE_BEGIN)
		begin_round(t);
	else if (wait_ns != CLOCK_NEVER_NS)
		loop_timer_set(t->world.loop, &t->turn, loop_now_ns(t->world.loop) + wait_ns);
}

/* What is looked at before a test is left; the test under way is asked to end. */
void daemon_round_stop(struct daemon_tests *t)
{
	static const struct round_radio nothing;
	bool prepares = t->before || t->waits_for_upload;

	t->before = before_test_cancel(t->before);
	t->waits_for_upload = false;
	if (!t->round)
		return;
	round_stop(t->round);
	if (prepares)
		round_go(t->round, &nothing);
}
