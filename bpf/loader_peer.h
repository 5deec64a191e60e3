/* Who asks a loader that systemd has started. */
#pragma once

struct err;

enum loader_peer {
	LOADER_PEER_PARENT, /* whose child it is */
	LOADER_PEER_USER,   /* whom it serves: may trace sockets that it holds */
	LOADER_PEER_ROOT,
};

/* The peer of the connection that systemd handed over as LOADER_FD, by the kernel's word (SO_PEERCRED).
 *   -EBADF   nothing was handed over;  -ENOENT  there is no such user
 *   -EPERM   somebody else */
int loader_peer_of(const char *user, enum loader_peer *ret, struct err *err);
