#include "agent/run/trace_shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* 2026-01-01T00:00:00Z */
#define NEW_YEAR_NS (1767225600ULL * NS_PER_S)

#define THEN_NS (NEW_YEAR_NS + 30 * 86400ULL * NS_PER_S)

static char folder[] = "/tmp/trace_shelf_test_XXXXXX";

static const char *in_shelf(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/traces/%s", folder, name);
	return path;
}

static void put(const char *name, off_t bytes)
{
	int fd = open(in_shelf(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
}

static bool is_there(const char *name)
{
	return access(in_shelf(name), F_OK) == 0;
}

static void a_trace_is_named_by_its_time(void **state)
{
	char path[CONFIG_PATH_BYTES];
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(trace_shelf_prune(folder, 0, THEN_NS, &err), 0);
	assert_int_equal(trace_shelf_place(folder, NEW_YEAR_NS + 789 * NS_PER_MS, path, &err), 0);
	assert_string_equal(path, in_shelf("2026-01-01T00-00-00.789Z.jsonl.zst"));
	assert_int_equal(stat(in_shelf("."), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	put("2026-01-01T00-00-00.789Z.jsonl.zst", 1);
	assert_int_equal(trace_shelf_place(folder, NEW_YEAR_NS + 789 * NS_PER_MS, path, &err),
	                 -EEXIST);
	assert_int_equal(trace_shelf_prune(folder, 0, THEN_NS, &err), 0);
	assert_false(is_there("2026-01-01T00-00-00.789Z.jsonl.zst"));
}

static void the_oldest_go_first(void **state)
{
	struct err err;

	(void)state;
	put("2026-01-02T00-00-00.000Z.jsonl.zst", 400);
	put("2026-01-01T00-00-00.000Z.jsonl.zst", 400);
	put("2026-01-03T00-00-00.000Z.jsonl.zst", 400);
	put("mine.jsonl.zst", 4000);
	put("2025-01-01T00-00-00.000Z.jsonl.zst.bak", 4000);
	assert_int_equal(symlink("/etc/passwd", in_shelf("2025-01-01T00-00-00.000Z.jsonl.zst")), 0);
	assert_int_equal(trace_shelf_prune(folder, 1200, THEN_NS, &err), 0);
	assert_true(is_there("2026-01-01T00-00-00.000Z.jsonl.zst"));
	assert_int_equal(trace_shelf_prune(folder, 1199, THEN_NS, &err), 0);
	assert_false(is_there("2026-01-01T00-00-00.000Z.jsonl.zst"));
	assert_true(is_there("2026-01-02T00-00-00.000Z.jsonl.zst"));
	assert_int_equal(trace_shelf_prune(folder, 399, THEN_NS, &err), 0);
	assert_false(is_there("2026-01-03T00-00-00.000Z.jsonl.zst"));
	assert_true(is_there("mine.jsonl.zst") && is_there("2025-01-01T00-00-00.000Z.jsonl.zst"));
	assert_true(is_there("2025-01-01T00-00-00.000Z.jsonl.zst.bak"));
}

static void H5_what_is_named_by_a_time_to_come_goes_before_the_others(void **state)
{
	struct err err;

	(void)state;
	put("2026-01-02T00-00-00.000Z.jsonl.zst", 400);
	put("2100-01-01T00-00-00.000Z.jsonl.zst", 400);
	put("2100-01-02T00-00-00.000Z.jsonl.zst", 400);
	assert_int_equal(trace_shelf_prune(folder, 1199, THEN_NS, &err), 0);
	assert_false(is_there("2100-01-01T00-00-00.000Z.jsonl.zst"));
	assert_int_equal(trace_shelf_prune(folder, 799, THEN_NS, &err), 0);
	assert_false(is_there("2100-01-02T00-00-00.000Z.jsonl.zst"));
	assert_true(is_there("2026-01-02T00-00-00.000Z.jsonl.zst"));
	assert_int_equal(trace_shelf_prune(folder, 0, THEN_NS, &err), 0);
}

/* In a child with mounts of its own: 1 MiB of memory for a disk. */
static int place_on_a_small_disk(void)
{
	char path[CONFIG_PATH_BYTES];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", "", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", folder, "tmpfs", 0, "size=1m") < 0)
		return CASES_EXIT_SKIPPED;
	return trace_shelf_place(folder, NEW_YEAR_NS, path, NULL) == -ENOSPC ? 0 : 1;
}

static void a_full_disk_has_no_room_for_traces(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(place_on_a_small_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CASES_EXIT_SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static void what_is_no_directory_is_told(void **state)
{
	char path[CONFIG_PATH_BYTES];
	struct err err;

	(void)state;
	assert_int_equal(trace_shelf_place("/dev/null", NEW_YEAR_NS, path, &err), -ENOTDIR);
	assert_int_equal(trace_shelf_prune("/dev/null", 0, THEN_NS, &err), -ENOTDIR);
}

/* The last of all: the shelf has removed nothing but its own, and left no more than that. */
static void nothing_else_is_left(void **state)
{
	(void)state;
	assert_int_equal(unlink(in_shelf("mine.jsonl.zst")), 0);
	assert_int_equal(unlink(in_shelf("2025-01-01T00-00-00.000Z.jsonl.zst")), 0);
	assert_int_equal(unlink(in_shelf("2025-01-01T00-00-00.000Z.jsonl.zst.bak")), 0);
	assert_int_equal(rmdir(in_shelf("")), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trace_is_named_by_its_time),
		cmocka_unit_test(the_oldest_go_first),
		cmocka_unit_test(H5_what_is_named_by_a_time_to_come_goes_before_the_others),
		cmocka_unit_test(a_full_disk_has_no_room_for_traces),
		cmocka_unit_test(what_is_no_directory_is_told),
		cmocka_unit_test(nothing_else_is_left),
	};

	if (!mkdtemp(folder))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
