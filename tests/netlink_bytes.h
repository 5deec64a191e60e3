/* Messages of netlink(7) for tests, written as the kernel writes them.
 *
 *   struct netlink_bytes b = {};
 *   netlink_put(&b, &m, sizeof(m));
 *   netlink_put_text(&b, IFLA_IFNAME, "eth0");
 *   at = netlink_nest(&b, IFLA_LINKINFO); …; netlink_nest_end(&b, at);
 */
#pragma once

#include <assert.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct netlink_bytes {
	size_t n;
	_Alignas(4) uint8_t at[8192];
};

static inline void netlink_put(struct netlink_bytes *b, const void *data, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);

	assert(b->n + padded <= sizeof(b->at));
	memset(b->at + b->n, 0, padded);
	if (n > 0)
		memcpy(b->at + b->n, data, n);
	b->n += padded;
}

static inline void netlink_put_attribute(struct netlink_bytes *b, uint16_t type, const void *data,
                                         size_t n)
{
	struct nlattr head = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };

	netlink_put(b, &head, sizeof(head));
	netlink_put(b, data, n);
}

static inline void netlink_put_u8(struct netlink_bytes *b, uint16_t type, uint8_t value)
{
	netlink_put_attribute(b, type, &value, sizeof(value));
}

static inline void netlink_put_u16(struct netlink_bytes *b, uint16_t type, uint16_t value)
{
	netlink_put_attribute(b, type, &value, sizeof(value));
}

static inline void netlink_put_u32(struct netlink_bytes *b, uint16_t type, uint32_t value)
{
	netlink_put_attribute(b, type, &value, sizeof(value));
}

static inline void netlink_put_text(struct netlink_bytes *b, uint16_t type, const char *text)
{
	netlink_put_attribute(b, type, text, strlen(text) + 1);
}

/* Answers where it begins, for netlink_nest_end(). */
static inline size_t netlink_nest(struct netlink_bytes *b, uint16_t type)
{
	netlink_put_attribute(b, type | NLA_F_NESTED, NULL, 0);
	return b->n - NLA_HDRLEN;
}

static inline void netlink_nest_end(struct netlink_bytes *b, size_t at)
{
	uint16_t n = (uint16_t)(b->n - at);

	memcpy(b->at + at, &n, sizeof(n));
}

/* A whole message, its header before the body. */
static inline void netlink_put_message(struct netlink_bytes *b, uint16_t type, uint16_t flags,
                                       uint32_t sequence, const void *body, size_t n)
{
	struct nlmsghdr head = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + n),
		                 .nlmsg_type = type,
		                 .nlmsg_flags = flags,
		                 .nlmsg_seq = sequence };

	netlink_put(b, &head, sizeof(head));
	netlink_put(b, body, n);
}
