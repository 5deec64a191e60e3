#include "agent/store/store_db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/store.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define BUSY_MS 5000

/* What a daemon of 6 MB can spare. */
static const char settings[] = "PRAGMA cache_size = -128;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA cell_size_check = ON;"
			       "PRAGMA trusted_schema = OFF;"
			       "PRAGMA secure_delete = ON;" /* what was dropped is not salvaged */
			       "PRAGMA synchronous = FULL;" /* NORMAL loses the last commits */
			       "PRAGMA journal_size_limit = 1048576;"
			       "PRAGMA wal_autocheckpoint = 100;";

/* --- what went wrong ------------------------------------------------------------------------------ */

static int errno_of(const struct store_db *db, int code)
{
	int of_system = db->at ? db->lib->system_errno(db->at) : 0;

	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_FULL:
		return of_system == EDQUOT ? -EDQUOT : -ENOSPC;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return of_system > 0 ? -of_system : -EIO;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL: /* a lock that was not had in ten seconds of trying */
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_TOOBIG:
		return -EFBIG;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	default:
		return -EBADMSG; /* a schema that is not ours, a statement that it does not fit */
	}
}

static int fail(struct store_db *db, int code, const char *what, struct err *err)
{
	db->stuck = db->stuck || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_PROTOCOL;
	return ERR_SET(err, errno_of(db, code), ERR_SYS, 0, "%s: %s", what,
	               db->at ? db->lib->errmsg(db->at) : "the store is not open");
}

/* --- opening -------------------------------------------------------------------------------------- */

static void disconnect(struct store_db *db)
{
	if (db->at)
		db->lib->close(db->at);
	db->at = NULL;
}

static int connect_to(struct store_db *db, struct err *err)
{
	int flags = db->mode == STORE_DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	int r = db->lib->open_v2(db->path, &db->at,
	                         flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, NULL);

	if (r != SQLITE_OK) {
		r = fail(db, r, "open the store", err);
		disconnect(db);
		return r;
	}
	db->lib->extended_result_codes(db->at, 1);
	db->lib->busy_timeout(db->at, BUSY_MS);
	db->lib->db_config(db->at, SQLITE_DBCONFIG_LOOKASIDE, NULL, 256, 32);
	db->lib->db_config(db->at, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	r = db->lib->exec(db->at, settings, NULL, NULL, NULL);
	if (r == SQLITE_OK)
		return 0;
	r = fail(db, r, "use the store", err);
	disconnect(db);
	return r;
}

int store_db_open(struct store_db *db, const char *path, enum store_db_mode mode, struct err *err)
{
	int r = libsqlite3_get(&db->lib, err);

	if (r < 0)
		return r;
	free(db->path);
	db->path = strdup(path);
	if (!db->path)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "open the store");
	db->mode = mode;
	db->stuck = false;
	r = connect_to(db, err);
	if (r < 0)
		store_db_close(db);
	return r;
}

void store_db_close(struct store_db *db)
{
	disconnect(db);
	free(db->path);
	db->path = NULL;
	db->batch = db->stuck = false;
}

/* Before anything is asked of it. A connection that holds a lock which its process believes to hold for ever is given up,
 * with the lock; never within a transaction. Afterwards db->at may be NULL, until another call can have it. */
static void be_connected(struct store_db *db)
{
	if (!db->path || db->batch || (db->at && !db->stuck) ||
	    (db->at && !db->lib->get_autocommit(db->at)))
		return;
	if (db->at && db->lib->close(db->at) != SQLITE_OK)
		return; /* somebody reads: another time */
	db->at = NULL;
	db->stuck = false;
	(void)connect_to(db, NULL);
}

/* --- without parameters --------------------------------------------------------------------------- */

int store_db_run(struct store_db *db, const char *sql, struct err *err)
{
	int r;

	be_connected(db);
	r = db->at ? db->lib->exec(db->at, sql, NULL, NULL, NULL) : SQLITE_CANTOPEN;
	return r == SQLITE_OK ? 0 : fail(db, r, "use the store", err);
}

int store_db_empty_log(struct store_db *db, struct err *err)
{
	bool stuck;
	int r;

	be_connected(db);
	stuck = db->stuck;
	if (db->at)
		db->lib->busy_timeout(db->at, 0);
	r = store_db_run(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
	if (db->at)
		db->lib->busy_timeout(db->at, BUSY_MS);
	db->stuck = stuck; /* whoever reads meanwhile is no reason */
	return r;
}

int store_db_number(struct store_db *db, const char *sql, int64_t *ret, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, db, sql);
	r = statement_step(&st, err, "read the store");
	if (r <= 0)
		return r < 0 ? r : STORE_NONE;
	*ret = column_number(&st, 0);
	return 0;
}

int store_db_text(struct store_db *db, const char *sql, char *out, size_t out_bytes,
                  struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, db, sql);
	r = statement_step(&st, err, "read the store");
	if (r <= 0)
		return r < 0 ? r : STORE_NONE;
	column_copy(&st, 0, out, out_bytes);
	return 0;
}

/* --- writes --------------------------------------------------------------------------------------- */

/* Of a write that has failed for another reason nothing is known. */
static int note_room(struct store_db *db, int r)
{
	db->full = r == -ENOSPC || r == -EDQUOT || (r < 0 && db->full);
	return r;
}

int store_write_begin(struct store_db *db, struct err *err)
{
	int r;

	if (db->batch && db->failed < 0)
		return ERR_SET(err, db->failed, ERR_SYS, 0, "go on writing after a failure");
	if (db->batch)
		return 0;
	r = store_db_run(db, "BEGIN IMMEDIATE", err);
	return r < 0 ? note_room(db, r) : 0;
}

static void roll_back(struct store_db *db)
{
	if (db->at && !db->lib->get_autocommit(db->at))
		db->lib->exec(db->at, "ROLLBACK", NULL, NULL, NULL);
}

int store_write_end(struct store_db *db, int r, struct err *err)
{
	if (db->batch) {
		if (r < 0 && db->failed == 0)
			db->failed = r;
		return r;
	}
	if (r >= 0) {
		int committed = store_db_run(db, "COMMIT", err);

		r = committed < 0 ? committed : r;
	}
	if (r < 0)
		roll_back(db);
	return note_room(db, r);
}

/* --- statements ----------------------------------------------------------------------------------- */

void statement_open(struct statement *st, struct store_db *db, const char *sql)
{
	*st = (struct statement){ .db = db };
	be_connected(db);
	st->r = db->at ? db->lib->prepare_v2(db->at, sql, -1, &st->at, NULL) : SQLITE_CANTOPEN;
}

void statement_close(struct statement *st)
{
	if (st->at)
		st->db->lib->finalize(st->at);
	st->at = NULL;
}

static void note(struct statement *st, int r)
{
	if (st->r == SQLITE_OK)
		st->r = r;
}

void bind_number(struct statement *st, int place, int64_t value)
{
	if (st->r == SQLITE_OK)
		note(st, st->db->lib->bind_int64(st->at, place, value));
}

void bind_text(struct statement *st, int place, const char *text)
{
	if (st->r == SQLITE_OK)
		note(st, st->db->lib->bind_text(st->at, place, text, -1, SQLITE_STATIC));
}

void bind_bytes(struct statement *st, int place, const void *data, size_t bytes)
{
	if (st->r == SQLITE_OK)
		note(st,
		     data ? st->db->lib->bind_blob(st->at, place, data, (int)bytes, SQLITE_STATIC)
		          : st->db->lib->bind_null(st->at, place));
}

int statement_step(struct statement *st, struct err *err, const char *what)
{
	int r = st->r;

	if (r == SQLITE_OK)
		r = st->db->lib->step(st->at);
	if (r == SQLITE_ROW || r == SQLITE_DONE)
		return r == SQLITE_ROW;
	note(st, r);
	return fail(st->db, r, what, err);
}

int statement_run(struct statement *st, struct err *err, const char *what)
{
	int r = statement_step(st, err, what);

	return r < 0 ? r : 0;
}

int64_t column_number(const struct statement *st, int column)
{
	return st->db->lib->column_int64(st->at, column);
}

const char *column_text(const struct statement *st, int column)
{
	return (const char *)st->db->lib->column_text(st->at, column);
}

size_t column_bytes(const struct statement *st, int column)
{
	return (size_t)st->db->lib->column_bytes(st->at, column);
}

const void *column_data(const struct statement *st, int column)
{
	return st->db->lib->column_blob(st->at, column);
}

void column_copy(const struct statement *st, int column, char *out, size_t out_bytes)
{
	const char *text = column_text(st, column);

	bytes_copy_text(out, out_bytes, text ? text : "");
}
