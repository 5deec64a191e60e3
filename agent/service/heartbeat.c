#include "agent/service/heartbeat.h"

#include <assert.h>

#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define JITTER          0.1
#define DENIED_FIRST_NS (67 * NS_PER_S) /* with the jitter taken off, a minute */
#define DENIED_MOST_NS  (900 * NS_PER_S)

static uint64_t gap_ns(struct heartbeat *h)
{
	double factor = 1 + JITTER * (2 * draw_uniform(&h->random) - 1);

	return (uint64_t)((double)h->every_ns * factor);
}

void heartbeat_start(struct heartbeat *h, uint64_t every_ns, uint64_t now_ns, uint64_t seed)
{
	*h = (struct heartbeat){ .every_ns = every_ns,
		                 .random = seed,
		                 .due_ns = now_ns + HEARTBEAT_GRACE_NS,
		                 .denied = { .first_ns = DENIED_FIRST_NS,
		                             .most_ns = DENIED_MOST_NS,
		                             .jitter = JITTER } };
}

void heartbeat_socket_failed(struct heartbeat *h, uint64_t now_ns)
{
	if (!h->begun)
		h->due_ns = now_ns;
}

void heartbeat_socket_confirmed(struct heartbeat *h, bool confirmed, uint64_t now_ns)
{
	if (confirmed == h->confirmed)
		return;
	h->confirmed = confirmed;
	h->begun = true;
	if (confirmed)
		backoff_reset(&h->denied);
	else
		h->due_ns = now_ns + backoff_spread(h->every_ns, &h->random);
}

void heartbeat_other_pod(struct heartbeat *h)
{
	h->under_way = false;
	backoff_reset(&h->denied);
}

void heartbeat_set_every(struct heartbeat *h, uint64_t every_ns, uint64_t now_ns)
{
	h->every_ns = every_ns;
	if (h->due_ns > now_ns + every_ns && h->denied.next_ns == 0)
		h->due_ns = now_ns + gap_ns(h);
}

bool heartbeat_turn(struct heartbeat *h, uint64_t now_ns, uint64_t *ret_wake_ns)
{
	*ret_wake_ns = CLOCK_NEVER_NS;
	if (h->confirmed || h->under_way)
		return false;
	if (now_ns < h->due_ns) {
		*ret_wake_ns = h->due_ns;
		return false;
	}
	h->begun = h->under_way = true;
	h->due_ns = now_ns + gap_ns(h);
	return true;
}

static void not_before(struct heartbeat *h, uint64_t at_ns)
{
	if (h->due_ns < at_ns)
		h->due_ns = at_ns;
}

void heartbeat_answered(struct heartbeat *h, enum heartbeat_answer answer, uint64_t wait_ns,
                        uint64_t now_ns)
{
	assert(h->under_way);
	h->under_way = false;
	if (wait_ns > DENIED_MOST_NS)
		wait_ns = DENIED_MOST_NS;
	if (answer == HEARTBEAT_DENIED)
		not_before(h, now_ns + backoff_next(&h->denied, &h->random));
	else if (answer == HEARTBEAT_TAKEN)
		backoff_reset(&h->denied);
	if (h->due_ns <= now_ns)
		h->due_ns = now_ns + gap_ns(h);
	not_before(h, now_ns + wait_ns);
}
