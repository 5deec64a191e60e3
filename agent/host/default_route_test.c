/* Contract §8.2 and R44: which interface has the default route. */
#include "agent/host/default_route.h"

#include <linux/icmpv6.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "tests/cases.h"
#include "tests/netlink_bytes.h"

#define LAN   4
#define RADIO 5

struct hop {
	int index;
	uint8_t hops; /* the weight, less one */
	uint8_t flags;
};

struct route {
	uint8_t family, dst_bits, type; /* type 0: RTN_UNICAST */
	uint32_t index;                 /* 0: none */
	uint32_t metric;                /* 0: not said */
	bool on_link;                   /* without a gateway */
	uint32_t table;                 /* 0: RT_TABLE_MAIN */
	struct hop hops[3];             /* multipath */
	uint8_t src_bits, tos, preference;
	uint32_t flags;
};

struct route_case {
	const char *name;
	struct route routes[4];
	unsigned int want;
};

#define V4 AF_INET, 0
#define V6 AF_INET6, 0

static struct route_case route_cases[] = {
	{ "none", { { 0 } }, 0 },
	{ "R44 by a gateway", { { V4, .index = LAN } }, LAN },
	{ "R44 on the link", { { V4, .index = LAN, .on_link = true } }, LAN },
	{ "R44 two metrics, the lower one second",
	  { { V4, .index = LAN, .metric = 600 }, { V4, .index = RADIO, .metric = 100 } },
	  RADIO },
	{ "R44 no metric is 0",
	  { { V4, .index = LAN, .metric = 1 }, { V4, .index = RADIO } },
	  RADIO },
	{ "equal metrics: the first",
	  { { V4, .index = LAN, .metric = 9 }, { V4, .index = RADIO, .metric = 9 } },
	  LAN },
	{ "metrics beyond 2^31",
	  { { V4, .index = LAN, .metric = 0xffffffff },
	    { V4, .index = RADIO, .metric = 0x80000000 } },
	  RADIO },
	{ "R44 IPv6 only", { { V6, .index = RADIO, .metric = 1024 } }, RADIO },
	{ "IPv4 goes before IPv6, whatever the metrics",
	  { { V6, .index = RADIO, .metric = 1 }, { V4, .index = LAN, .metric = 5000 } },
	  LAN },
	{ "a gateway to one network is no default",
	  { { AF_INET, 8, .index = RADIO }, { V4, .index = LAN, .metric = 10 } },
	  LAN },
	{ "half of everything is not everything", { { AF_INET, 1, .index = RADIO } }, 0 },
	{ "unreachable", { { V4, .type = RTN_UNREACHABLE, .index = LAN } }, 0 },
	{ "blackhole", { { V4, .type = RTN_BLACKHOLE }, { V6, .index = LAN } }, LAN },
	{ "prohibit", { { V4, .type = RTN_PROHIBIT } }, 0 },
	{ "throw", { { V4, .type = RTN_THROW } }, 0 },
	{ "another table", { { V4, .index = RADIO, .table = 100 } }, 0 },
	{ "another table, of a number beyond 255", { { V4, .index = RADIO, .table = 1000 } }, 0 },
	{ "one type of service only", { { V4, .index = RADIO, .tos = 0x10 } }, 0 },
	{ "a hop that is dead", { { V4, .index = RADIO, .flags = RTNH_F_DEAD } }, 0 },
	{ "a route of IPv6's cache", { { V6, .index = RADIO, .flags = RTM_F_CLONED } }, 0 },
	{ "no interface", { { V4 } }, 0 },
	{ "multipath: the heaviest",
	  { { V4, .hops = { { LAN, 0, 0 }, { RADIO, 9, 0 } } } },
	  RADIO },
	{ "multipath: of equal ones the first",
	  { { V4, .hops = { { LAN, 3, 0 }, { RADIO, 3, 0 } } } },
	  LAN },
	{ "multipath: the heaviest is dead",
	  { { V4, .hops = { { RADIO, 9, RTNH_F_DEAD }, { LAN, 0, 0 } } } },
	  LAN },
	{ "multipath: all are dead", { { V4, .hops = { { RADIO, 9, RTNH_F_DEAD } } } }, 0 },
	{ "multipath of IPv6", { { V6, .hops = { { RADIO, 0, 0 } } } }, RADIO },
	{ "for some sources only, where there is nothing else",
	  { { V6, .index = RADIO, .src_bits = 56 } },
	  RADIO },
	{ "for some sources only goes behind what is for all",
	  { { V6, .index = RADIO, .src_bits = 56, .metric = 1 },
	    { V6, .index = LAN, .metric = 2 } },
	  LAN },
	{ "equal metrics: a router that is preferred (RFC 4191)",
	  { { V6, .index = LAN, .metric = 1024 },
	    { V6, .index = RADIO, .metric = 1024, .preference = ICMPV6_ROUTER_PREF_HIGH } },
	  RADIO },
	{ "equal metrics: a router that wants to be the last",
	  { { V6, .index = LAN, .metric = 1024, .preference = ICMPV6_ROUTER_PREF_LOW },
	    { V6, .index = RADIO, .metric = 1024 } },
	  RADIO },
	{ "a family that has no such thing", { { AF_BRIDGE, 0, .index = LAN } }, 0 },
};

static void put_hops(struct netlink_bytes *b, const struct route *r)
{
	size_t at = netlink_nest(b, RTA_MULTIPATH);

	for (size_t i = 0; i < 3 && r->hops[i].index; i++) {
		size_t begin = b->n;
		struct rtnexthop hop = { .rtnh_flags = r->hops[i].flags,
			                 .rtnh_hops = r->hops[i].hops,
			                 .rtnh_ifindex = r->hops[i].index };

		netlink_put(b, &hop, sizeof(hop));
		netlink_put_u32(b, RTA_GATEWAY, 0x010200c0);
		hop.rtnh_len = (unsigned short)(b->n - begin);
		memcpy(b->at + begin, &hop, sizeof(hop));
	}
	netlink_nest_end(b, at);
}

static void put_route(struct netlink_bytes *b, const struct route *r)
{
	uint32_t table = r->table ? r->table : RT_TABLE_MAIN;
	struct rtmsg m = { .rtm_family = r->family,
		           .rtm_dst_len = r->dst_bits,
		           .rtm_src_len = r->src_bits,
		           .rtm_tos = r->tos,
		           .rtm_table = (uint8_t)(table < 256 ? table : RT_TABLE_COMPAT),
		           .rtm_type = r->type ? r->type : RTN_UNICAST,
		           .rtm_flags = r->flags };

	netlink_put(b, &m, sizeof(m));
	netlink_put_u32(b, RTA_TABLE, table);
	if (r->metric)
		netlink_put_u32(b, RTA_PRIORITY, r->metric);
	if (!r->on_link && !r->hops[0].index)
		netlink_put_u32(b, RTA_GATEWAY, 0x010200c0);
	if (r->index)
		netlink_put_u32(b, RTA_OIF, r->index);
	if (r->hops[0].index)
		put_hops(b, r);
	if (r->family == AF_INET6)
		netlink_put_u8(b, RTA_PREF, r->preference);
}

static void is_chosen(void **state)
{
	const struct route_case *c = *state;
	struct default_route best = {};

	for (size_t i = 0; i < 4 && c->routes[i].family; i++) {
		struct netlink_bytes b = {};

		put_route(&b, &c->routes[i]);
		default_route_consider(&best, b.at, b.n);
	}
	assert_int_equal(best.index, c->want);
}

/* Cut anywhere, a route is one to the interface that it names, or none. */
static void may_be_cut_anywhere(void **state)
{
	const struct route routes[] = { { V4, .index = LAN },
		                        { V4, .hops = { { LAN, 0, 0 }, { LAN, 1, 0 } } } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct netlink_bytes b = {};

		put_route(&b, &routes[i]);
		for (size_t n = 0; n <= b.n; n++) {
			struct default_route best = {};

			default_route_consider(&best, b.at, n);
			assert_true(best.index == 0 || best.index == LAN);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(may_be_cut_anywhere) };
	int failed = CASES_RUN(is_chosen, route_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
