#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/store_internal.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

CLEANUP_DEFINE(result_freep, struct store_result *, free)

/* --- words ---------------------------------------------------------------------------------------- */

static const char *const causes[] = { "service", "schedule", "hand" };
static const char *const deliveries[] = { "waiting", "arrived", "private" };

const char *store_cause_name(enum store_cause c)
{
	return causes[c];
}

const char *store_delivery_name(enum store_delivery d)
{
	return deliveries[d];
}

/* What is no word of the list is its first; the file has CHECKs. */
static int place_of(const char *const *words, int count, const char *word)
{
	for (int i = 0; i < count; i++)
		if (word && strcmp(words[i], word) == 0)
			return i;
	return 0;
}

/* --- a row ---------------------------------------------------------------------------------------- */

void store_result_columns(const struct statement *st, struct store_row *ret)
{
	struct store_result *r = &ret->told;

	*ret = (struct store_row){
		.coding = (enum store_coding)column_number(st, 11),
		.object_bytes = (size_t)column_number(st, 12),
		.raw_bytes = (size_t)column_number(st, 13),
		.object = { column_data(st, 15), column_bytes(st, 15) },
		.raw = { column_data(st, 16), column_bytes(st, 16) },
	};
	column_copy(st, 1, r->id, sizeof(r->id));
	r->delivery = (enum store_delivery)place_of(deliveries, 3, column_text(st, 2));
	column_copy(st, 3, r->test, sizeof(r->test));
	column_copy(st, 4, r->interface, sizeof(r->interface));
	r->cause = (enum store_cause)place_of(causes, 3, column_text(st, 5));
	r->started_utc_ns = (uint64_t)column_number(st, 6);
	r->stored_utc_ns = (uint64_t)column_number(st, 7);
	r->bytes_used = (uint64_t)column_number(st, 8);
	r->wireless = column_number(st, 9);
	r->connection_info = column_text(st, 10);
	if (column_bytes(st, 14) == STORE_DIGEST_BYTES)
		memcpy(ret->digest, column_data(st, 14), STORE_DIGEST_BYTES);
}

static void bind_row(struct statement *st, int64_t seq, const struct store_row *row)
{
	const struct store_result *r = &row->told;

	bind_number(st, 1, seq);
	bind_text(st, 2, r->id);
	bind_text(st, 3, store_delivery_name(r->delivery));
	bind_text(st, 4, r->test);
	bind_text(st, 5, r->interface);
	bind_text(st, 6, store_cause_name(r->cause));
	bind_number(st, 7, (int64_t)r->started_utc_ns);
	bind_number(st, 8, (int64_t)r->stored_utc_ns);
	bind_number(st, 9, (int64_t)r->bytes_used);
	bind_number(st, 10, r->wireless);
	bind_text(st, 11, r->connection_info);
	bind_number(st, 12, row->coding);
	bind_number(st, 13, (int64_t)row->object_bytes);
	bind_number(st, 14, (int64_t)row->raw_bytes);
	bind_bytes(st, 15, row->digest, STORE_DIGEST_BYTES);
	bind_bytes(st, 16, row->object.data, row->object.bytes);
	bind_bytes(st, 17, row->raw.data, row->raw.bytes);
}

int store_result_insert(struct store *s, int64_t seq, const struct store_row *row, int64_t *ret_seq,
                        struct err *err)
{
	/* A place that is taken, or that leaves no more to come, is not given. */
	static const char sql[] =
		"INSERT INTO results(" COLUMNS_OF_RESULT ") VALUES("
		"CASE WHEN ?1 BETWEEN 1 AND 1000000000000 "
		"AND NOT EXISTS(SELECT 1 FROM results WHERE seq = ?1) THEN ?1 END, "
		"?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db, sql);
	bind_row(&st, seq, row);
	r = statement_run(&st, err, "store a result");
	statement_close(&st);
	return r < 0 ? r : store_db_number(&s->db, "SELECT last_insert_rowid()", ret_seq, err);
}

int store_result_there(struct store *s, const char *id, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db, "SELECT 1 FROM results WHERE id = ?1");
	bind_text(&st, 1, id);
	return statement_step(&st, err, "look for a result");
}

/* --- storing -------------------------------------------------------------------------------------- */

static bool is_id(const char *id)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(form); i++)
		if (form[i] == 'x' ? !strchr("0123456789abcdef", id[i]) || !id[i]
		                   : id[i] != form[i])
			return false;
	return true;
}

static int check_result(const struct store_result *r, bool upload, struct err *err)
{
	if (!is_id(r->id))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "store a result under the id \"%s\"",
		               r->id);
	if (upload && !r->raw)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "store a result for the service without what it takes");
	if (!r->object || r->object_bytes > STORE_OBJECT_BYTES_MAX ||
	    (r->raw && r->raw_bytes > STORE_RAW_BYTES_MAX) ||
	    (r->connection_info && strlen(r->connection_info) > STORE_INFO_BYTES_MAX))
		return ERR_SET(err, -EFBIG, ERR_SYS, 0, "store a result of %zu and %zu bytes",
		               r->object_bytes, r->raw_bytes);
	return 0;
}

static int put_in_outbox(struct store *s, int64_t seq, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               "INSERT OR REPLACE INTO outbox(seq, state) VALUES(?1, 'pending')");
	bind_number(&st, 1, seq);
	return statement_run(&st, err, "store a result's place in the outbox");
}

/* Inside the transaction. */
static int put(struct store *s, const struct store_row *row, const struct store_clock *now,
               struct err *err)
{
	size_t bytes = row->object.bytes + row->raw.bytes;
	int64_t seq = 0;
	int r = store_result_there(s, row->told.id, err);

	if (r != 0)
		return r < 0 ? r : STORE_ALREADY;
	r = store_results_prune(s, store_age_clock(s, now), bytes, err);
	if (r == 0)
		r = store_result_insert(s, 0, row, &seq, err);
	if (r == 0 && row->told.delivery == STORE_WAITING)
		r = put_in_outbox(s, seq, err);
	if (r == 0)
		r = store_age_note(s, now, err);
	return r < 0 ? r
	             : store_usage_count(s, row->told.started_utc_ns, row->told.bytes_used, err);
}

/* The log is emptied at once, as damage in the file can be seen, and in the log looks like its end. That it
 * could not be is no failure: it holds the result. */
static void settle(struct store *s)
{
	if (!s->db.batch)
		store_db_empty_log(&s->db, NULL);
}

int store_put(struct store *s, const struct store_result *result, bool upload, struct err *err)
{
	struct store_result stored = *result;
	struct store_clock now;
	struct store_row row;
	int r = check_result(result, upload, err);

	if (r < 0)
		return r;
	stored.delivery = upload ? STORE_WAITING : STORE_PRIVATE;
	store_clock_read(&now);
	stored.stored_utc_ns = now.utc_ns;
	r = store_row_pack(&stored, &row, err);
	if (r < 0)
		return r;
	r = store_write_begin(&s->db, err);
	if (r == 0)
		r = store_write_end(&s->db, put(s, &row, &now, err), err);
	store_row_end(&row);
	if (r == 0)
		settle(s);
	return r;
}

/* --- dropping ------------------------------------------------------------------------------------- */

/* A clock that has gone back makes no result old, nor does one that was set only after the result was stored. */
static const char whose_turn[] =
	"SELECT r.seq, r.delivery = 'waiting', r.stored_ns FROM results r LEFT JOIN outbox o "
	"USING(seq) WHERE ?1 = 0 OR (r.stored_ns < ?1 AND r.stored_ns >= ?2) "
	"ORDER BY CASE WHEN o.seq IS NULL THEN 0 WHEN o.state = 'quarantined' THEN 1 ELSE 2 END, "
	"r.seq LIMIT 1";

static int drop(struct store *s, int64_t seq, bool unsent, struct err *err)
{
	CLEANUP(statement_close) struct statement outbox = {}, result = {};
	int r;

	statement_open(&outbox, &s->db, "DELETE FROM outbox WHERE seq = ?1");
	bind_number(&outbox, 1, seq);
	statement_open(&result, &s->db, "DELETE FROM results WHERE seq = ?1");
	bind_number(&result, 1, seq);
	r = store_server_errors_forget(s, seq, err);
	if (r == 0)
		r = statement_run(&outbox, err, "drop a result");
	if (r == 0)
		r = statement_run(&result, err, "drop a result");
	return r < 0 ? r : store_counter_add(s, unsent ? "dropped_unsent" : "dropped", 1, err);
}

/* The next by the policy, of those stored before `before_ns` (0: of all).  STORE_NONE */
static int drop_next(struct store *s, uint64_t before_ns, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int64_t seq;
	bool unsent;
	int r;

	statement_open(&st, &s->db, whose_turn);
	bind_number(&st, 1, (int64_t)before_ns);
	bind_number(&st, 2, (int64_t)STORE_FIRST_RELEASE_NS);
	r = statement_step(&st, err, "look for what to drop");
	if (r <= 0)
		return r < 0 ? r : STORE_NONE;
	seq = column_number(&st, 0);
	unsent = column_number(&st, 1);
	statement_close(&st);
	return drop(s, seq, unsent, err);
}

static int used_bytes(struct store *s, uint64_t *ret, struct err *err)
{
	int64_t pages = 0, free_pages = 0;
	int r = store_db_number(&s->db, "PRAGMA page_count", &pages, err);

	if (r == 0)
		r = store_db_number(&s->db, "PRAGMA freelist_count", &free_pages, err);
	*ret = (uint64_t)(pages - free_pages) * 4096;
	return r;
}

static int prune_old(struct store *s, uint64_t utc_ns, struct err *err)
{
	int r = 0;

	if (s->limits.max_age_ns == 0 || utc_ns <= s->limits.max_age_ns)
		return 0;
	while (r == 0)
		r = drop_next(s, utc_ns - s->limits.max_age_ns, err);
	return r < 0 ? r : 0;
}

static int prune_many(struct store *s, bool coming, struct err *err)
{
	int64_t count = 0;
	int r = store_db_number(&s->db, "SELECT count(*) FROM results", &count, err);

	if (s->limits.max_results == 0)
		return r;
	while (r == 0 && (uint64_t)count + coming > s->limits.max_results && count-- > 0)
		r = drop_next(s, 0, err);
	return r < 0 ? r : 0;
}

static int prune_large(struct store *s, uint64_t coming_bytes, struct err *err)
{
	uint64_t used = 0;
	int r = used_bytes(s, &used, err);

	if (s->limits.max_bytes == 0)
		return r;
	while (r == 0 && used + coming_bytes > s->limits.max_bytes) {
		r = drop_next(s, 0, err);
		if (r == 0)
			r = used_bytes(s, &used, err);
	}
	return r < 0 ? r : 0;
}

int store_results_prune(struct store *s, uint64_t utc_ns, uint64_t coming_bytes, struct err *err)
{
	int r = prune_old(s, utc_ns, err);

	if (r == 0)
		r = prune_many(s, coming_bytes > 0, err);
	return r < 0 ? r : prune_large(s, coming_bytes, err);
}

/* --- reading -------------------------------------------------------------------------------------- */

/* What is not whole, or cannot be read, is not sent.  -EBADMSG: the store says so now, or is only read. */
static int set_damaged_aside(struct store *s, const char *id, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	struct err why = {};
	int r;

	if (s->role == STORE_READER)
		return -EBADMSG;
	r = store_write_begin(&s->db, &why);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "set a damaged result aside: %s", why.text);
	statement_open(&st, &s->db,
	               "UPDATE outbox SET state = 'quarantined', "
	               "last_error = '" STORE_DAMAGED
	               "' WHERE seq = (SELECT seq FROM results WHERE id = ?1) "
	               "AND state != 'quarantined'");
	bind_text(&st, 1, id);
	r = statement_run(&st, &why, "note it");
	if (r == 0 && s->db.lib->changes(s->db.at) > 0)
		r = store_counter_add(s, "damaged", 1, &why);
	statement_close(&st);
	r = store_write_end(&s->db, r, &why);
	if (r < 0)
		return ERR_SET(err, r == -EBADMSG ? -EIO : r, ERR_SYS, 0,
		               "set a damaged result aside: %s", why.text);
	return -EBADMSG;
}

int store_get(struct store *s, const char *id, struct store_result **ret, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	struct store_row row;
	int r;

	statement_open(&st, &s->db, "SELECT " COLUMNS_OF_RESULT " FROM results WHERE id = ?1");
	bind_text(&st, 1, id);
	r = statement_step(&st, err, "read a result");
	if (r == 0)
		return STORE_NONE;
	if (r > 0) {
		store_result_columns(&st, &row);
		r = store_row_unpack(&row, true, ret, err);
	}
	statement_close(&st);
	return r == -EBADMSG ? set_damaged_aside(s, id, err) : r;
}

int store_find(struct store *s, const char *prefix, char ret_id[STORE_ID_BYTES], struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db,
	               "SELECT id FROM results WHERE id >= ?1 AND substr(id, 1, length(?1)) = ?1 "
	               "ORDER BY id LIMIT 2");
	bind_text(&st, 1, prefix);
	r = statement_step(&st, err, "look for a result");
	if (r <= 0)
		return r < 0 ? r : STORE_NONE;
	column_copy(&st, 0, ret_id, STORE_ID_BYTES);
	r = statement_step(&st, err, "look for a result");
	return r > 0 ? STORE_SEVERAL : r;
}

int store_each(struct store *s, uint64_t max,
               int (*visit)(void *self, const struct store_result *result, struct err *err),
               void *self, uint64_t *ret_damaged, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	uint64_t damaged = 0;
	int r;

	statement_open(&st, &s->db,
	               "SELECT " COLUMNS_OF_RESULT " FROM results ORDER BY seq DESC LIMIT ?1");
	bind_number(&st, 1, max == 0 || max > INT64_MAX ? -1 : (int64_t)max);
	while ((r = statement_step(&st, err, "read the results")) > 0) {
		CLEANUP(result_freep) struct store_result *result = NULL;
		struct store_row row;

		store_result_columns(&st, &row);
		r = store_row_unpack(&row, false, &result, err);
		damaged += r == -EBADMSG;
		if (r == 0)
			r = visit(self, result, err);
		if (r < 0 && r != -EBADMSG)
			break;
	}
	if (ret_damaged)
		*ret_damaged = damaged;
	return r;
}

/* --- figures -------------------------------------------------------------------------------------- */

int store_count(struct store *s, struct store_counts *ret, struct err *err)
{
	const struct {
		const char *sql;
		uint64_t *into;
	} queries[] = {
#define RESULTS "SELECT count(*) FROM results"
#define OUTBOX  "SELECT count(*) FROM outbox WHERE state = "
#define COUNTER "SELECT coalesce(sum(count), 0) FROM counters WHERE name = "
		{ RESULTS, &ret->results },
		{ RESULTS " WHERE delivery = 'waiting'", &ret->waiting },
		{ RESULTS " WHERE delivery = 'arrived'", &ret->arrived },
		{ RESULTS " WHERE delivery = 'private'", &ret->private },
		{ OUTBOX "'pending'", &ret->pending },
		{ OUTBOX "'uncertain'", &ret->uncertain },
		{ OUTBOX "'quarantined'", &ret->quarantined },
		{ "SELECT coalesce(min(started_ns), 0) FROM results WHERE delivery = 'waiting'",
		  &ret->oldest_waiting_utc_ns },
		{ "SELECT count(*) FROM events", &ret->events },
		{ COUNTER "'dropped'", &ret->dropped },
		{ COUNTER "'dropped_unsent'", &ret->dropped_unsent },
		{ COUNTER "'dropped_events'", &ret->dropped_events },
		{ COUNTER "'damaged'", &ret->damaged },
#undef RESULTS
#undef OUTBOX
#undef COUNTER
	};
	int r = used_bytes(s, &ret->bytes, err);

	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries) && r == 0; i++)
		r = store_db_number(&s->db, queries[i].sql, (int64_t *)queries[i].into, err);
	return r;
}

int store_lost(struct store *s, uint64_t *ret, struct err *err)
{
	int64_t n = 0;
	int r = store_db_number(&s->db,
	                        "SELECT coalesce(sum(count), 0) FROM counters "
	                        "WHERE name = 'dropped_unsent'",
	                        &n, err);

	if (r == 0)
		*ret = (uint64_t)n;
	return r;
}
