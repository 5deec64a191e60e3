#include "bpf/loader_message.h"

#include <errno.h>

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
