#include "agent/base/resident.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/cases.h"

/* Pages of files, as the kernel counts them: proc_pid_statm(5). */
static unsigned long file_pages(void)
{
	unsigned long all, resident, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu %lu", &all, &resident, &shared), 3);
	fclose(f);
	return shared;
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What is wanted again comes back, and what was written to was never gone. */
static void code_is_dropped_and_comes_back(void **state)
{
	static int written = 7;
	int values[] = { 3, 1, 2 };
	unsigned long before = file_pages(), after;

	(void)state;
	written++;
	resident_let_go();
	after = file_pages();
	qsort(values, 3, sizeof(*values), by_value);
	assert_int_equal(values[0], 1);
	assert_int_equal(written, 8);
#ifndef __SANITIZE_ADDRESS__
	assert_true(after < before);
#else
	(void)before;
#endif
	resident_let_go();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(code_is_dropped_and_comes_back) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
