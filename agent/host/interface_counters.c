#include "agent/host/interface_counters.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "agent/host/netlink.h"
#include "transport/base/err.h"

bool interface_counters_parse(const uint8_t *body, size_t n, struct interface_counters *ret)
{
	struct netlink_rest rest = netlink_rest_of(body, n, sizeof(struct ifinfomsg));
	const size_t needed = offsetof(struct rtnl_link_stats64, rx_errors);
	struct rtnl_link_stats64 counts = {};
	struct netlink_attribute a;
	bool found = false;

	while (netlink_attribute_next(&rest, &a)) {
		if (a.type != IFLA_STATS64 || a.n < needed)
			continue;
		memcpy(&counts, a.data, needed);
		found = true;
	}
	if (found)
		*ret = (struct interface_counters){ counts.rx_bytes, counts.tx_bytes };
	return found;
}

struct reading {
	struct interface_counters counters;
	bool read;
};

static void take_link(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct reading *r = self;

	if (type == RTM_NEWLINK)
		r->read = interface_counters_parse(body, n, &r->counters);
}

int interface_counters_read(const char *name, struct interface_counters *ret, struct err *err)
{
	CLEANUP(netlink_closep) struct netlink *nl = NULL;
	const struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	struct reading reading = {};
	struct netlink_request q;
	int r;

	if (strlen(name) >= IF_NAMESIZE)
		return ERR_SET(err, -ENODEV, ERR_SYS, 0, "find interface %s", name);
	r = netlink_open(NETLINK_ROUTE, &nl, err);
	if (r < 0)
		return r;
	netlink_request_begin(&q, RTM_GETLINK, 0, &m, sizeof(m));
	netlink_request_add(&q, IFLA_IFNAME, name, strlen(name) + 1);
	r = netlink_ask(nl, &q, take_link, &reading, err);
	if (r == 0 && !reading.read)
		r = ERR_SET(err, -EPROTO, ERR_SYS, 0, "find counters in netlink's answer");
	if (r < 0) {
		err_prefix(err, "read the counters of %s", name);
		return r;
	}
	*ret = reading.counters;
	return 0;
}
