#include "agent/host/netlink_message.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "transport/base/err.h"

/* --- attributes ---------------------------------------------------------------------------------- */

static size_t aligned(size_t n)
{
	return (n + NLMSG_ALIGNTO - 1) & ~(size_t)(NLMSG_ALIGNTO - 1);
}

/* The last one may lack the bytes that fill it up. */
static void rest_skip(struct netlink_rest *rest, size_t n)
{
	n = aligned(n) < rest->n ? aligned(n) : rest->n;
	rest->at += n;
	rest->n -= n;
}

struct netlink_rest netlink_rest_of(const uint8_t *data, size_t n, size_t fixed_bytes)
{
	struct netlink_rest rest = { data, n };

	rest_skip(&rest, fixed_bytes);
	return rest;
}

bool netlink_attribute_next(struct netlink_rest *rest, struct netlink_attribute *ret)
{
	struct nlattr head;

	if (rest->n < sizeof(head))
		return false;
	memcpy(&head, rest->at, sizeof(head)); /* it may lie anywhere */
	if (head.nla_len < sizeof(head) || head.nla_len > rest->n)
		return false;
	ret->type = head.nla_type & NLA_TYPE_MASK;
	ret->data = rest->at + NLA_HDRLEN;
	ret->n = head.nla_len - NLA_HDRLEN;
	rest_skip(rest, head.nla_len);
	return true;
}

static bool attribute_number(const struct netlink_attribute *a, void *ret, size_t size_bytes)
{
	if (a->n != size_bytes)
		return false;
	memcpy(ret, a->data, size_bytes);
	return true;
}

bool netlink_attribute_u8(const struct netlink_attribute *a, uint8_t *ret)
{
	return attribute_number(a, ret, sizeof(*ret));
}

bool netlink_attribute_u16(const struct netlink_attribute *a, uint16_t *ret)
{
	return attribute_number(a, ret, sizeof(*ret));
}

bool netlink_attribute_u32(const struct netlink_attribute *a, uint32_t *ret)
{
	return attribute_number(a, ret, sizeof(*ret));
}

bool netlink_attribute_text(const struct netlink_attribute *a, char *out, size_t out_bytes)
{
	size_t n = strnlen((const char *)a->data, a->n);

	if (n == 0 || n >= out_bytes)
		return false;
	memcpy(out, a->data, n);
	out[n] = '\0';
	return true;
}

/* --- messages ------------------------------------------------------------------------------------ */

/* Both NLMSG_DONE and NLMSG_ERROR begin with the number; 0 is "as asked". */
static int take_end(const uint8_t *body, size_t n, struct err *err)
{
	int code = 0;

	if (n >= sizeof(code))
		memcpy(&code, body, sizeof(code));
	if (code > 0)
		code = -EPROTO;
	return code < 0 ? ERR_SET(err, code, ERR_SYS, 0, "be answered by netlink") : NETLINK_DONE;
}

static int take_message(struct netlink_answer *a, const struct nlmsghdr *head, const uint8_t *body,
                        struct err *err)
{
	size_t n = head->nlmsg_len - NLMSG_HDRLEN;

	if (head->nlmsg_seq != a->sequence)
		return NETLINK_MORE;
	if (head->nlmsg_flags & NLM_F_DUMP_INTR)
		a->torn = true;
	switch (head->nlmsg_type) {
	case NLMSG_NOOP:
		return NETLINK_MORE;
	case NLMSG_OVERRUN:
		return ERR_SET(err, -ENOBUFS, ERR_SYS, 0, "take all that netlink answers");
	case NLMSG_DONE:
	case NLMSG_ERROR:
		return take_end(body, n, err);
	default:
		a->visit(a->self, head->nlmsg_type, body, n);
		return a->dump ? NETLINK_MORE : NETLINK_DONE;
	}
}

int netlink_answer_take(struct netlink_answer *a, const uint8_t *datagram, size_t n,
                        struct err *err)
{
	struct netlink_rest rest = { datagram, n };
	int r = NETLINK_MORE;

	while (rest.n > 0 && r == NETLINK_MORE) {
		struct nlmsghdr head;

		if (rest.n < sizeof(head))
			return ERR_SET(err, -EPROTO, ERR_SYS, 0, "read %zu bytes of netlink",
			               rest.n);
		memcpy(&head, rest.at, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > rest.n)
			return ERR_SET(err, -EPROTO, ERR_SYS, 0,
			               "read a netlink message of %u bytes in %zu", head.nlmsg_len,
			               rest.n);
		r = take_message(a, &head, rest.at + NLMSG_HDRLEN, err);
		rest_skip(&rest, head.nlmsg_len);
	}
	return r;
}
