/* Small tables: what was used each day, facts, counters, and the boot that the service knows of. */
#include <errno.h>
#include <string.h>

#include "agent/store/store_internal.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define DAY_NS    (86400 * NS_PER_S)
#define DAYS_KEPT 62
#define BOOT_TOLD "boot_told"

/* --- bytes used ----------------------------------------------------------------------------------- */

/* More than an int64_t holds is as much as it holds. The days next to this one are kept: a clock that was wrong for a while,
 * either way, takes none of the others along. */
int store_usage_count(struct store *s, uint64_t utc_ns, uint64_t bytes, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {}, old = {};
	int64_t day = (int64_t)(utc_ns / DAY_NS);
	int r;

	statement_open(&st, &s->db,
	               "INSERT INTO usage(day, bytes) VALUES(?1, ?2) ON CONFLICT(day) DO UPDATE "
	               "SET bytes = min(bytes, 4611686018427387904) + excluded.bytes");
	bind_number(&st, 1, day);
	bind_number(&st, 2, (int64_t)(bytes > INT64_MAX / 2 ? INT64_MAX / 2 : bytes));
	statement_open(&old, &s->db,
	               "DELETE FROM usage WHERE day NOT IN "
	               "(SELECT day FROM usage ORDER BY abs(day - ?1) LIMIT ?2)");
	bind_number(&old, 1, day);
	bind_number(&old, 2, DAYS_KEPT);
	r = statement_run(&st, err, "count the bytes used");
	return r < 0 ? r : statement_run(&old, err, "forget old counts");
}

int store_usage_add(struct store *s, uint64_t utc_ns, uint64_t bytes, struct err *err)
{
	int r = store_write_begin(&s->db, err);

	return r < 0 ? r : store_write_end(&s->db, store_usage_count(s, utc_ns, bytes, err), err);
}

int store_usage_get(struct store *s, uint64_t utc_ns, uint64_t *ret_bytes, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db, "SELECT bytes FROM usage WHERE day = ?1");
	bind_number(&st, 1, (int64_t)(utc_ns / DAY_NS));
	r = statement_step(&st, err, "read the bytes used");
	if (r < 0)
		return r;
	*ret_bytes = r > 0 ? (uint64_t)column_number(&st, 0) : 0;
	return 0;
}

/* --- counters ------------------------------------------------------------------------------------- */

int store_counter_add(struct store *s, const char *name, uint64_t n, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	if (n == 0)
		return 0;
	statement_open(&st, &s->db,
	               "INSERT INTO counters(name, count) VALUES(?1, ?2) ON CONFLICT(name) DO "
	               "UPDATE SET count = min(count, 4611686018427387904) + excluded.count");
	bind_text(&st, 1, name);
	bind_number(&st, 2, (int64_t)n);
	return statement_run(&st, err, "count");
}

/* --- facts ---------------------------------------------------------------------------------------- */

int store_fact_get(struct store *s, const char *name, char *out, size_t out_bytes, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db, "SELECT value FROM facts WHERE name = ?1");
	bind_text(&st, 1, name);
	r = statement_step(&st, err, "read a fact");
	if (r <= 0)
		return r < 0 ? r : STORE_NONE;
	if (column_bytes(&st, 0) >= out_bytes)
		return ERR_SET(err, -ENOSPC, ERR_SYS, 0, "read %s into %zu bytes", name, out_bytes);
	column_copy(&st, 0, out, out_bytes);
	return 0;
}

int store_fact_write(struct store *s, const char *name, const char *value, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               value ? "INSERT OR REPLACE INTO facts(name, value) VALUES(?1, ?2)"
	                     : "DELETE FROM facts WHERE name = ?1");
	bind_text(&st, 1, name);
	if (value)
		bind_text(&st, 2, value);
	return statement_run(&st, err, "keep a fact");
}

int store_fact_set(struct store *s, const char *name, const char *value, struct err *err)
{
	int r;

	if (strlen(name) >= STORE_FACT_NAME_BYTES || (value && strlen(value) >= STORE_FACT_BYTES))
		return ERR_SET(err, -EFBIG, ERR_SYS, 0, "keep the fact %.40s", name);
	r = store_write_begin(&s->db, err);
	return r < 0 ? r : store_write_end(&s->db, store_fact_write(s, name, value, err), err);
}

int store_boot_untold(struct store *s, bool *ret, struct err *err)
{
	char told[64] = "";
	struct store_clock now;
	int r = store_fact_get(s, BOOT_TOLD, told, sizeof(told), err);

	if (r < 0)
		return r;
	store_clock_read(&now);
	*ret = r == STORE_NONE || strcmp(told, now.boot_id) != 0;
	return 0;
}

int store_boot_told(struct store *s, struct err *err)
{
	struct store_clock now;

	store_clock_read(&now);
	return store_fact_set(s, BOOT_TOLD, now.boot_id, err);
}
