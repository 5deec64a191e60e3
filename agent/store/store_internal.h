/* What the sources of the store share. */
#pragma once

#include "agent/store/store.h"
#include "agent/store/store_db.h"
#include "agent/store/store_lock.h"
#include "agent/store/store_row.h"

#define STORE_DIRECTORY_BYTES 4096
#define STORE_PATH_BYTES      (STORE_DIRECTORY_BYTES + 64)

struct store {
	struct store_db db;
	struct store_lock lock;
	enum store_role role;
	struct store_limits limits;
	char directory[STORE_DIRECTORY_BYTES]; /* links followed */
	struct store_clock
		opened; /* from when on the wall clock is checked; its utc_ns as believed */
};

/* DIRECTORY/store.db and what follows it: "", "-wal", ".new". */
const char *store_path(const struct store *s, const char *suffix, char out[STORE_PATH_BYTES]);

/* store_mend.c: makes what is below the directory a store of ours, whatever it was, and opens it. The lock is
 * the caller's, alone. */
int store_mend(struct store *s, struct store_report *report, struct err *err);

/* store_results.c */

/* The row that a statement stands on, of COLUMNS_OF_RESULT in their order; it points into the statement. */
#define COLUMNS_OF_RESULT                                                                          \
	"seq, id, delivery, test, interface, cause, started_ns, stored_ns, bytes_used, wireless, " \
	"connection_info, coding, object_bytes, raw_bytes, digest, object, raw"
void store_result_columns(const struct statement *st, struct store_row *ret);

/* Inserts what is not there yet, under `seq` if that is free, else under the next one, which *ret_seq is. */
int store_result_insert(struct store *s, int64_t seq, const struct store_row *row, int64_t *ret_seq,
                        struct err *err);

/* 1: a result of that id is there; 0: none is. */
int store_result_there(struct store *s, const char *id, struct err *err);

/* What an entry in quarantine says that is there because its result is not whole. */
#define STORE_DAMAGED "it is not what was stored: the disk has changed it"

/* Drops what is beyond the limits, inside a transaction; `coming_bytes` are about to be stored. */
int store_results_prune(struct store *s, uint64_t utc_ns, uint64_t coming_bytes, struct err *err);

/* No pod has stored a result before: a machine without a clock of its own begins in 1970, or where its system was made. */
#define STORE_FIRST_RELEASE_NS (1767225600 * 1000000000ULL) /* 2026-01-01 */

/* --- store_age.c --- */

/* Sets `opened` by what an earlier opening believed. */
void store_age_begin(struct store *s);

/* The wall clock of `now`, as far as it goes with that of an earlier time: the time since within a boot; across boots, at
 * most a week on, and not back. Pure. */
uint64_t store_age_believed(const struct store_clock *last, const struct store_clock *now);

/* The time from `last` to `now`, by what is believed; 0 where the wall clock of `last` says nothing. Pure. */
uint64_t store_age_passed(const struct store_clock *last, const struct store_clock *now);

/* The wall clock, for telling what is old: where it has gone forward by more than time has passed since the store was
 * opened, what was believed then and the time since. */
uint64_t store_age_clock(const struct store *s, const struct store_clock *now);

/* For the next opening; inside a transaction. */
int store_age_note(struct store *s, const struct store_clock *now, struct err *err);

/* store_server_errors.c; inside a transaction. The one of that seq leaves the outbox; whatever has left it. */
int store_server_errors_forget(struct store *s, int64_t seq, struct err *err);
int store_server_errors_tidy(struct store *s, struct err *err);

/* store_events.c, store_facts.c; inside a transaction */
int store_fact_write(struct store *s, const char *name, const char *value,
                     struct err *err); /* NULL: none */
int store_events_prune(struct store *s, uint64_t utc_ns, struct err *err);
int store_usage_count(struct store *s, uint64_t utc_ns, uint64_t bytes, struct err *err);
int store_counter_add(struct store *s, const char *name, uint64_t n, struct err *err);
