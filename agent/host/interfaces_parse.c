#include "agent/host/interfaces_parse.h"

#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/host/netlink_message.h"

void interfaces_take_route(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct interfaces_builder *b = self;

	if (type == RTM_NEWROUTE)
		default_route_consider(&b->route, body, n);
}

/* Room for one more at the end of an array that doubles; NULL: short of memory. */
static void *grow(void *array, size_t count, size_t element_bytes)
{
	if (count > 0 && (count < 8 || (count & (count - 1)) != 0))
		return array;
	return reallocarray(array, count < 8 ? 8 : 2 * count, element_bytes);
}

/* --- links --------------------------------------------------------------------------------------- */

/* There the "hardware address" is an IP address: the tunnel's end. */
static bool is_tunnel(unsigned short arp_type)
{
	return arp_type == ARPHRD_TUNNEL || arp_type == ARPHRD_TUNNEL6 || arp_type == ARPHRD_SIT ||
	       arp_type == ARPHRD_IPGRE || arp_type == ARPHRD_IP6GRE;
}

static void take_hardware(struct interface *i, const struct netlink_attribute *a)
{
	if (a->n > sizeof(i->hardware))
		return;
	memcpy(i->hardware, a->data, a->n);
	i->hardware_bytes = (uint8_t)a->n;
}

static void take_kind(struct interface *i, const struct netlink_attribute *info)
{
	struct netlink_rest rest = netlink_rest_of(info->data, info->n, 0);
	struct netlink_attribute a;

	while (netlink_attribute_next(&rest, &a))
		if (a.type == IFLA_INFO_KIND)
			netlink_attribute_text(&a, i->kind, sizeof(i->kind));
}

/* The message as an interface; false where it is none. */
static bool read_link(const uint8_t *body, size_t n, struct interface *ret)
{
	struct netlink_attribute a;
	struct netlink_rest rest;
	struct ifinfomsg m;

	if (n < sizeof(m))
		return false;
	memcpy(&m, body, sizeof(m));
	if (m.ifi_family != AF_UNSPEC || m.ifi_index <= 0) /* AF_BRIDGE: of a port, once more */
		return false;
	*ret = (struct interface){ .index = (unsigned int)m.ifi_index, .flags = m.ifi_flags };
	rest = netlink_rest_of(body, n, sizeof(m));
	while (netlink_attribute_next(&rest, &a)) {
		if (a.type == IFLA_IFNAME)
			netlink_attribute_text(&a, ret->name, sizeof(ret->name));
		else if (a.type == IFLA_ADDRESS && !is_tunnel(m.ifi_type))
			take_hardware(ret, &a);
		else if (a.type == IFLA_LINKINFO)
			take_kind(ret, &a);
	}
	return ret->name[0] != '\0';
}

static bool is_listed(const struct interfaces *list, unsigned int index)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].index == index)
			return true;
	return false;
}

/* Where the list is full, what comes is counted; the default route's interface takes the last one's place. */
static void add_link(struct interfaces_builder *b, const struct interface *i)
{
	struct interfaces *list = &b->list;
	struct interface *all;

	if (list->count == INTERFACES_MAX) {
		list->interfaces_more++;
		if (i->is_default)
			list->all[list->count - 1] = *i;
		return;
	}
	all = grow(list->all, list->count, sizeof(*all));
	if (!all) {
		b->short_of_memory = true;
		return;
	}
	list->all = all;
	all[list->count++] = *i;
}

void interfaces_take_link(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct interfaces_builder *b = self;
	struct interface i;

	if (type != RTM_NEWLINK || !read_link(body, n, &i) || is_listed(&b->list, i.index))
		return;
	i.is_default = i.index == b->route.index;
	add_link(b, &i);
}

static int by_index(const void *a, const void *b)
{
	const struct interface *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

void interfaces_sort(struct interfaces *list)
{
	if (list->count > 0)
		qsort(list->all, list->count, sizeof(*list->all), by_index);
}

/* --- addresses ----------------------------------------------------------------------------------- */

/* IFA_ADDRESS is the other end's where there are two, and then IFA_LOCAL is ours. */
static bool read_address(const uint8_t *body, size_t n, struct interface_address *ret)
{
	struct netlink_attribute a;
	struct netlink_rest rest;
	struct ifaddrmsg m;
	size_t address_bytes;
	bool found = false, local = false;

	if (n < sizeof(m))
		return false;
	memcpy(&m, body, sizeof(m));
	if (m.ifa_family != AF_INET && m.ifa_family != AF_INET6)
		return false;
	address_bytes = m.ifa_family == AF_INET ? 4 : 16;
	if (m.ifa_prefixlen > 8 * address_bytes)
		return false;
	*ret = (struct interface_address){ .index = m.ifa_index,
		                           .family = m.ifa_family,
		                           .prefix_bits = m.ifa_prefixlen };
	rest = netlink_rest_of(body, n, sizeof(m));
	while (netlink_attribute_next(&rest, &a)) {
		if (a.n != address_bytes || (a.type != IFA_LOCAL && a.type != IFA_ADDRESS) || local)
			continue;
		memcpy(ret->bytes, a.data, address_bytes);
		local = a.type == IFA_LOCAL;
		found = true;
	}
	return found;
}

void interfaces_take_address(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct interfaces_builder *b = self;
	struct interface_address address, *addresses;
	struct interface wanted = {}, *i;

	if (type != RTM_NEWADDR || !read_address(body, n, &address))
		return;
	wanted.index = address.index;
	i = b->list.count ? bsearch(&wanted, b->list.all, b->list.count, sizeof(*i), by_index)
	                  : NULL;
	if (!i)
		return;
	if (i->addresses == INTERFACE_ADDRESSES_MAX) {
		b->list.addresses_more++;
		return;
	}
	addresses = grow(b->list.addresses, b->list.addresses_count, sizeof(*addresses));
	if (!addresses) {
		b->short_of_memory = true;
		return;
	}
	b->list.addresses = addresses;
	addresses[b->list.addresses_count++] = address;
	i->addresses++;
}
