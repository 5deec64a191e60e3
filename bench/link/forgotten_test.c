#include "bench/link/forgotten.h"

#include "tests/cases.h"

static struct forgotten_case {
	const char *name;
	const char *argv[8];
	bool want;
} forgotten_cases[] = {
	{ "as it is documented, unquoted", { "ping", "-c", "5" }, true },
	{ "nothing but its name", { "ping" }, true },
	{ "by its path", { "/bin/ping", "-q" }, true },
	{ "a value joined to its option", { "ping", "-c5", "-i.2" }, true },
	{ "options joined", { "ping", "-qc", "5" }, true },
	{ "a destination", { "ping", "-c", "5", "198.18.0.2" }, false },
	{ "a destination before the options", { "ping", "198.18.0.2", "-c", "5" }, false },
	{ "a name", { "ping", "host" }, false },
	{ "an empty word is somebody's", { "ping", "" }, false },
	{ "an option without its value", { "ping", "-c" }, false },
	{ "only help is asked for", { "ping", "-h" }, false },
	{ "only the version is asked for", { "ping", "-qV" }, false },
	{ "behind --", { "ping", "--", "-c" }, false },
	{ "another program", { "iperf3", "-c" }, false },
};

static void destination_is_missed(void **state)
{
	const struct forgotten_case *c = *state;

	assert_int_equal(forgotten_destination((char *const *)c->argv), c->want);
}

int main(void)
{
	return CASES_RUN(destination_is_missed, forgotten_cases);
}
