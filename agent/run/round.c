#include "agent/run/round.h"

#include <errno.h>
#include <stdlib.h>

#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

static const enum config_runner kinds[] = { CONFIG_RUNNER_NDT7, CONFIG_RUNNER_OOKLA };
#define KINDS (sizeof(kinds) / sizeof(*kinds))

struct round {
	struct loop *loop;
	struct runner *runner;
	struct round_wish wish;
	round_prepare prepare;
	round_done done;
	void *owner;
	size_t next; /* kind by kind, in each interface by interface */
	struct loop_timer step;
	struct round_end end;
};

static const char *kind_name(enum config_runner kind)
{
	return kind == CONFIG_RUNNER_NDT7 ? "ndt7" : "ookla";
}

static enum config_runner kind_of(const struct round *r)
{
	return kinds[r->next / r->wish.on.count];
}

static const char *interface_of(const struct round *r)
{
	return r->wish.on.names[r->next % r->wish.on.count];
}

/* Later, from the loop: however many are skipped, nothing calls itself. */
static void step_on(struct round *r)
{
	r->next++;
	loop_timer_set(r->loop, &r->step, 0);
}

/* What is configured and cannot be is said once, not at each test. */
static bool can(struct round *r, enum config_runner kind)
{
	static unsigned int said;
	struct err err;

	if (!(r->wish.runners & kind))
		return false;
	if (runner_can(r->runner, kind, &err) == 0)
		return true;
	if (!(said & kind))
		log_err(LOG_LEVEL_WARNING, &err);
	said |= kind;
	return false;
}

static void finish(struct round *r)
{
	struct round_end end = r->end;
	round_done done = r->done;
	void *owner = r->owner;

	round_free(r);
	done(owner, &end);
}

static void on_step(void *owner)
{
	struct round *r = owner;

	while (!r->end.stopped && r->next < KINDS * r->wish.on.count && !can(r, kind_of(r)))
		r->next++;
	if (r->end.stopped || r->next == KINDS * r->wish.on.count)
		finish(r);
	else
		r->prepare(r->owner, interface_of(r));
}

static void on_test(void *owner, const struct runner_end *end)
{
	struct round *r = owner;

	r->end.measured += end->measured;
	r->end.uploads += end->upload;
	if (end->hold_local_ns > r->end.hold_local_ns)
		r->end.hold_local_ns = end->hold_local_ns;
	if (*end->why)
		log_warning("%s test on %s: %s: %s", kind_name(kind_of(r)),
		            *interface_of(r) ? interface_of(r) : "the default interface",
		            end->measured ? "its result is kept and not sent" : "it has no result",
		            end->why);
	if (runner_failure_name(end->failure) && r->wish.failed)
		r->wish.failed(r->owner, kind_of(r), end);
	step_on(r);
}

void round_go(struct round *r, const struct round_radio *radio)
{
	struct runner_test test = {
		.kind = kind_of(r),
		.cause = r->wish.cause,
		.interface = interface_of(r),
		.name = radio->name,
		.address = radio->address,
		.trace_path = radio->trace_path,
		.warning = radio->warning,
		.wireless = radio->wireless,
		.connection_info = radio->connection_info,
	};
	struct err err = {};

	if (r->end.stopped) {
		step_on(r);
		return;
	}
	r->end.tried++;
	if (runner_start(r->runner, &test, on_test, r, &err) == 0)
		return;
	log_err(LOG_LEVEL_ERROR, &err);
	step_on(r);
}

void round_skip(struct round *r, const char *why)
{
	log_warning("no %s test on %s: %s", kind_name(kind_of(r)), interface_of(r), why);
	step_on(r);
}

void round_stop(struct round *r)
{
	r->end.stopped = true;
	runner_stop(r->runner);
}

int round_start(struct loop *loop, struct runner *runner, const struct round_wish *wish,
                round_prepare prepare, round_done done, void *owner, struct round **ret,
                struct err *err)
{
	struct round *r = wish->on.count ? calloc(1, sizeof(*r)) : NULL;

	if (wish->on.count == 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "begin tests on no interface");
	if (!r)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a round of tests");
	*r = (struct round){ .loop = loop,
		             .runner = runner,
		             .wish = *wish,
		             .prepare = prepare,
		             .done = done,
		             .owner = owner };
	r->step = (struct loop_timer){ .fire = on_step, .owner = r };
	loop_timer_set(loop, &r->step, 0);
	*ret = r;
	return 0;
}

struct round *round_free(struct round *r)
{
	if (!r)
		return NULL;
	loop_timer_cancel(r->loop, &r->step);
	free(r);
	return NULL;
}
