/* When the heartbeat over HTTP is due: every `every_ns` while the service's socket is not confirmed, and never while
 * it is. Pure.
 *
 *   heartbeat_start(&h, every_ns, now_ns, seed);
 *   if (heartbeat_turn(&h, now_ns, &wake_ns))
 *           send one, and then heartbeat_answered(&h, …) in any case
 *   else
 *           call heartbeat_turn() again at wake_ns, or after any of the other calls
 *
 * Promises: one at a time; when the socket is lost the first is due some time within `every_ns`, and each gap is up to
 * a tenth off, so that pods that lost the same service do not move in step; one whose answer took longer than that is not
 * followed by the next at once, or a service that comes back would have both; a service that denies us (403) is asked after a minute at the earliest, then twice as late each time, up to
 * a quarter of an hour.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/schedule/backoff.h"

/* For the socket to be there first: then there is nothing to say over HTTP. */
#define HEARTBEAT_GRACE_NS 1000000000ULL

struct heartbeat {
	uint64_t every_ns;
	struct backoff denied;
	uint64_t random;
	uint64_t due_ns;
	bool confirmed; /* the socket is */
	bool under_way;
	bool begun; /* one was sent, or the socket was confirmed */
};

/* The first is due in HEARTBEAT_GRACE_NS, or as soon as heartbeat_socket_failed() says that the socket is not to
 * be had. */
void heartbeat_start(struct heartbeat *h, uint64_t every_ns, uint64_t now_ns, uint64_t seed);

void heartbeat_socket_failed(struct heartbeat *h, uint64_t now_ns);
void heartbeat_socket_confirmed(struct heartbeat *h, bool confirmed, uint64_t now_ns);

/* The service, or our credentials, are others now: that these were denied is not known, and what is under way is given
 * up, for its answer would be another's. heartbeat_set_every() is to follow. */
void heartbeat_other_pod(struct heartbeat *h);

/* Another frequency, of a configuration that was read again. */
void heartbeat_set_every(struct heartbeat *h, uint64_t every_ns, uint64_t now_ns);

/* True: one is to be sent, and counts as under way. Else *ret_wake_ns, which may be CLOCK_NEVER_NS. */
bool heartbeat_turn(struct heartbeat *h, uint64_t now_ns, uint64_t *ret_wake_ns);

enum heartbeat_answer {
	HEARTBEAT_TAKEN,
	HEARTBEAT_DENIED, /* 403 */
	HEARTBEAT_FAILED, /* anything else */
};

/* `wait_ns`: what the service asks us to wait at least (Retry-After), 0: nothing. */
void heartbeat_answered(struct heartbeat *h, enum heartbeat_answer answer, uint64_t wait_ns,
                        uint64_t now_ns);
