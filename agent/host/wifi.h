/* What a radio is doing now: asked of wpa_supplicant's control socket, and of the kernel where there is none, or it
 * does not say. On the loop, and nothing waits for it: what cannot be found out is not known, which is no failure.
 *
 *   wifi_ask(loop, &options, done, owner, &ask, &err);     done() is called once, from a turn of its own
 *   wifi_cancel(ask);                                      in any case: then, or before
 *
 * The supplicant answers to the path of our own socket, so that must be one which it can see: not in a /tmp of a
 * service's own. It is made in a directory of mode 0700 and a name of the moment below `directory`, and both are
 * removed again. Whoever confines this process lets it make those, and reach the supplicant's.
 */
#pragma once

#include <stdint.h>

#include "agent/host/wifi_status.h"

struct err;
struct loop;
struct wifi_ask;

#define WIFI_SUPPLICANT "/run/wpa_supplicant"
#define WIFI_WAIT_NS    (2 * 1000000000ULL) /* for each of two answers */

struct wifi_options {
	const char *interface;
	const char *directory;  /* NULL: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR, /run, or /tmp */
	const char *supplicant; /* where its sockets are; NULL: WIFI_SUPPLICANT */
};

typedef void (*wifi_done)(void *owner, const struct wifi_status *status);

/* Fails for want of memory only. */
int wifi_ask(struct loop *loop, const struct wifi_options *o, wifi_done done, void *owner,
             struct wifi_ask **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct wifi_ask *wifi_cancel(struct wifi_ask *ask);
