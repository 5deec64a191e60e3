/* Which route a packet for nowhere in particular takes, of the routes in table main. Pure.
 *
 * The one of the lowest metric to 0.0.0.0/0, through a gateway or straight onto the link; where there is none, to ::/0.
 * Of several next hops the one of the greatest weight. What leads nowhere (unreachable, blackhole, …) is no default;
 * what is for some sources only is one where there is no other.
 *
 *   struct default_route best = {};
 *   default_route_consider(&best, body, n);      for each RTM_NEWROUTE
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct default_route {
	unsigned int index; /* the interface; 0: no route so far */
	/* what it was chosen by, each the lower the better */
	uint8_t family;
	bool for_some_sources;
	uint32_t metric;
	uint8_t rank; /* RFC 4191: high 0, medium 1, low 2 */
};

/* Takes the route of the message's body for the default if it is one, and better than the one so far. */
void default_route_consider(struct default_route *best, const uint8_t *body, size_t n);
