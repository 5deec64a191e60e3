/* For how long the service has answered what waits with 5xx. The fact "server_error.ID" is that: "AGE UTC BOOTTIME BOOT_ID", the
 * time from the first such answer to the last one, and when that came. A fact, as an earlier release opens no store with
 * a column that it does not know.
 */
#include <inttypes.h>
#include <stdio.h>

#include "agent/store/store_internal.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define NAME "server_error."

/* What waits, each with its fact or NULL. */
#define WAITING                                                                                    \
	"FROM outbox o JOIN results r USING(seq) LEFT JOIN facts f ON f.name = '" NAME             \
	"' || r.id WHERE o.state != 'quarantined' "

struct spell {
	uint64_t age_ns;
	struct store_clock last;
};

/* What cannot be read has not begun. */
static bool read_spell(const char *text, struct spell *ret)
{
	*ret = (struct spell){};
	return text &&
	       sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %36s", &ret->age_ns,
	              &ret->last.utc_ns, &ret->last.boot_ns, ret->last.boot_id) >= 3 &&
	       ret->age_ns <= INT64_MAX && ret->last.utc_ns <= INT64_MAX;
}

/* The id of the entry that waits, "" where none of that seq does, and its spell so far. */
static int find(struct store *s, int64_t seq, char id[STORE_ID_BYTES], struct spell *ret,
                bool *ret_begun, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db, "SELECT r.id, f.value " WAITING "AND o.seq = ?1");
	bind_number(&st, 1, seq);
	r = statement_step(&st, err, "look for earlier answers with 5xx");
	if (r < 0)
		return r;
	*id = '\0';
	if (r > 0)
		column_copy(&st, 0, id, STORE_ID_BYTES);
	*ret_begun = r > 0 && read_spell(column_text(&st, 1), ret);
	return 0;
}

static int write_spell(struct store *s, int64_t seq, const struct store_clock *now, struct err *err)
{
	char id[STORE_ID_BYTES], name[STORE_FACT_NAME_BYTES], value[128];
	struct spell spell = {};
	bool begun = false;
	int r = find(s, seq, id, &spell, &begun, err);

	if (r < 0 || !*id)
		return r;
	spell.age_ns = begun ? spell.age_ns + store_age_passed(&spell.last, now) : 0;
	snprintf(name, sizeof(name), NAME "%s", id);
	snprintf(value, sizeof(value), "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s", spell.age_ns,
	         now->utc_ns, now->boot_ns, now->boot_id);
	return store_fact_write(s, name, value, err);
}

int store_outbox_server_error(struct store *s, int64_t seq, const struct store_clock *now,
                              struct err *err)
{
	int r = store_write_begin(&s->db, err);

	return r < 0 ? r : store_write_end(&s->db, write_spell(s, seq, now, err), err);
}

int store_outbox_is_on_its_way(struct store *s, uint64_t most_ns, bool *ret, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};
	int r;

	statement_open(&st, &s->db, "SELECT f.value " WAITING "ORDER BY o.seq DESC");
	while ((r = statement_step(&st, err, "look for what is on its way")) > 0) {
		struct spell spell;

		if (read_spell(column_text(&st, 0), &spell) && spell.age_ns >= most_ns)
			continue;
		*ret = true;
		return 0;
	}
	if (r == 0)
		*ret = false;
	return r;
}

int store_server_errors_forget(struct store *s, int64_t seq, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               "DELETE FROM facts WHERE name = (SELECT '" NAME
	               "' || id FROM results WHERE seq = ?1)");
	bind_number(&st, 1, seq);
	return statement_run(&st, err, "forget answers with 5xx");
}

int store_server_errors_tidy(struct store *s, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               "DELETE FROM facts WHERE name GLOB '" NAME "*' AND NOT EXISTS("
	               "SELECT 1 FROM results r JOIN outbox o USING(seq) "
	               "WHERE r.id = substr(facts.name, length('" NAME "') + 1) "
	               "AND o.state != 'quarantined')");
	return statement_run(&st, err, "forget answers with 5xx of what waits no more");
}
