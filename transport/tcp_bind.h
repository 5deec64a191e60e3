/* Binding a socket to an interface, and the proof that it took effect: what tcp_dial() uses for each
 * of its attempts. See transport/tcp.h for what the proof says. */
#pragma once

#include "transport/tcp.h"

/* Whether `interface` could serve for `family` (AF_UNSPEC: either).
 *   -ENODEV  no such interface;  -EADDRNOTAVAIL  it has no address of that family */
int tcp_bind_check(const char *interface, int family, struct err *err);

/* Binds `fd`, not connected yet, to the device, or, where that is not permitted, to one of the
 * interface's addresses of `family`: the first that is not link-local, else the first. Errors as
 * above. */
int tcp_bind(int fd, int family, const char *interface, enum tcp_bind *ret, struct err *err);

/* What can be read of a connected socket that was bound so. Waits for the kernel at most
 * TCP_BIND_PROOF_WAIT_NS, which answers at once or not at all. */
#define TCP_BIND_PROOF_WAIT_NS (100 * 1000000ULL)
void tcp_bind_prove(int fd, const char *interface, enum tcp_bind how, struct tcp_bind_proof *ret);
