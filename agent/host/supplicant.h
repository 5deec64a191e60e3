/* A datagram socket to wpa_supplicant's control interface, with a name that it can answer to. Nothing here waits. */
#pragma once

#include <stddef.h>
#include <sys/un.h>

#define SUPPLICANT_PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct err;

struct supplicant {
	int fd;                                /* -1: there is none */
	char directory[SUPPLICANT_PATH_BYTES]; /* ours, of mode 0700; "": there is none */
	char name[SUPPLICANT_PATH_BYTES];
};

#define SUPPLICANT_NULL                                                                            \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* The first of systemd's list; what a session has; what root has: where a socket of ours is made, as long as one is asked. */
const char *supplicant_usual_directory(char out[SUPPLICANT_PATH_BYTES]);

/* Connects to the socket of `interface` below `sockets`, from a new one below `below` (NULL: see wifi.h).
 *   -ENOENT, -ECONNREFUSED  no supplicant has this interface;  -EACCES, …  we may not ask it
 *   -EINVAL  no interface has such a name;  -ENAMETOOLONG */
int supplicant_open(struct supplicant *s, const char *below, const char *sockets,
                    const char *interface, struct err *err);

/* Removes what was made. May be called twice, and of a half-opened one. */
void supplicant_close(struct supplicant *s);
