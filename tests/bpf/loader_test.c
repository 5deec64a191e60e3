/* The loader as a process: what it may, what it answers, what is left when it or its caller dies. */
#include "bpf/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/cgroup.h"
#include "bpf/tcpstat.h"
#include "tests/bpf/rig.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static const struct loader_wish any_tier = LOADER_WISH;

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* How many of our maps the kernel holds, whoever's they are. */
static int maps_in_kernel(void)
{
	union bpf_attr next = {};
	int count = 0;

	for (; bpf(BPF_MAP_GET_NEXT_ID, &next) == 0; next.start_id = next.next_id) {
		union bpf_attr by_id = { .map_id = next.next_id };
		struct bpf_map_info info = {};
		int fd = (int)bpf(BPF_MAP_GET_FD_BY_ID, &by_id);
		union bpf_attr ask = { .info = { .bpf_fd = (uint32_t)fd,
			                         .info_len = sizeof(info),
			                         .info = (uintptr_t)&info } };

		if (fd < 0)
			continue;
		if (bpf(BPF_OBJ_GET_INFO_BY_FD, &ask) == 0)
			count += strcmp(info.name, TCPSTAT_MAP_COUNTERS) == 0;
		close(fd);
	}
	return count;
}

/* The kernel lets go of them after a grace period. */
static int maps_left(int wanted)
{
	for (int i = 0; i < 300 && maps_in_kernel() > wanted; i++)
		poll(NULL, 0, 10);
	return maps_in_kernel();
}

static void skip_without_ebpf(void)
{
	struct rig r;

	rig_open(&r, &(struct loader_wish){ .ring_bytes = LOADER_RING_BYTES_MIN,
	                                    .tiers = TIER_BIT(TIER_EBPF),
	                                    .cgroup_fd = -1 });
	rig_close(&r);
}

static void wait_for(pid_t pid, int want_status)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, want_status);
}

/* --- what it answers ------------------------------------------------------------------------------ */

struct capability_case {
	const char *name;
	int dropped[4]; /* besides CAP_SYS_ADMIN */
	enum tier tier;
	const char *reason_ebpf, *reason_sockops; /* how they begin; NULL: there is none */
};

#define NONE_DROPPED                                                                               \
	{                                                                                          \
		-1                                                                                 \
	}

static const struct capability_case capability_cases[] = {
	{ "all three", NONE_DROPPED, TIER_EBPF, NULL, NULL },
	{ "no CAP_PERFMON", { CAP_PERFMON, -1 }, TIER_SOCKOPS, "missing CAP_PERFMON", NULL },
	{ "no CAP_NET_ADMIN", { CAP_NET_ADMIN, -1 }, TIER_EBPF, NULL, NULL },
	{ "no CAP_BPF", { CAP_BPF, -1 }, TIER_TCP_INFO, "missing CAP_BPF", "missing CAP_BPF" },
	{ "none",
	  { CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, -1 },
	  TIER_TCP_INFO,
	  "missing CAP_BPF CAP_PERFMON",
	  "missing CAP_BPF CAP_NET_ADMIN" },
};

/* What a child of ours, and so its loader, cannot get back. */
static void drop_for_good(const int *capabilities)
{
	prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);
	for (; *capabilities >= 0; capabilities++)
		prctl(PR_CAPBSET_DROP, *capabilities);
}

static bool begins(const char *reason, const char *want)
{
	return want ? strncmp(reason, want, strlen(want)) == 0 : *reason == '\0';
}

static void capabilities_decide_the_tier(void **state)
{
	const struct capability_case *c = *state;
	pid_t pid;

	skip_without_ebpf();
	pid = fork();
	if (pid == 0) {
		struct loader_grant g;
		struct err err = {};
		bool good;

		drop_for_good(c->dropped);
		if (loader_start(&any_tier, &g, &err) < 0)
			_exit(2);
		good = g.tier == c->tier && begins(g.refusals[TIER_EBPF].reason, c->reason_ebpf) &&
		       begins(g.refusals[TIER_SOCKOPS].reason, c->reason_sockops);
		if (!good)
			print_error("%s; %s; %s\n", tier_name(g.tier), g.refusals[TIER_EBPF].reason,
			            g.refusals[TIER_SOCKOPS].reason);
		loader_release(&g);
		_exit(!good);
	}
	wait_for(pid, 0);
}

static void polling_is_always_granted(void **state)
{
	struct loader_wish wish = LOADER_WISH;
	struct loader_grant g;

	(void)state;
	wish.tiers = TIER_BIT(TIER_TCP_INFO);
	assert_int_equal(loader_start(&wish, &g, NULL), 0);
	assert_int_equal(g.tier, TIER_TCP_INFO);
	assert_int_equal(g.flows_fd, -1);
	assert_int_equal(g.probe_fd, -1);
	assert_string_equal(g.refusals[TIER_EBPF].reason, "it was not asked for");
	loader_release(&g);
	loader_release(&g);
}

static void a_ring_of_no_power_of_two(void **state)
{
	struct loader_wish wish = LOADER_WISH;
	struct loader_grant g;

	(void)state;
	wish.ring_bytes = 100000;
	assert_int_equal(loader_start(&wish, &g, NULL), -EINVAL);
	wish.ring_bytes = LOADER_RING_BYTES_MIN / 2;
	assert_int_equal(loader_start(&wish, &g, NULL), -EINVAL);
}

static void it_is_gone_when_it_has_answered(void **state)
{
	uint64_t begin_ns = clock_now_ns();
	struct loader_child child;
	struct loader_grant g;
	pid_t pid;

	(void)state;
	skip_without_ebpf();
	assert_int_equal(loader_begin(&any_tier, &child, NULL), 0);
	pid = child.pid;
	assert_int_equal(loader_finish(&child, -1, &g, NULL), 0);
	print_message("%.0f ms\n", (double)(clock_now_ns() - begin_ns) / 1e6);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(child.pid, 0);
	loader_release(&g);
}

/* --- what is left ---------------------------------------------------------------------------------- */

static void killed_in_the_middle_leaves_nothing(void **state)
{
	int before, killed = 0;

	(void)state;
	skip_without_ebpf();
	before = maps_left(0);
	for (int wait_ms = 0; wait_ms < 120; wait_ms += 3) {
		struct loader_child child;
		struct loader_grant g = {};
		int r;

		assert_int_equal(loader_begin(&any_tier, &child, NULL), 0);
		poll(NULL, 0, wait_ms);
		kill(child.pid, SIGKILL);
		r = loader_finish(&child, -1, &g, NULL);
		assert_true(r == 0 || r == -ECHILD);
		if (r == 0)
			loader_release(&g);
		killed += r != 0;
	}
	print_message("%d of 40 killed before they answered\n", killed);
	assert_true(killed > 0);
	assert_int_equal(maps_left(before), before);
}

static void who_is_asked_to_stop_does_not_wait(void **state)
{
	struct loader_child child;
	struct loader_grant g;
	int stop[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(loader_begin(&any_tier, &child, NULL), 0);
	pid = child.pid;
	kill(pid, SIGSTOP); /* it will not answer */
	assert_int_equal(write(stop[1], "", 1), 1);
	assert_int_equal(loader_finish(&child, stop[0], &g, NULL), -ECANCELED);
	assert_int_equal(kill(pid, 0), -1);
	close(stop[0]);
	close(stop[1]);
}

static void a_killed_caller_leaves_nothing(void **state)
{
	int before;
	pid_t pid;

	(void)state;
	skip_without_ebpf();
	before = maps_left(0);
	pid = fork();
	if (pid == 0) {
		struct loader_grant g;

		if (loader_start(&any_tier, &g, NULL) < 0 || g.tier != TIER_EBPF ||
		    maps_in_kernel() <= before)
			_exit(1);
		raise(SIGKILL);
	}
	wait_for(pid, SIGKILL);
	assert_int_equal(maps_left(before), before);
}

/* --- how the kernel's types are found --------------------------------------------------------------------- */

struct types_case {
	const char *name;
	bool whole_btf;
};

static const struct types_case types_cases[] = {
	{ "a few types, cut out of the kernel's", false },
	{ "all of them, as libbpf reads them", true },
};

static void the_kernels_types_are_found(void **state)
{
	const struct types_case *c = *state;
	struct loader_wish wish = LOADER_WISH;
	struct rig r;
	int fd[2];

	wish.tiers = TIER_BIT(TIER_EBPF);
	wish.whole_btf = c->whole_btf;
	rig_open(&r, &wish);
	assert_int_equal(r.grant.whole_btf, c->whole_btf);
	rig_pair(&r, AF_INET, fd);
	rig_pass(&r, fd[0], fd[1], 1000000);
	close(fd[1]);
	close(fd[0]);
	rig_await_end(&r);
	assert_int_equal(r.end.event.bytes_acked, 1000002); /* and the SYN, and the FIN */
	assert_true(r.end.rtt_count > 0);
	assert_string_not_equal(r.end.who.congestion, "");
	assert_true(r.end.event.rcv_wnd_bytes > 0 && r.end.event.snd_cwnd_segments > 0);
	rig_close(&r);
}

/* --- who reads needs nothing ------------------------------------------------------------------------- */

static void the_reader_needs_no_capability(void **state)
{
	struct loader_wish wish = LOADER_WISH;
	struct rig r;
	pid_t pid;

	(void)state;
	wish.tiers = TIER_BIT(TIER_EBPF);
	rig_open(&r, &wish);
	pid = fork();
	if (pid == 0) {
		struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
		struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
		int fd[2];

		if (syscall(SYS_capset, &header, none) < 0)
			_exit(2);
		rig_pair(&r, AF_INET, fd);
		rig_pass(&r, fd[0], fd[1], 1000000);
		close(fd[1]);
		close(fd[0]);
		rig_await_end(&r);
		_exit(r.end.event.bytes_acked < 1000000 || r.lost > 0 ||
		      !sockstat_missed(r.s).known);
	}
	wait_for(pid, 0);
	rig_close(&r);
}

/* --- cgroups ----------------------------------------------------------------------------------------- */

/* A group of the test's own; answers its descriptor, and its path for rmdir(2). */
static int make_group(char path[CGROUP_PATH_BYTES + 32])
{
	char point[CGROUP_PATH_BYTES];

	if (cgroup_mount_point(point, NULL) < 0) {
		print_message("skip: no cgroup2 here\n");
		skip();
	}
	snprintf(path, CGROUP_PATH_BYTES + 32, "%s/loader_test.%d", point, getpid());
	if (mkdir(path, 0755) < 0) {
		print_message("skip: %s: %s\n", path, strerror(errno));
		skip();
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void join_group(int group_fd)
{
	int fd = openat(group_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0", 1), 1);
	close(fd);
}

struct group_case {
	const char *name;
	enum tier tier;
};

static const struct group_case group_cases[] = {
	{ "all of a group, by tracepoints", TIER_EBPF },
	{ "all of a group, by callbacks", TIER_SOCKOPS },
};

static void a_groups_connections_are_seen(void **state)
{
	const struct group_case *c = *state;
	char path[CGROUP_PATH_BYTES + 32];
	struct loader_wish wish = { .ring_bytes = 1U << 20,
		                    .tiers = TIER_BIT(c->tier),
		                    .whole_cgroup = true };
	struct rig r;
	int outside[2];
	pid_t pid;

	skip_without_ebpf();
	wish.cgroup_fd = make_group(path);
	rig_open(&r, &wish);
	pid = fork();
	if (pid == 0) {
		int fd[2];

		join_group(wish.cgroup_fd);
		rig_pair(NULL, AF_INET, fd);
		rig_pass(NULL, fd[0], fd[1], 1000000);
		close(fd[0]);
		close(fd[1]);
		_exit(0);
	}
	rig_pair(NULL, AF_INET, outside); /* not of the group */
	wait_for(pid, 0);
	for (int i = 0; i < 2000 && r.ends < 2; i++) {
		rig_drain(&r);
		poll(NULL, 0, 1);
	}
	close(outside[0]);
	close(outside[1]);
	close(wish.cgroup_fd);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(r.ends, 2);
	assert_int_equal(r.flows, 4); /* both ends, when they began and when they were gone */
	assert_true(r.end.who.role != TCPSTAT_ROLE_UNKNOWN);
	assert_string_not_equal(r.end.who.congestion, "");
	assert_int_equal(r.end.who.pid, pid); /* who closes an accepted one owns it */
	assert_true(r.end.event.bytes_acked >= 1000000 || r.end.event.bytes_received >= 1000000);
	rig_close(&r);
}

/* "return 1", attached so that no other may join it. */
static int attach_exclusively(int group_fd)
{
	struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_SOCK_OPS,
		                .insns = (uintptr_t)program,
		                .insn_cnt = 2,
		                .license = (uintptr_t) "BSD" };
	int fd = (int)bpf(BPF_PROG_LOAD, &load);
	union bpf_attr attach = { .target_fd = (uint32_t)group_fd,
		                  .attach_bpf_fd = (uint32_t)fd,
		                  .attach_type = BPF_CGROUP_SOCK_OPS };

	assert_true(fd >= 0);
	assert_int_equal(bpf(BPF_PROG_ATTACH, &attach), 0);
	return fd;
}

static void a_group_that_another_holds(void **state)
{
	char path[CGROUP_PATH_BYTES + 32];
	struct loader_wish wish = LOADER_WISH;
	struct loader_grant g;
	int program_fd;

	(void)state;
	skip_without_ebpf();
	wish.whole_cgroup = true;
	wish.cgroup_fd = make_group(path);
	program_fd = attach_exclusively(wish.cgroup_fd);
	assert_int_equal(loader_start(&wish, &g, NULL), 0);
	close(program_fd);
	close(wish.cgroup_fd);
	rmdir(path);
	assert_int_equal(g.tier, TIER_TCP_INFO);
	assert_non_null(strstr(g.refusals[TIER_EBPF].reason, "another program holds"));
	assert_non_null(strstr(g.refusals[TIER_SOCKOPS].reason, "another program holds"));
	loader_release(&g);
}

#define OTHERS 64

/* The programs that were attached before it was refused are the child's: their numbers are other files' here. */
static void what_was_refused_has_no_descriptors(void **state)
{
	char path[CGROUP_PATH_BYTES + 32];
	struct loader_wish wish = LOADER_WISH;
	struct loader_grant g;
	int program_fd, others[OTHERS];

	(void)state;
	skip_without_ebpf();
	wish.tiers = TIER_BIT(TIER_EBPF);
	wish.whole_cgroup = true;
	wish.cgroup_fd = make_group(path);
	program_fd = attach_exclusively(wish.cgroup_fd);
	assert_int_equal(loader_start(&wish, &g, NULL), 0);
	close(program_fd);
	close(wish.cgroup_fd);
	rmdir(path);
	assert_int_equal(g.tier, TIER_TCP_INFO);
	for (int i = 0; i < OTHERS; i++)
		others[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	loader_release(&g);
	for (int i = 0; i < OTHERS; i++)
		assert_int_equal(close(others[i]), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(polling_is_always_granted),
	cmocka_unit_test(a_ring_of_no_power_of_two),
	cmocka_unit_test(it_is_gone_when_it_has_answered),
	cmocka_unit_test(killed_in_the_middle_leaves_nothing),
	cmocka_unit_test(who_is_asked_to_stop_does_not_wait),
	cmocka_unit_test(a_killed_caller_leaves_nothing),
	cmocka_unit_test(the_reader_needs_no_capability),
	cmocka_unit_test(a_group_that_another_holds),
	cmocka_unit_test(what_was_refused_has_no_descriptors),
};

int main(int argc, char **argv)
{
	int failed;

	if (argc == 2 && strcmp(argv[1], LOADER_ROLE) == 0)
		loader_role(NULL);
	setenv(LOADER_SOCKET_NAME, "", 1); /* of this machine's own pod */
	failed = CASES_RUN(capabilities_decide_the_tier, capability_cases);
	failed += CASES_RUN(the_kernels_types_are_found, types_cases);
	failed += CASES_RUN(a_groups_connections_are_seen, group_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
