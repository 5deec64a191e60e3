#include "bpf/loader_message.h"

#include <errno.h>
#include <string.h>

bool loader_ring_fits(uint32_t bytes)
{
	return bytes >= LOADER_RING_BYTES_MIN && bytes <= LOADER_RING_BYTES_MAX &&
	       (bytes & (bytes - 1)) == 0;
}

struct loader_request loader_request_of(const struct loader_wish *wish)
{
	return (struct loader_request){ .interval_ns = wish->interval_ns,
		                        .layout = LOADER_LAYOUT,
		                        .ring_bytes = wish->ring_bytes,
		                        .tiers = wish->tiers,
		                        .has_cgroup = wish->cgroup_fd >= 0,
		                        .whole_cgroup = wish->whole_cgroup,
		                        .whole_btf = wish->whole_btf };
}

int loader_request_read(const struct loader_request *request, size_t descriptors, int cgroup_fd,
                        struct loader_wish *ret)
{
	if (request->layout != LOADER_LAYOUT || request->tiers & ~TIER_ANY ||
	    request->has_cgroup > 1 || request->whole_cgroup > 1 || request->whole_btf > 1 ||
	    request->reserved || descriptors != request->has_cgroup)
		return -EPROTO;
	if (!loader_ring_fits(request->ring_bytes))
		return -EINVAL;
	*ret = (struct loader_wish){ .interval_ns = request->interval_ns,
		                     .ring_bytes = request->ring_bytes,
		                     .tiers = request->tiers,
		                     .cgroup_fd = request->has_cgroup ? cgroup_fd : -1,
		                     .whole_cgroup = request->whole_cgroup,
		                     .whole_btf = request->whole_btf };
	return 0;
}

#define MAPS 3

size_t loader_answer_descriptors(const struct loader_grant *grant, int ret[LOADER_DESCRIPTORS_MAX])
{
	size_t count = MAPS;

	if (grant->tier == TIER_TCP_INFO)
		return 0; /* what was attached before the refusal stays here, and goes with this process */
	ret[0] = grant->flows_fd;
	ret[1] = grant->records_fd;
	ret[2] = grant->counters_fd;
	if (grant->probe_fd >= 0)
		ret[count++] = grant->probe_fd;
	memcpy(ret + count, grant->link_fds, grant->links * sizeof(int));
	return count + grant->links;
}

int loader_answer_read(const struct loader_answer *answer, const int *fds, size_t count,
                       struct loader_grant *ret)
{
	const struct loader_grant *told = &answer->grant;
	bool granted = told->tier != TIER_TCP_INFO, has_program = granted && told->probe_fd >= 0;
	size_t links = granted ? told->links : 0;

	if (links > LOADER_LINKS_MAX || count != (granted ? MAPS + has_program + links : 0))
		return -EPROTO;
	*ret = *told;
	ret->flows_fd = granted ? fds[0] : -1;
	ret->records_fd = granted ? fds[1] : -1;
	ret->counters_fd = granted ? fds[2] : -1;
	ret->probe_fd = has_program ? fds[MAPS] : -1;
	ret->links = links;
	memcpy(ret->link_fds, fds + count - links, links * sizeof(int));
	return 0;
}
