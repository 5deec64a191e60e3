#include "bench/link/own_cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cases.h"

static struct mask_case {
	const char *name;
	int first, last; /* usable */
	int but;
	const char *want;
} mask_cases[] = {
	{ "two CPUs, the second", 0, 1, 1, "1" },
	{ "two CPUs, the first", 0, 1, 0, "2" },
	{ "four CPUs", 0, 3, 3, "7" },
	{ "32 CPUs", 0, 31, 31, "7fffffff" },
	{ "33 CPUs, the last", 0, 32, 32, "ffffffff" },
	{ "33 CPUs, another", 0, 32, 4, "1,ffffffef" },
	{ "some of many", 64, 66, 65, "5,00000000,00000000" },
	{ "one CPU", 0, 0, 0, "" },
	{ "all of four", 0, 3, OWN_CPU_NONE, "f" },
	{ "all there can be", 0, 1023, 1023,
	  "7fffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,"
	  "ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,"
	  "ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,"
	  "ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff" },
};

static void a_mask_is_written(void **state)
{
	const struct mask_case *c = *state;
	char mask[OWN_CPU_MASK_BYTES];
	cpu_set_t usable;

	CPU_ZERO(&usable);
	for (int cpu = c->first; cpu <= c->last; cpu++)
		CPU_SET(cpu, &usable);
	own_cpu_mask(&usable, c->but, mask);
	assert_string_equal(mask, c->want);
}

static void each_is_taken_once(void **state)
{
	char folder[] = "/tmp/own-cpu-XXXXXX", path[64];
	int fds[CPU_SETSIZE], cpus[CPU_SETSIZE], n = 0;
	cpu_set_t usable;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(sched_getaffinity(0, sizeof(usable), &usable), 0);
	while ((cpus[n] = own_cpu_claim(folder, &fds[n])) != OWN_CPU_NONE) {
		assert_true(CPU_ISSET(cpus[n], &usable));
		assert_true(n == 0 || cpus[n] < cpus[n - 1]);
		n++;
	}
	assert_int_equal(n, CPU_COUNT(&usable) - 1); /* one is everybody's */
	if (n > 0) {
		int fd;

		close(fds[n - 1]);
		assert_int_equal(own_cpu_claim(folder, &fd), cpus[n - 1]);
		fds[n - 1] = fd;
	}
	for (int i = 0; i < n; i++) {
		close(fds[i]);
		snprintf(path, sizeof(path), "%s/.cpu-%d", folder, cpus[i]);
		unlink(path);
	}
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_taken_once),
	};
	int failed = CASES_RUN(a_mask_is_written, mask_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
