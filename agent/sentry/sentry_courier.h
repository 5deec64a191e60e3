/* Error reports through the courier: what struct sentry_transport asks for, by HTTP in a child process.
 *
 *   sentry_courier_begin(&mail, &options);
 *   options_of_sentry.transport = sentry_courier_transport(&mail);
 */
#pragma once

#include "agent/sentry/sentry.h"

struct courier;
struct courier_call;

struct sentry_courier_options {
	struct courier *courier; /* stays the caller's, and outlives the reporter */
	const char *ca_file;     /* PEM; NULL: the system's store. Likewise of the caller */
	const char *interface;   /* NULL: the route decides. Likewise */

	/* After each answer: sentry_turn() is due, and its time to be waited for. NULL: nobody wants to know. */
	void (*after)(void *self);
	void *self;
};

struct sentry_courier {
	struct sentry_courier_options options;
	struct courier_call *call; /* NULL: none */
	sentry_done done;
	void *owner;
};

void sentry_courier_begin(struct sentry_courier *c, const struct sentry_courier_options *options);
struct sentry_transport sentry_courier_transport(struct sentry_courier *c);
