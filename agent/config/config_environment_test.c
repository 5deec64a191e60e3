#include "agent/config/config_environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

struct environment_case {
	const char *name, *variable, *value;
	const char *sentence; /* of the refusal; NULL: it is taken */
};

static struct environment_case environment_cases[] = {
	{ "a latitude", "RADAR_NETWORK_LATITUDE", "-12.5", NULL },
	{ "R5: 0 is a latitude", "RADAR_NETWORK_LATITUDE", "0", NULL },
	{ "not a number", "RADAR_NETWORK_LATITUDE", "north",
	  "RADAR_NETWORK_LATITUDE takes a number from -90 to 90, not \"north\"" },
	{ "NaN", "RADAR_NETWORK_LONGITUDE", "nan",
	  "RADAR_NETWORK_LONGITUDE takes a number from -180 to 180, not \"nan\"" },
	{ "outside", "RADAR_NETWORK_LONGITUDE", "181",
	  "RADAR_NETWORK_LONGITUDE takes a number from -180 to 180, not \"181\"" },
	{ "a switch", "RADAR_FORCE", "TRUE", NULL },
	{ "a switch of none", "RADAR_FORCE", "please",
	  "RADAR_FORCE takes true or false, not \"please\"" },
};

static void reads(void **state)
{
	const struct environment_case *c = *state;
	struct config_environment e = {};
	struct err err = {};

	setenv(c->variable, c->value, 1);
	assert_int_equal(config_environment_read(&e, &err), c->sentence ? -EINVAL : 0);
	unsetenv(c->variable);
	if (c->sentence)
		assert_string_equal(err.text, c->sentence);
	else
		assert_true(e.has_latitude || e.force);
}

static void nothing_is_nothing(void **state)
{
	struct config_environment e;

	(void)state;
	setenv("RADAR_POD_NAME", "", 1);
	setenv("RADAR_FORCE", "0", 1);
	assert_int_equal(config_environment_read(&e, NULL), 0);
	assert_null(e.pod_name);
	assert_false(e.force);
	assert_false(e.has_latitude);
	setenv("RADAR_POD_NAME", "shelf", 1);
	assert_int_equal(config_environment_read(&e, NULL), 0);
	assert_string_equal(e.pod_name, "shelf");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_nothing) };
	int failed = CASES_RUN(reads, environment_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
