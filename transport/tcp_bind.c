#include "transport/tcp_bind.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/resolve.h"

/* --- an interface's addresses ------------------------------------------------------------------- */

static void free_addresses(struct ifaddrs **list)
{
	if (*list)
		freeifaddrs(*list);
}

static socklen_t endpoint_bytes(int family)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static bool is_of(const struct ifaddrs *a, const char *interface, int family)
{
	if (!a->ifa_addr || strcmp(a->ifa_name, interface) != 0)
		return false;
	if (family != AF_UNSPEC)
		return a->ifa_addr->sa_family == family;
	return a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6;
}

/* RFC 3927, RFC 4291 2.5.6: of this link only */
static bool is_link_local(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->sa_family == AF_INET)
		return (ntohl(v4->sin_addr.s_addr) & 0xffff0000) == 0xa9fe0000;
	return IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
}

/* The address to be seen under: the first that others can answer to, else any. */
static const struct sockaddr *pick_address(const struct ifaddrs *list, const char *interface,
                                           int family)
{
	const struct sockaddr *any = NULL;

	for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
		if (!is_of(a, interface, family))
			continue;
		if (!is_link_local(a->ifa_addr))
			return a->ifa_addr;
		if (!any)
			any = a->ifa_addr;
	}
	return any;
}

static bool same_address(const struct sockaddr *a, const struct resolve_address *b)
{
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;

	if (a->sa_family != b->any.sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return v4->sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&v6->sin6_addr, &b->v6.sin6_addr);
}

static int no_address(const char *interface, int family, struct err *err)
{
	return ERR_SET(err, -EADDRNOTAVAIL, ERR_SYS, 0, "find an %saddress of interface %s",
	               family == AF_INET    ? "IPv4 "
	               : family == AF_INET6 ? "IPv6 "
	                                    : "",
	               interface);
}

int tcp_bind_check(const char *interface, int family, struct err *err)
{
	CLEANUP(free_addresses) struct ifaddrs *list = NULL;

	if (if_nametoindex(interface) == 0)
		return ERR_SET(err, -ENODEV, ERR_SYS, 0, "find interface %s", interface);
	if (getifaddrs(&list) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "list the addresses of %s", interface);
	return pick_address(list, interface, family) ? 0 : no_address(interface, family, err);
}

/* --- bind --------------------------------------------------------------------------------------- */

/* The port is chosen when the connection is made, and shared with connections to other servers
 * (ip(7)): without this a bind takes one of 28,000 for itself. */
static void bind_address_only(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
}

static int bind_source(int fd, int family, const char *interface, struct err *err)
{
	CLEANUP(free_addresses) struct ifaddrs *list = NULL;
	const struct sockaddr *address;

	if (getifaddrs(&list) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "list the addresses of %s", interface);
	address = pick_address(list, interface, family);
	if (!address)
		return no_address(interface, family, err);
	bind_address_only(fd);
	if (bind(fd, address, endpoint_bytes(family)) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "bind to the address of %s", interface);
	return 0;
}

/* Since Linux 5.7 (c427bfec18f2) binding a socket that is not bound needs no CAP_NET_RAW; before
 * that, and under a filter, the source is what is left. */
int tcp_bind(int fd, int family, const char *interface, enum tcp_bind *ret, struct err *err)
{
	int r;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) ==
	    0) {
		*ret = TCP_BIND_DEVICE;
		return 0;
	}
	if (errno != EPERM && errno != EACCES)
		return ERR_SET(err, -errno, ERR_SYS, 0, "bind to interface %s", interface);
	r = bind_source(fd, family, interface, err);
	if (r == 0)
		*ret = TCP_BIND_SOURCE;
	return r;
}

/* --- proof: the route --------------------------------------------------------------------------- */

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	uint8_t attributes[3 * RTA_SPACE(sizeof(struct in6_addr))];
};

static void add_attribute(struct route_request *q, unsigned short type, const void *data,
                          size_t data_bytes)
{
	struct rtattr *a = (void *)((uint8_t *)q + NLMSG_ALIGN(q->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(data_bytes);
	memcpy(RTA_DATA(a), data, data_bytes);
	q->header.nlmsg_len = NLMSG_ALIGN(q->header.nlmsg_len) + RTA_SPACE(data_bytes);
}

static void add_address(struct route_request *q, unsigned short type,
                        const struct resolve_address *e)
{
	if (e->any.sa_family == AF_INET)
		add_attribute(q, type, &e->v4.sin_addr, sizeof(e->v4.sin_addr));
	else
		add_attribute(q, type, &e->v6.sin6_addr, sizeof(e->v6.sin6_addr));
}

/* Asks as the connection's own packets do: with its source, and with the device where that is
 * bound (rules and tables may look at both). */
static void ask_route(struct route_request *q, const struct resolve_address *local,
                      const struct resolve_address *remote, unsigned int bound_index)
{
	uint8_t bits = local->any.sa_family == AF_INET ? 32 : 128;

	*q = (struct route_request){
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(q->route)),
		            .nlmsg_type = RTM_GETROUTE,
		            .nlmsg_flags = NLM_F_REQUEST,
		            .nlmsg_seq = 1 },
		.route = { .rtm_family = (unsigned char)local->any.sa_family,
		           .rtm_dst_len = bits,
		           .rtm_src_len = bits },
	};
	add_address(q, RTA_DST, remote);
	add_address(q, RTA_SRC, local);
	if (bound_index != 0)
		add_attribute(q, RTA_OIF, &bound_index, sizeof(bound_index));
}

/* The index in RTA_OIF of the answer, 0 where there is none. */
static unsigned int route_index(const uint8_t *answer, size_t n)
{
	const struct nlmsghdr *h = (const void *)answer;
	const struct rtmsg *route;
	const struct rtattr *a;
	unsigned int index;
	int left;

	if (n < sizeof(*h) || !NLMSG_OK(h, n) || h->nlmsg_type != RTM_NEWROUTE ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*route)))
		return 0;
	route = NLMSG_DATA(h);
	left = (int)RTM_PAYLOAD(h);
	for (a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != RTA_OIF || RTA_PAYLOAD(a) != sizeof(index))
			continue;
		memcpy(&index, RTA_DATA(a), sizeof(index));
		return index;
	}
	return 0;
}

static unsigned int look_up_route(const struct route_request *q)
{
	const struct timeval wait = { .tv_usec = TCP_BIND_PROOF_WAIT_NS / NS_PER_US };
	CLEANUP(fd_closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	_Alignas(struct nlmsghdr) uint8_t answer[4096];
	ssize_t n;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return 0;
	if (send(fd, q, q->header.nlmsg_len, 0) < 0)
		return 0;
	n = recv(fd, answer, sizeof(answer), 0);
	return n > 0 ? route_index(answer, (size_t)n) : 0;
}

/* --- proof: the whole --------------------------------------------------------------------------- */

static void read_socket_device(int fd, struct tcp_bind_proof *p)
{
	socklen_t bytes = sizeof(p->socket_device);

	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->socket_device, &bytes) < 0)
		p->socket_device[0] = '\0';
}

static void read_route_device(const struct resolve_address *local,
                              const struct resolve_address *remote, struct tcp_bind_proof *p)
{
	struct route_request request;
	unsigned int index;

	ask_route(&request, local, remote, if_nametoindex(p->socket_device));
	index = look_up_route(&request);
	if (index == 0 || !if_indextoname(index, p->route_device))
		p->route_device[0] = '\0';
}

/* Answers whether the addresses could be read. */
static bool read_local_address(const struct resolve_address *local, struct tcp_bind_proof *p)
{
	CLEANUP(free_addresses) struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *a = list; a; a = a->ifa_next)
		if (is_of(a, p->interface, local->any.sa_family) &&
		    same_address(a->ifa_addr, local))
			p->local_address_on_interface = true;
	return true;
}

static bool agrees(const struct tcp_bind_proof *p, bool addresses_known)
{
	bool route_agrees = strcmp(p->route_device, p->interface) == 0;

	if (addresses_known && !p->local_address_on_interface)
		return false;
	if (p->how == TCP_BIND_SOURCE)
		return route_agrees;
	return strcmp(p->socket_device, p->interface) == 0 && (route_agrees || !*p->route_device);
}

void tcp_bind_prove(int fd, const char *interface, enum tcp_bind how, struct tcp_bind_proof *ret)
{
	struct tcp_bind_proof p = { .how = how };
	struct resolve_address remote = { .bytes = sizeof(remote.v6) };
	struct resolve_address local = { .bytes = sizeof(local.v6) };
	bool addresses_known;

	bytes_copy_text(p.interface, sizeof(p.interface), interface);
	read_socket_device(fd, &p);
	if (getsockname(fd, &local.any, &local.bytes) == 0 &&
	    getpeername(fd, &remote.any, &remote.bytes) == 0) {
		read_route_device(&local, &remote, &p);
		addresses_known = read_local_address(&local, &p);
		p.effective = agrees(&p, addresses_known);
	}
	*ret = p;
}
