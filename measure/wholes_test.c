/* The last whole record of each socket: kept, found, dropped, up to a ceiling. */
#include "measure/wholes.h"

#include <stdlib.h>

#include "tests/cases.h"

static struct tcp_sample sample(uint64_t cookie, uint64_t at_ns)
{
	return (struct tcp_sample){ .cookie = cookie, .at_ns = at_ns };
}

static void the_last_one_is_found(void **state)
{
	struct wholes w = {};
	struct tcp_sample first = sample(4711, 1), second = sample(4711, 2);

	(void)state;
	assert_null(wholes_find(&w, 4711));
	wholes_drop(&w, 4711);
	assert_true(wholes_keep(&w, &first));
	assert_true(wholes_keep(&w, &second));
	assert_int_equal(w.used, 1);
	assert_int_equal(wholes_find(&w, 4711)->ns, 2);
	assert_null(wholes_find(&w, 4712));
	wholes_drop(&w, 4711);
	assert_null(wholes_find(&w, 4711));
	wholes_free(&w);
	wholes_free(&w);
}

#define COOKIES 512

static void check_all(struct wholes *w, const uint64_t at_ns[COOKIES])
{
	for (uint64_t cookie = 0; cookie < COOKIES; cookie++) {
		const struct whole *found = wholes_find(w, cookie);

		assert_int_equal(found ? found->ns : 0, at_ns[cookie]);
		assert_true(!found || found->sample.cookie == cookie);
	}
}

/* Against a table in which nothing can go wrong. */
static void many_come_and_go(void **state)
{
	const char *asked = getenv("POD_SEED");
	unsigned int seed = asked ? (unsigned int)strtoul(asked, NULL, 10) : 1;
	uint64_t at_ns[COOKIES] = {};
	struct wholes w = {};
	uint32_t kept = 0;

	(void)state;
	print_message("seed %u\n", seed);
	srandom(seed);
	for (uint64_t turn = 1; turn <= 20000; turn++) {
		uint64_t cookie = (uint64_t)random() % COOKIES;
		struct tcp_sample s = sample(cookie, turn);

		kept -= at_ns[cookie] != 0;
		at_ns[cookie] = random() & 1 ? turn : 0;
		kept += at_ns[cookie] != 0;
		if (at_ns[cookie])
			assert_true(wholes_keep(&w, &s));
		else
			wholes_drop(&w, cookie);
		if (turn % 64 == 0)
			check_all(&w, at_ns);
	}
	assert_int_equal(w.used, kept);
	wholes_free(&w);
}

static void there_is_a_ceiling(void **state)
{
	struct wholes w = {};
	struct tcp_sample one_more = sample(WHOLES_MAX, 1);

	(void)state;
	for (uint64_t cookie = 0; cookie < WHOLES_MAX; cookie++) {
		struct tcp_sample s = sample(cookie, cookie + 1);

		assert_true(wholes_keep(&w, &s));
	}
	assert_false(wholes_keep(&w, &one_more));
	assert_null(wholes_find(&w, WHOLES_MAX));
	assert_int_equal(wholes_find(&w, 17)->ns, 18);
	wholes_drop(&w, 17);
	assert_true(wholes_keep(&w, &one_more));
	wholes_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_one_is_found),
		cmocka_unit_test(many_come_and_go),
		cmocka_unit_test(there_is_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
