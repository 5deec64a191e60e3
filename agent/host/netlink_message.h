/* What netlink(7) says, as bytes: messages, their attributes, and when an answer is complete. Pure, and every
 * length is checked: what does not fit into what holds it is never looked into.
 *
 *   struct netlink_answer a = { .sequence = 7, .visit = take_link, .self = &links };
 *   do
 *           r = netlink_answer_take(&a, datagram, n, &err);       a datagram after the other
 *   while (r == NETLINK_MORE);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct netlink_attribute {
	uint16_t type; /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
	const uint8_t *data;
	size_t n;
};

/* What is left to read; begins as the whole. */
struct netlink_rest {
	const uint8_t *at;
	size_t n;
};

/* What follows a header of `fixed_bytes` in a message's body, or in an attribute (fixed_bytes is 0). */
struct netlink_rest netlink_rest_of(const uint8_t *data, size_t n, size_t fixed_bytes);

/* Takes the next one; false at the end, and at one that says it is longer than what is left. */
bool netlink_attribute_next(struct netlink_rest *rest, struct netlink_attribute *ret);

/* Numbers are in the machine's order. False, and nothing is written, where the attribute has another size. */
bool netlink_attribute_u8(const struct netlink_attribute *a, uint8_t *ret);
bool netlink_attribute_u16(const struct netlink_attribute *a, uint16_t *ret);
bool netlink_attribute_u32(const struct netlink_attribute *a, uint32_t *ret);

/* Text, with or without its NUL; false where it does not fit or is empty. */
bool netlink_attribute_text(const struct netlink_attribute *a, char *out, size_t out_bytes);

/* `body` is what follows the message's header; it is valid until this returns. */
typedef void (*netlink_visit)(void *self, uint16_t type, const uint8_t *body, size_t n);

struct netlink_answer {
	uint32_t sequence; /* of the request; what is of another is skipped */
	bool dump;         /* NLM_F_DUMP was asked for: the end is told, else one message is all */
	netlink_visit visit;
	void *self;
	bool torn; /* NLM_F_DUMP_INTR: what is listed changed meanwhile; parts may be missing, or twice */
};

enum netlink_outcome {
	NETLINK_DONE = 0,
	NETLINK_MORE, /* another datagram belongs to it */
	NETLINK_TORN, /* netlink_ask(): done, and torn */
};

/* One datagram of an answer.
 *   -EPROTO  it is none of netlink's;  else the error that the kernel names in it */
int netlink_answer_take(struct netlink_answer *a, const uint8_t *datagram, size_t n,
                        struct err *err);
