#include "agent/host/netlink.h"

#include <assert.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/clock.h"
#include "transport/base/err.h"

#define DATAGRAM_BYTES 32768 /* what the kernel fills at most where as much is offered */

struct netlink {
	int fd;
	uint32_t sequence;
	uint8_t datagram[DATAGRAM_BYTES];
};

int netlink_open(int protocol, struct netlink **ret, struct err *err)
{
	CLEANUP(netlink_closep) struct netlink *nl = malloc(sizeof(*nl));
	int on = 1;

	if (!nl)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate for netlink");
	nl->sequence = 0;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (nl->fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open a netlink socket");
	/* Since Linux 4.20: what a dump asks for is what is dumped. Before, we pick it out. */
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	*ret = TAKE(nl, NULL);
	return 0;
}

struct netlink *netlink_close(struct netlink *nl)
{
	if (nl)
		fd_closep(&nl->fd);
	free(nl);
	return NULL;
}

/* --- a request ----------------------------------------------------------------------------------- */

/* Room for the next `n` bytes, zeroed. */
static void *request_room(struct netlink_request *q, size_t n)
{
	size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

	assert(at + n <= sizeof(*q));
	memset((uint8_t *)q + at, 0, n);
	q->header.nlmsg_len = (uint32_t)(at + n);
	return (uint8_t *)q + at;
}

void netlink_request_begin(struct netlink_request *q, uint16_t type, uint16_t flags,
                           const void *fixed, size_t fixed_bytes)
{
	q->header = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN,
		                       .nlmsg_type = type,
		                       .nlmsg_flags = NLM_F_REQUEST | flags };
	memcpy(request_room(q, fixed_bytes), fixed, fixed_bytes);
}

void netlink_request_add(struct netlink_request *q, uint16_t type, const void *data, size_t n)
{
	struct nlattr head = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };
	uint8_t *at = request_room(q, NLA_HDRLEN + n);

	memcpy(at, &head, sizeof(head));
	memcpy(at + NLA_HDRLEN, data, n);
}

/* --- its answer ---------------------------------------------------------------------------------- */

static int wait_readable(int fd, uint64_t until_ns, struct err *err)
{
	uint64_t now_ns = clock_now_ns(), left_ns = now_ns < until_ns ? until_ns - now_ns : 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = poll(&p, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS));

	if (n < 0 && errno != EINTR)
		return ERR_SET(err, -errno, ERR_SYS, 0, "wait for netlink");
	if (n == 0)
		return ERR_SET(err, -ETIMEDOUT, ERR_SYS, 0,
		               "get an answer of netlink within %llu s",
		               NETLINK_WAIT_NS / NS_PER_S);
	return 0;
}

/* The next datagram that the kernel has sent. Any process may send us one: those are dropped. */
static ssize_t read_datagram(struct netlink *nl, uint64_t until_ns, struct err *err)
{
	struct sockaddr_nl from = {};
	struct iovec piece = { nl->datagram, sizeof(nl->datagram) };
	struct msghdr message = { .msg_name = &from, .msg_iov = &piece, .msg_iovlen = 1 };

	for (;;) {
		ssize_t n;
		int r = wait_readable(nl->fd, until_ns, err);

		if (r < 0)
			return r;
		message.msg_namelen = sizeof(from);
		n = recvmsg(nl->fd, &message, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return ERR_SET(err, -errno, ERR_SYS, 0, "read an answer of netlink");
		if (from.nl_pid != 0)
			continue;
		if (message.msg_flags & MSG_TRUNC)
			return ERR_SET(err, -EMSGSIZE, ERR_SYS, 0,
			               "read an answer of netlink beyond %d bytes", DATAGRAM_BYTES);
		return n;
	}
}

static int read_answer(struct netlink *nl, struct netlink_answer *a, uint64_t until_ns,
                       struct err *err)
{
	int r;

	do {
		ssize_t n = read_datagram(nl, until_ns, err);

		if (n < 0)
			return (int)n;
		r = netlink_answer_take(a, nl->datagram, (size_t)n, err);
	} while (r == NETLINK_MORE);
	return r == NETLINK_DONE && a->torn ? NETLINK_TORN : r;
}

int netlink_ask(struct netlink *nl, struct netlink_request *q, netlink_visit visit, void *self,
                struct err *err)
{
	struct netlink_answer a = { .sequence = ++nl->sequence,
		                    .dump = (q->header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP,
		                    .visit = visit,
		                    .self = self };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	q->header.nlmsg_seq = a.sequence;
	if (sendto(nl->fd, q, q->header.nlmsg_len, 0, (const void *)&kernel, sizeof(kernel)) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "ask netlink");
	return read_answer(nl, &a, clock_now_ns() + NETLINK_WAIT_NS, err);
}

/* --- generic netlink ----------------------------------------------------------------------------- */

static void take_family(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct netlink_rest rest = netlink_rest_of(body, n, GENL_HDRLEN);
	struct netlink_attribute a;

	if (type != GENL_ID_CTRL)
		return;
	while (netlink_attribute_next(&rest, &a))
		if (a.type == CTRL_ATTR_FAMILY_ID)
			netlink_attribute_u16(&a, self);
}

int netlink_family(struct netlink *nl, const char *name, uint16_t *ret, struct err *err)
{
	const struct genlmsghdr head = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	struct netlink_request q;
	uint16_t number = 0;
	int r;

	netlink_request_begin(&q, GENL_ID_CTRL, 0, &head, sizeof(head));
	netlink_request_add(&q, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	r = netlink_ask(nl, &q, take_family, &number, err);
	if (r == 0 && number == 0)
		r = ERR_SET(err, -EPROTO, ERR_SYS, 0, "find %s in netlink's answer", name);
	if (r == 0)
		*ret = number;
	return r;
}
