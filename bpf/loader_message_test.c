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

struct answer_case {
	const char *name;
	enum tier tier;
	int probe_fd;
	size_t links, descriptors; /* as told; as came */
	int want;
};

static const struct answer_case answer_cases[] = {
	{ "tracepoints", TIER_EBPF, 14, 7, 11, 0 },
	{ "tracepoints and a control group", TIER_EBPF, 14, LOADER_LINKS_MAX, 12, 0 },
	{ "a control group: no program", TIER_SOCKOPS, -1, 1, 4, 0 },
	{ "attached, and refused in the end", TIER_TCP_INFO, 14, 7, 0, 0 },
	{ "a link that did not come", TIER_EBPF, 14, 7, 10, -EPROTO },
	{ "a program that nobody named", TIER_SOCKOPS, -1, 1, 5, -EPROTO },
	{ "descriptors of what was refused", TIER_TCP_INFO, 14, 7, 11, -EPROTO },
	{ "one link more than there is room for", TIER_SOCKOPS, -1, 9, 12, -EPROTO },
};

/* The same files have other numbers here than there. */
static void an_answer_is_read(void **state)
{
	const struct answer_case *c = *state;
	bool granted = c->tier != TIER_TCP_INFO;
	struct loader_answer answer = { .grant = { .tier = c->tier,
		                                   .flows_fd = 11,
		                                   .records_fd = 12,
		                                   .counters_fd = 13,
		                                   .probe_fd = c->probe_fd,
		                                   .links = c->links } };
	struct loader_grant g = { .flows_fd = -2 };
	int fds[LOADER_DESCRIPTORS_MAX] = {};

	for (int i = 0; i < LOADER_LINKS_MAX; i++)
		answer.grant.link_fds[i] = 20 + i;
	if (c->want == 0)
		assert_int_equal(loader_answer_descriptors(&answer.grant, fds), c->descriptors);
	for (size_t i = 0; i < LOADER_DESCRIPTORS_MAX; i++)
		fds[i] += 100;
	assert_int_equal(loader_answer_read(&answer, fds, c->descriptors, &g), c->want);
	if (c->want < 0) {
		assert_int_equal(g.flows_fd, -2); /* untouched */
		return;
	}
	assert_int_equal(g.flows_fd, granted ? 111 : -1);
	assert_int_equal(g.records_fd, granted ? 112 : -1);
	assert_int_equal(g.counters_fd, granted ? 113 : -1);
	assert_int_equal(g.probe_fd, granted && c->probe_fd >= 0 ? 114 : -1);
	assert_int_equal(g.links, granted ? c->links : 0);
	for (size_t i = 0; i < g.links; i++)
		assert_int_equal(g.link_fds[i], 120 + i);
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

	return CASES_RUN(a_request_is_read, read_cases) +
	       CASES_RUN(an_answer_is_read, answer_cases) +
	       cmocka_run_group_tests(tests, NULL, NULL);
}
