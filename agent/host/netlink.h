/* Asking the kernel by netlink(7): one request, its answer message by message. Reads only; the kernel answers
 * at once, and is waited for no longer than NETLINK_WAIT_NS.
 *
 *   netlink_open(NETLINK_ROUTE, &nl, &err);
 *   netlink_request_begin(&q, RTM_GETLINK, NLM_F_DUMP, &link, sizeof(link));
 *   netlink_ask(nl, &q, take_link, &links, &err);
 *   netlink_close(nl);
 */
#pragma once

#include <linux/netlink.h>
#include <stdint.h>

#include "agent/host/netlink_message.h"
#include "transport/base/cleanup.h"

struct err;
struct netlink;

#define NETLINK_WAIT_NS       (2 * 1000000000ULL) /* for a whole answer */
#define NETLINK_REQUEST_BYTES 128

int netlink_open(int protocol, struct netlink **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct netlink *netlink_close(struct netlink *nl);
CLEANUP_DEFINE(netlink_closep, struct netlink *, netlink_close)

/* Sized for the few attributes of ours; what would not fit is a mistake of ours. */
struct netlink_request {
	struct nlmsghdr header;
	uint8_t body[NETLINK_REQUEST_BYTES];
};

/* `fixed` is the header that every message of this type has. */
void netlink_request_begin(struct netlink_request *q, uint16_t type, uint16_t flags,
                           const void *fixed, size_t fixed_bytes);
void netlink_request_add(struct netlink_request *q, uint16_t type, const void *data, size_t n);

/* Calls `visit` for each message of the answer. NETLINK_DONE, or of a dump NETLINK_TORN: ask once more.
 *   -ETIMEDOUT  no whole answer within NETLINK_WAIT_NS;  -EMSGSIZE  a message beyond 32 KiB;
 *   -EPROTO  not netlink's;  else what the kernel says */
int netlink_ask(struct netlink *nl, struct netlink_request *q, netlink_visit visit, void *self,
                struct err *err);

/* The number of a family of generic netlink ("nl80211").
 *   -ENOENT  the kernel has no such family */
int netlink_family(struct netlink *nl, const char *name, uint16_t *ret, struct err *err);
