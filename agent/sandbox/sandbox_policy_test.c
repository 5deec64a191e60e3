/* The table itself: what must hold of every row, and that each can be made a filter of. What the rows do is tried from inside,
 * in tests/sandbox. */
#include "agent/sandbox/sandbox_policy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/err.h"

struct role_case {
	const char *name;
	enum sandbox_role role;
};

static const struct role_case role_cases[] = {
	{ "bpf-loader", SANDBOX_LOADER }, { "courier", SANDBOX_COURIER },
	{ "test", SANDBOX_TEST },         { "serve", SANDBOX_SERVE },
	{ "agent", SANDBOX_AGENT },       { "register", SANDBOX_REGISTER },
};

static bool has_name(const char *names, const char *wanted)
{
	char name[SANDBOX_NAME_BYTES];

	for (size_t at = 0; sandbox_next_name(names, &at, name);)
		if (strcmp(name, wanted) == 0)
			return true;
	return false;
}

static void is_not_fatal(const struct sandbox_calls *set)
{
	char name[SANDBOX_NAME_BYTES];

	for (size_t at = 0; sandbox_next_name(set->names, &at, name);)
		assert_false(has_name(sandbox_calls_fatal.names, name));
	for (const struct sandbox_call *c = set->tested; c && c->name; c++)
		assert_false(has_name(sandbox_calls_fatal.names, c->name));
}

/* A call that one list allows and another one ends by is neither: the filter would be refused. */
static void keeps_nothing_that_ends_it(void **state)
{
	const struct role_case *c = *state;
	const struct sandbox_policy *p = sandbox_policy_of(c->role);

	assert_string_equal(p->name, c->name);
	assert_true(has_name(sandbox_calls_fatal.names, "execve"));
	for (size_t i = 0; i < SANDBOX_SETS_MAX && p->calls[i]; i++)
		is_not_fatal(p->calls[i]);
}

static void reads_names(void **state)
{
	char name[SANDBOX_NAME_BYTES];
	size_t at = 0;

	(void)state;
	assert_true(sandbox_next_name(" one  two", &at, name));
	assert_string_equal(name, "one");
	assert_true(sandbox_next_name(" one  two", &at, name));
	assert_string_equal(name, "two");
	assert_false(sandbox_next_name(" one  two", &at, name));
	at = 0;
	assert_false(sandbox_next_name("", &at, name));
}

/* The ring is not made by who keeps it. */
static void keeps_a_ring_or_none(void **state)
{
	const struct role_case *c = *state;
	const struct sandbox_policy *p = sandbox_policy_of(c->role);
	bool enters = false;

	for (size_t i = 0; i < SANDBOX_SETS_MAX && p->calls[i]; i++)
		enters = enters || has_name(p->calls[i]->names, "io_uring_enter");
	assert_int_equal(enters, p->rings);
	assert_true(has_name(sandbox_calls_fatal.names, "io_uring_setup"));
}

/* Its lists have an end. */
static void keeps_capabilities_only_to_load(void **state)
{
	const struct role_case *c = *state;
	const struct sandbox_policy *p = sandbox_policy_of(c->role);

	assert_int_equal(p->capabilities != 0, c->role == SANDBOX_LOADER);
	assert_null(p->calls[SANDBOX_SETS_MAX - 1]);
	assert_null(p->paths[SANDBOX_SETS_MAX - 1]);
}

static void becomes_a_filter(void **state)
{
	const struct role_case *c = *state;
	struct sandbox_varies v = { .child = getpid() };
	struct sandbox_filter *f = NULL;
	struct err err = {};
	int r = sandbox_filter_make(sandbox_policy_of(c->role), &v, &f, &err);

	if (r == SANDBOX_NOT_HERE)
		skip();
	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_null(sandbox_filter_free(f));
}

/* It is more than a role has to be told. */
static void takes_no_more_than_there_is_room_for(void **state)
{
	struct sandbox_varies v = {};

	(void)state;
	for (int i = 0; i < 2 * SANDBOX_PATHS_MAX; i++) {
		sandbox_add_readable(&v, "/usr");
		sandbox_add_readable(&v, NULL);
		sandbox_add_writable(&v, "");
		sandbox_add_port(&v, 443);
	}
	assert_string_equal(v.readable[SANDBOX_PATHS_MAX - 1], "/usr");
	assert_null(v.writable[0]);
	assert_int_equal(v.ports_count, SANDBOX_PORTS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_names),
		cmocka_unit_test(takes_no_more_than_there_is_room_for),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	failed += CASES_RUN(keeps_nothing_that_ends_it, role_cases);
	failed += CASES_RUN(keeps_a_ring_or_none, role_cases);
	failed += CASES_RUN(keeps_capabilities_only_to_load, role_cases);
	return failed + CASES_RUN(becomes_a_filter, role_cases);
}
