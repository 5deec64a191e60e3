/* One connection to the lab server: its request, and the test or the short answer it gets. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/serve.h"

struct err;
struct loop;
struct serve_client;
struct tls_context;

/* What all clients of a server share. */
struct serve_client_shared {
	struct loop *loop;
	const char *congestion; /* NULL: the kernel's default */
	uint16_t ws_port, wss_port;
	uint64_t started_utc_ns; /* part of the UUIDs, as the boot time is of the reference's */
	void (*hear)(void *owner, const struct serve_event *event);
	void *hear_owner;
	/* to the server: */
	bool (*full)(void *owner); /* a request is read: no place is left for a test */
	void (*refused)(void *owner);
	void (*test_began)(void *owner);
	void (*gone)(void *owner, struct serve_client *c); /* the last call; free it */
	void *owner;
};

/* Takes fd (closed on failure). */
int serve_client_start(const struct serve_client_shared *shared, int fd, struct tls_context *tls,
                       struct serve_client **ret, struct err *err);

/* Ends its test early; gone() follows within a second. */
void serve_client_stop(struct serve_client *c);

/* It has a client's place: its test was granted, until it is gone. */
bool serve_client_has_place(const struct serve_client *c);

/* Accepts NULL; always returns NULL. */
struct serve_client *serve_client_free(struct serve_client *c);

/* The list that its server keeps. */
struct serve_client **serve_client_link(struct serve_client *c);
