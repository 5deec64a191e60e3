#include "agent/host/default_route.h"

#include <linux/icmpv6.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/host/netlink_message.h"

struct seen {
	struct default_route route;
	uint32_t table;
};

/* struct rtnexthop after struct rtnexthop, each with attributes of its own that we need not know. */
static unsigned int heaviest_hop(const struct netlink_attribute *a)
{
	struct netlink_rest rest = netlink_rest_of(a->data, a->n, 0);
	unsigned int index = 0;
	int weight = -1;

	while (rest.n >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;

		memcpy(&hop, rest.at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > rest.n)
			break;
		if (!(hop.rtnh_flags & RTNH_F_DEAD) && hop.rtnh_hops > weight &&
		    hop.rtnh_ifindex > 0) {
			weight = hop.rtnh_hops;
			index = (unsigned int)hop.rtnh_ifindex;
		}
		rest = netlink_rest_of(rest.at, rest.n, hop.rtnh_len);
	}
	return index;
}

static uint8_t rank_of(uint8_t preference)
{
	return preference == ICMPV6_ROUTER_PREF_HIGH  ? 0
	       : preference == ICMPV6_ROUTER_PREF_LOW ? 2
	                                              : 1;
}

static void take_attribute(struct seen *s, const struct netlink_attribute *a)
{
	uint8_t preference;

	switch (a->type) {
	case RTA_TABLE: /* rtm_table has no room for numbers beyond 255 */
		netlink_attribute_u32(a, &s->table);
		break;
	case RTA_PRIORITY:
		netlink_attribute_u32(a, &s->route.metric);
		break;
	case RTA_OIF:
		netlink_attribute_u32(a, &s->route.index);
		break;
	case RTA_MULTIPATH:
		s->route.index = heaviest_hop(a);
		break;
	case RTA_PREF:
		if (netlink_attribute_u8(a, &preference))
			s->route.rank = rank_of(preference);
		break;
	}
}

static bool leads_everywhere(const struct rtmsg *m)
{
	return (m->rtm_family == AF_INET || m->rtm_family == AF_INET6) && m->rtm_dst_len == 0 &&
	       m->rtm_tos == 0 && m->rtm_type == RTN_UNICAST &&
	       !(m->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD));
}

static bool is_better(const struct default_route *a, const struct default_route *b)
{
	if (b->index == 0)
		return true;
	if (a->family != b->family)
		return a->family == AF_INET;
	if (a->for_some_sources != b->for_some_sources)
		return b->for_some_sources;
	if (a->metric != b->metric)
		return a->metric < b->metric;
	return a->rank < b->rank;
}

void default_route_consider(struct default_route *best, const uint8_t *body, size_t n)
{
	struct netlink_attribute a;
	struct netlink_rest rest;
	struct seen s = { .route.rank = 1 };
	struct rtmsg m;

	if (n < sizeof(m))
		return;
	memcpy(&m, body, sizeof(m));
	if (!leads_everywhere(&m))
		return;
	s.table = m.rtm_table;
	s.route.family = m.rtm_family;
	s.route.for_some_sources = m.rtm_src_len > 0;
	rest = netlink_rest_of(body, n, sizeof(m));
	while (netlink_attribute_next(&rest, &a))
		take_attribute(&s, &a);
	if (s.table == RT_TABLE_MAIN && s.route.index != 0 && is_better(&s.route, best))
		*best = s.route;
}
