#include "bench/link/netlink.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define REQUEST_BYTES 256
#define ANSWER_BYTES  16384 /* of one device, with every statistic there is */

/* --- one request and its answer ---------------------------------------------------------------- */

/* Sized for the few attributes of ours. */
struct request {
	struct nlmsghdr header;
	char body[REQUEST_BYTES];
};

/* Room for the next `n` bytes, zeroed. */
static void *request_add(struct request *q, size_t n)
{
	size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

	assert(at + n <= sizeof(*q));
	q->header.nlmsg_len = (uint32_t)(at + n);
	return (char *)q + at;
}

static struct request request_of(uint16_t type, uint16_t flags)
{
	return (struct request){ .header = { .nlmsg_len = NLMSG_LENGTH(0),
		                             .nlmsg_type = type,
		                             .nlmsg_flags = NLM_F_REQUEST | flags } };
}

static struct rtattr *request_attribute(struct request *q, uint16_t type, const void *data,
                                        size_t n)
{
	struct rtattr *a = request_add(q, RTA_LENGTH(n));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(a), data, n);
	return a;
}

static void request_u32(struct request *q, uint16_t type, uint32_t value)
{
	request_attribute(q, type, &value, sizeof(value));
}

/* What was added since belongs into `nest`. */
static void request_end_nest(struct request *q, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((char *)q + q->header.nlmsg_len - (char *)nest);
}

/* Sends `q` and reads the one message that comes back, into `answer` of ANSWER_BYTES. Answers the error
 * that the kernel names in it. */
static int request_answer(int fd, const struct request *q, char *answer)
{
	const struct nlmsghdr *h = (const void *)answer;
	ssize_t n;

	if (send(fd, q, q->header.nlmsg_len, 0) < 0)
		return -errno;
	do
		n = recv(fd, answer, ANSWER_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(h, n))
		return -EPROTO;
	return h->nlmsg_type == NLMSG_ERROR ? ((const struct nlmsgerr *)NLMSG_DATA(h))->error : 0;
}

/* One request that is answered by whether it was done. */
static int request_done(int fd, struct request *q)
{
	char answer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));

	q->header.nlmsg_flags |= NLM_F_ACK;
	return request_answer(fd, q, answer);
}

/* --- what is asked ------------------------------------------------------------------------------ */

int netlink_open(int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct timeval patience = { .tv_sec = 10 };

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open a netlink socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "limit the wait for netlink");
	*ret_fd = TAKE(fd, -1);
	return 0;
}

static void add_no_ipv6_of_its_own(struct request *q)
{
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct rtattr *families = request_attribute(q, IFLA_AF_SPEC, NULL, 0);
	struct rtattr *inet6 = request_attribute(q, AF_INET6, NULL, 0);

	request_attribute(q, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	request_end_nest(q, inet6);
	request_end_nest(q, families);
}

int netlink_set_device(int fd, unsigned int index, const struct netlink_device *d, struct err *err)
{
	struct request q = request_of(RTM_NEWLINK, 0);
	struct ifinfomsg *i = request_add(&q, sizeof(*i));
	int r;

	i->ifi_family = AF_UNSPEC;
	i->ifi_index = (int)index;
	i->ifi_flags = d->up ? IFF_UP : 0;
	i->ifi_change = d->up ? IFF_UP : 0;
	if (d->mtu)
		request_u32(&q, IFLA_MTU, d->mtu);
	if (d->tx_queue_packets)
		request_u32(&q, IFLA_TXQLEN, d->tx_queue_packets);
	if (d->no_ipv6_of_its_own)
		add_no_ipv6_of_its_own(&q);

	r = request_done(fd, &q);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "set up a network device") : 0;
}

int netlink_set_no_queue(int fd, unsigned int index, struct err *err)
{
	struct request q = request_of(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
	struct tcmsg *t = request_add(&q, sizeof(*t));
	int r;

	t->tcm_family = AF_UNSPEC;
	t->tcm_ifindex = (int)index;
	t->tcm_parent = TC_H_ROOT;
	request_attribute(&q, TCA_KIND, "noqueue", sizeof("noqueue"));

	r = request_done(fd, &q);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "take the queue off a network device") : 0;
}

int netlink_add_address(int fd, unsigned int index, sa_family_t family, const void *address,
                        uint8_t prefix_bits, struct err *err)
{
	struct request q = request_of(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	size_t n = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	struct ifaddrmsg *a = request_add(&q, sizeof(*a));
	char text[INET6_ADDRSTRLEN];
	int r;

	a->ifa_family = (uint8_t)family;
	a->ifa_prefixlen = prefix_bits;
	a->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
	a->ifa_index = index;
	request_attribute(&q, IFA_LOCAL, address, n);
	request_attribute(&q, IFA_ADDRESS, address, n);

	r = request_done(fd, &q);
	if (r == 0)
		return 0;
	inet_ntop(family, address, text, sizeof(text));
	return ERR_SET(err, r, ERR_SYS, 0, "give a network device the address %s", text);
}

static bool find_stats(const struct nlmsghdr *h, struct rtnl_link_stats64 *ret)
{
	struct ifinfomsg *i = NLMSG_DATA(h);
	size_t left = IFLA_PAYLOAD(h);

	for (struct rtattr *a = IFLA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != IFLA_STATS64 || RTA_PAYLOAD(a) < sizeof(*ret))
			continue;
		memcpy(ret, RTA_DATA(a), sizeof(*ret));
		return true;
	}
	return false;
}

int netlink_drops(int fd, unsigned int index, struct netlink_drops *ret, struct err *err)
{
	char answer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct request q = request_of(RTM_GETLINK, 0);
	struct ifinfomsg *i = request_add(&q, sizeof(*i));
	struct rtnl_link_stats64 stats;
	int r;

	i->ifi_family = AF_UNSPEC;
	i->ifi_index = (int)index;
	r = request_answer(fd, &q, answer);
	if (r == 0 && !find_stats((const void *)answer, &stats))
		r = -EPROTO;
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "read a network device's counters");
	*ret = (struct netlink_drops){ .sent = stats.tx_dropped, .received = stats.rx_dropped };
	return 0;
}
