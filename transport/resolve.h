/* Names to addresses, with a deadline.
 *
 * getaddrinfo(3) honours the machine's own configuration (nsswitch, hosts, search lists, RFC 6724
 * order) but cannot be interrupted, so it runs in a thread of its own that is left behind when the
 * deadline comes first: its answer is then freed by the thread, and nobody hears of it. At most
 * RESOLVE_THREADS_MAX are alive at a time, those left behind included.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct err;
struct loop;
struct resolve;

#define RESOLVE_THREADS_MAX 16

/* One call asks for both families and answers when both are known, so a name server that says nothing of
 * IPv6 would hide the IPv4 address until the deadline. After so long the families are asked for apart as
 * well, and what answers first is taken; the other family is waited for by RFC 8305 3, Resolution Delay. */
#define RESOLVE_PATIENCE_NS (1000 * 1000000ULL)
#define RESOLVE_DELAY_NS    (50 * 1000000ULL)

/* At most half of them are of one family, so that a long list of the one does not hide the other.
 */
#define RESOLVE_ADDRESSES_MAX 16

struct resolve_address {
	socklen_t bytes;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

struct resolve_answer {
	size_t count; /* at least 1 */
	/* in RFC 6724 order; where the families were asked for apart, IPv6 before IPv4 */
	struct resolve_address addresses[RESOLVE_ADDRESSES_MAX];
};

/* answer is NULL where it failed, and err says why: ERR_DNS with the EAI_* code in detail (-ENOENT
 * no such name, or none in this family; -EAGAIN no server answered; -EIO one failed), or
 * -ETIMEDOUT. Both are valid during the call only. */
typedef void (*resolve_done)(void *owner, const struct resolve_answer *answer,
                             const struct err *err);

/* family is AF_UNSPEC, AF_INET or AF_INET6. A literal address needs no thread but answers through
 * `done` all the same, from loop_run(). `done` is called exactly once, unless resolve_cancel().
 *   -EINVAL  no name, or one that is too long;  -EAGAIN  RESOLVE_THREADS_MAX */
int resolve_start(struct loop *l, const char *host, uint16_t port, int family, uint64_t deadline_ns,
                  resolve_done done, void *owner, struct resolve **ret, struct err *err);

/* Before `done` was called: it will not be. After it: must not be called. Accepts NULL; always
 * returns NULL. */
struct resolve *resolve_cancel(struct resolve *r);

/* Called in each thread, when it begins and when it ends: a thread has a stack of its own for signals, if somebody
 * gives it one. For the process; either may be NULL. */
void resolve_watch_threads(void (*begins)(void), void (*ends)(void));
