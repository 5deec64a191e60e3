#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/store_internal.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static const char *const states[] = { "pending", "uncertain", "quarantined" };

const char *store_state_name(enum store_state s)
{
	return states[s];
}

/* --- time ----------------------------------------------------------------------------------------- */

void store_clock_read(struct store_clock *ret)
{
	CLEANUP(fd_closep) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	struct timespec boot = {};
	ssize_t n;

	*ret = (struct store_clock){ .utc_ns = clock_utc_ns() };
	clock_gettime(CLOCK_BOOTTIME, &boot);
	ret->boot_ns = (uint64_t)boot.tv_sec * NS_PER_S + (uint64_t)boot.tv_nsec;
	n = fd < 0 ? -1 : read(fd, ret->boot_id, sizeof(ret->boot_id) - 1);
	ret->boot_id[n < 0 ? 0 : n] = '\0';
	ret->boot_id[strcspn(ret->boot_id, "\n")] = '\0';
}

uint64_t store_wait_left_ns(const struct store_wait *w, const struct store_clock *now)
{
	uint64_t wait_ns = w->wait_ns < STORE_WAIT_NS_MAX ? w->wait_ns : STORE_WAIT_NS_MAX;
	bool same_boot = *now->boot_id && strcmp(w->since.boot_id, now->boot_id) == 0;
	uint64_t since_ns = same_boot ? w->since.boot_ns : w->since.utc_ns;
	uint64_t now_ns = same_boot ? now->boot_ns : now->utc_ns;

	if (now_ns < since_ns || now_ns - since_ns >= wait_ns)
		return 0;
	return wait_ns - (now_ns - since_ns);
}

/* --- what is due ---------------------------------------------------------------------------------- */

#define ENTRY "o.seq, r.id, r.test, o.state, o.attempts, o.unanswered, o.last_error, r.started_ns"

static enum store_state state_of(const char *word)
{
	for (int s = STORE_QUARANTINED; s > STORE_PENDING; s--)
		if (word && strcmp(word, states[s]) == 0)
			return (enum store_state)s;
	return STORE_PENDING;
}

static void read_entry(const struct statement *st, struct store_entry *ret)
{
	*ret = (struct store_entry){ .seq = column_number(st, 0) };
	column_copy(st, 1, ret->id, sizeof(ret->id));
	column_copy(st, 2, ret->test, sizeof(ret->test));
	ret->state = state_of(column_text(st, 3));
	ret->attempts = (uint32_t)column_number(st, 4);
	ret->unanswered = (uint32_t)column_number(st, 5);
	column_copy(st, 6, ret->last_error, sizeof(ret->last_error));
	ret->started_utc_ns = (uint64_t)column_number(st, 7);
}

static void read_wait(const struct statement *st, struct store_wait *ret)
{
	*ret = (struct store_wait){ .wait_ns = (uint64_t)column_number(st, 8) };
	ret->since.utc_ns = (uint64_t)column_number(st, 9);
	ret->since.boot_ns = (uint64_t)column_number(st, 10);
	column_copy(st, 11, ret->since.boot_id, sizeof(ret->since.boot_id));
}

int store_outbox_next_but(struct store *s, const struct store_clock *now, int64_t but,
                          struct store_entry *ret, uint64_t *ret_wait_ns, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	uint64_t least_ns = CLOCK_NEVER_NS;
	int r;

	statement_open(&st, &s->db,
	               "SELECT " ENTRY ", o.wait_ns, o.since_utc_ns, o.since_boot_ns, o.since_boot "
	               "FROM outbox o JOIN results r USING(seq) "
	               "WHERE o.state != 'quarantined' AND o.seq != ?1 ORDER BY o.seq");
	bind_number(&st, 1, but);
	while ((r = statement_step(&st, err, "read the outbox")) > 0) {
		struct store_wait wait;
		uint64_t left_ns;

		read_wait(&st, &wait);
		left_ns = store_wait_left_ns(&wait, now);
		if (left_ns == 0) {
			read_entry(&st, ret);
			*ret_wait_ns = 0;
			return 0;
		}
		least_ns = left_ns < least_ns ? left_ns : least_ns;
	}
	*ret_wait_ns = least_ns;
	return r < 0 ? r : STORE_NONE;
}

int store_outbox_next(struct store *s, const struct store_clock *now, struct store_entry *ret,
                      uint64_t *ret_wait_ns, struct err *err)
{
	return store_outbox_next_but(s, now, 0, ret, ret_wait_ns, err);
}

/* --- what became of an attempt -------------------------------------------------------------------- */

/* One statement, inside a transaction; it must find its entry. */
static int run_change(struct store *s, struct statement *st, int64_t seq, struct err *err)
{
	int r;

	bind_number(st, 1, seq);
	r = statement_run(st, err, "note what became of an upload");
	if (r == 0 && s->db.lib->changes(s->db.at) == 0)
		r = ERR_SET(err, -ENOENT, ERR_SYS, 0,
		            "note what became of an upload: its result is not in the outbox");
	statement_close(st);
	return r;
}

/* A transaction by itself where no batch is open. */
static int change(struct store *s, struct statement *st, int64_t seq, struct err *err)
{
	int r = store_write_begin(&s->db, err);

	return r < 0 ? r : store_write_end(&s->db, run_change(s, st, seq, err), err);
}

/* The same, of what is not sent again by itself: whoever releases it begins anew. */
static int set_aside(struct store *s, struct statement *st, int64_t seq, struct err *err)
{
	int r = store_write_begin(&s->db, err);

	if (r < 0)
		return r;
	r = run_change(s, st, seq, err);
	if (r == 0)
		r = store_server_errors_forget(s, seq, err);
	return store_write_end(&s->db, r, err);
}

int store_outbox_sending(struct store *s, int64_t seq, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               "UPDATE outbox SET state = 'uncertain', attempts = attempts + 1, "
	               "unanswered = unanswered + 1, wait_ns = 0 WHERE seq = ?1");
	return change(s, &st, seq, err);
}

int store_outbox_accepted(struct store *s, int64_t seq, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {}, result = {};
	int r = store_write_begin(&s->db, err);

	if (r < 0)
		return r;
	statement_open(&result, &s->db, "UPDATE results SET delivery = 'arrived' WHERE seq = ?1");
	bind_number(&result, 1, seq);
	r = statement_run(&result, err, "note that a result has arrived");
	statement_close(&result);
	statement_open(&st, &s->db, "DELETE FROM outbox WHERE seq = ?1");
	bind_number(&st, 1, seq);
	if (r == 0)
		r = statement_run(&st, err, "note that a result has arrived");
	statement_close(&st);
	if (r == 0)
		r = store_server_errors_forget(s, seq, err);
	return store_write_end(&s->db, r, err);
}

static void bind_wait(struct statement *st, const struct store_wait *wait, const char *why)
{
	bind_number(
		st, 2,
		(int64_t)(wait->wait_ns < STORE_WAIT_NS_MAX ? wait->wait_ns : STORE_WAIT_NS_MAX));
	bind_number(st, 3, (int64_t)wait->since.utc_ns);
	bind_number(st, 4, (int64_t)wait->since.boot_ns);
	bind_text(st, 5, wait->since.boot_id);
	bind_text(st, 6, why);
}

#define SET_WAIT                                                                                   \
	"wait_ns = ?2, since_utc_ns = ?3, since_boot_ns = ?4, since_boot = ?5, "                   \
	"last_error = substr(?6, 1, 190) WHERE seq = ?1"

int store_outbox_again(struct store *s, int64_t seq, const struct store_wait *wait, const char *why,
                       struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(
		&st, &s->db,
		"UPDATE outbox SET unanswered = max(unanswered - 1, 0), "
		"state = CASE WHEN unanswered > 1 THEN 'uncertain' ELSE 'pending' END, " SET_WAIT);
	bind_wait(&st, wait, why);
	return change(s, &st, seq, err);
}

int store_outbox_unanswered(struct store *s, int64_t seq, const struct store_wait *wait,
                            const char *why, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db, "UPDATE outbox SET state = 'uncertain', " SET_WAIT);
	bind_wait(&st, wait, why);
	return change(s, &st, seq, err);
}

int store_outbox_quarantine(struct store *s, int64_t seq, const char *why, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               "UPDATE outbox SET state = 'quarantined', last_error = substr(?2, 1, 190) "
	               "WHERE seq = ?1");
	bind_text(&st, 2, why);
	return set_aside(s, &st, seq, err);
}

int store_outbox_refused(struct store *s, int64_t seq, const char *why, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               "UPDATE outbox SET state = 'quarantined', "
	               "unanswered = max(unanswered - 1, 0), last_error = substr(?2, 1, 190) "
	               "WHERE seq = ?1");
	bind_text(&st, 2, why);
	return set_aside(s, &st, seq, err);
}

/* A result that is older than the last that was asked for is nobody's answer any more. */
int store_outbox_release_asked(struct store *s, uint32_t unanswered, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r = store_write_begin(&s->db, err), released = 0;

	if (r < 0)
		return r;
	statement_open(&st, &s->db,
	               "UPDATE outbox SET state = 'pending', unanswered = unanswered - 1, "
	               "wait_ns = 0 WHERE state = 'quarantined' AND unanswered >= ?1 AND "
	               "last_error != '" STORE_DAMAGED "' AND "
	               "seq = (SELECT max(seq) FROM results WHERE cause = 'service')");
	bind_number(&st, 1, unanswered);
	r = statement_run(&st, err, "release a result from quarantine");
	if (r == 0)
		released = s->db.lib->changes(s->db.at);
	statement_close(&st);
	r = store_write_end(&s->db, r, err);
	return r < 0 ? r : released ? STORE_OK : STORE_NONE;
}

int store_outbox_release(struct store *s, uint64_t *ret, struct err *err)
{
	int r = store_write_begin(&s->db, err);

	if (r < 0)
		return r;
	r = store_db_run(&s->db,
	                 "UPDATE outbox SET state = 'pending', wait_ns = 0 "
	                 "WHERE state = 'quarantined' AND last_error != '" STORE_DAMAGED "'",
	                 err);
	if (ret)
		*ret = r == 0 ? (uint64_t)s->db.lib->changes(s->db.at) : 0;
	return store_write_end(&s->db, r, err);
}

/* --- looked at ------------------------------------------------------------------------------------ */

int store_outbox_count(struct store *s, struct store_outbox_counts *ret, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db,
	               "SELECT coalesce(sum(state = 'pending'), 0), "
	               "coalesce(sum(state = 'uncertain'), 0), "
	               "coalesce(sum(state = 'quarantined'), 0) FROM outbox");
	r = statement_step(&st, err, "count what is in the outbox");
	if (r < 0)
		return r;
	*ret = (struct store_outbox_counts){ (uint64_t)column_number(&st, 0),
		                             (uint64_t)column_number(&st, 1),
		                             (uint64_t)column_number(&st, 2) };
	return 0;
}

int store_outbox_each_quarantined(struct store *s, uint64_t max,
                                  int (*visit)(void *self, const struct store_entry *entry,
                                               struct err *err),
                                  void *self, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	struct store_entry e;
	int r;

	statement_open(&st, &s->db,
	               "SELECT " ENTRY " FROM outbox o JOIN results r USING(seq) "
	               "WHERE o.state = 'quarantined' ORDER BY o.seq DESC LIMIT ?1");
	bind_number(&st, 1, max ? (int64_t)max : -1);
	while ((r = statement_step(&st, err, "read the outbox")) > 0) {
		read_entry(&st, &e);
		r = visit(self, &e, err);
		if (r < 0)
			return r;
	}
	return r;
}
