/* What the store promises while nothing goes wrong, and what it refuses. store_damage_test.c and
 * store_faults_test.c have the rest. */
#include "agent/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/store/store_internal.h"
#include "agent/store/store_schema.h"
#include "tests/cases.h"
#include "tests/store_rig.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static const char *directory;
static struct store *store;
static struct store_report report;
static struct err err;
static struct store_limits limits;
static struct store_clock now;

static int open_as(enum store_role role, struct store **ret)
{
	err = (struct err){};
	return store_open(directory, role, &limits, ret, &report, &err);
}

static int setup(void **state)
{
	(void)state;
	directory = store_rig_make();
	limits = (struct store_limits){};
	store_clock_read(&now);
	return open_as(STORE_DAEMON, &store);
}

static int teardown(void **state)
{
	(void)state;
	store = store_close(store);
	store_rig_remove();
	return 0;
}

static void reopen(void)
{
	store = store_close(store);
	assert_int_equal(open_as(STORE_DAEMON, &store), 0);
}

static int64_t pragma(const char *sql)
{
	int64_t n = -1;

	assert_int_equal(store_db_number(&store->db, sql, &n, &err), 0);
	return n;
}

static void put(unsigned int number)
{
	assert_int_equal(store_rig_put(store, number, true), 0);
}

static bool has(unsigned int number)
{
	struct store_result *r = NULL;
	char id[STORE_ID_BYTES];
	int e = store_get(store, store_rig_id(number, id), &r, &err);

	assert_true(e == 0 || e == STORE_NONE);
	assert_true(e == STORE_NONE || store_rig_is(r, number));
	free(r);
	return e == 0;
}

static struct store_counts counts(void)
{
	struct store_counts c = {};

	assert_int_equal(store_count(store, &c, &err), 0);
	return c;
}

/* --- the file ------------------------------------------------------------------------------------- */

static void begins(void **state)
{
	char path[512], mode[16];
	struct stat st;

	(void)state;
	assert_true(report.begun);
	assert_string_equal(report.aside, "");
	assert_int_equal(stat(store_rig_path("store.db", path), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(pragma("PRAGMA synchronous"), 2); /* FULL */
	assert_int_equal(pragma("PRAGMA application_id"), STORE_APPLICATION_ID);
	assert_int_equal(pragma("PRAGMA user_version"), STORE_SCHEMA);
	assert_int_equal(pragma("PRAGMA page_size"), 4096);
	assert_int_equal(store_db_text(&store->db, "PRAGMA journal_mode", mode, sizeof(mode), &err),
	                 0);
	assert_string_equal(mode, "wal");
	reopen();
	assert_false(report.begun);
}

static void R67_makes_its_directory(void **state)
{
	struct store *other = NULL;
	char path[512];
	struct stat st;

	(void)state;
	store_rig_path("a/b/c", path);
	assert_int_equal(store_open(path, STORE_GUEST, &limits, &other, &report, &err), 0);
	store_close(other);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void one_daemon(void **state)
{
	struct store *other = NULL;
	char pid[32];

	(void)state;
	assert_int_equal(open_as(STORE_DAEMON, &other), -EWOULDBLOCK);
	snprintf(pid, sizeof(pid), "process %d has it", (int)getpid());
	assert_non_null(strstr(err.text, pid));
	store = store_close(store);
	assert_int_equal(open_as(STORE_DAEMON, &store), 0);
}

static void guest_and_reader_beside_a_daemon(void **state)
{
	struct store *guest = NULL, *reader = NULL;
	struct store_counts c;

	(void)state;
	put(1);
	assert_int_equal(open_as(STORE_GUEST, &guest), 0);
	assert_int_equal(store_rig_put(guest, 2, false), 0);
	assert_int_equal(open_as(STORE_READER, &reader), 0);
	put(3);
	assert_int_equal(store_count(reader, &c, &err), 0);
	assert_int_equal(c.results, 3);
	assert_int_equal(c.private, 1);
	assert_true(store_rig_put(reader, 4, false) < 0);
	store_close(guest);
	store_close(reader);
	assert_true(has(2));
}

/* A reader whose pipe nobody empties stands still in the middle of the file. */
static int write_beside(void *self, const struct store_result *r, struct err *e)
{
	uint64_t began_ns = clock_now_ns();
	struct store_clock at;
	unsigned int *visits = self;

	(void)r;
	if ((*visits)++ > 0)
		return 0;
	store_clock_read(&at);
	put(3);
	put(4);
	assert_int_equal(store_tidy(store, &at, e), 0);
	assert_true(clock_now_ns() - began_ns < 3 * NS_PER_S); /* SQLite would wait 5 s for each */
	return 0;
}

static void nobody_waits_for_a_reader(void **state)
{
	struct store *reader = NULL;
	unsigned int visits = 0;
	char path[512];
	struct stat log;

	(void)state;
	put(1);
	put(2);
	assert_int_equal(open_as(STORE_READER, &reader), 0);
	assert_int_equal(store_each(reader, 0, write_beside, &visits, NULL, &err), 0);
	assert_int_equal(visits, 2);
	store_close(reader);
	put(5);
	assert_int_equal(stat(store_rig_path("store.db-wal", path), &log), 0);
	assert_int_equal(log.st_size, 0);
}

static void reader_of_nothing(void **state)
{
	struct store *reader = NULL;
	char path[512];

	(void)state;
	store = store_close(store);
	unlink(store_rig_path("store.db", path));
	assert_int_equal(open_as(STORE_READER, &reader), -ENOENT);
	assert_int_equal(open_as(STORE_GUEST, &store), 0);
	assert_true(report.begun);
}

static void later_release(void **state)
{
	struct store *other = NULL;
	char path[512];

	(void)state;
	put(1);
	assert_int_equal(store_db_run(&store->db,
	                              "PRAGMA user_version = 7;"
	                              "UPDATE facts SET value = '7' WHERE name = 'schema'",
	                              &err),
	                 0);
	store = store_close(store);
	for (enum store_role role = STORE_DAEMON; role <= STORE_READER; role++) {
		assert_int_equal(open_as(role, &other), -EPROTONOSUPPORT);
		assert_non_null(strstr(err.text, "a later release of radar-pod has written it"));
	}
	assert_int_equal(access(store_rig_path("store.db", path), F_OK), 0);
}

/* --- results -------------------------------------------------------------------------------------- */

static void round_trip(void **state)
{
	struct store_result *r = NULL;
	char id[STORE_ID_BYTES];

	(void)state;
	put(1);
	put(2);
	reopen();
	assert_true(has(1));
	assert_true(has(2));
	assert_int_equal(store_get(store, store_rig_id(2, id), &r, &err), 0);
	assert_int_equal(r->delivery, STORE_WAITING);
	assert_true(r->stored_utc_ns >= r->started_utc_ns);
	free(r);
	assert_false(has(3));
}

/* Nothing of it is there where its last part cannot be: the next start would find a result that is in no outbox. */
static void D1_a_result_its_place_and_its_bytes_are_one(void **state)
{
	(void)state;
	assert_int_equal(store_db_run(&store->db,
	                              "CREATE TEMP TRIGGER no_place BEFORE INSERT ON outbox "
	                              "BEGIN SELECT RAISE(ABORT, 'no place'); END;"
	                              "CREATE TEMP TRIGGER no_count BEFORE INSERT ON usage "
	                              "BEGIN SELECT RAISE(ABORT, 'no count'); END",
	                              &err),
	                 0);
	assert_true(store_rig_put(store, 1, true) < 0);
	assert_int_equal(counts().results, 0);
	assert_int_equal(store_db_run(&store->db, "DROP TRIGGER no_place", &err), 0);
	assert_true(store_rig_put(store, 1, true) < 0);
	assert_int_equal(counts().results, 0);
	assert_int_equal(counts().pending, 0);
	assert_int_equal(store_db_run(&store->db, "DROP TRIGGER no_count", &err), 0);
	put(1);
	assert_int_equal(counts().pending, 1);
}

static void same_id_twice(void **state)
{
	(void)state;
	put(1);
	assert_int_equal(store_rig_put(store, 1, true), STORE_ALREADY);
	assert_int_equal(counts().results, 1);
	assert_int_equal(counts().pending, 1);
}

static void incompressible(void **state)
{
	struct store_result r = store_rig_result(1, 100), *back = NULL;
	char noise[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * i * 2654435761U >> 13);
	r.raw = noise;
	r.raw_bytes = sizeof(noise);
	assert_int_equal(store_put(store, &r, true, &err), 0);
	assert_int_equal(store_get(store, r.id, &back, &err), 0);
	assert_memory_equal(back->raw, noise, sizeof(noise));
	free(back);
}

static void refused(void **state)
{
	struct store_result r = store_rig_result(1, 100);

	(void)state;
	r.raw_bytes = STORE_RAW_BYTES_MAX + 1;
	assert_int_equal(store_put(store, &r, true, &err), -EFBIG);
	r.raw = NULL;
	assert_int_equal(store_put(store, &r, true, &err), -EINVAL);
	assert_int_equal(store_put(store, &r, false, &err), 0);
	strcpy(r.id, "../../etc/passwd");
	assert_int_equal(store_put(store, &r, false, &err), -EINVAL);
}

static void found_by_prefix(void **state)
{
	char id[STORE_ID_BYTES], want[STORE_ID_BYTES];

	(void)state;
	put(0x10);
	put(0x11);
	assert_int_equal(store_find(store, store_rig_id(0x11, want), id, &err), 0);
	assert_string_equal(id, want);
	assert_int_equal(store_find(store, "0190", id, &err), STORE_SEVERAL);
	assert_int_equal(store_find(store, "0191", id, &err), STORE_NONE);
	assert_int_equal(store_find(store, "%", id, &err), STORE_NONE);
}

static int note_id(void *self, const struct store_result *r, struct err *e)
{
	(void)e;
	strcat(self, r->id + 35);
	assert_null(r->raw);
	assert_non_null(strstr(r->object, r->id));
	return 0;
}

static void newest_first(void **state)
{
	char seen[16] = "";
	uint64_t damaged;

	(void)state;
	put(1);
	put(2);
	put(3);
	assert_int_equal(store_each(store, 0, note_id, seen, &damaged, &err), 0);
	assert_string_equal(seen, "321");
	*seen = '\0';
	assert_int_equal(store_each(store, 2, note_id, seen, &damaged, &err), 0);
	assert_string_equal(seen, "32");
	assert_int_equal(damaged, 0);
}

/* --- the outbox ----------------------------------------------------------------------------------- */

static struct store_entry entry;
static uint64_t wait_ns;

static int next(void)
{
	return store_outbox_next(store, &now, &entry, &wait_ns, &err);
}

static struct store_wait wait_of(uint64_t ns)
{
	return (struct store_wait){ ns, now };
}

static void oldest_first(void **state)
{
	struct store_wait w = wait_of(NS_PER_S);

	(void)state;
	assert_int_equal(next(), STORE_NONE);
	assert_true(wait_ns == CLOCK_NEVER_NS);
	put(1);
	put(2);
	assert_int_equal(next(), 0);
	assert_string_equal(entry.id + 35, "1");
	assert_int_equal(entry.state, STORE_PENDING);
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	assert_int_equal(store_outbox_again(store, entry.seq, &w, "503", &err), 0);
	assert_int_equal(next(), 0);
	assert_string_equal(entry.id + 35, "2");
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	assert_int_equal(store_outbox_accepted(store, entry.seq, &err), 0);
	assert_int_equal(next(), STORE_NONE);
	assert_int_equal(wait_ns, NS_PER_S);
	now.boot_ns += NS_PER_S;
	assert_int_equal(next(), 0);
	assert_string_equal(entry.last_error, "503");
	assert_int_equal(entry.attempts, 1);
	assert_int_equal(entry.unanswered, 0);
	assert_int_equal(entry.state, STORE_PENDING);
}

static void killed_while_sending(void **state)
{
	struct store_wait w = wait_of(0);

	(void)state;
	put(1);
	next();
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	reopen();
	assert_int_equal(next(), 0);
	assert_int_equal(entry.state, STORE_UNCERTAIN);
	assert_int_equal(entry.unanswered, 1);
	/* A later answer says nothing of the first attempt. */
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	assert_int_equal(store_outbox_again(store, entry.seq, &w, "503", &err), 0);
	assert_int_equal(next(), 0);
	assert_int_equal(entry.state, STORE_UNCERTAIN);
	assert_int_equal(entry.unanswered, 1);
	assert_int_equal(entry.attempts, 2);
}

static void quarantine(void **state)
{
	uint64_t released;

	(void)state;
	put(1);
	next();
	assert_int_equal(store_outbox_quarantine(store, entry.seq, "404", &err), 0);
	assert_int_equal(next(), STORE_NONE);
	assert_int_equal(counts().quarantined, 1);
	assert_int_equal(counts().waiting, 1);
	assert_int_equal(store_outbox_release(store, &released, &err), 0);
	assert_int_equal(released, 1);
	assert_int_equal(next(), 0);
}

static void put_asked(unsigned int number)
{
	struct store_result r = store_rig_result(number, 3000);

	r.cause = STORE_ASKED;
	assert_int_equal(store_put(store, &r, true, &err), 0);
}

/* Sent so often without an answer, then in quarantine. */
static void give_up(unsigned int times)
{
	assert_int_equal(next(), 0);
	for (unsigned int i = 0; i < times; i++)
		assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	assert_int_equal(store_outbox_quarantine(store, entry.seq, "no answer", &err), 0);
}

static int take_error(void *self, const struct store_entry *e, struct err *why)
{
	char *errors = self;

	(void)why;
	assert_int_equal(e->state, STORE_QUARANTINED);
	strcat(errors, e->last_error);
	return 0;
}

static void the_outbox_is_looked_at(void **state)
{
	struct store_outbox_counts c;
	char errors[64] = "";

	(void)state;
	put(1);
	assert_int_equal(next(), 0);
	assert_int_equal(store_outbox_refused(store, entry.seq, "a", &err), 0);
	put(2);
	assert_int_equal(next(), 0);
	assert_int_equal(store_outbox_refused(store, entry.seq, "b", &err), 0);
	put(3);
	assert_int_equal(next(), 0);
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	put(4);
	assert_int_equal(store_outbox_count(store, &c, &err), 0);
	assert_int_equal(c.pending, 1);
	assert_int_equal(c.uncertain, 1);
	assert_int_equal(c.quarantined, 2);
	assert_int_equal(store_outbox_each_quarantined(store, 0, take_error, errors, &err), 0);
	assert_int_equal(store_outbox_each_quarantined(store, 1, take_error, errors, &err), 0);
	assert_string_equal(errors, "bab");
}

static void what_was_asked_for_is_released_for_one_more_sending(void **state)
{
	(void)state;
	put_asked(1);
	give_up(2);
	assert_int_equal(store_outbox_release_asked(store, 2, &err), STORE_OK);
	assert_int_equal(next(), 0);
	assert_int_equal(entry.unanswered, 1);
	assert_int_equal(store_outbox_release_asked(store, 2, &err), STORE_NONE);
	give_up(1);
	put(2);
	assert_int_equal(store_outbox_release_asked(store, 2, &err), STORE_OK);
}

static void what_nobody_asks_for_any_more_is_not_released(void **state)
{
	(void)state;
	put(1);
	give_up(2);
	assert_int_equal(store_outbox_release_asked(store, 2, &err), STORE_NONE);
	put_asked(2);
	give_up(2);
	put_asked(3);
	assert_int_equal(store_outbox_release_asked(store, 2, &err), STORE_NONE);
}

static void what_was_refused_is_not_released(void **state)
{
	(void)state;
	put_asked(1);
	next();
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	assert_int_equal(store_outbox_refused(store, entry.seq, "422", &err), 0);
	assert_int_equal(counts().quarantined, 1);
	assert_int_equal(store_outbox_release_asked(store, 2, &err), STORE_NONE);
}

static void no_such_entry(void **state)
{
	struct store_wait w = wait_of(0);

	(void)state;
	assert_int_equal(store_outbox_sending(store, 77, &err), -ENOENT);
	assert_int_equal(store_outbox_unanswered(store, 77, &w, "", &err), -ENOENT);
}

static void batch_is_one(void **state)
{
	int64_t first;

	(void)state;
	put(1);
	put(2);
	next();
	first = entry.seq;
	assert_int_equal(store_batch_begin(store, &err), 0);
	assert_int_equal(store_outbox_accepted(store, first, &err), 0);
	assert_int_equal(next(), 0);
	assert_int_equal(store_outbox_sending(store, entry.seq, &err), 0);
	assert_int_equal(store_batch_end(store, &err), 0);
	assert_int_equal(counts().arrived, 1);
	assert_int_equal(counts().uncertain, 1);
	assert_int_equal(store_batch_begin(store, &err), 0);
	assert_int_equal(store_outbox_accepted(store, entry.seq, &err), 0);
	assert_int_equal(store_outbox_sending(store, 77, &err), -ENOENT);
	assert_int_equal(store_batch_end(store, &err), -ENOENT);
	assert_int_equal(counts().uncertain, 1);
}

static void missing_places_are_made_anew(void **state)
{
	(void)state;
	put(1);
	put(2);
	assert_int_equal(store_db_run(&store->db,
	                              "DELETE FROM outbox WHERE seq = 1;"
	                              "INSERT INTO outbox(seq, state) VALUES(99, 'pending')",
	                              &err),
	                 0);
	reopen();
	assert_int_equal(report.reconciled, 1);
	assert_int_equal(next(), 0);
	assert_int_equal(entry.state, STORE_UNCERTAIN);
	assert_int_equal(entry.unanswered, 1);
	assert_int_equal(counts().pending + counts().uncertain, 2);
}

struct wait_case {
	const char *name;
	uint64_t wait_s, since_utc_s, since_boot_s;
	const char *since_boot;
	uint64_t utc_s, boot_s;
	uint64_t left_s;
};

static struct wait_case wait_cases[] = {
	{ "within a boot", 60, 1000, 100, "A", 1010, 110, 50 },
	{ "H5: the wall clock goes forward a day", 60, 1000, 100, "A", 87400, 110, 50 },
	{ "H5: and back a day", 60, 100000, 100, "A", 13600, 110, 50 },
	{ "over", 60, 1000, 100, "A", 1010, 160, 0 },
	{ "across boots, by the wall clock", 60, 1000, 100, "B", 1010, 5, 50 },
	{ "across boots, and the clock has gone back", 60, 1000, 100, "B", 10, 5, 0 },
	{ "across boots, long after", 60, 1000, 100, "B", 9000, 5, 0 },
	{ "no wait", 0, 1000, 100, "A", 1000, 100, 0 },
	{ "a wait that no sane caller asked for", 1u << 30, 1000, 100, "A", 1000, 100, 86400 },
	{ "boot ids not known: the wall clock", 60, 1000, 100, "", 1010, 5, 50 },
};

static void wait_left(void **state)
{
	const struct wait_case *c = *state;
	struct store_wait w = { .wait_ns = c->wait_s * NS_PER_S };
	struct store_clock then = { .utc_ns = c->utc_s * NS_PER_S,
		                    .boot_ns = c->boot_s * NS_PER_S };

	w.since.utc_ns = c->since_utc_s * NS_PER_S;
	w.since.boot_ns = c->since_boot_s * NS_PER_S;
	strcpy(w.since.boot_id, c->since_boot);
	strcpy(then.boot_id, *c->since_boot ? "A" : "");
	assert_int_equal(store_wait_left_ns(&w, &then), c->left_s * NS_PER_S);
}

/* --- answers with 5xx ----------------------------------------------------------------------------- */

#define YEAR_S (365 * 86400LL)
#define DAY_S  86400LL

struct answer_at {
	int64_t utc_s; /* from 2026-02-01 */
	int64_t boot_s;
	const char *boot; /* NULL: no answer */
};

struct spell_case {
	const char *name;
	struct answer_at answers[3];
	bool is_on_its_way; /* as what was not answered so for a day */
};

static struct spell_case spell_cases[] = {
	{ "none", {}, true },
	{ "one", { { 0, 100, "A" } }, true },
	{ "less than a day", { { 0, 100, "A" }, { DAY_S - 1, DAY_S + 99, "A" } }, true },
	{ "a day", { { 0, 100, "A" }, { DAY_S, DAY_S + 100, "A" } }, false },
	{ "a day in three",
	  { { 0, 100, "A" }, { 60, 160, "A" }, { DAY_S, DAY_S + 100, "A" } },
	  false },
	{ "H5: the clock is set ten years on",
	  { { 0, 100, "A" }, { 10 * YEAR_S, 110, "A" } },
	  true },
	{ "H5: the clock goes back in that day", { { 0, 9, "A" }, { -9, DAY_S + 9, "A" } }, false },
	{ "H5: the clock of 1970 is set",
	  { { -56 * YEAR_S, 9, "A" }, { 0, DAY_S + 9, "A" } },
	  false },
	{ "a day across a restart", { { 0, 5000, "A" }, { DAY_S, 100, "B" } }, false },
	{ "an hour across a restart", { { 0, 5000, "A" }, { 3600, 100, "B" } }, true },
	{ "what was before a restart counts",
	  { { 0, 100, "A" }, { 50000, 50100, "A" }, { DAY_S, 100, "B" } },
	  false },
	{ "H5: before the restart it was 1970", { { -56 * YEAR_S, 9, "A" }, { 0, 9, "B" } }, true },
	{ "H5: and a day after it",
	  { { -56 * YEAR_S, 9, "A" }, { 0, 9, "B" }, { DAY_S, DAY_S + 9, "B" } },
	  false },
	{ "H5: the clock goes back at the restart", { { 0, 9, "A" }, { -9, 9, "B" } }, true },
	{ "H5: from 2100, and a day after it",
	  { { 74 * YEAR_S, 9, "A" }, { 0, 9, "B" }, { DAY_S, DAY_S + 9, "B" } },
	  false },
	{ "no boot id: the wall clock", { { 0, 100, "" }, { DAY_S, 200, "" } }, false },
};

static struct store_clock clock_of(const struct answer_at *a)
{
	const int64_t first_s = 1769904000;
	struct store_clock c = { .utc_ns = (uint64_t)(first_s + a->utc_s) * NS_PER_S,
		                 .boot_ns = (uint64_t)a->boot_s * NS_PER_S };

	strcpy(c.boot_id, a->boot);
	return c;
}

static bool is_on_its_way(void)
{
	bool is = false;

	assert_int_equal(store_outbox_is_on_its_way(store, DAY_S * NS_PER_S, &is, &err), 0);
	return is;
}

static int64_t spells(void)
{
	return pragma("SELECT count(*) FROM facts WHERE name GLOB 'server_error.*'");
}

static void server_errors_of_a_day(void **state)
{
	const struct spell_case *c = *state;

	setup(NULL);
	put(1);
	assert_int_equal(next(), 0);
	for (size_t i = 0; i < 3 && c->answers[i].boot; i++) {
		struct store_clock at = clock_of(&c->answers[i]);

		assert_int_equal(store_outbox_server_error(store, entry.seq, &at, &err), 0);
		reopen();
	}
	assert_int_equal(is_on_its_way(), c->is_on_its_way);
	teardown(NULL);
}

static void fail_for_a_day(int64_t seq)
{
	struct store_clock then = now;

	assert_int_equal(store_outbox_server_error(store, seq, &then, &err), 0);
	then.boot_ns += DAY_S * NS_PER_S;
	assert_int_equal(store_outbox_server_error(store, seq, &then, &err), 0);
}

static void what_fails_for_a_day_says_nothing_of_others(void **state)
{
	(void)state;
	assert_false(is_on_its_way());
	put(1);
	put(2);
	assert_int_equal(next(), 0);
	fail_for_a_day(entry.seq);
	assert_true(is_on_its_way());
	assert_int_equal(store_outbox_sending(store, entry.seq + 1, &err), 0);
	assert_true(is_on_its_way());
	assert_int_equal(store_outbox_quarantine(store, entry.seq + 1, "", &err), 0);
	assert_false(is_on_its_way());
	put(3);
	assert_true(is_on_its_way());
}

static void server_errors_are_forgotten_with_their_result(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 4; i++) {
		put(i);
		fail_for_a_day(i);
	}
	assert_int_equal(spells(), 4);
	assert_int_equal(store_outbox_accepted(store, 1, &err), 0);
	assert_int_equal(spells(), 3);
	assert_int_equal(store_outbox_quarantine(store, 2, "", &err), 0);
	assert_int_equal(store_outbox_refused(store, 3, "422", &err), 0);
	assert_int_equal(spells(), 1);
	assert_false(is_on_its_way());
	assert_int_equal(store_outbox_release(store, NULL, &err), 0);
	assert_true(is_on_its_way()); /* and it begins anew */
	fail_for_a_day(2);
	store->limits.max_results = 1;
	put(5);
	assert_true(has(5) && !has(4));
	assert_int_equal(spells(), 0);
	assert_int_equal(store_outbox_server_error(store, 4, &now, &err), 0);
	assert_int_equal(spells(), 0);
}

/* An earlier release sends it and knows no such fact; another program writes what none is. */
static void server_errors_that_nobody_forgot(void **state)
{
	char id[STORE_ID_BYTES], name[STORE_FACT_NAME_BYTES];

	(void)state;
	put(1);
	fail_for_a_day(1);
	assert_int_equal(store_fact_set(store, "server_error.gone", "1 2 3 A", &err), 0);
	assert_int_equal(store_fact_set(store, "server", "stays", &err), 0);
	assert_int_equal(store_tidy(store, &now, &err), 0);
	assert_int_equal(spells(), 1);
	assert_int_equal(pragma("SELECT count(*) FROM facts WHERE name = 'server'"), 1);
	assert_false(is_on_its_way());
	snprintf(name, sizeof(name), "server_error.%s", store_rig_id(1, id));
	assert_int_equal(store_fact_set(store, name, "99999999999999999999 x", &err), 0);
	assert_true(is_on_its_way());
	fail_for_a_day(1);
	assert_false(is_on_its_way());
	assert_int_equal(store_outbox_accepted(store, 1, &err), 0);
	assert_int_equal(store_fact_set(store, name, "1 2 3 A", &err), 0);
	assert_int_equal(store_tidy(store, &now, &err), 0);
	assert_int_equal(spells(), 0);
}

/* --- limits (R39) --------------------------------------------------------------------------------- */

static int tidy_after(int64_t utc_s, int64_t boot_s)
{
	struct store_clock then = now;

	then.utc_ns += (uint64_t)utc_s * NS_PER_S;
	then.boot_ns += (uint64_t)boot_s * NS_PER_S;
	return store_tidy(store, &then, &err);
}

static void R39_count(void **state)
{
	(void)state;
	store->limits.max_results = 3;
	put(1);
	put(2);
	put(3);
	next();
	now.boot_ns++;
	assert_int_equal(store_outbox_accepted(store, entry.seq + 1, &err), 0);
	put(4); /* 2 has arrived: it goes first */
	assert_false(has(2));
	put(5); /* none has arrived: the oldest is lost, and that is counted */
	assert_false(has(1));
	assert_true(has(3) && has(4) && has(5));
	assert_int_equal(counts().dropped, 1);
	assert_int_equal(counts().dropped_unsent, 1);
	next();
	assert_int_equal(store_outbox_quarantine(store, entry.seq + 1, "422", &err), 0);
	put(6);
	assert_false(has(4));
	assert_true(has(3));
	assert_int_equal(counts().quarantined, 0);
}

static void R39_bytes(void **state)
{
	struct store_result r;

	(void)state;
	store->limits.max_bytes = 160 * 1024;
	for (unsigned int i = 1; i <= 60; i++) {
		char noise[4096];

		r = store_rig_result(i, 100);
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (char)(rand() >> 7);
		r.raw = noise;
		r.raw_bytes = sizeof(noise);
		assert_int_equal(store_put(store, &r, true, &err), 0);
		assert_true(counts().bytes <= 168 * 1024);
	}
	assert_true(counts().results > 15);
	assert_int_equal(counts().dropped_unsent, 60 - counts().results);
}

static void R39_age(void **state)
{
	uint64_t lost;

	(void)state;
	put(1);
	store->limits.max_age_ns = 3600 * NS_PER_S;
	assert_int_equal(tidy_after(0, 0), 0);
	assert_true(has(1));
	assert_int_equal(tidy_after(3700, 3700), 0);
	assert_false(has(1));
	assert_int_equal(counts().dropped_unsent, 1);
	assert_int_equal(store_lost(store, &lost, &err), 0);
	assert_int_equal(lost, 1);
}

struct step_case {
	const char *name;
	int64_t opened_s, stored_s; /* by the wall clock, from now */
	int64_t utc_s, boot_s;      /* when it is looked at */
	bool is_kept;
};

static struct step_case step_cases[] = {
	{ "H5: the wall clock goes back a day", 0, 0, -86400, 10, true },
	{ "H5: forward a day", 0, 0, 86400, 10, true },
	{ "H5: forward ten years", 0, 0, 10 * YEAR_S, 10, true },
	{ "H5: forward a day, a day after", 0, 0, 2 * 86400, 86400, false },
	{ "H5: stored in 1970, and the clock is set", -56 * YEAR_S, -56 * YEAR_S, 10, 10, true },
	{ "H5: and after a restart", 0, -56 * YEAR_S, 10, 10, true },
	{ "H5: stored in 2038, and the clock is set", 12 * YEAR_S, 12 * YEAR_S, 10, 10, true },
	{ "stored before a restart, in time", 0, -3000, 10, 10, true },
	{ "stored before a restart, long ago", 0, -4000, 10, 10, false },
};

/* One that is old by a clock that was wrong is not lost for it. */
static void wall_clock_steps(void **state)
{
	const struct step_case *c = *state;
	char sql[96];

	setup(NULL);
	put(1);
	store->limits.max_age_ns = 3600 * NS_PER_S;
	store->opened.utc_ns += (uint64_t)c->opened_s * NS_PER_S;
	snprintf(sql, sizeof(sql), "UPDATE results SET stored_ns = %lld",
	         (long long)(now.utc_ns + (uint64_t)c->stored_s * NS_PER_S));
	assert_int_equal(store_db_run(&store->db, sql, &err), 0);
	assert_int_equal(tidy_after(c->utc_s, c->boot_s), 0);
	assert_int_equal(counts().results, c->is_kept);
	assert_int_equal(counts().dropped_unsent, !c->is_kept);
	teardown(NULL);
}

struct believed_case {
	const char *name;
	int64_t last_s, last_boot_s; /* by the wall clock, from now, and since the boot */
	const char *last_boot;       /* now it is "A", for 1000 s */
	int64_t want_s;              /* from now */
};

static struct believed_case believed_cases[] = {
	{ "within a boot, an hour off", -900, 100, "A", 0 },
	{ "within a boot, and the clock was set", -10 * YEAR_S, 100, "A", -10 * YEAR_S + 900 },
	{ "a day off", -86400, 5000, "B", 0 },
	{ "a month off, or a clock that is wrong", -30 * 86400, 5000, "B", -23 * 86400 },
	{ "seventy years ahead", -70 * YEAR_S, 5000, "B", -70 * YEAR_S + 7 * 86400 },
	{ "a clock that was ahead, or has lost its time", 3600, 5000, "B", 3600 },
};

static void is_believed(void **state)
{
	const struct believed_case *c = *state;
	struct store_clock then = { .utc_ns = 4000000000ULL * NS_PER_S,
		                    .boot_ns = 1000 * NS_PER_S,
		                    .boot_id = "A" };
	struct store_clock last = { .utc_ns = then.utc_ns + (uint64_t)c->last_s * NS_PER_S,
		                    .boot_ns = (uint64_t)c->last_boot_s * NS_PER_S };

	strcpy(last.boot_id, c->last_boot);
	assert_int_equal(store_age_believed(&last, &then),
	                 then.utc_ns + (uint64_t)c->want_s * NS_PER_S);
}

/* What was there before a machine begins anew in the future (here: ten days on, of which it believes seven). */
static void H5_a_machine_that_begins_in_the_future_drops_nothing(void **state)
{
	uint64_t before_ns = now.utc_ns - 10 * DAY_S * NS_PER_S;
	char text[96];

	(void)state;
	put(1);
	snprintf(text, sizeof(text), "UPDATE results SET stored_ns = %llu",
	         (unsigned long long)before_ns);
	assert_int_equal(store_db_run(&store->db, text, &err), 0);
	snprintf(text, sizeof(text), "%llu 5 another-boot", (unsigned long long)before_ns);
	assert_int_equal(store_fact_set(store, "age_clock", text, &err), 0);
	reopen();
	store->limits.max_age_ns = 8 * DAY_S * NS_PER_S;
	put(2);
	assert_int_equal(counts().results, 2);
	reopen(); /* within that boot it believes no more */
	store->limits.max_age_ns = 8 * DAY_S * NS_PER_S;
	put(3);
	assert_int_equal(counts().results, 3);
	assert_int_equal(tidy_after(2 * DAY_S, 2 * DAY_S), 0);
	assert_int_equal(counts().results, 2);
	assert_int_equal(counts().dropped_unsent, 1);
}

static void H5_error_reports_outlive_a_clock_that_goes_ahead(void **state)
{
	struct store_event *e = NULL;

	(void)state;
	assert_int_equal(store_event_put(store, now.utc_ns, false, "one", 3, &err), 0);
	assert_int_equal(
		store_event_put(store, now.utc_ns + 70 * YEAR_S * NS_PER_S, false, "two", 3, &err),
		0);
	assert_int_equal(store_event_next(store, 0, &e, &err), 0);
	assert_string_equal(e->body, "one");
	free(e);
}

static void H5_error_reports_outlive_a_clock_that_was_not_set(void **state)
{
	struct store_event *e = NULL;

	(void)state;
	assert_int_equal(store_event_put(store, 1000 * NS_PER_S, false, "one", 3, &err), 0);
	assert_int_equal(store_event_put(store, now.utc_ns, false, "two", 3, &err), 0);
	assert_int_equal(store_event_next(store, 0, &e, &err), 0);
	assert_string_equal(e->body, "one");
	free(e);
}

/* --- error reports -------------------------------------------------------------------------------- */

static void events_in_turn(void **state)
{
	struct store_event *e = NULL;

	(void)state;
	assert_int_equal(store_event_put(store, now.utc_ns, false, "one", 3, &err), 0);
	assert_int_equal(store_event_put(store, now.utc_ns, true, "two", 3, &err), 0);
	assert_int_equal(store_event_next(store, 0, &e, &err), 0);
	assert_string_equal(e->body, "one");
	assert_int_equal(store_event_tried(store, e->seq, &err), 0);
	free(e);
	assert_int_equal(store_event_next(store, 0, &e, &err), 0);
	assert_int_equal(e->tries, 1);
	assert_int_equal(store_event_done(store, e->seq, &err), 0);
	free(e);
	assert_int_equal(store_event_next(store, 0, &e, &err), 0);
	assert_string_equal(e->body, "two");
	assert_true(e->fatal);
	assert_int_equal(store_event_next(store, e->seq, &(struct store_event *){ NULL }, &err),
	                 STORE_NONE);
	free(e);
}

static void events_have_a_ceiling(void **state)
{
	static char large[300 * 1024];
	struct store_event *e = NULL;

	(void)state;
	assert_int_equal(store_event_put(store, now.utc_ns, true, "fatal", 5, &err), 0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(store_event_put(store, now.utc_ns, false, "x", 1, &err), 0);
	assert_int_equal(counts().events, STORE_EVENTS_MAX);
	assert_int_equal(counts().dropped_events, 11);
	assert_int_equal(store_event_next(store, 0, &e, &err), 0);
	assert_string_equal(e->body, "fatal");
	free(e);
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			store_event_put(store, now.utc_ns, false, large, sizeof(large), &err), 0);
	assert_true(counts().events <= 4);
	assert_int_equal(store_event_put(store, now.utc_ns, false, large, 2 << 20, &err), -EFBIG);
	assert_int_equal(
		tidy_after(STORE_EVENTS_AGE_NS / NS_PER_S + 1, STORE_EVENTS_AGE_NS / NS_PER_S + 1),
		0);
	assert_int_equal(counts().events, 0);
}

static void damaged_event_is_dropped(void **state)
{
	struct store_event *e = NULL;

	(void)state;
	assert_int_equal(store_event_put(store, now.utc_ns, false, "one", 3, &err), 0);
	assert_int_equal(store_event_put(store, now.utc_ns, false, "two", 3, &err), 0);
	assert_int_equal(
		store_db_run(&store->db, "UPDATE events SET body = x'00' WHERE seq = 1", &err), 0);
	assert_int_equal(store_event_next(store, 0, &e, &err), 0);
	assert_string_equal(e->body, "two");
	free(e);
	assert_int_equal(counts().dropped_events, 1);
}

/* --- small things --------------------------------------------------------------------------------- */

static void usage_by_day(void **state)
{
	const uint64_t day = 86400 * NS_PER_S;
	uint64_t bytes = 0;

	(void)state;
	assert_int_equal(store_usage_add(store, 100 * day, 5, &err), 0);
	assert_int_equal(store_usage_add(store, 101 * day - 1, 6, &err), 0);
	assert_int_equal(store_usage_add(store, 101 * day, 7, &err), 0);
	assert_int_equal(store_usage_get(store, 100 * day + 9, &bytes, &err), 0);
	assert_int_equal(bytes, 11);
	assert_int_equal(store_usage_add(store, 101 * day, UINT64_MAX, &err), 0);
	assert_int_equal(store_usage_get(store, 101 * day, &bytes, &err), 0);
	assert_true(bytes > INT64_MAX / 4 && bytes <= INT64_MAX);
	for (unsigned int i = 0; i < 62; i++)
		assert_int_equal(store_usage_add(store, (200 + i) * day, 1, &err), 0);
	assert_int_equal(store_usage_get(store, 100 * day, &bytes, &err), 0);
	assert_int_equal(bytes, 0);
	put(1);
	assert_int_equal(store_usage_get(store, clock_utc_ns(), &bytes, &err), 0);
	assert_int_equal(bytes, 1000);
}

static void H5_a_day_is_counted_through_a_clock_that_goes_ahead(void **state)
{
	const uint64_t day = 86400 * NS_PER_S;
	uint64_t bytes = 0;

	(void)state;
	assert_int_equal(store_usage_add(store, 20000 * day, 5, &err), 0);
	for (unsigned int i = 0; i < 61; i++)
		assert_int_equal(store_usage_add(store, (50000 + i) * day, 7, &err), 0);
	assert_int_equal(store_usage_get(store, 20000 * day, &bytes, &err), 0);
	assert_int_equal(bytes, 5);
	for (unsigned int i = 1; i < 100; i++)
		assert_int_equal(store_usage_add(store, (20000 + i) * day, 1, &err), 0);
	assert_int_equal(store_usage_get(store, 20099 * day, &bytes, &err), 0);
	assert_int_equal(bytes, 1);
	assert_int_equal(store_usage_get(store, 20000 * day, &bytes, &err), 0);
	assert_int_equal(bytes, 0);
}

static void facts(void **state)
{
	char value[8];

	(void)state;
	assert_int_equal(store_fact_get(store, "crl", value, sizeof(value), &err), STORE_NONE);
	assert_int_equal(store_fact_set(store, "crl", "42", &err), 0);
	reopen();
	assert_int_equal(store_fact_get(store, "crl", value, sizeof(value), &err), 0);
	assert_string_equal(value, "42");
	assert_int_equal(store_fact_get(store, "crl", value, 2, &err), -ENOSPC);
	assert_int_equal(store_fact_set(store, "crl", NULL, &err), 0);
	assert_int_equal(store_fact_get(store, "crl", value, sizeof(value), &err), STORE_NONE);
}

static void S11_once_a_boot(void **state)
{
	bool untold = false;

	(void)state;
	assert_int_equal(store_boot_untold(store, &untold, &err), 0);
	assert_true(untold);
	assert_int_equal(store_boot_told(store, &err), 0);
	reopen();
	assert_int_equal(store_boot_untold(store, &untold, &err), 0);
	assert_false(untold);
	assert_int_equal(store_fact_set(store, "boot_told", "another boot", &err), 0);
	assert_int_equal(store_boot_untold(store, &untold, &err), 0);
	assert_true(untold);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(begins),
		WITH_STORE(R67_makes_its_directory),
		WITH_STORE(one_daemon),
		WITH_STORE(guest_and_reader_beside_a_daemon),
		WITH_STORE(nobody_waits_for_a_reader),
		WITH_STORE(reader_of_nothing),
		WITH_STORE(later_release),
		WITH_STORE(round_trip),
		WITH_STORE(D1_a_result_its_place_and_its_bytes_are_one),
		WITH_STORE(same_id_twice),
		WITH_STORE(incompressible),
		WITH_STORE(refused),
		WITH_STORE(found_by_prefix),
		WITH_STORE(newest_first),
		WITH_STORE(oldest_first),
		WITH_STORE(killed_while_sending),
		WITH_STORE(quarantine),
		WITH_STORE(the_outbox_is_looked_at),
		WITH_STORE(what_was_asked_for_is_released_for_one_more_sending),
		WITH_STORE(what_nobody_asks_for_any_more_is_not_released),
		WITH_STORE(what_was_refused_is_not_released),
		WITH_STORE(no_such_entry),
		WITH_STORE(batch_is_one),
		WITH_STORE(missing_places_are_made_anew),
		WITH_STORE(what_fails_for_a_day_says_nothing_of_others),
		WITH_STORE(server_errors_are_forgotten_with_their_result),
		WITH_STORE(server_errors_that_nobody_forgot),
		WITH_STORE(R39_count),
		WITH_STORE(R39_bytes),
		WITH_STORE(R39_age),
		WITH_STORE(H5_a_machine_that_begins_in_the_future_drops_nothing),
		WITH_STORE(H5_error_reports_outlive_a_clock_that_was_not_set),
		WITH_STORE(H5_error_reports_outlive_a_clock_that_goes_ahead),
		WITH_STORE(H5_a_day_is_counted_through_a_clock_that_goes_ahead),
		WITH_STORE(events_in_turn),
		WITH_STORE(events_have_a_ceiling),
		WITH_STORE(damaged_event_is_dropped),
		WITH_STORE(usage_by_day),
		WITH_STORE(facts),
		WITH_STORE(S11_once_a_boot),
	};
	int failed = CASES_RUN(wait_left, wait_cases);

	failed += CASES_RUN(server_errors_of_a_day, spell_cases);
	failed += CASES_RUN(wall_clock_steps, step_cases);
	failed += CASES_RUN(is_believed, believed_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
