#include "agent/host/interfaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/host/interfaces_parse.h"
#include "agent/host/netlink.h"
#include "agent/host/nl80211.h"
#include "transport/base/bytes.h"
#include "transport/base/err.h"

#define READS_MAX 4 /* of a list that changes while it is read */

/* --- reading ------------------------------------------------------------------------------------- */

static int ask(struct netlink *nl, uint16_t type, const void *fixed, size_t fixed_bytes,
               netlink_visit visit, struct interfaces_builder *b, struct err *err)
{
	struct netlink_request q;
	int r;

	netlink_request_begin(&q, type, NLM_F_DUMP, fixed, fixed_bytes);
	r = netlink_ask(nl, &q, visit, b, err);
	if (r == NETLINK_TORN)
		b->list.torn = true;
	if (r < 0)
		err_prefix(err, "list this machine's interfaces");
	return r < 0 ? r : 0;
}

/* Newer kernels look at table and type, so that a router's whole table is not told; older ones do not.
 * A table in which nothing ever was is none to them. */
static int read_route(struct netlink *nl, uint8_t family, struct interfaces_builder *b,
                      struct err *err)
{
	const struct rtmsg m = { .rtm_family = family,
		                 .rtm_table = RT_TABLE_MAIN,
		                 .rtm_type = RTN_UNICAST };
	int r = ask(nl, RTM_GETROUTE, &m, sizeof(m), interfaces_take_route, b, err);

	return r == -ENOENT ? 0 : r;
}

static int read_links(struct netlink *nl, struct interfaces_builder *b, struct err *err)
{
	const struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	int r = ask(nl, RTM_GETLINK, &m, sizeof(m), interfaces_take_link, b, err);

	interfaces_sort(&b->list);
	return r;
}

static int read_addresses(struct netlink *nl, struct interfaces_builder *b, struct err *err)
{
	const struct ifaddrmsg m = { .ifa_family = AF_UNSPEC };

	return ask(nl, RTM_GETADDR, &m, sizeof(m), interfaces_take_address, b, err);
}

static int read_once(struct netlink *nl, struct interfaces_builder *b, struct err *err)
{
	int r = read_route(nl, AF_INET, b, err);

	if (r == 0 && b->route.index == 0)
		r = read_route(nl, AF_INET6, b, err);
	if (r == 0)
		r = read_links(nl, b, err);
	if (r == 0)
		r = read_addresses(nl, b, err);
	if (r == 0 && b->short_of_memory)
		r = ERR_SET(err, -ENOMEM, ERR_SYS, 0, "list this machine's interfaces");
	return r;
}

/* /sys shows the namespace that it was mounted in, so it is asked only after nl80211. A name has no slash in it, but
 * this is where it would matter. */
static bool sys_says_wlan(const char *name)
{
	static const char *const marks[] = { "wireless", "phy80211" };
	char path[64];

	if (strchr(name, '/') || name[0] == '.')
		return false;
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, marks[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static void mark_wlan(void *self, unsigned int index)
{
	struct interfaces *list = self;

	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].index == index)
			list->all[i].is_wlan = true;
}

static void find_wlans(struct interfaces *list)
{
	nl80211_each_interface(mark_wlan, list);
	for (size_t i = 0; i < list->count; i++)
		if (!list->all[i].is_wlan)
			list->all[i].is_wlan = sys_says_wlan(list->all[i].name);
}

int interfaces_read(struct interfaces *list, struct err *err)
{
	CLEANUP(netlink_closep) struct netlink *nl = NULL;
	struct interfaces_builder b = {};
	int r = netlink_open(NETLINK_ROUTE, &nl, err);

	for (int reads = 0; r == 0 && reads < READS_MAX; reads++) {
		interfaces_free(&b.list);
		b = (struct interfaces_builder){};
		r = read_once(nl, &b, err);
		if (!b.list.torn)
			break;
	}
	if (r < 0) {
		interfaces_free(&b.list);
		return r;
	}
	find_wlans(&b.list);
	interfaces_free(list);
	*list = b.list;
	return 0;
}

void interfaces_free(struct interfaces *list)
{
	free(list->all);
	free(list->addresses);
	*list = (struct interfaces){};
}

/* --- looking ------------------------------------------------------------------------------------- */

const struct interface *interfaces_find(const struct interfaces *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->all[i].name, name) == 0)
			return &list->all[i];
	return NULL;
}

const struct interface *interfaces_default(const struct interfaces *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].is_default)
			return &list->all[i];
	return NULL;
}

const struct interface_address *interfaces_next_address(const struct interfaces *list,
                                                        const struct interface *i,
                                                        const struct interface_address *after)
{
	size_t begin = after ? (size_t)(after - list->addresses) + 1 : 0;

	for (size_t a = begin; a < list->addresses_count; a++)
		if (list->addresses[a].index == i->index)
			return &list->addresses[a];
	return NULL;
}

char *interface_mac_text(const struct interface *i, char out[INTERFACE_MAC_BYTES])
{
	struct text t = text_on(out, INTERFACE_MAC_BYTES);
	uint8_t any = 0;

	for (size_t b = 0; b < i->hardware_bytes; b++)
		any |= i->hardware[b];
	for (size_t b = 0; any && b < i->hardware_bytes; b++)
		text_append(&t, b ? ":%02x" : "%02x", i->hardware[b]);
	return out;
}

char *interface_address_text(const struct interface_address *a,
                             char out[INTERFACE_ADDRESS_TEXT_BYTES])
{
	if (!inet_ntop(a->family, a->bytes, out, INTERFACE_ADDRESS_TEXT_BYTES))
		*out = '\0';
	return out;
}
