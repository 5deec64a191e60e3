#include "transport/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"

/* What the kernel says of the CPUs, as a second opinion: "flags" on x86, "Features" on Arm. */
static bool kernel_lists(const char *flag)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[8192], word[32];
	bool found = false;

	if (!f) {
		print_message("skipped: no /proc/cpuinfo\n");
		skip();
	}
	snprintf(word, sizeof(word), " %s ", flag);
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = ' ';
		if (strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0)
			found = strstr(line, word) != NULL;
	}
	fclose(f);
	return found;
}

static void agrees_with_the_kernel(void **state)
{
	bool want = kernel_lists("aes") && (kernel_lists("pclmulqdq") || kernel_lists("pmull"));
	struct cpu_aes aes;

	(void)state;
	unsetenv("RADAR_POD_CPU_AES");
	aes = cpu_aes();
	assert_int_equal(aes.available, want);
	assert_string_equal(aes.reason,
	                    want ? "cpu has aes instructions" : "cpu has no aes instructions");
}

struct override_case {
	const char *name;
	const char *value;
	bool available;
	const char *reason;
	const char *scheme;
};

static struct override_case override_cases[] = {
	{ "yes", "yes", true, "RADAR_POD_CPU_AES=yes", "wss" },
	{ "no", "no", false, "RADAR_POD_CPU_AES=no", "ws" },
};

static void variable_overrides(void **state)
{
	const struct override_case *c = *state;
	struct cpu_aes aes;

	setenv("RADAR_POD_CPU_AES", c->value, 1);
	aes = cpu_aes();
	unsetenv("RADAR_POD_CPU_AES");
	assert_int_equal(aes.available, c->available);
	assert_string_equal(aes.reason, c->reason);
	assert_string_equal(cpu_default_scheme(&aes), c->scheme);
}

static void other_values_are_as_none(void **state)
{
	static const char *const others[] = { "", "1", "YES", "true", "no " };
	struct cpu_aes plain;

	(void)state;
	unsetenv("RADAR_POD_CPU_AES");
	assert_null(cpu_aes_ignored());
	plain = cpu_aes();
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		setenv("RADAR_POD_CPU_AES", others[i], 1);
		assert_int_equal(cpu_aes().available, plain.available);
		assert_string_equal(cpu_aes().reason, plain.reason);
		if (*others[i])
			assert_string_equal(cpu_aes_ignored(), others[i]);
		else
			assert_null(cpu_aes_ignored());
	}
	unsetenv("RADAR_POD_CPU_AES");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_kernel),
		cmocka_unit_test(other_values_are_as_none),
	};
	int failed = CASES_RUN(variable_overrides, override_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
