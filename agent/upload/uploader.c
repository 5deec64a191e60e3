#include "agent/upload/uploader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/upload/raw_check.h"
#include "agent/upload/upload_last.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

#define PASSED_OVER_MAX 64 /* in one turn: results that may not be sent */

/* What became of the last one, until it is written. */
struct note {
	bool is_owed;
	bool is_server_error;
	enum upload_action action;
	struct store_entry entry;
	struct upload_waits waits;
	char why[200];
};

struct uploader {
	struct uploader_options options;
	struct upload_policy policy;
	struct uploader_counts counts;
	struct loop_timer timer;
	bool held, busy;
	bool failing;                /* and that was logged */
	bool has_old_credentials;    /* what is under way */
	struct store_entry entry;    /* under way */
	struct store_result *result; /* likewise; its memory is ours */
	struct raw_figures figures;
	enum raw_style style;
	struct note note;
	struct upload_last last;
};

static void turn(void *owner);

/* --- what became of one ----------------------------------------------------------------------------- */

/* Behind the others where one is due. */
static int write_put_off(struct uploader *u, const struct note *n, struct err *err)
{
	struct store_wait wait = { .wait_ns = n->waits.behind_ns };
	struct store_entry other;
	uint64_t other_ns;
	int r;

	store_clock_read(&wait.since);
	r = store_outbox_next_but(u->options.store, &wait.since, n->entry.seq, &other, &other_ns,
	                          err);
	if (r < 0)
		return r;
	if (r == STORE_NONE)
		wait.wait_ns = n->waits.alone_ns;
	if (n->action == UPLOAD_UNCERTAIN)
		return store_outbox_unanswered(u->options.store, n->entry.seq, &wait, n->why, err);
	r = store_outbox_again(u->options.store, n->entry.seq, &wait, n->why, err);
	if (r < 0 || !n->is_server_error)
		return r;
	return store_outbox_server_error(u->options.store, n->entry.seq, &wait.since, err);
}

static int write_note(struct uploader *u, struct err *err)
{
	const struct note *n = &u->note;

	if (!n->is_owed)
		return 0;
	if (n->action == UPLOAD_ACCEPT)
		return store_outbox_accepted(u->options.store, n->entry.seq, err);
	if (n->action == UPLOAD_QUARANTINE)
		return store_outbox_quarantine(u->options.store, n->entry.seq, n->why, err);
	if (n->action == UPLOAD_REFUSE)
		return store_outbox_refused(u->options.store, n->entry.seq, n->why, err);
	return write_put_off(u, n, err);
}

/* Told once the store has it. */
static void tell_note(struct uploader *u)
{
	struct note *n = &u->note;

	if (!n->is_owed)
		return;
	n->is_owed = false;
	if (n->action == UPLOAD_QUARANTINE || n->action == UPLOAD_REFUSE) {
		u->counts.quarantined++;
		log_error("the result %s is in quarantine: %s", n->entry.id, n->why);
	}
	if (n->action == UPLOAD_REFUSE && u->options.refused)
		u->options.refused(u->options.owner, &n->entry);
	if (n->action != UPLOAD_ACCEPT)
		return;
	u->counts.arrived++;
	if (u->options.arrived)
		u->options.arrived(u->options.owner, &n->entry);
}

/* --- the next one ------------------------------------------------------------------------------------ */

enum choice {
	CHOSEN = 0, /* u->entry and u->result; the store says that it is sent */
	NONE = 1,   /* until *ret_wait_ns have passed */
	PASSED = 2, /* one may not be sent, and the store says so: look again */
};

static int passed(struct uploader *u, const struct store_entry *e, const char *why)
{
	u->counts.quarantined++;
	log_error("the result %s is in quarantine: %s", e->id, why);
	return PASSED;
}

static int pass_over(struct uploader *u, const struct store_entry *e, const char *why,
                     struct err *err)
{
	int r = store_outbox_quarantine(u->options.store, e->seq, why, err);

	return r < 0 ? r : passed(u, e, why);
}

static int take(struct uploader *u, const struct store_entry *e, struct err *err)
{
	struct err why = {};
	int r = store_get(u->options.store, e->id, &u->result, err);

	if (r == -EBADMSG)
		return passed(u, e, err->text); /* the store has put it there */
	if (r != 0)
		return r < 0 ? r : ERR_SET(err, -ENOENT, ERR_SYS, 0, "find the result %s", e->id);
	u->style = strcmp(e->test, "ookla") == 0 ? RAW_OOKLA : RAW_NDT7;
	if (raw_check(u->style, u->result->raw, u->result->raw_bytes, &u->figures, &why) == 0) {
		u->entry = *e;
		return store_outbox_sending(u->options.store, e->seq, err);
	}
	free(TAKE(u->result, NULL));
	return pass_over(u, e, why.text, err);
}

static int choose(struct uploader *u, uint64_t *ret_wait_ns, struct err *err)
{
	struct store_entry e;
	int64_t passed_seq = 0;
	int r = PASSED;

	for (int i = 0; i < PASSED_OVER_MAX && r == PASSED; i++) {
		struct store_clock now;

		store_clock_read(&now);
		r = store_outbox_next(u->options.store, &now, &e, ret_wait_ns, err);
		if (r == STORE_NONE)
			return NONE;
		if (r == 0 && e.seq == passed_seq)
			return ERR_SET(err, -EIO, ERR_SYS, 0, "set the result %s aside", e.id);
		passed_seq = e.seq;
		if (r == 0 && !upload_policy_may_send(e.unanswered))
			r = pass_over(u, &e,
			              "it was sent twice and no answer came: it may be there", err);
		else if (r == 0)
			r = take(u, &e, err);
	}
	*ret_wait_ns = 0;
	return r == PASSED ? NONE : r;
}

static bool may_go(struct uploader *u, uint64_t *ret_wait_ns)
{
	uint64_t now_ns = loop_now_ns(u->options.loop), wake_ns = CLOCK_NEVER_NS;

	if (!u->held && upload_policy_may(&u->policy, now_ns, &wake_ns))
		return true;
	*ret_wait_ns = wake_ns == CLOCK_NEVER_NS ? CLOCK_NEVER_NS : wake_ns - now_ns;
	return false;
}

/* What is owed and what comes next, with one flush of the disk: both, or neither. */
static int note_and_choose(struct uploader *u, uint64_t *ret_wait_ns, struct err *err)
{
	struct err unheard;
	int r = store_batch_begin(u->options.store, err), noted, ended;

	if (r < 0)
		return r;
	r = noted = write_note(u, err);
	if (r == -ENOENT) /* somebody has removed the result: nothing is owed */
		u->note.is_owed = false;
	if (r == 0)
		r = may_go(u, ret_wait_ns) ? choose(u, ret_wait_ns, err) : NONE;
	ended = store_batch_end(u->options.store, r < 0 ? &unheard : err);
	if (noted == 0 && ended == 0) /* whether or not the next one could be read */
		tell_note(u);
	return r >= 0 && ended < 0 ? ended : r;
}

/* --- under way --------------------------------------------------------------------------------------- */

static void remember(struct uploader *u, const struct upload_answer *answer)
{
	struct note *n = &u->note;

	*n = (struct note){ .is_owed = true,
		            .is_server_error = upload_policy_is_server_error(answer),
		            .entry = u->entry };
	snprintf(n->why, sizeof(n->why), "%.*s", (int)sizeof(n->why) - 1, answer->why);
	n->action = upload_policy_judge(&u->policy, loop_now_ns(u->options.loop), answer,
	                                u->entry.unanswered + 1, &n->waits);
	if (n->action == UPLOAD_ACCEPT)
		upload_last_note(&u->last, &u->entry, &u->figures);
}

/* A service that is away is told of once. */
static void say(struct uploader *u, const struct upload_answer *answer)
{
	bool fails = answer->verdict != UPLOAD_TAKEN && answer->verdict != UPLOAD_REFUSED;

	if (answer->verdict == UPLOAD_DENIED)
		log_error("the service refuses to take results: %s; none is sent until the "
		          "credentials are others",
		          answer->why);
	else if (fails && !u->failing)
		log_warning("the result %s could not be delivered and is kept: %s", u->entry.id,
		            answer->why);
	else if (!fails && u->failing)
		log_info("results are delivered again");
	u->failing = fails;
	if (answer->verdict == UPLOAD_LATER && u->options.troubled)
		u->options.troubled(u->options.owner, answer->why);
}

/* What is said of credentials that are others now is not said of these: it goes once more, with them. */
static void conclude(struct uploader *u, const struct upload_answer *answer)
{
	bool is_of_old = u->has_old_credentials && answer->verdict == UPLOAD_DENIED;

	u->busy = u->has_old_credentials = false;
	free(TAKE(u->result, NULL));
	if (!is_of_old)
		say(u, answer);
	remember(u, answer);
	if (is_of_old)
		upload_policy_new_credentials(&u->policy);
}

static void on_answer(void *owner, const struct upload_answer *answer)
{
	struct uploader *u = owner;

	conclude(u, answer);
	turn(u);
	if (u->held && u->options.idle)
		u->options.idle(u->options.owner);
}

static void send_it(struct uploader *u)
{
	struct upload_answer none = { .verdict = UPLOAD_SILENCE };
	struct err err = {};

	u->busy = true;
	u->counts.attempts++;
	if (u->options.wire.send(u->options.wire.self, u->result, raw_style_name(u->style),
	                         on_answer, u, &err) == 0)
		return;
	none.why = err.text;
	conclude(u, &none);
	loop_timer_set(u->options.loop, &u->timer, 0);
}

static void rest(struct uploader *u, uint64_t wait_ns)
{
	uint64_t now_ns = loop_now_ns(u->options.loop);

	if (u->options.config_path)
		upload_last_save(&u->last, u->options.config_path);
	if (wait_ns == CLOCK_NEVER_NS)
		loop_timer_cancel(u->options.loop, &u->timer);
	else
		loop_timer_set(u->options.loop, &u->timer, now_ns + wait_ns);
}

static void turn(void *owner)
{
	struct uploader *u = owner;
	uint64_t wait_ns = 0;
	struct err err = {};
	int r = NONE;

	if (u->busy)
		return;
	if (u->note.is_owed)
		r = note_and_choose(u, &wait_ns, &err);
	else if (may_go(u, &wait_ns))
		r = choose(u, &wait_ns, &err);
	if (r < 0) {
		free(TAKE(u->result, NULL));
		log_err(LOG_LEVEL_ERROR, &err);
		wait_ns = u->options.again_ns;
	}
	if (r == CHOSEN)
		send_it(u);
	else
		rest(u, wait_ns);
}

/* --- from outside ------------------------------------------------------------------------------------ */

void uploader_wake(struct uploader *u)
{
	if (!u->busy)
		loop_timer_set(u->options.loop, &u->timer, 0);
}

void uploader_hold(struct uploader *u, bool hold)
{
	u->held = hold;
	if (!hold)
		uploader_wake(u);
}

bool uploader_is_busy(const struct uploader *u)
{
	return u->busy;
}

void uploader_new_credentials(struct uploader *u)
{
	upload_policy_new_credentials(&u->policy);
	u->has_old_credentials = u->busy;
	uploader_wake(u);
}

struct uploader_counts uploader_counts(const struct uploader *u)
{
	struct uploader_counts c = u->counts;

	c.denied = u->policy.denied;
	return c;
}

int uploader_new(const struct uploader_options *options, struct uploader **ret, struct err *err)
{
	struct uploader *u = calloc(1, sizeof(*u));

	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the uploader");
	u->options = *options;
	if (u->options.again_ns == 0)
		u->options.again_ns = UPLOADER_AGAIN_NS;
	u->timer = (struct loop_timer){ .fire = turn, .owner = u };
	upload_policy_start(&u->policy, options->seed);
	uploader_wake(u);
	*ret = u;
	return 0;
}

struct uploader *uploader_free(struct uploader *u)
{
	struct err err = {};
	uint64_t unused;

	if (!u)
		return NULL;
	if (u->busy)
		u->options.wire.cancel(u->options.wire.self);
	u->held = true;
	if (u->note.is_owed && note_and_choose(u, &unused, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err);
	rest(u, CLOCK_NEVER_NS);
	free(u->result);
	free(u);
	return NULL;
}
