#include "agent/store/store_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/store.h"
#include "agent/store/store_row.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* The words of `delivery` are of one length, so that a change writes over them in place: what is left of an old
 * row can then not say that a result still waits. store_salvage.c reads rows of `results` without SQLite, by the
 * order of columns here. */
static const char first[] =
	"CREATE TABLE results("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id TEXT NOT NULL UNIQUE CHECK(length(id) = 36),"
	" delivery TEXT NOT NULL CHECK(delivery IN ('waiting', 'arrived', 'private')),"
	" test TEXT NOT NULL,"
	" interface TEXT NOT NULL,"
	" cause TEXT NOT NULL CHECK(cause IN ('service', 'schedule', 'hand')),"
	" started_ns INTEGER NOT NULL,"
	" stored_ns INTEGER NOT NULL,"
	" bytes_used INTEGER NOT NULL,"
	" wireless INTEGER NOT NULL CHECK(wireless IN (0, 1)),"
	" connection_info TEXT,"
	" coding INTEGER NOT NULL CHECK(coding IN (0, 1))," /* 1: zstd, of object and raw */
	" object_bytes INTEGER NOT NULL,"                   /* decoded */
	" raw_bytes INTEGER NOT NULL,"                      /* likewise */
	" digest BLOB NOT NULL CHECK(length(digest) = 16)," /* store_row.h */
	" object BLOB NOT NULL,"
	" raw BLOB"
	") STRICT;"
	"CREATE TABLE outbox("
	" seq INTEGER PRIMARY KEY,"
	" state TEXT NOT NULL CHECK(state IN ('pending', 'uncertain', 'quarantined')),"
	" attempts INTEGER NOT NULL DEFAULT 0 CHECK(attempts BETWEEN 0 AND 1000000),"
	" unanswered INTEGER NOT NULL DEFAULT 0 CHECK(unanswered BETWEEN 0 AND 1000000),"
	" wait_ns INTEGER NOT NULL DEFAULT 0,"
	" since_utc_ns INTEGER NOT NULL DEFAULT 0,"
	" since_boot_ns INTEGER NOT NULL DEFAULT 0,"
	" since_boot TEXT NOT NULL DEFAULT '',"
	" last_error TEXT NOT NULL DEFAULT ''"
	") STRICT;"
	"CREATE TABLE events("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" utc_ns INTEGER NOT NULL,"
	" fatal INTEGER NOT NULL CHECK(fatal IN (0, 1)),"
	" tries INTEGER NOT NULL DEFAULT 0,"
	" digest BLOB NOT NULL,"
	" body BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE usage(day INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;"
	"CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE counters(name TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT "
	"ROWID;";

/* From version i to i + 1. */
static const char *const steps[STORE_SCHEMA] = { first };

/* --- what the file says of itself ----------------------------------------------------------------- */

#define DIGEST_TEXT_BYTES (2 * STORE_DIGEST_BYTES + 1)

/* Of the tables as the file describes them: a wrong bit there can rename a column. */
static int digest_of_tables(struct store_db *db, char ret[DIGEST_TEXT_BYTES], struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	uint8_t digest[STORE_DIGEST_BYTES];
	int r;

	statement_open(&st, db,
	               "SELECT group_concat(type || name || tbl_name || coalesce(sql, ''), ';') "
	               "FROM (SELECT * FROM sqlite_schema ORDER BY name)");
	r = statement_step(&st, err, "read the store's tables");
	if (r < 0)
		return r;
	store_digest(column_data(&st, 0), column_bytes(&st, 0), digest);
	for (int i = 0; i < STORE_DIGEST_BYTES; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int fact(struct store_db *db, const char *sql, char *out, size_t out_bytes)
{
	out[0] = '\0';
	return store_db_text(db, sql, out, out_bytes, NULL);
}

static int check_tables(struct store_db *db, struct err *err)
{
	char is[DIGEST_TEXT_BYTES] = "", told[DIGEST_TEXT_BYTES];
	int r = digest_of_tables(db, is, err);

	if (r < 0)
		return r;
	fact(db, "SELECT value FROM facts WHERE name = 'tables'", told, sizeof(told));
	return strcmp(is, told) == 0
	               ? 0
	               : ERR_SET(err, -EBADMSG, ERR_SYS, 0,
	                         "trust the store: its tables are not as they were made");
}

int store_schema_look(struct store_db *db, struct err *err)
{
	int64_t application = 0, version = 0;
	char told[16];
	int r = store_db_number(db, "PRAGMA application_id", &application, err);

	if (r == 0)
		r = store_db_number(db, "PRAGMA user_version", &version, err);
	if (r < 0)
		return r;
	if (application != STORE_APPLICATION_ID)
		return STORE_SCHEMA_FOREIGN;
	fact(db, "SELECT value FROM facts WHERE name = 'schema'", told, sizeof(told));
	if (strtol(told, NULL, 10) != version)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "trust the store: its two versions are not the same");
	if (version > STORE_SCHEMA)
		return STORE_SCHEMA_NEWER;
	r = check_tables(db, err);
	return r < 0 ? r : version < STORE_SCHEMA ? STORE_SCHEMA_OLDER : STORE_SCHEMA_OURS;
}

/* --- forward -------------------------------------------------------------------------------------- */

/* Marks that the file is of `version` now. */
static int mark(struct store_db *db, int version, struct err *err)
{
	char tables[DIGEST_TEXT_BYTES], sql[320];
	int r = digest_of_tables(db, tables, err);

	if (r < 0)
		return r;
	snprintf(sql, sizeof(sql),
	         "PRAGMA application_id = %d; PRAGMA user_version = %d;"
	         "INSERT OR REPLACE INTO facts VALUES('schema', '%d'), ('tables', '%s');",
	         STORE_APPLICATION_ID, version, version, tables);
	return store_db_run(db, sql, err);
}

static int step_to(struct store_db *db, int version, struct err *err)
{
	int r = store_write_begin(db, err);

	if (r < 0)
		return r;
	r = store_db_run(db, steps[version - 1], err);
	if (r == 0)
		r = mark(db, version, err);
	return store_write_end(db, r, err);
}

int store_schema_migrate(struct store_db *db, struct err *err)
{
	int64_t version;
	int r = store_db_number(db, "PRAGMA user_version", &version, err);

	for (int next = (int)version + 1; r == 0 && next <= STORE_SCHEMA; next++)
		r = step_to(db, next, err);
	return r;
}
