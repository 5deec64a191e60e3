#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/obstacle.h"
#include "bpf/programs.h"
#include "tests/cases.h"

#define BIT(capability) (1ULL << (capability))
#define THREE           (BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_NET_ADMIN))

struct obstacle_case {
	const char *name;
	enum tier tier;
	bool cgroup;
	uint64_t capabilities;
	const char *btf;      /* NULL: this one's own file, which is there */
	const char *lockdown; /* its text; NULL: no such file */
	const char *reason;   /* how it begins; NULL: nothing is in the way but bpf(2) itself */
};

static const struct obstacle_case obstacle_cases[] = {
	{ "no capability", TIER_EBPF, false, 0, NULL, NULL, "missing CAP_BPF CAP_PERFMON" },
	{ "no capability, a cgroup", TIER_EBPF, true, 0, NULL, NULL,
	  "missing CAP_BPF CAP_PERFMON CAP_NET_ADMIN" },
	{ "no capability, sockops", TIER_SOCKOPS, false, 0, NULL, NULL,
	  "missing CAP_BPF CAP_NET_ADMIN" },
	{ "CAP_BPF alone is missing", TIER_EBPF, true, THREE & ~BIT(CAP_BPF), NULL, NULL,
	  "missing CAP_BPF" },
	{ "CAP_PERFMON alone is missing", TIER_EBPF, false, THREE & ~BIT(CAP_PERFMON), NULL, NULL,
	  "missing CAP_PERFMON" },
	{ "sockops does without CAP_PERFMON", TIER_SOCKOPS, false, THREE & ~BIT(CAP_PERFMON) },
	{ "own sockets do without CAP_NET_ADMIN", TIER_EBPF, false, THREE & ~BIT(CAP_NET_ADMIN) },
	{ "CAP_SYS_ADMIN stands for the three", TIER_EBPF, true, BIT(CAP_SYS_ADMIN) },
	{ "no BTF", TIER_EBPF, false, THREE, "/nonexistent/btf", NULL,
	  "the kernel does not describe its types (BTF): /nonexistent/btf" },
	{ "sockops does without BTF", TIER_SOCKOPS, false, THREE, "/nonexistent/btf" },
	{ "lockdown, confidentiality", TIER_EBPF, false, THREE, NULL,
	  "none integrity [confidentiality]\n", "the kernel is locked down" },
	{ "lockdown, integrity", TIER_EBPF, false, THREE, NULL,
	  "none [integrity] confidentiality\n" },
	{ "polling needs nothing", TIER_TCP_INFO, false, 0, "/nonexistent/btf" },
};

static void write_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void obstacle_is_told(void **state)
{
	const struct obstacle_case *c = *state;
	char lockdown[] = "/tmp/obstacle_test.XXXXXX";
	struct tier_refusal refusal = {};
	bool found;

	if (programs_get().missing)
		skip();
	if (c->lockdown)
		write_text(mkstemp(lockdown), c->lockdown);
	found = obstacle_find(c->tier, c->cgroup, c->capabilities,
	                      &(struct obstacle_where){ c->btf ? c->btf : "/proc/self/exe",
	                                                c->lockdown ? lockdown : "/nonexistent" },
	                      &refusal);
	unlink(lockdown);
	if (c->reason) {
		assert_true(found);
		assert_memory_equal(refusal.reason, c->reason, strlen(c->reason));
		assert_true(refusal.remedy[0] != '\0');
	} else if (found && !strstr(refusal.reason, "bpf(2)") &&
	           !strstr(refusal.reason, "control groups")) {
		fail_msg("%s", refusal.reason);
	}
}

static void a_build_without_programs_says_so(void **state)
{
	struct tier_refusal refusal = {};

	(void)state;
	if (!programs_get().missing)
		skip();
	assert_true(obstacle_find(TIER_EBPF, false, UINT64_MAX, &obstacle_here, &refusal));
	assert_non_null(strstr(refusal.reason, programs_get().missing));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_build_without_programs_says_so),
	};
	int failed = CASES_RUN(obstacle_is_told, obstacle_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
