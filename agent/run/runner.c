#include "agent/run/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/child_watch.h"
#include "agent/run/bounded_child.h"
#include "agent/run/held_result.h"
#include "agent/run/test_command.h"
#include "agent/run/trace_shelf.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

#define MORE_PATH          "/dev/fd/3"
#define RECORD_ENVIRONMENT "RADAR_POD_CRASH_FD=4" /* BOUNDED_CHILD_RECORD_FD */
#define OOKLA_BYTES_MAX    STORE_OBJECT_BYTES_MAX

struct runner {
	struct runner_options options;
	struct bounded_child *child; /* NULL: no test is under way */
	int record_fd;               /* of its crash; -1: none */
	enum config_runner kind;
	struct store_result about;          /* what is known of it before it ends */
	char trace_path[CONFIG_PATH_BYTES]; /* on our shelf; "": none */
	char connection_info[STORE_INFO_BYTES_MAX + 1];
	char warning[RUNNER_WARNING_BYTES];
	runner_done done;
	void *owner;
	struct loop_timer again;
	struct held_results held; /* what the store had no room for */
};

/* --- into the store --------------------------------------------------------------------------------- */

static void offer_held(void *owner)
{
	struct runner *r = owner;
	bool any = false;
	struct err err = {};

	while (r->held.count > 0) {
		char id[STORE_ID_BYTES];

		bytes_copy_text(id, sizeof(id), held_results_oldest_id(&r->held));
		if (held_results_put_oldest(&r->held, r->options.store, &err) < 0) {
			loop_timer_set(r->options.loop, &r->again,
			               loop_now_ns(r->options.loop) + r->options.again_ns);
			break;
		}
		any = true;
		log_info("the result %s is stored now", id);
	}
	if (any && r->options.stored)
		r->options.stored(r->options.owner);
}

static void say_lost(const char *id)
{
	log_error("the result %s is lost: there was no room to store it, and newer ones are held",
	          id);
}

static bool hold(struct runner *r, const struct store_result *result, bool upload, struct err *why)
{
	bool held = held_results_add(&r->held, result, upload, say_lost);

	log_err(LOG_LEVEL_ERROR, why);
	if (!held)
		log_error("the result %s is lost: there is no memory to hold it", result->id);
	loop_timer_set(r->options.loop, &r->again,
	               loop_now_ns(r->options.loop) + r->options.again_ns);
	return held;
}

static void store(struct runner *r, const struct runner_verdict *v, struct runner_end *end)
{
	struct err err = {};
	int outcome;

	offer_held(r);
	outcome = store_put(r->options.store, &v->result, v->upload, &err);
	if (outcome == STORE_ALREADY || outcome == -EINVAL || outcome == -EFBIG) {
		snprintf(end->why, sizeof(end->why), "its result is none that can be stored: %s",
		         outcome == STORE_ALREADY ? "there is one of its id" : err.text);
		end->failure = RUNNER_UNREADABLE;
		return;
	}
	end->measured = outcome == STORE_OK || hold(r, &v->result, v->upload, &err);
	end->upload = end->measured && v->upload;
	bytes_copy_text(end->id, sizeof(end->id), v->result.id);
	snprintf(end->why, sizeof(end->why), "%s", v->why);
}

/* What a test has used counts, whatever its result is worth. */
static void count_bytes(struct runner *r, const struct store_result *result)
{
	struct err err = {};

	if (result->bytes_used &&
	    store_usage_add(r->options.store, result->started_utc_ns, result->bytes_used, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
}

static void refuse(struct runner *r, const struct runner_verdict *v, struct runner_end *end)
{
	count_bytes(r, &v->result);
	snprintf(end->why, sizeof(end->why), "%s", v->why);
}

static void prune_traces(struct runner *r)
{
	struct err err = {};

	if (trace_shelf_prune(r->options.state_dir, r->options.config->trace_quota_bytes,
	                      clock_utc_ns(), &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
}

/* The test has said on its standard error what came in between. */
static void look_for_trace(struct runner *r, const struct runner_end *end,
                           const struct bounded_child_end *child)
{
	if (!*r->trace_path)
		return;
	if (end->measured && access(r->trace_path, F_OK) < 0)
		log_warning("the trace of the result %s is lost%s%s", end->id,
		            *child->complaint ? ": " : "", child->complaint);
	prune_traces(r);
	r->trace_path[0] = '\0';
}

static void tell_watch(struct runner *r, const struct bounded_child_end *child)
{
	const struct child_watch *w = r->options.watch;
	int status =
		child->signal ? W_EXITCODE(0, child->signal) : W_EXITCODE(child->code & 0xff, 0);

	if (w)
		w->ended(w->owner, r->kind == CONFIG_RUNNER_OOKLA ? "ookla" : "test", status,
		         TAKE(r->record_fd, -1));
}

static void on_child(void *owner, const struct bounded_child_end *child)
{
	struct runner *r = owner;
	struct runner_end end = {};
	struct runner_verdict v;

	r->child = NULL;
	tell_watch(r, child);
	runner_judge(r->kind, &r->about, r->warning, child, &v);
	end.hold_local_ns = v.hold_local_ns;
	end.failure = v.failure;
	end.error = v.error;
	if (v.measured)
		store(r, &v, &end);
	else
		refuse(r, &v, &end);
	look_for_trace(r, &end, child);
	runner_verdict_end(&v);
	r->done(r->owner, &end);
}

/* --- a test ------------------------------------------------------------------------------------------ */

int runner_can(const struct runner *r, enum config_runner kind, struct err *err)
{
	const struct config *c = r->options.config;

	if (kind == CONFIG_RUNNER_NDT7)
		return 0;
	if (!*c->ookla_binary)
		return ERR_SET(err, -ENOENT, ERR_SYS, 0,
		               "run Ookla's test: ookla_binary names no program");
	if (!c->ookla_accept_license)
		return ERR_SET(err, -ENOENT, ERR_SYS, 0,
		               "run Ookla's test: ookla_accept_license is off");
	if (access(c->ookla_binary, X_OK) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "run Ookla's test: %s", c->ookla_binary);
	return 0;
}

static void note_about(struct runner *r, const struct runner_test *t)
{
	r->kind = t->kind;
	r->about = (struct store_result){ .cause = t->cause,
		                          .started_utc_ns = clock_utc_ns(),
		                          .wireless = t->wireless };
	bytes_copy_text(r->about.interface, sizeof(r->about.interface),
	                t->name ? t->name : t->interface);
	bytes_copy_text(r->warning, sizeof(r->warning), t->warning ? t->warning : "");
	if (t->wireless && t->connection_info &&
	    bytes_copy_text(r->connection_info, sizeof(r->connection_info), t->connection_info))
		r->about.connection_info = r->connection_info;
}

static struct bounded_child_options child_options(const struct runner *r,
                                                  const struct test_command *c)
{
	bool ookla = r->kind == CONFIG_RUNNER_OOKLA;
	uint64_t deadline_ns = ookla ? RUNNER_OOKLA_NS : RUNNER_NDT7_NS;
	const char *ours = r->options.executable ? r->options.executable : "/proc/self/exe";

	return (struct bounded_child_options){
		.program = ookla ? r->options.config->ookla_binary : ours,
		.argv = (char *const *)c->argv,
		.environment = (char *const *)c->environment,
		.deadline_ns = r->options.deadline_ns ? r->options.deadline_ns : deadline_ns,
		.grace_ns = RUNNER_GRACE_NS,
		.out_bytes_max = ookla ? OOKLA_BYTES_MAX : STORE_RAW_BYTES_MAX,
		.more_bytes_max = ookla ? 0 : STORE_OBJECT_BYTES_MAX,
		.record_fd = r->record_fd,
	};
}

static void drop_record(struct runner *r)
{
	fd_closep(&r->record_fd);
	r->record_fd = -1;
}

/* Where to the test's trace goes; NULL: it has none. */
static const char *trace_of(struct runner *r, const struct runner_test *test)
{
	struct err err = {};

	if (test->trace_path)
		return test->trace_path;
	if (!r->options.state_dir || r->options.config->trace == CONFIG_TRACE_OFF)
		return NULL;
	prune_traces(r);
	if (trace_shelf_place(r->options.state_dir, r->about.started_utc_ns, r->trace_path, &err) ==
	    0)
		return r->trace_path;
	r->trace_path[0] = '\0';
	err_prefix(&err, "trace this test");
	log_err(LOG_LEVEL_WARNING, &err);
	return NULL;
}

/* Another's program knows of no record. */
static void command_ndt7(struct runner *r, const struct runner_test *test, struct test_command *ret)
{
	struct test_command_wish wish = { .interface = test->interface,
		                          .trace_path = trace_of(r, test),
		                          .warning = test->warning };
	const struct child_watch *w = r->options.watch;

	test_command_ndt7(r->options.config, &wish, MORE_PATH, ret);
	r->record_fd = w ? w->record(w->owner) : -1;
	if (r->record_fd >= 0)
		test_command_add_environment(ret, RECORD_ENVIRONMENT);
}

int runner_start(struct runner *r, const struct runner_test *test, runner_done done, void *owner,
                 struct err *err)
{
	struct bounded_child_options options;
	struct test_command command;
	int error;

	if (r->child)
		return ERR_SET(err, -EBUSY, ERR_SYS, 0, "start a test: one is under way");
	error = runner_can(r, test->kind, err);
	if (error < 0)
		return error;
	note_about(r, test);
	if (test->kind == CONFIG_RUNNER_OOKLA)
		test_command_ookla(r->options.config, test->address, &command);
	else
		command_ndt7(r, test, &command);
	options = child_options(r, &command);
	r->done = done;
	r->owner = owner;
	error = bounded_child_start(r->options.loop, &options, on_child, r, &r->child, err);
	if (error < 0)
		drop_record(r);
	return error;
}

void runner_stop(struct runner *r)
{
	if (r->child)
		bounded_child_end(r->child);
}

bool runner_is_busy(const struct runner *r)
{
	return r->child != NULL;
}

bool runner_is_holding(const struct runner *r)
{
	return r->held.count > 0;
}

int runner_new(const struct runner_options *options, struct runner **ret, struct err *err)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a runner");
	r->options = *options;
	r->record_fd = -1;
	if (r->options.again_ns == 0)
		r->options.again_ns = RUNNER_AGAIN_NS;
	r->again = (struct loop_timer){ .fire = offer_held, .owner = r };
	*ret = r;
	return 0;
}

struct runner *runner_free(struct runner *r)
{
	if (!r)
		return NULL;
	bounded_child_kill(r->child);
	r->options.stored = NULL;
	drop_record(r);
	offer_held(r);
	for (; r->held.count > 0; held_results_drop_oldest(&r->held))
		log_error("the result %s is lost: there was no room to store it",
		          held_results_oldest_id(&r->held));
	loop_timer_cancel(r->options.loop, &r->again);
	free(r);
	return NULL;
}
