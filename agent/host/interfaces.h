/* The network interfaces of this machine, as the kernel tells of them now: all of our network namespace, loopback,
 * virtual ones and those that are down among them.
 *
 *   struct interfaces list = {};
 *   interfaces_read(&list, &err);       and again whenever it is wanted fresh
 *   interfaces_free(&list);
 *
 * Asked by rtnetlink(7); which of them are radios by nl80211, or by /sys where the driver knows only the older
 * interface.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define INTERFACES_MAX               256
#define INTERFACE_ADDRESSES_MAX      32 /* of one interface */
#define INTERFACE_HARDWARE_MAX       32 /* bytes: the kernel's MAX_ADDR_LEN */
#define INTERFACE_MAC_BYTES          (3 * INTERFACE_HARDWARE_MAX)
#define INTERFACE_ADDRESS_TEXT_BYTES INET6_ADDRSTRLEN

struct interface {
	unsigned int index;
	char name[IF_NAMESIZE];
	unsigned int flags; /* IFF_UP, IFF_RUNNING, IFF_LOOPBACK, IFF_POINTOPOINT, … */
	char kind[16];      /* "veth", "vlan", "bridge", "tun", …; "" where a driver made it */
	uint8_t hardware
		[INTERFACE_HARDWARE_MAX]; /* its address on the link; a tunnel's end is none */
	uint8_t hardware_bytes;
	bool is_wlan;
	bool is_default; /* of at most one, see agent/host/default_route.h */
	size_t addresses;
};

struct interface_address {
	unsigned int index; /* the interface's */
	uint8_t family;     /* AF_INET, AF_INET6 */
	uint8_t prefix_bits;
	uint8_t bytes[16]; /* 4 of them of AF_INET; our end where there are two */
};

/* All zero is an empty list. */
struct interfaces {
	struct interface *all; /* in the order of their index */
	size_t count;
	struct interface_address *addresses; /* in the kernel's order: IPv4 before IPv6 */
	size_t addresses_count;

	/* What had no room. The interface of the default route always has. */
	size_t interfaces_more, addresses_more;
	bool torn; /* it kept changing while it was read: something may be missing */
};

/* Replaces what is in the list, which is left as it was on failure. */
int interfaces_read(struct interfaces *list, struct err *err);
void interfaces_free(struct interfaces *list);

/* NULL: there is none. */
const struct interface *interfaces_find(const struct interfaces *list, const char *name);
const struct interface *interfaces_default(const struct interfaces *list);

/* The address of `i` that follows `after` (NULL: the first); NULL: no more. */
const struct interface_address *interfaces_next_address(const struct interfaces *list,
                                                        const struct interface *i,
                                                        const struct interface_address *after);

/* "02:00:5e:10:00:01"; "" where there is none, or it is all zero. Answers out. */
char *interface_mac_text(const struct interface *i, char out[INTERFACE_MAC_BYTES]);

/* "192.0.2.17", "2001:db8::17"; without a zone. Answers out. */
char *interface_address_text(const struct interface_address *a,
                             char out[INTERFACE_ADDRESS_TEXT_BYTES]);
