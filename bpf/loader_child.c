/* The loader's own process: one wish in, one grant out. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf/attach.h"
#include "bpf/loader_message.h"
#include "bpf/loader_peer.h"
#include "bpf/obstacle.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

static void keep_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	data[0].effective = data[0].permitted = (uint32_t)kept;
	data[1].effective = data[1].permitted = (uint32_t)(kept >> 32);
	syscall(SYS_capset, &header, data);
}

/* All that loading and attaching needs. Where CAP_SYS_ADMIN stands for them it stays, too. */
static void keep_only_what_loads(uint64_t capabilities)
{
	const uint64_t three = 1ULL << CAP_BPF | 1ULL << CAP_PERFMON | 1ULL << CAP_NET_ADMIN;
	uint64_t kept = capabilities & three;

	if (kept != three)
		kept |= capabilities & 1ULL << CAP_SYS_ADMIN;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	keep_capabilities(kept);
}

/* What a service refuses that a child is not asked for. */
static bool is_not_served(enum tier tier, const struct loader_wish *wish, enum loader_peer peer,
                          struct tier_refusal *ret)
{
	if (peer == LOADER_PEER_USER && wish->whole_cgroup) {
		tier_refuse(ret, "run as root", "the BPF loader's service is for one's own tests");
		return true;
	}
	if (peer != LOADER_PEER_PARENT && tier == TIER_SOCKOPS && wish->cgroup_fd < 0) {
		tier_refuse(ret, NULL, "the caller's control group is not to be seen");
		return true;
	}
	return false;
}

/* Tier by tier, the best first; each that is not to be had leaves its reason. */
static void choose(const struct loader_wish *wish, enum loader_peer peer, uint64_t capabilities,
                   struct loader_grant *grant)
{
	struct obstacle_where where = obstacle_here;

	where.group_is_open = wish->cgroup_fd >= 0;
	for (enum tier tier = TIER_EBPF; tier < TIER_TCP_INFO; tier++) {
		struct tier_refusal *refusal = &grant->refusals[tier];

		if (!(wish->tiers & TIER_BIT(tier)))
			tier_refuse(refusal, NULL, "it was not asked for");
		else if (!is_not_served(tier, wish, peer, refusal) &&
		         !obstacle_find(tier, wish->whole_cgroup, capabilities, &where, refusal) &&
		         attach(tier, wish, grant, refusal) == 0)
			return;
	}
	grant->tier = TIER_TCP_INFO;
}

static int hand_out(const struct loader_grant *grant)
{
	struct loader_answer answer = { .grant = *grant };
	int fds[LOADER_DESCRIPTORS_MAX];
	size_t count = loader_answer_descriptors(grant, fds);

	return passing_send(LOADER_FD, &answer, sizeof(answer), fds, count);
}

static int hear(struct loader_wish *ret)
{
	struct loader_request request = {};
	int cgroup_fd = -1;
	size_t count = 0;
	int r = passing_receive(LOADER_FD, &request, sizeof(request), &cgroup_fd, 1, &count);

	return r < 0 ? r : loader_request_read(&request, count, cgroup_fd, ret);
}

void loader_role(const char *user)
{
	struct loader_grant grant = {
		.flows_fd = -1, .records_fd = -1, .counters_fd = -1, .probe_fd = -1
	};
	uint64_t capabilities = obstacle_capabilities();
	enum loader_peer peer = LOADER_PEER_PARENT;
	struct loader_wish wish;
	struct err err;
	int r = 0;

	alarm(LOADER_DEADLINE_S);
	keep_only_what_loads(capabilities);
	if (!user)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else
		r = loader_peer_of(user, &peer, &err);
	if (r < 0)
		log_err(LOG_LEVEL_ERROR, &err);
	if (r < 0 || hear(&wish) < 0)
		_exit(EXIT_FAILURE);
	choose(&wish, peer, capabilities, &grant);
	keep_capabilities(0); /* what is attached stands by its descriptors */
	_exit(hand_out(&grant) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
