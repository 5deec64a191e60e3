/* A connection to a store's file, and statements on it: SQLite's calls as the rest of the store makes them. The
 * first failure of a statement sticks, so that only its end needs a check. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/libsqlite3.h"

struct err;

enum store_db_mode { STORE_DB_READ, STORE_DB_WRITE };

struct store_db {
	const struct libsqlite3 *lib;
	sqlite3 *at; /* NULL: not open */
	bool batch;  /* between store_batch_begin() and _end() */
	int failed;  /* of what was written in it, the first failure */
	bool full;   /* a write had no room, and none has had any since */
	bool stuck; /* a lock was not had, which may be our own: SQLite remembers one whose release has failed */
	enum store_db_mode mode;
	char *path;
};

/* Opens the file that is at `path` (never creates one), for a small process: little cache, nothing mapped. Links
 * are refused.  Negative errno as store.h has them */
int store_db_open(struct store_db *db, const char *path, enum store_db_mode mode, struct err *err);

/* May be called twice. */
void store_db_close(struct store_db *db);

/* Statements without parameters and rows. */
int store_db_run(struct store_db *db, const char *sql, struct err *err);

/* Writes the log into the file and empties it; as far as a reader lets it, for whom nobody waits. */
int store_db_empty_log(struct store_db *db, struct err *err);

/* The first column of the first row of a query; STORE_NONE where there is none. */
int store_db_number(struct store_db *db, const char *sql, int64_t *ret, struct err *err);
int store_db_text(struct store_db *db, const char *sql, char *out, size_t out_bytes,
                  struct err *err);

/* A write: begin, then end with what became of it. Outside a batch, end commits what went well (r >= 0) and
 * rolls back what did not; answers r, or why it could not be committed. */
int store_write_begin(struct store_db *db, struct err *err);
int store_write_end(struct store_db *db, int r, struct err *err);

/* --- statements: parameters from 1, columns from 0 ------------------------------------------------- */

struct statement {
	struct store_db *db;
	sqlite3_stmt *at;
	int r; /* SQLite's code of the first failure */
};

void statement_open(struct statement *st, struct store_db *db, const char *sql);
void statement_close(struct statement *st); /* for CLEANUP(); may be called twice */

/* Nothing is copied: it stays the caller's until the statement is closed. NULL is NULL. */
void bind_number(struct statement *st, int place, int64_t value);
void bind_text(struct statement *st, int place, const char *text);
void bind_bytes(struct statement *st, int place, const void *data, size_t bytes);

/* 1: a row; 0: there are no more.  Negative: err says why, as "could not WHAT" */
int statement_step(struct statement *st, struct err *err, const char *what);

/* One that answers no rows: steps once. */
int statement_run(struct statement *st, struct err *err, const char *what);

int64_t column_number(const struct statement *st, int column);
const char *column_text(const struct statement *st, int column); /* NULL for NULL */
size_t column_bytes(const struct statement *st, int column);
const void *column_data(const struct statement *st, int column);
void column_copy(const struct statement *st, int column, char *out, size_t out_bytes);
