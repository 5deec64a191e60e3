/* What we ask of rtnetlink(7): a device's state, its addresses, its counters.
 *
 * A socket speaks for the network namespace it was opened in, from any thread and for as long as it
 * is open. Each function is one request and its answer.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

struct netlink_device {
	uint32_t mtu;              /* 0: as it is */
	uint32_t tx_queue_packets; /* 0: as it is */
	bool no_ipv6_of_its_own;   /* no address that the kernel makes up (addr_gen_mode none) */
	bool up;
};

/* In the caller's namespace, close-on-exec. */
int netlink_open(int *ret_fd, struct err *err);

int netlink_set_device(int fd, unsigned int index, const struct netlink_device *d, struct err *err);

/* Packets go from the sender straight to the driver. */
int netlink_set_no_queue(int fd, unsigned int index, struct err *err);

/* `address` is an in_addr or in6_addr; a v6 one is usable at once (IFA_F_NODAD). */
int netlink_add_address(int fd, unsigned int index, sa_family_t family, const void *address,
                        uint8_t prefix_bits, struct err *err);

/* Packets that were dropped at a TUN device: sent, because nobody read them in time; received, because the driver
 * refused them or the CPU that was to deal with them had too many. */
struct netlink_drops {
	uint64_t sent, received;
};
int netlink_drops(int fd, unsigned int index, struct netlink_drops *ret, struct err *err);
