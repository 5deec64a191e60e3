/* Where control groups are mounted, as the kernel says it. */
#include "bpf/cgroup.h"

#include <string.h>

#include "tests/cases.h"

struct mount_case {
	const char *name, *line;
	const char *point, *root; /* NULL: none of ours */
};

static struct mount_case mount_cases[] = {
	{ "beside version 1",
	  "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
	  "/sys/fs/cgroup/unified", "/" },
	{ "alone, with optional fields",
	  "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 "
	  "rw,nsdelegate\n",
	  "/sys/fs/cgroup", "/" },
	{ "a part of it, as in a container",
	  "619 618 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup",
	  "/docker/ab" },
	{ "a space and a backslash in its name",
	  "41 31 0:38 / /mnt/a\\040b\\134c rw - cgroup2 none rw\n", "/mnt/a b\\c", "/" },
	{ "version 1", "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", NULL, NULL },
	{ "another one's source is called so", "32 31 0:29 / /mnt rw - tmpfs cgroup2 rw\n", NULL,
	  NULL },
	{ "cut short", "41 31 0:38 /\n", NULL, NULL },
	{ "nothing", "", NULL, NULL },
};

static void mount_is_read(void **state)
{
	const struct mount_case *c = *state;
	char point[CGROUP_PATH_BYTES], root[CGROUP_PATH_BYTES];

	assert_int_equal(cgroup_mount_line(c->line, point, root), c->point != NULL);
	if (!c->point)
		return;
	assert_string_equal(point, c->point);
	assert_string_equal(root, c->root);
}

static void too_long_a_name_is_none(void **state)
{
	static char line[2 * CGROUP_PATH_BYTES] = "41 31 0:38 / /";
	char point[CGROUP_PATH_BYTES], root[CGROUP_PATH_BYTES];
	size_t n = strlen(line);

	(void)state;
	memset(line + n, 'x', CGROUP_PATH_BYTES);
	strcpy(line + n + CGROUP_PATH_BYTES, " rw - cgroup2 none rw\n");
	assert_false(cgroup_mount_line(line, point, root));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(too_long_a_name_is_none) };
	int failed = CASES_RUN(mount_is_read, mount_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
