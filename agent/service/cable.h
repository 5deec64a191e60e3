/* The pod's socket to its service: Action Cable over WebSocket, over TLS where the service's URL says https, on our
 * loop. What is said when is agent/service/cable_state.h, how it is said agent/service/cable_frames.h; this is the connection itself.
 *
 *   cable_open(&options, &cable, &err);       from here on it connects, and connects again, by itself
 *   cable_stop(cable);                        closes; cable_phase() is CABLE_STOPPED 2 s later at the latest
 *   cable_free(cable);
 *
 * A proxy that the environment names is asked for the way (transport/proxy.h, CONNECT).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/service/cable_state.h"

struct cable;
struct cable_frame;
struct err;
struct loop;
struct tls_context;

/* All are heard from loop_run(). From none of them may the cable be freed. */
struct cable_events {
	/* A request goes out: whether it is to tell the service of a start of this machine. */
	bool (*tells_start)(void *owner);

	/* The payload of a sync, JSON, to be freed by the caller; NULL: it cannot be had now. */
	char *(*compose_sync)(void *owner);

	/* A test or an update is ordered; orders may come again and again. */
	void (*ordered)(void *owner, const struct cable_frame *f);

	/* cable_phase() is another. */
	void (*changed)(void *owner);

	/* A connection has ended, or could not be made; the next one is begun in wait_ns. */
	void (*ended)(void *owner, const char *why, uint64_t wait_ns);

	/* A frame was dropped: why. */
	void (*dropped)(void *owner, const struct err *err);
};

struct cable_options {
	struct loop *loop;
	const char *server_url;         /* struct config's; copied, as all of these */
	const char *client_id, *secret; /* likewise */
	struct tls_context *tls;        /* for https; outlives the cable */
	const char *interface;          /* NULL: the route decides */
	uint64_t spread_ns;             /* cable_state_start()'s */
	const struct cable_events *events;
	void *owner;
};

/*   -EINVAL  no URL */
int cable_open(const struct cable_options *options, struct cable **ret, struct err *err);

void cable_stop(struct cable *c);

/* Without a word. Accepts NULL; always returns NULL. */
struct cable *cable_free(struct cable *c);

enum cable_phase cable_phase(const struct cable *c);

/* Since when it is confirmed; meaningful only then. */
uint64_t cable_confirmed_ns(const struct cable *c);

/* Why the last connection has ended; "" where none has since one was confirmed. */
const char *cable_last_end(const struct cable *c);
