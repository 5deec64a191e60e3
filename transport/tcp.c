#include "transport/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/resolve.h"

/* --- names -------------------------------------------------------------------------------------- */

static void append_zone(char *text, uint32_t scope_id)
{
	char name[IF_NAMESIZE];
	size_t n = strlen(text);

	if (if_indextoname(scope_id, name))
		snprintf(text + n, TCP_ADDRESS_TEXT_MAX - n, "%%%s", name);
	else
		snprintf(text + n, TCP_ADDRESS_TEXT_MAX - n, "%%%u", scope_id);
}

char *tcp_address_text(const struct sockaddr *address, char out[TCP_ADDRESS_TEXT_MAX])
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	out[0] = '\0';
	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, out, TCP_ADDRESS_TEXT_MAX);
	} else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out, TCP_ADDRESS_TEXT_MAX);
	} else if (address->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, out, TCP_ADDRESS_TEXT_MAX);
		if (v6->sin6_scope_id != 0)
			append_zone(out, v6->sin6_scope_id);
	}
	return out;
}

static uint16_t port_of(const struct resolve_address *a)
{
	return ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
}

int tcp_names(int fd, struct tcp_connection *ret, struct err *err)
{
	struct resolve_address remote = { .bytes = sizeof(remote.v6) };
	struct resolve_address local = { .bytes = sizeof(local.v6) };

	if (getpeername(fd, &remote.any, &remote.bytes) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "name the other end of a connection");
	if (getsockname(fd, &local.any, &local.bytes) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "name this end of a connection");
	tcp_address_text(&remote.any, ret->remote_ip);
	tcp_address_text(&local.any, ret->local_ip);
	ret->remote_port = port_of(&remote);
	ret->local_port = port_of(&local);
	return 0;
}

/* --- listen ------------------------------------------------------------------------------------- */

static int parse_literal(const char *address, uint16_t port, struct resolve_address *ret,
                         struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *list = NULL;

	if (getaddrinfo(address, NULL, &hints, &list) != 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "read '%s' as an address", address);
	memcpy(&ret->any, list->ai_addr, list->ai_addrlen);
	ret->bytes = list->ai_addrlen;
	freeaddrinfo(list);
	if (ret->any.sa_family == AF_INET)
		ret->v4.sin_port = htons(port);
	else
		ret->v6.sin6_port = htons(port);
	return 0;
}

static int set_flag(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Whether "::" hears IPv4 is the administrator's default (net.ipv6.bindv6only): say it, so that it
 * is the same everywhere. */
static int prepare_listener(int fd, int family)
{
	int r = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r == 0 && family == AF_INET6)
		r = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	return r;
}

int tcp_listen(const char *address, uint16_t port, uint16_t *ret_port, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	struct resolve_address at = {};
	int r = parse_literal(address, port, &at, err);

	if (r < 0)
		return r;
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open a socket for %s", address);
	r = prepare_listener(fd, at.any.sa_family);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "set the options of a listening socket");
	if (bind(fd, &at.any, at.bytes) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, &at.any, &at.bytes) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "listen on %s, port %u", address, port);
	*ret_port = port_of(&at);
	return TAKE(fd, -1);
}

/* --- options ------------------------------------------------------------------------------------ */

int tcp_set_congestion(int fd, const char *name, struct err *err)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "use congestion control '%s'", name);
	return 0;
}

void tcp_congestion(int fd, char out[16])
{
	socklen_t bytes = 16; /* TCP_CA_NAME_MAX, with its NUL */

	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, out, &bytes) < 0)
		bytes = 0;
	out[bytes < 16 ? bytes : 15] = '\0';
}

int tcp_set_nodelay(int fd, struct err *err)
{
	int r = set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "set TCP_NODELAY") : 0;
}

bool tcp_is_closed(int fd)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}
