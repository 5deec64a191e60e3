/* The TCP ports that a daemon and its courier may connect to, from its start on and for good: those of the configuration and
 * of the environment's proxies then, and 80 and 443, where redirects and signed URLs lead. Pure, but for the environment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config/config.h"

#define DAEMON_PORTS_MAX       12
#define DAEMON_PORTS_TEXT      (DAEMON_PORTS_MAX * sizeof("65535,"))
#define DAEMON_PORTS_OF_PARENT "RADAR_POD_PORTS" /* in a courier's environment */

struct daemon_ports {
	uint16_t at[DAEMON_PORTS_MAX];
	size_t count;
	bool any; /* a proxy's could not be read */
};

struct daemon_ports daemon_ports_of(const struct config *c);

#define DAEMON_PORTS_KEYS sizeof("server_url, sentry_dsn")

/* What `fresh` names on a port that is none of them stays as it is in `held`: the service, with the pod's identity there and
 * the authorities it is known by, and where error reports go. A pod that has no identity has nothing to stay with.
 * keys: of which keys the ports are closed, "server_url"; "": of none. */
void daemon_ports_keep(const struct daemon_ports *p, const struct config *held,
                       struct config *fresh, char keys[DAEMON_PORTS_KEYS]);

/* "80,443,8443"; "any". */
void daemon_ports_write(const struct daemon_ports *p, char out[DAEMON_PORTS_TEXT]);

/* What is no such text, NULL too, is any: who starts a courier by itself limits nobody. */
struct daemon_ports daemon_ports_read(const char *text);
