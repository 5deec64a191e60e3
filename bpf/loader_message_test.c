#include "bpf/loader_message.h"

#include <errno.h>

#include "tests/cases.h"

#define RING LOADER_RING_BYTES_MIN
#define REQUEST(layout, ring, tiers, group, whole, btf)                                            \
	{                                                                                          \
		0, layout, ring, tiers, group, whole, btf, 0                                       \
	}
#define OURS LOADER_LAYOUT

struct read_case {
	const char *name;
	struct loader_request request;
	size_t descriptors;
	int want, want_cgroup_fd;
};

static const struct read_case read_cases[] = {
	{ "as it is made", REQUEST(OURS, RING, TIER_ANY, 0, 0, 0), 0, 0, -1 },
	{ "with a control group", REQUEST(OURS, RING, TIER_ANY, 1, 0, 0), 1, 0, 7 },
	{ "of another release", REQUEST(OURS + 1, RING, TIER_ANY, 0, 0, 0), 0, -EPROTO, 0 },
	{ "a tier that is none", REQUEST(OURS, RING, 1U << TIERS, 0, 0, 0), 0, -EPROTO, 0 },
	{ "a group that did not come", REQUEST(OURS, RING, TIER_ANY, 1, 0, 0), 0, -EPROTO, 0 },
	{ "a descriptor nobody named", REQUEST(OURS, RING, TIER_ANY, 0, 0, 0), 1, -EPROTO, 0 },
	{ "no truth value: has_cgroup", REQUEST(OURS, RING, TIER_ANY, 2, 0, 0), 2, -EPROTO, 0 },
	{ "no truth value: whole_cgroup", REQUEST(OURS, RING, TIER_ANY, 0, 255, 0), 0, -EPROTO, 0 },
	{ "no truth value: whole_btf", REQUEST(OURS, RING, TIER_ANY, 0, 0, 2), 0, -EPROTO, 0 },
	{ "a ring of no power of two", REQUEST(OURS, 100000, TIER_ANY, 0, 0, 0), 0, -EINVAL, 0 },
	{ "no ring", REQUEST(OURS, 0, TIER_ANY, 0, 0, 0), 0, -EINVAL, 0 },
	{ "a ring of 2 GiB", REQUEST(OURS, 1U << 31, TIER_ANY, 0, 0, 0), 0, -EINVAL, 0 },
};

static void a_request_is_read(void **state)
{
	const struct read_case *c = *state;
	struct loader_wish wish = { .cgroup_fd = -2 };

	assert_int_equal(loader_request_read(&c->request, c->descriptors, 7, &wish), c->want);
	if (c->want == 0)
		assert_int_equal(wish.cgroup_fd, c->want_cgroup_fd);
	else
		assert_int_equal(wish.cgroup_fd, -2); /* untouched */
}

static void what_is_made_is_read(void **state)
{
	const struct loader_wish wish = { .interval_ns = 5,
		                          .ring_bytes = LOADER_RING_BYTES_EACH,
		                          .tiers = TIER_BIT(TIER_SOCKOPS),
		                          .cgroup_fd = 9,
		                          .whole_cgroup = true,
		                          .whole_btf = true };
	struct loader_request request = loader_request_of(&wish);
	struct loader_wish read = {};

	(void)state;
	assert_int_equal(loader_request_read(&request, 1, 9, &read), 0);
	assert_int_equal(read.interval_ns, wish.interval_ns);
	assert_int_equal(read.ring_bytes, wish.ring_bytes);
	assert_int_equal(read.tiers, wish.tiers);
	assert_int_equal(read.cgroup_fd, wish.cgroup_fd);
	assert_true(read.whole_cgroup && read.whole_btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_made_is_read) };

	return CASES_RUN(a_request_is_read, read_cases) + cmocka_run_group_tests(tests, NULL, NULL);
}
