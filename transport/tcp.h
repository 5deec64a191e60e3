/* TCP connections: dial (resolve, then race the addresses as RFC 8305 says), listen, options.
 *
 * A bind to an interface is proved, not assumed: after the connection stands, the device is read
 * back from the socket, the local address is looked up among the interface's, and the kernel is
 * asked (RTM_GETROUTE) through which device this pair of addresses leaves.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct loop;
struct tcp_dial;

/* RFC 8305 8: Connection Attempt Delay */
#define TCP_ATTEMPT_DELAY_NS (250 * 1000000ULL)

struct tcp_options {
	int family;            /* AF_UNSPEC, AF_INET, AF_INET6 */
	const char *interface; /* NULL: the route decides */

	/* May be NULL. Each socket that is dialled with, before it connects; it stays the dial's. */
	void (*opened)(void *owner, int fd);
	void *owner;
};

enum tcp_bind {
	TCP_BIND_NONE,   /* none was asked for */
	TCP_BIND_DEVICE, /* SO_BINDTODEVICE */
	TCP_BIND_SOURCE, /* the interface's address only: no right to bind to the device */
};

#define TCP_ADDRESS_TEXT_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE + 1)

struct tcp_bind_proof {
	enum tcp_bind how;
	char interface[IF_NAMESIZE];     /* as asked */
	char socket_device[IF_NAMESIZE]; /* getsockopt(SO_BINDTODEVICE); "" where unbound */
	char route_device[IF_NAMESIZE];  /* RTM_GETROUTE; "" where the kernel did not say */
	bool local_address_on_interface; /* getifaddrs(3) */
	/* The traffic goes through `interface`, by all that could be read; where only the source is
	 * bound, never without the route: a source does not choose a device. */
	bool effective;
};

/* A connection that stands. The descriptor is the receiver's. */
struct tcp_connection {
	int fd;
	char remote_ip[TCP_ADDRESS_TEXT_MAX];
	uint16_t remote_port;
	char local_ip[TCP_ADDRESS_TEXT_MAX];
	uint16_t local_port;
	struct tcp_bind_proof bind;
	uint64_t resolved_ns;  /* how long the name took */
	uint64_t connected_ns; /* how long the handshake of the address that won took */
};

/* connection is NULL where every address failed; err then tells of each address tried, or of the
 * name. Valid during the call only. */
typedef void (*tcp_dial_done)(void *owner, const struct tcp_connection *connection,
                              const struct err *err);

/* Resolves `host` and races its addresses, families in turn, a new attempt every
 * TCP_ATTEMPT_DELAY_NS or as soon as one fails. The first to stand wins, the others are closed.
 * `done` is called exactly once from loop_run(), by deadline_ns at the latest (-ETIMEDOUT). Where
 * every address failed, err's code is of the one that came furthest. The name is resolved by the
 * machine's own routes, whatever the interface.
 *   -ENODEV  no such interface;  -EADDRNOTAVAIL  it has no address of that family */
int tcp_dial(struct loop *l, const char *host, uint16_t port, const struct tcp_options *options,
             uint64_t deadline_ns, tcp_dial_done done, void *owner, struct tcp_dial **ret,
             struct err *err);

/* Before `done` was called: it will not be. Accepts NULL; always returns NULL. */
struct tcp_dial *tcp_dial_cancel(struct tcp_dial *d);

/* Whether it still waits for the name, and not for an address to answer. */
bool tcp_dial_is_resolving(const struct tcp_dial *d);

/* A listening socket on a literal address; port 0 picks one, which *ret_port tells. Close-on-exec,
 * non-blocking, SO_REUSEADDR; "::" takes IPv4 as well. Answers the descriptor, or a negative errno.
 *   -EINVAL  not a literal address */
int tcp_listen(const char *address, uint16_t port, uint16_t *ret_port, struct err *err);

/* TCP_CONGESTION by its kernel name.  -ENOENT  this kernel has none of that name */
int tcp_set_congestion(int fd, const char *name, struct err *err);

/* The name in use, always terminated; "" where the kernel did not say. */
void tcp_congestion(int fd, char out[16]);

int tcp_set_nodelay(int fd, struct err *err);

/* Whether the kernel has no connection any more: it was reset, or both sides have ended it. */
bool tcp_is_closed(int fd);

/* Both ends of a connected socket as text, without brackets: fills remote_… and local_… of *ret and
 * leaves the rest. */
int tcp_names(int fd, struct tcp_connection *ret, struct err *err);

/* The address of a sockaddr_in or sockaddr_in6 as text, without brackets or port, a link-local one
 * with its zone; an IPv4 address mapped into IPv6 as the IPv4 address it is. "" for any other
 * family. Answers out. */
char *tcp_address_text(const struct sockaddr *address, char out[TCP_ADDRESS_TEXT_MAX]);
