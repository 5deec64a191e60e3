#include "bench/link/addresses.h"

#include <stdlib.h>

#include "tests/cases.h"

static struct expand_case {
	const char *name;
	enum scenario_family family;
	const char *word, *want;
} expand_cases[] = {
	{ "a whole word", SCENARIO_V4, "$LINK_SERVER", "198.18.0.2" },
	{ "in braces", SCENARIO_V4, "${LINK_CLIENT}", "198.18.0.1" },
	{ "within a word", SCENARIO_V4, "ws://$LINK_SERVER:80/", "ws://198.18.0.2:80/" },
	{ "twice", SCENARIO_V4, "$LINK_CLIENT,$LINK_SERVER", "198.18.0.1,198.18.0.2" },
	{ "braces within a word", SCENARIO_V4, "a${LINK_SERVER}b", "a198.18.0.2b" },
	{ "the link's name", SCENARIO_V4, "$LINK_NAME.csv", "lab.csv" },
	{ "v6 where both are", SCENARIO_BOTH, "[$LINK_SERVER6]", "[2001:2::2]" },
	{ "v4 stands first where both are", SCENARIO_BOTH, "$LINK_SERVER", "198.18.0.2" },
	{ "v6 only", SCENARIO_V6, "$LINK_SERVER", "2001:2::2" },
	{ "v6 of a v4 link is no name", SCENARIO_V4, "$LINK_SERVER6", "$LINK_SERVER6" },
	{ "a longer name is another", SCENARIO_V4, "$LINK_SERVERS", "$LINK_SERVERS" },
	{ "another variable", SCENARIO_V4, "$HOME/x", "$HOME/x" },
	{ "a brace that does not close", SCENARIO_V4, "${LINK_SERVER", "${LINK_SERVER" },
	{ "a dollar at the end", SCENARIO_V4, "5$", "5$" },
	{ "two dollars", SCENARIO_V4, "$$LINK_SERVER", "$198.18.0.2" },
	{ "nothing to do", SCENARIO_V4, "-c", "-c" },
	{ "nothing", SCENARIO_V4, "", "" },
};

static void word_is_expanded(void **state)
{
	const struct expand_case *c = *state;
	struct addresses a = addresses_of("lab", c->family);
	char *got = addresses_expand(&a, c->word);

	assert_non_null(got);
	assert_string_equal(got, c->want);
	free(got);
}

static struct named_case {
	const char *name;
	const char *argv[5];
	bool want;
} named_cases[] = {
	{ "a variable", { "ping", "-c", "5", "$LINK_SERVER" }, true },
	{ "an address", { "ping", "198.18.0.2" }, true },
	{ "in a shell's line", { "sh", "-c", "ping ${LINK_SERVER6}" }, true },
	{ "none: an unquoted variable is gone", { "ping", "-c", "5" }, false },
	{ "none: one in double quotes is empty", { "ping", "" }, false },
};

static void names_are_found(void **state)
{
	const struct named_case *c = *state;
	struct addresses a = addresses_of("lab", SCENARIO_BOTH);

	assert_int_equal(addresses_are_named(&a, (char *const *)c->argv), c->want);
}

int main(void)
{
	int failed = CASES_RUN(word_is_expanded, expand_cases);

	failed += CASES_RUN(names_are_found, named_cases);
	return failed != 0;
}
