/* Bars D3 and D5 on SQLite's own file calls: each write, sync, truncate, lock, mapping, open and delete fails in
 * turn, once and for good; and the power is cut at each, with what was not synced lost or torn by a seed. No
 * result is told to be stored that is not, and the store takes the next one. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/store.h"
#include "tests/cases.h"
#include "tests/faulty_vfs.h"
#include "tests/store_rig.h"
#include "transport/base/err.h"

#define SEEDS 3 /* of a power cut, at each call */

static const char *directory;
static struct store *store;
static struct err err;

static int open_store(void)
{
	err = (struct err){};
	return store_open(directory, STORE_DAEMON, &(struct store_limits){ .max_results = 3 },
	                  &store, NULL, &err);
}

static int setup(void **state)
{
	(void)state;
	directory = store_rig_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	faulty_vfs_fail(0, 0, false);
	store = store_close(store);
	store_rig_remove();
	return 0;
}

/* A day of a daemon: four results, of which one is sent; the limit is three. What was told to be there. */
struct told {
	bool stored[5], accepted;
};

static void send_one(struct told *told)
{
	struct store_clock now;
	struct store_entry entry;
	uint64_t wait_ns;

	store_clock_read(&now);
	if (store_outbox_next(store, &now, &entry, &wait_ns, &err) == 0 &&
	    store_outbox_sending(store, entry.seq, &err) == 0)
		told->accepted = store_outbox_accepted(store, entry.seq, &err) == 0;
}

static struct told live(void)
{
	struct told told = {};

	if (open_store() < 0) {
		assert_true(err.code < 0 && err.text[0]);
		return told;
	}
	told.stored[1] = store_rig_put(store, 1, true) == 0;
	told.stored[2] = store_rig_put(store, 2, true) == 0;
	send_one(&told);
	told.stored[3] = store_rig_put(store, 3, true) == 0;
	told.stored[4] = store_rig_put(store, 4, true) == 0;
	return told;
}

static bool there(unsigned int number)
{
	struct store_result *r = NULL;
	char id[STORE_ID_BYTES];
	int e = store_get(store, store_rig_id(number, id), &r, &err);

	assert_true(e == 0 || e == STORE_NONE);
	assert_true(e == STORE_NONE || store_rig_is(r, number));
	free(r);
	return e == 0;
}

/* One start later. Four were told at most, one may have gone by the limit: 1, if it was accepted, or as the
 * oldest. */
static void check(const struct told *told, const char *what, uint64_t n)
{
	int missing = 0, stored = 0;

	if (open_store() < 0)
		fail_msg("%s %llu: could not %s", what, (unsigned long long)n, err.text);
	for (unsigned int i = 1; i <= 4; i++) {
		stored += told->stored[i];
		if (told->stored[i] && !there(i)) {
			missing++;
			if (i > 2)
				fail_msg("%s %llu: result %u was told to be stored", what,
				         (unsigned long long)n, i);
		}
	}
	if (missing > there(4)) /* which may be, although it was told not to */
		fail_msg("%s %llu: %d of %d results are missing", what, (unsigned long long)n,
		         missing, stored);
	if (store_rig_put(store, 9, true) != 0)
		fail_msg("%s %llu: it takes no result any more", what, (unsigned long long)n);
	store = store_close(store);
}

/* --- D3 ------------------------------------------------------------------------------------------- */

static void clean(void)
{
	store = store_close(store);
	store_rig_empty();
}

/* The number of calls of an undisturbed day. */
static uint64_t undisturbed(void)
{
	struct told told;
	uint64_t calls;

	faulty_vfs_fail(0, 0, false);
	told = live();
	calls = faulty_vfs_calls();
	assert_true(told.accepted && told.stored[1] && told.stored[2] && told.stored[3] &&
	            told.stored[4]);
	clean();
	return calls;
}

static void sweep(int code, bool for_good, const char *what)
{
	uint64_t calls = undisturbed();

	for (uint64_t n = 1; n <= calls; n++) {
		struct told told;

		faulty_vfs_fail(n, code, for_good);
		told = live();
		store = store_close(store);
		faulty_vfs_fail(0, 0, false);
		check(&told, what, n);
		clean();
	}
	print_message("%s: each of %llu calls\n", what, (unsigned long long)calls);
}

static void D3_one_call_EIO(void **state)
{
	(void)state;
	sweep(SQLITE_IOERR, false, "EIO once at call");
}

static void D3_one_call_ENOSPC(void **state)
{
	(void)state;
	sweep(SQLITE_FULL, false, "ENOSPC once at call");
}

/* SQLite believes the lock to be its own for ever; the store does not: of two tries one is had. */
static void D3_a_lock_that_stays_is_outlived(void **state)
{
	uint64_t n = 0;
	bool failed;

	(void)state;
	do {
		bool opened;

		faulty_vfs_fail_unlock(++n);
		(void)live();
		opened = store != NULL;
		failed = faulty_vfs_unlock_failed();
		faulty_vfs_fail_unlock(0);
		if (store && store_rig_put(store, 5, true) != 0 &&
		    store_rig_put(store, 6, true) != 0)
			fail_msg("unlock %llu: %s", (unsigned long long)n, err.text);
		store = store_close(store);
		if (open_store() != 0)
			fail_msg("unlock %llu, reopened: %s", (unsigned long long)n, err.text);
		assert_true(!opened || there(5) || there(6));
		clean();
	} while (failed);
	assert_true(n > 20);
	print_message("each of %llu releases\n", (unsigned long long)n - 1);
}

/* It was set aside, once, as damaged. */
static void D3_a_lock_that_is_not_had_is_no_damage(void **state)
{
	uint64_t calls;

	(void)state;
	assert_int_equal(open_store(), 0);
	assert_int_equal(store_rig_put(store, 1, true), 0);
	store = store_close(store);
	faulty_vfs_fail(0, 0, false);
	assert_int_equal(open_store(), 0);
	calls = faulty_vfs_calls();
	store = store_close(store);
	assert_true(calls > 0);
	for (uint64_t n = 1; n <= calls; n++) {
		faulty_vfs_fail(n, SQLITE_PROTOCOL, true);
		if (open_store() < 0)
			assert_int_not_equal(err.code, -EBADMSG);
		store = store_close(store);
		faulty_vfs_fail(0, 0, false);
		assert_int_equal(open_store(), 0);
		assert_true(there(1));
		store = store_close(store);
	}
	clean();
}

static void D3_all_calls_from_the_nth_EIO(void **state)
{
	(void)state;
	sweep(SQLITE_IOERR, true, "EIO from call");
}

static void D3_all_calls_from_the_nth_ENOSPC(void **state)
{
	(void)state;
	sweep(SQLITE_FULL, true, "ENOSPC from call");
}

/* The disk is full and then is not, in one process. */
static void D3_D4_next_result_is_stored(void **state)
{
	(void)state;
	assert_int_equal(open_store(), 0);
	faulty_vfs_fail(1, SQLITE_FULL, true);
	assert_int_equal(store_rig_put(store, 1, true), -ENOSPC);
	assert_int_equal(store_rig_put(store, 2, true), -ENOSPC);
	assert_true(store_is_full(store));
	faulty_vfs_fail(1, SQLITE_IOERR, true);
	assert_true(store_rig_put(store, 2, true) < 0);
	assert_true(store_is_full(store));
	faulty_vfs_fail(0, 0, false);
	assert_int_equal(store_rig_put(store, 2, true), 0);
	assert_false(store_is_full(store));
	assert_false(there(1));
	assert_true(there(2));
}

/* --- D5 ------------------------------------------------------------------------------------------- */

/* Every call from the n-th on fails, as there is no power; then what was not synced is undone. */
static void D5_power_cut_at_every_call(void **state)
{
	uint64_t calls = undisturbed(), writes = 0;

	(void)state;
	for (uint64_t n = 1; n <= calls; n++) {
		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			struct told told;

			faulty_vfs_record(true);
			faulty_vfs_fail(n, SQLITE_IOERR, true);
			told = live();
			store = store_close(store);
			faulty_vfs_fail(0, 0, false);
			writes += faulty_vfs_power_cut(seed * 1000003 + n);
			faulty_vfs_record(false);
			check(&told, "power cut at call", n);
			clean();
		}
	}
	print_message("power cut at each of %llu calls, %d seeds: %llu writes lost, torn or kept\n",
	              (unsigned long long)calls, SEEDS, (unsigned long long)writes);
	assert_true(writes > 0);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(D3_one_call_EIO),
		IN_DIRECTORY(D3_one_call_ENOSPC),
		IN_DIRECTORY(D3_a_lock_that_stays_is_outlived),
		IN_DIRECTORY(D3_a_lock_that_is_not_had_is_no_damage),
		IN_DIRECTORY(D3_all_calls_from_the_nth_EIO),
		IN_DIRECTORY(D3_all_calls_from_the_nth_ENOSPC),
		IN_DIRECTORY(D3_D4_next_result_is_stored),
		IN_DIRECTORY(D5_power_cut_at_every_call),
	};

	faulty_vfs_register();
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
