/* What the service manager hears of us: sd_notify(3)'s datagrams, without its library.
 *
 *   notify_open(&n);                       off where NOTIFY_SOCKET is not set
 *   notify_send(&n, "READY=1");
 *   timer every notify_watchdog_ns():      notify_send(&n, "WATCHDOG=1");
 */
#pragma once

#include <stdint.h>

struct notify {
	int fd; /* -1: nobody listens */
};

/* Takes the variables out of the environment: children are not the service. */
void notify_open(struct notify *ret, uint64_t *ret_watchdog_ns);
void notify_close(struct notify *n);

/* "READY=1", "STATUS=…", "STOPPING=1", "WATCHDOG=1"; several, a line each. */
void notify_send(const struct notify *n, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
