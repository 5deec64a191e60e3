/* Contract §8.1, R18, R45: what the kernel tells, as the service takes it; then the kernel that we run on. */
#include "agent/host/interfaces.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/host/interfaces_json.h"
#include "agent/host/interfaces_parse.h"
#include "tests/cases.h"
#include "tests/netlink_bytes.h"

/* --- messages ------------------------------------------------------------------------------------ */

struct link {
	const char *name; /* NULL: not told */
	int index;
	uint8_t hardware[20];
	size_t hardware_bytes;
	const char *kind;
	unsigned short arp_type; /* 0: ARPHRD_ETHER */
	uint8_t family;
	unsigned int flags;
};

static void feed_link(struct interfaces_builder *b, const struct link *l)
{
	struct ifinfomsg m = { .ifi_family = l->family,
		               .ifi_type = l->arp_type ? l->arp_type : ARPHRD_ETHER,
		               .ifi_index = l->index,
		               .ifi_flags = l->flags };
	struct netlink_bytes bytes = {};

	netlink_put(&bytes, &m, sizeof(m));
	if (l->name)
		netlink_put_text(&bytes, IFLA_IFNAME, l->name);
	if (l->hardware_bytes)
		netlink_put_attribute(&bytes, IFLA_ADDRESS, l->hardware, l->hardware_bytes);
	if (l->kind) {
		size_t at = netlink_nest(&bytes, IFLA_LINKINFO);

		netlink_put_text(&bytes, IFLA_INFO_KIND, l->kind);
		netlink_nest_end(&bytes, at);
	}
	interfaces_take_link(b, RTM_NEWLINK, bytes.at, bytes.n);
}

struct address {
	uint32_t index;
	const char *text; /* IFA_LOCAL, or IFA_ADDRESS where there is no other end */
	uint8_t prefix_bits;
	const char *other_end; /* IFA_ADDRESS then */
};

static void put_address(struct netlink_bytes *b, uint16_t type, int family, const char *text)
{
	uint8_t bytes[16];

	assert_int_equal(inet_pton(family, text, bytes), 1);
	netlink_put_attribute(b, type, bytes, family == AF_INET ? 4 : 16);
}

static void feed_address(struct interfaces_builder *b, const struct address *a)
{
	int family = strchr(a->text, ':') ? AF_INET6 : AF_INET;
	struct ifaddrmsg m = { .ifa_family = (uint8_t)family,
		               .ifa_prefixlen = a->prefix_bits,
		               .ifa_index = a->index };
	struct netlink_bytes bytes = {};

	netlink_put(&bytes, &m, sizeof(m));
	if (a->other_end)
		put_address(&bytes, IFA_ADDRESS, family, a->other_end);
	put_address(&bytes, a->other_end ? IFA_LOCAL : IFA_ADDRESS, family, a->text);
	interfaces_take_address(b, RTM_NEWADDR, bytes.at, bytes.n);
}

/* --- JSON ---------------------------------------------------------------------------------------- */

struct json_case {
	const char *name;
	struct link links[3];
	struct address addresses[3];
	unsigned int default_index;
	const char *want;
};

#define MAC                                                                                        \
	{                                                                                          \
		0x02, 0x00, 0x5e, 0x10, 0x00, 0xab                                                 \
	}
#define ITEM(name, mac, ips, standard)                                                             \
	"{\"name\":\"" name "\",\"mac\":\"" mac "\",\"ips\":[" ips "],\"default\":" standard       \
	",\"is_wlan\":false}"
#define IP(ip, mask) "{\"IP\":\"" ip "\",\"Mask\":\"" mask "\"}"

static struct json_case json_cases[] = {
	{ "R18 none", { { 0 } }, { { 0 } }, 0, "[]" },
	{ "R45 the contract's",
	  { { "eth0", 2, { 0x02, 0x00, 0x5e, 0x10, 0x00, 0x01 }, 6 } },
	  { { 2, "192.0.2.17", 24, NULL } },
	  2,
	  "[" ITEM("eth0", "02:00:5e:10:00:01", IP("192.0.2.17", "////AA=="), "true") "]" },
	{ "R45 loopback: no MAC where it is all zero",
	  { { "lo", 1, { 0 }, 6, NULL, ARPHRD_LOOPBACK } },
	  { { 1, "127.0.0.1", 8, NULL }, { 1, "::1", 128, NULL } },
	  0,
	  "[" ITEM("lo", "", IP("127.0.0.1", "/wAAAA==") "," IP("::1", "/////////////////////w=="),
	           "false") "]" },
	{ "R45 a prefix of 64",
	  { { "wlan0", 3, MAC, 6 } },
	  { { 3, "2001:db8::17", 64, NULL } },
	  0,
	  "[" ITEM("wlan0", "02:00:5e:10:00:ab", IP("2001:db8::17", "//////////8AAAAAAAAAAA=="),
	           "false") "]" },
	{ "R45 prefixes of 0, 25 and 31",
	  { { "a", 3 } },
	  { { 3, "10.0.0.1", 0, NULL }, { 3, "10.0.0.2", 25, NULL }, { 3, "10.0.0.3", 31, NULL } },
	  0,
	  "[" ITEM("a", "",
	           IP("10.0.0.1", "AAAAAA==") "," IP("10.0.0.2", "////gA==") "," IP("10.0.0.3",
	                                                                            "/////g=="),
	           "false") "]" },
	{ "no addresses: [], not null",
	  { { "a", 3, MAC, 6 } },
	  { { 0 } },
	  0,
	  "[" ITEM("a", "02:00:5e:10:00:ab", "", "false") "]" },
	{ "link-local, without its zone",
	  { { "a", 3 } },
	  { { 3, "fe80::1", 64, NULL } },
	  0,
	  "[" ITEM("a", "", IP("fe80::1", "//////////8AAAAAAAAAAA=="), "false") "]" },
	{ "of two ends, ours",
	  { { "ppp0", 3 } },
	  { { 3, "192.0.2.1", 32, "198.51.100.1" } },
	  3,
	  "[" ITEM("ppp0", "", IP("192.0.2.1", "/////w=="), "true") "]" },
	{ "in the order of the index",
	  { { "b", 300 }, { "a", 2 } },
	  { { 0 } },
	  0,
	  "[" ITEM("a", "", "", "false") "," ITEM("b", "", "", "false") "]" },
	{ "told twice",
	  { { "a", 2 }, { "a", 2 } },
	  { { 0 } },
	  0,
	  "[" ITEM("a", "", "", "false") "]" },
	{ "a tunnel's end is no MAC",
	  { { "sit0", 2, { 192, 0, 2, 1 }, 4, "sit", ARPHRD_SIT } },
	  { { 0 } },
	  0,
	  "[" ITEM("sit0", "", "", "false") "]" },
	{ "InfiniBand has twenty bytes",
	  { { "ib0", 2, { 0x80, [19] = 1 }, 20, NULL, ARPHRD_INFINIBAND } },
	  { { 0 } },
	  0,
	  "[" ITEM("ib0", "80:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:01", "",
	           "false") "]" },
	{ "a bridge's port is told once more as AF_BRIDGE, and is one",
	  { { "a", 2 }, { "a2", 3, .family = AF_BRIDGE } },
	  { { 0 } },
	  0,
	  "[" ITEM("a", "", "", "false") "]" },
	{ "an interface that went while it was listed",
	  { { "a", 2 } },
	  { { 9, "192.0.2.1", 24, NULL } },
	  9,
	  "[" ITEM("a", "", "", "false") "]" },
	{ "no name", { { NULL, 2 } }, { { 0 } }, 0, "[]" },
	{ "a name that no interface can have", { { "0123456789abcdef", 2 } }, { { 0 } }, 0, "[]" },
	{ "a name with what JSON cannot have as it is",
	  { { "a\"b\\\x01\xff", 2 } },
	  { { 0 } },
	  0,
	  "[" ITEM("a\\\"b\\\\\\u0001\xef\xbf\xbd", "", "", "false") "]" },
};

static void build(struct interfaces_builder *b, const struct json_case *c)
{
	*b = (struct interfaces_builder){ .route.index = c->default_index };
	for (size_t i = 0; i < 3 && c->links[i].index; i++)
		feed_link(b, &c->links[i]);
	interfaces_sort(&b->list);
	for (size_t i = 0; i < 3 && c->addresses[i].text; i++)
		feed_address(b, &c->addresses[i]);
}

static void json_is(void **state)
{
	const struct json_case *c = *state;
	struct interfaces_builder b;
	char *text;

	build(&b, c);
	text = interfaces_json_text(&b.list);
	assert_non_null(text);
	assert_string_equal(text, c->want);
	free(text);
	interfaces_free(&b.list);
}

/* --- the rest ------------------------------------------------------------------------------------ */

static void an_interface_is_found(void **state)
{
	const struct link links[] = { { "lo", 1, .flags = IFF_LOOPBACK | IFF_UP },
		                      { "vlan7", 4, MAC, 6, "vlan" } };
	struct interfaces_builder b = { .route.index = 4 };
	const struct interface *i;

	(void)state;
	feed_link(&b, &links[1]);
	feed_link(&b, &links[0]);
	interfaces_sort(&b.list);
	i = interfaces_find(&b.list, "vlan7");
	assert_non_null(i);
	assert_ptr_equal(i, interfaces_default(&b.list));
	assert_string_equal(i->kind, "vlan");
	i = interfaces_find(&b.list, "lo");
	assert_string_equal(i->kind, "");
	assert_int_equal(i->flags, IFF_LOOPBACK | IFF_UP);
	assert_null(interfaces_find(&b.list, "vlan"));
	interfaces_free(&b.list);
	assert_null(interfaces_default(&b.list));
}

static void links_have_a_ceiling(void **state)
{
	struct interfaces_builder b = { .route.index = INTERFACES_MAX + 50 };
	char name[16];

	(void)state;
	for (int i = 1; i <= INTERFACES_MAX + 100; i++) {
		const struct link l = { name, i };

		snprintf(name, sizeof(name), "veth%d", i);
		feed_link(&b, &l);
	}
	interfaces_sort(&b.list);
	assert_int_equal(b.list.count, INTERFACES_MAX);
	assert_int_equal(b.list.interfaces_more, 100);
	assert_non_null(interfaces_default(&b.list)); /* it has room in any case */
	assert_int_equal(interfaces_default(&b.list)->index, INTERFACES_MAX + 50);
	interfaces_free(&b.list);
}

/* One interface's many leave room for another's. */
static void addresses_have_a_ceiling(void **state)
{
	const struct link links[] = { { "a", 1 }, { "b", 2 } };
	const struct address last = { 2, "192.0.2.1", 24, NULL };
	struct interfaces_builder b = {};
	char text[32];

	(void)state;
	feed_link(&b, &links[0]);
	feed_link(&b, &links[1]);
	interfaces_sort(&b.list);
	for (int i = 0; i < INTERFACE_ADDRESSES_MAX + 10; i++) {
		const struct address a = { 1, text, 64, NULL };

		snprintf(text, sizeof(text), "2001:db8::%x", i + 1);
		feed_address(&b, &a);
	}
	feed_address(&b, &last);
	assert_int_equal(b.list.all[0].addresses, INTERFACE_ADDRESSES_MAX);
	assert_int_equal(b.list.addresses_more, 10);
	assert_int_equal(b.list.all[1].addresses, 1);
	assert_int_equal(b.list.addresses_count, INTERFACE_ADDRESSES_MAX + 1);
	interfaces_free(&b.list);
}

static void a_prefix_longer_than_the_address_is_refused(void **state)
{
	const struct link l = { "a", 1 };
	const struct address wrong[] = { { 1, "192.0.2.1", 33, NULL }, { 1, "::1", 129, NULL } };
	struct interfaces_builder b = {};

	(void)state;
	feed_link(&b, &l);
	feed_address(&b, &wrong[0]);
	feed_address(&b, &wrong[1]);
	assert_int_equal(b.list.addresses_count, 0);
	interfaces_free(&b.list);
}

static void messages_of_other_types_are_passed_over(void **state)
{
	const uint8_t body[64] = { 0 };
	struct interfaces_builder b = {};

	(void)state;
	interfaces_take_link(&b, RTM_DELLINK, body, sizeof(body));
	interfaces_take_address(&b, RTM_DELADDR, body, sizeof(body));
	interfaces_take_route(&b, RTM_DELROUTE, body, sizeof(body));
	assert_int_equal(b.list.count + b.list.addresses_count + b.route.index, 0);
}

static void this_machine_has_loopback(void **state)
{
	struct interfaces list = {};
	const struct interface *lo;
	char mac[INTERFACE_MAC_BYTES];

	(void)state;
	for (int i = 0; i < 2; i++) /* the second time it replaces the first */
		assert_int_equal(interfaces_read(&list, NULL), 0);
	lo = interfaces_find(&list, "lo");
	assert_non_null(lo);
	assert_int_equal(lo->index, if_nametoindex("lo"));
	assert_true(lo->flags & IFF_LOOPBACK);
	assert_string_equal(interface_mac_text(lo, mac), "");
	assert_false(lo->is_wlan);
	interfaces_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_is_found),
		cmocka_unit_test(links_have_a_ceiling),
		cmocka_unit_test(addresses_have_a_ceiling),
		cmocka_unit_test(a_prefix_longer_than_the_address_is_refused),
		cmocka_unit_test(messages_of_other_types_are_passed_over),
		cmocka_unit_test(this_machine_has_loopback),
	};
	int failed = CASES_RUN(json_is, json_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
