#include "agent/daemon/daemon_tests.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/config/config.h"
#include "agent/daemon/daemon_tests_internal.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

/* What is too old is dropped by whoever stores a result; a pod that stores none drops it by this. */
#define TIDY_NS (3600 * NS_PER_S)

void daemon_tests_turn_soon(struct daemon_tests *t)
{
	loop_timer_set(t->world.loop, &t->turn, 0);
}

/* --- uploads ---------------------------------------------------------------------------------------- */

void daemon_tests_hold(struct daemon_tests *t)
{
	const struct config *c = t->world.config;

	t->world.measuring(t->world.daemon, t->round != NULL);
	uploader_hold(t->uploader, t->round || t->stopping || !c->client_id[0] || !c->secret[0]);
}

static void on_arrived(void *owner, const struct store_entry *entry)
{
	(void)owner;
	log_info("the result %s has arrived", entry->id);
}

static void on_refused(void *owner, const struct store_entry *entry)
{
	struct daemon_tests *t = owner;

	(void)entry;
	schedule_refused(&t->plan.schedule, daemon_plan_now_ns());
}

/* A network that is down is no failure of anybody's to be told (contract 6). */
static void on_troubled(void *owner, const char *why)
{
	struct daemon_tests *t = owner;
	struct err err;

	ERR_SET(&err, -EPROTO, ERR_HTTP, 0, "deliver a result: %s", why);
	t->world.report(t->world.daemon, "uploader", "UPLOAD_FAILED", &err);
}

static void on_upload_ended(void *owner)
{
	struct daemon_tests *t = owner;

	daemon_round_upload_ended(t);
	t->world.turn_soon(t->world.daemon);
}

/* A disk that was full has room again. */
static void on_stored(void *owner)
{
	struct daemon_tests *t = owner;

	uploader_wake(t->uploader);
}

static int begin_uploads(struct daemon_tests *t, struct err *err)
{
	const struct daemon_world *w = &t->world;
	struct service_identity who = service_identity_of(w->config);
	struct uploader_options o = { .loop = w->loop,
		                      .store = w->store,
		                      .config_path = w->config_path,
		                      .arrived = on_arrived,
		                      .refused = on_refused,
		                      .troubled = on_troubled,
		                      .idle = on_upload_ended,
		                      .owner = t };
	int r = upload_courier_new(w->courier, &who, &t->wire, err);

	bytes_random(&o.seed, sizeof(o.seed));
	o.wire = upload_courier_wire(t->wire);
	if (r == 0)
		r = uploader_new(&o, &t->uploader, err);
	if (r == 0)
		daemon_tests_hold(t);
	return r;
}

/* --- life ------------------------------------------------------------------------------------------- */

/* What a limit of the spool has cost is told, whoever stored a result (contract R39). */
void daemon_tests_say_lost(struct daemon_tests *t)
{
	uint64_t before = t->lost;
	struct err err;

	if (store_lost(t->world.store, &t->lost, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
	else if (t->lost > before)
		log_error("%llu results that had not arrived are lost, the oldest: more were kept "
		          "than spool_max_results, spool_max_bytes or spool_max_age allows",
		          (unsigned long long)(t->lost - before));
}

static void on_tidy(void *owner)
{
	struct daemon_tests *t = owner;
	struct store_clock now;
	struct err err;

	store_clock_read(&now);
	if (!t->round && store_tidy(t->world.store, &now, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
	daemon_tests_say_lost(t);
	loop_timer_set(t->world.loop, &t->tidy, loop_now_ns(t->world.loop) + TIDY_NS);
}

static void end(void *self)
{
	struct daemon_tests *t = self;

	before_test_cancel(t->before);
	round_free(t->round);
	runner_free(t->runner);
	uploader_free(t->uploader);
	upload_courier_free(t->wire);
	loop_timer_cancel(t->world.loop, &t->turn);
	loop_timer_cancel(t->world.loop, &t->tidy);
}

static int begin(void *self, const struct daemon_world *world, struct err *err)
{
	struct daemon_tests *t = self;
	struct runner_options o = { .loop = world->loop,
		                    .store = world->store,
		                    .config = world->config,
		                    .state_dir = world->state_dir,
		                    .watch = world->children,
		                    .stored = on_stored,
		                    .owner = t };
	int r;

	t->world = *world;
	t->turn = (struct loop_timer){ .fire = daemon_round_turn, .owner = t };
	t->tidy = (struct loop_timer){ .fire = on_tidy, .owner = t };
	daemon_plan_start(&t->plan, world->store, world->config);
	r = store_lost(world->store, &t->lost, err);
	if (r == 0)
		r = runner_new(&o, &t->runner, err);
	if (r == 0)
		r = begin_uploads(t, err);
	if (r < 0) {
		end(t);
		return r;
	}
	daemon_tests_turn_soon(t);
	loop_timer_set(world->loop, &t->tidy, loop_now_ns(world->loop) + TIDY_NS);
	return 0;
}

static void reloaded(void *self, bool other_service_or_pod)
{
	struct daemon_tests *t = self;
	struct service_identity who = service_identity_of(t->world.config);

	daemon_plan_set_config(&t->plan, t->world.config);
	upload_courier_set_identity(t->wire, &who);
	daemon_tests_hold(t);
	if (other_service_or_pod)
		uploader_new_credentials(t->uploader);
	daemon_tests_turn_soon(t);
}

static void ask_for_test(void *self, const struct schedule_interfaces *on)
{
	daemon_round_asked(self, on);
}

static void no_test(void *self)
{
	struct daemon_tests *t = self;

	schedule_answered(&t->plan.schedule);
}

static void stop(void *self)
{
	struct daemon_tests *t = self;

	t->stopping = true;
	daemon_tests_hold(t);
	daemon_round_stop(t);
}

/* What is being sent may still be answered. */
static bool is_stopped(void *self)
{
	struct daemon_tests *t = self;

	return !t->round && !uploader_is_busy(t->uploader);
}

struct daemon_orders daemon_tests_orders(struct daemon_tests *t)
{
	return (struct daemon_orders){ .self = t,
		                       .begin = begin,
		                       .reloaded = reloaded,
		                       .test = ask_for_test,
		                       .no_test = no_test,
		                       .put_status = daemon_tests_put_status,
		                       .stop = stop,
		                       .is_stopped = is_stopped,
		                       .end = end };
}

int daemon_tests_new(struct daemon_tests **ret, struct err *err)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the daemon's tests");
}

struct daemon_tests *daemon_tests_free(struct daemon_tests *t)
{
	free(t);
	return NULL;
}
