/* Bar D6: whatever has become of the file, or stands in its place, one start later there is a store, with every
 * result that can be had, and what was there is set aside. Bits are flipped and the file is cut at every n-th
 * place: RADAR_POD_DAMAGE_STEP, 0 for every place there is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/store.h"
#include "agent/store/store_internal.h"
#include "tests/cases.h"
#include "tests/store_rig.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define RESULTS   4
#define FLIP_STEP 1009 /* bits; a prime, so that every bit of a byte has its turn */
#define CUT_STEP  397  /* bytes */

static const char *directory;
static struct store *store;
static struct store_report report;
static struct err err;
static char path[512];

/* The file of a store of RESULTS results that wait. */
static uint8_t *whole;
static size_t whole_bytes;

static int open_store(void)
{
	err = (struct err){};
	return store_open(directory, STORE_DAEMON, &(struct store_limits){}, &store, &report, &err);
}

static void write_file(const char *name, const void *data, size_t n)
{
	char at[512];
	int fd = open(store_rig_path(name, at), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	close(fd);
}

static void read_whole(void)
{
	int fd = open(store_rig_path("store.db", path), O_RDONLY);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	whole_bytes = (size_t)st.st_size;
	whole = realloc(whole, whole_bytes);
	assert_int_equal(read(fd, whole, whole_bytes), whole_bytes);
	close(fd);
}

static int setup(void **state)
{
	char id[STORE_ID_BYTES], fact[STORE_FACT_BYTES] = "";

	(void)state;
	directory = store_rig_make();
	assert_int_equal(open_store(), 0);
	for (unsigned int i = 1; i <= RESULTS; i++)
		assert_int_equal(store_rig_put(store, i, true), 0);
	memset(fact, 'f', sizeof(fact) - 1);
	for (unsigned int i = 0; i < 4; i++) /* pages behind those with results */
		assert_int_equal(store_fact_set(store, store_rig_id(i, id), fact, &err), 0);
	store = store_close(store);
	read_whole();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store = store_close(store);
	store_rig_remove();
	return 0;
}

/* How many results there are; each is what it was, or is refused. */
static unsigned int whole_results(unsigned int *ret_refused)
{
	unsigned int there = 0;

	*ret_refused = 0;
	for (unsigned int i = 1; i <= RESULTS; i++) {
		struct store_result *r = NULL;
		char id[STORE_ID_BYTES];
		int e = store_get(store, store_rig_id(i, id), &r, &err);

		assert_true(e == 0 || e == STORE_NONE || e == -EBADMSG);
		if (e == 0)
			assert_true(store_rig_is(r, i));
		there += e == 0;
		*ret_refused += e == -EBADMSG;
		free(r);
	}
	return there;
}

/* What each case is to end in: a store that takes and gives; nothing lost that is not told. */
static unsigned int survives(const char *what, size_t place)
{
	unsigned int refused, there;
	struct store_counts c;

	if (open_store() < 0)
		fail_msg("%s %zu: could not %s", what, place, err.text);
	there = whole_results(&refused);
	if (there < RESULTS && refused == 0 && !*report.aside)
		fail_msg("%s %zu: %u of %d, and nothing is told", what, place, there, RESULTS);
	if (store_count(store, &c, &err) < 0)
		fail_msg("%s %zu: could not %s", what, place, err.text);
	if (c.waiting < there)
		fail_msg("%s %zu: %u results, and %u wait", what, place, there,
		         (unsigned)c.waiting);
	if (store_rig_put(store, 77, true) != 0)
		fail_msg("%s %zu: it takes no result", what, place);
	store = store_close(store);
	assert_int_equal(open_store(), 0);
	if (*report.aside)
		fail_msg("%s %zu: told twice: %s", what, place, report.why);
	store = store_close(store);
	return there;
}

static size_t step_of(size_t standard)
{
	const char *given = getenv("RADAR_POD_DAMAGE_STEP");

	return !given ? standard : atol(given) > 0 ? (size_t)atol(given) : 1;
}

/* --- bits and lengths ----------------------------------------------------------------------------- */

static void D6_every_nth_bit(void **state)
{
	size_t step = step_of(FLIP_STEP), cases = 0, all = 0, lost_most = 0;

	(void)state;
	for (size_t bit = 0; bit < whole_bytes * 8; bit += step, cases++) {
		unsigned int there;

		store_rig_empty();
		whole[bit / 8] ^= (uint8_t)(1 << bit % 8);
		write_file("store.db", whole, whole_bytes);
		whole[bit / 8] ^= (uint8_t)(1 << bit % 8);
		there = survives("bit", bit);
		all += there == RESULTS;
		lost_most = RESULTS - there > lost_most ? RESULTS - there : lost_most;
	}
	print_message(
		"%zu bytes, %zu of %zu bits flipped: %zu times all results, at most %zu lost\n",
		whole_bytes, cases, whole_bytes * 8, all, lost_most);
	assert_true(lost_most <= 1);
}

static void D6_every_nth_length(void **state)
{
	size_t step = step_of(CUT_STEP), cases = 0, all = 0;

	(void)state;
	for (size_t n = 0; n < whole_bytes; n += step, cases++) {
		store_rig_empty();
		write_file("store.db", whole, n);
		all += survives("length", n) == RESULTS;
	}
	print_message("%zu bytes, cut at %zu lengths: %zu times all results\n", whole_bytes, cases,
	              all);
}

/* Rows are in pages of their own for the most part: whatever page is gone, the rest is there. */
static void D6_every_page_zeroed(void **state)
{
	(void)state;
	for (size_t at = 0; at < whole_bytes; at += 4096) {
		CLEANUP(freep) uint8_t *copy = malloc(whole_bytes);

		memcpy(copy, whole, whole_bytes);
		memset(copy + at, 0, 4096);
		store_rig_empty();
		write_file("store.db", copy, whole_bytes);
		survives("page at", at);
	}
}

static void D6_log_damaged(void **state)
{
	size_t step = step_of(FLIP_STEP) * 8, log_bytes;
	static uint8_t log[256 * 1024];
	unsigned int refused;
	int fd;

	(void)state;
	assert_int_equal(open_store(), 0);
	assert_int_equal(store_event_put(store, 1, true, "event", 5, &err), 0);
	fd = open(store_rig_path("store.db-wal", path), O_RDONLY);
	log_bytes = (size_t)read(fd, log, sizeof(log));
	close(fd);
	assert_true(log_bytes > 4096 && log_bytes < sizeof(log));
	store = store_close(store);
	for (size_t bit = 0; bit < log_bytes * 8; bit += step) {
		store_rig_empty();
		log[bit / 8] ^= (uint8_t)(1 << bit % 8);
		write_file("store.db", whole, whole_bytes);
		write_file("store.db-wal", log, log_bytes);
		log[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_store(), 0);
		assert_int_equal(whole_results(&refused), RESULTS);
		store = store_close(store);
	}
}

/* --- what stands in its place --------------------------------------------------------------------- */

static void make_garbage(void)
{
	write_file("store.db", "{\"results\":[]}\n", 15);
}

static void make_empty(void)
{
	write_file("store.db", "", 0);
}

static void make_link(void)
{
	assert_int_equal(symlink("/etc/passwd", store_rig_path("store.db", path)), 0);
}

static void make_pipe(void)
{
	assert_int_equal(mkfifo(store_rig_path("store.db", path), 0600), 0);
}

static void make_directory(void)
{
	assert_int_equal(mkdir(store_rig_path("store.db", path), 0700), 0);
	write_file("store.db/file", "x", 1);
}

static void make_foreign(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(store_rig_path("store.db", path), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
}

static void make_older(void)
{
	make_foreign();
	assert_int_equal(open_store(), 0); /* of this release, then made to look older */
	assert_int_equal(store_db_run(&store->db, "PRAGMA user_version = 0", &err), 0);
	store = store_close(store);
}

static void make_log_a_directory(void)
{
	write_file("store.db", whole, whole_bytes);
	assert_int_equal(mkdir(store_rig_path("store.db-wal", path), 0700), 0);
}

static void make_old_log_alone(void)
{
	write_file("store.db-wal", whole, whole_bytes);
}

static void make_unfinished(void)
{
	write_file("store.db.new", whole, whole_bytes / 2);
	write_file("store.db.new-journal", whole, 512);
}

static void make_ready(void)
{
	write_file("store.db.ready", whole, whole_bytes);
}

struct place_case {
	const char *name;
	void (*make)(void);
	const char *aside; /* how its name ends; "": nothing was set aside */
	unsigned int results;
};

static struct place_case place_cases[] = {
	{ "R62: garbage", make_garbage, ".damaged", 0 },
	{ "R62: an empty file", make_empty, ".empty", 0 },
	{ "R62: a link", make_link, ".link", 0 },
	{ "R62: a pipe", make_pipe, ".pipe", 0 },
	{ "R62: a directory", make_directory, ".directory", 0 },
	{ "R62: another program's database", make_foreign, ".foreign", 0 },
	{ "a version that is none", make_older, ".damaged", 0 },
	{ "its log is a directory", make_log_a_directory, "", RESULTS },
	{ "a log without its file", make_old_log_alone, "", 0 },
	{ "a first start that was killed", make_unfinished, "", 0 },
	{ "a start that was killed while it mended", make_ready, "", RESULTS },
};

static void in_its_place(void **state)
{
	const struct place_case *c = *state;
	unsigned int refused;
	size_t n = strlen(c->aside);

	setup(NULL);
	store_rig_empty();
	c->make();
	assert_int_equal(open_store(), 0);
	assert_int_equal(!*report.aside, !*c->aside);
	if (n > 0) {
		assert_string_equal(report.aside + strlen(report.aside) - n, c->aside);
		assert_int_equal(access(store_rig_path(report.aside, path), F_OK) < 0 &&
		                         strcmp(c->aside, ".link") != 0,
		                 0);
		assert_true(report.why[0] != '\0');
	}
	assert_int_equal(whole_results(&refused), c->results);
	assert_int_equal(store_rig_put(store, 9, true), 0);
	teardown(NULL);
}

static void set_garbage_aside(void)
{
	make_garbage();
	assert_int_equal(open_store(), 0);
	store = store_close(store);
}

static int asides(void)
{
	char command[600], answer[16] = "";
	FILE *p;

	snprintf(command, sizeof(command), "ls %s | grep -c 'Z[.][0-9]*[.]'", directory);
	p = popen(command, "r");
	assert_non_null(fgets(answer, sizeof(answer), p));
	pclose(p);
	return atoi(answer);
}

static void few_are_kept_aside(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		set_garbage_aside();
	assert_int_equal(asides(), 4);
}

/* By the clock the newest would be the oldest, and go at once. */
static void the_newest_is_kept_where_the_clock_has_gone_back(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		char name[64];

		snprintf(name, sizeof(name), "store.db.2099123%dT000000Z.%02d.damaged", i % 2, i);
		write_file(name, "x", 1);
	}
	write_file("store.db.19700101T000000Z.00.damaged", "x", 1);
	set_garbage_aside();
	assert_int_equal(access(store_rig_path(report.aside, path), F_OK), 0);
	assert_int_equal(asides(), 4);
	assert_int_not_equal(
		access(store_rig_path("store.db.20991230T000000Z.00.damaged", path), F_OK), 0);
}

/* Whatever has its time, a link that leads nowhere too. */
static void none_that_is_aside_is_overwritten(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		unlink(store_rig_path("store.db", path));
		assert_int_equal(symlink("/nowhere", path), 0);
		assert_int_equal(open_store(), 0);
		store = store_close(store);
	}
	assert_int_equal(asides(), 3);
}

/* --- one row -------------------------------------------------------------------------------------- */

static int pass_over(void *self, const struct store_result *r, struct err *e)
{
	(void)self;
	(void)r;
	(void)e;
	return 0;
}

static void damaged_row_is_quarantined_once(void **state)
{
	struct store_clock now;
	struct store_entry entry;
	struct store_counts c;
	struct store_result *r;
	uint64_t wait_ns, released, damaged;
	char id[STORE_ID_BYTES];

	(void)state;
	store_clock_read(&now);
	assert_int_equal(open_store(), 0);
	assert_int_equal(store_db_run(&store->db,
	                              "UPDATE results SET raw = zeroblob(length(raw)) "
	                              "WHERE seq = 1",
	                              &err),
	                 0);
	assert_int_equal(store_outbox_next(store, &now, &entry, &wait_ns, &err), 0);
	assert_int_equal(store_get(store, entry.id, &r, &err), -EBADMSG);
	assert_int_equal(store_outbox_next(store, &now, &entry, &wait_ns, &err), 0);
	assert_string_equal(entry.id, store_rig_id(2, id));
	assert_int_equal(store_get(store, store_rig_id(1, id), &r, &err), -EBADMSG);
	assert_int_equal(store_count(store, &c, &err), 0);
	assert_int_equal(c.damaged, 1);
	assert_int_equal(c.quarantined, 1);
	assert_int_equal(store_outbox_release(store, &released, &err), 0);
	assert_int_equal(released, 0);
	assert_int_equal(store_each(store, 0, pass_over, NULL, &damaged, &err), 0);
	assert_int_equal(damaged, 1);
}

/* What has arrived is not sent again, whatever becomes of the file. */
static void arrived_stays_arrived(void **state)
{
	struct store_clock now;
	struct store_entry entry;
	struct store_counts c;
	uint64_t wait_ns;

	(void)state;
	store_clock_read(&now);
	assert_int_equal(open_store(), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_outbox_next(store, &now, &entry, &wait_ns, &err), 0);
		assert_int_equal(store_outbox_accepted(store, entry.seq, &err), 0);
	}
	store = store_close(store);
	read_whole();
	memset(whole, 0, 100); /* SQLite's header */
	write_file("store.db", whole, whole_bytes);
	assert_int_equal(open_store(), 0);
	assert_int_equal(report.salvaged, RESULTS);
	assert_int_equal(store_count(store, &c, &err), 0);
	assert_int_equal(c.arrived, 2);
	assert_int_equal(c.uncertain, RESULTS - 2);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(D6_every_nth_bit),
		WITH_STORE(D6_every_nth_length),
		WITH_STORE(D6_every_page_zeroed),
		WITH_STORE(D6_log_damaged),
		WITH_STORE(the_newest_is_kept_where_the_clock_has_gone_back),
		WITH_STORE(none_that_is_aside_is_overwritten),
		WITH_STORE(few_are_kept_aside),
		WITH_STORE(damaged_row_is_quarantined_once),
		WITH_STORE(arrived_stays_arrived),
	};
	int failed = CASES_RUN(in_its_place, place_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	free(whole);
	return failed != 0;
}
