#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/store_internal.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* Bytes and count of what there is. */
static int weigh(struct store *s, int64_t *count, int64_t *bytes, struct err *err)
{
	int r = store_db_number(&s->db, "SELECT count(*) FROM events", count, err);

	return r < 0 ? r
	             : store_db_number(&s->db, "SELECT coalesce(sum(length(body)), 0) FROM events",
	                               bytes, err);
}

static int drop_one(struct store *s, struct err *err)
{
	int r = store_db_run(&s->db,
	                     "DELETE FROM events WHERE seq = "
	                     "(SELECT seq FROM events ORDER BY fatal, seq LIMIT 1)",
	                     err);

	return r < 0 ? r : store_counter_add(s, "dropped_events", 1, err);
}

/* A report of before any release is of a clock that was not set yet, and of an unknown age. */
static int drop_old(struct store *s, uint64_t utc_ns, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	if (utc_ns < STORE_EVENTS_AGE_NS)
		return 0;
	statement_open(&st, &s->db, "DELETE FROM events WHERE utc_ns < ?1 AND utc_ns >= ?2");
	bind_number(&st, 1, (int64_t)(utc_ns - STORE_EVENTS_AGE_NS));
	bind_number(&st, 2, (int64_t)STORE_FIRST_RELEASE_NS);
	r = statement_run(&st, err, "drop old error reports");
	statement_close(&st);
	return r < 0 ? r
	             : store_counter_add(s, "dropped_events",
	                                 (uint64_t)s->db.lib->changes(s->db.at), err);
}

int store_events_prune(struct store *s, uint64_t utc_ns, struct err *err)
{
	int64_t count = 0, bytes = 0;
	int r = drop_old(s, utc_ns, err);

	while (r == 0 && (r = weigh(s, &count, &bytes, err)) == 0 &&
	       (count > STORE_EVENTS_MAX || bytes > STORE_EVENTS_BYTES_MAX))
		r = drop_one(s, err);
	return r;
}

static int insert(struct store *s, uint64_t utc_ns, bool fatal, const void *body, size_t body_bytes,
                  struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	uint8_t digest[STORE_DIGEST_BYTES];

	store_digest(body, body_bytes, digest);
	statement_open(&st, &s->db,
	               "INSERT INTO events(utc_ns, fatal, digest, body) VALUES(?1, ?2, ?3, ?4)");
	bind_number(&st, 1, (int64_t)utc_ns);
	bind_number(&st, 2, fatal);
	bind_bytes(&st, 3, digest, sizeof(digest));
	bind_bytes(&st, 4, body, body_bytes);
	return statement_run(&st, err, "keep an error report");
}

int store_event_put(struct store *s, uint64_t utc_ns, bool fatal, const void *body,
                    size_t body_bytes, struct err *err)
{
	struct store_clock now;
	uint64_t believed_ns;
	int r;

	if (body_bytes == 0 || body_bytes > STORE_EVENTS_BYTES_MAX)
		return ERR_SET(err, -EFBIG, ERR_SYS, 0, "keep an error report of %zu bytes",
		               body_bytes);
	r = store_write_begin(&s->db, err);
	if (r < 0)
		return r;
	store_clock_read(&now);
	believed_ns = store_age_clock(s, &now);
	r = insert(s, utc_ns, fatal, body, body_bytes, err);
	if (r == 0)
		r = store_events_prune(s, utc_ns < believed_ns ? utc_ns : believed_ns, err);
	return store_write_end(&s->db, r, err);
}

/* --- reading -------------------------------------------------------------------------------------- */

static struct store_event *event_of(const struct statement *st)
{
	size_t bytes = column_bytes(st, 4);
	struct store_event *e = malloc(sizeof(*e) + bytes + 1);
	char *body = (char *)(e + 1);

	if (!e)
		return NULL;
	*e = (struct store_event){
		.seq = column_number(st, 0),
		.utc_ns = (uint64_t)column_number(st, 1),
		.fatal = column_number(st, 2),
		.tries = (uint32_t)column_number(st, 3),
		.body = body,
		.body_bytes = bytes,
	};
	memcpy(body, column_data(st, 4), bytes);
	body[bytes] = '\0';
	return e;
}

static bool is_whole(const struct statement *st)
{
	uint8_t digest[STORE_DIGEST_BYTES];

	if (column_bytes(st, 5) != sizeof(digest) || column_bytes(st, 4) == 0)
		return false;
	store_digest(column_data(st, 4), column_bytes(st, 4), digest);
	return memcmp(digest, column_data(st, 5), sizeof(digest)) == 0;
}

/* STORE_SEVERAL: what was next is damaged, and *after is it. */
static int read_next(struct store *s, int64_t *after, struct store_event **ret, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db,
	               "SELECT seq, utc_ns, fatal, tries, body, digest FROM events "
	               "WHERE seq > ?1 ORDER BY seq LIMIT 1");
	bind_number(&st, 1, *after);
	r = statement_step(&st, err, "read an error report");
	if (r <= 0)
		return r < 0 ? r : STORE_NONE;
	*after = column_number(&st, 0);
	if (!is_whole(&st))
		return STORE_SEVERAL;
	*ret = event_of(&st);
	return *ret ? 0 : ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an error report");
}

static int change(struct store *s, const char *sql, int64_t seq, bool count, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r = store_write_begin(&s->db, err);

	if (r < 0)
		return r;
	statement_open(&st, &s->db, sql);
	bind_number(&st, 1, seq);
	r = statement_run(&st, err, "note what became of an error report");
	statement_close(&st);
	if (r == 0 && count)
		r = store_counter_add(s, "dropped_events", 1, err);
	return store_write_end(&s->db, r, err);
}

#define DELETE "DELETE FROM events WHERE seq = ?1"

int store_event_next(struct store *s, int64_t after, struct store_event **ret, struct err *err)
{
	int r;

	while ((r = read_next(s, &after, ret, err)) == STORE_SEVERAL) {
		if (s->role == STORE_READER)
			continue;
		r = change(s, DELETE, after, true, err);
		if (r < 0)
			return r;
	}
	return r;
}

int store_event_tried(struct store *s, int64_t seq, struct err *err)
{
	return change(s, "UPDATE events SET tries = tries + 1 WHERE seq = ?1", seq, false, err);
}

int store_event_done(struct store *s, int64_t seq, struct err *err)
{
	return change(s, DELETE, seq, false, err);
}
