/* rtnetlink(7)'s messages as a list of interfaces. Pure, but for the memory that the list is in; see interfaces.h.
 *
 * The order is: the routes, so that the default one is known; the links; interfaces_sort(); the addresses.
 */
#pragma once

#include "agent/host/default_route.h"
#include "agent/host/interfaces.h"

struct interfaces_builder {
	struct interfaces list;
	struct default_route route;
	bool short_of_memory; /* something is missing for want of it */
};

/* Each a netlink_visit; self is the builder. Messages of other types are passed over. */
void interfaces_take_route(void *self, uint16_t type, const uint8_t *body, size_t n);
void interfaces_take_link(void *self, uint16_t type, const uint8_t *body, size_t n);
void interfaces_take_address(void *self, uint16_t type, const uint8_t *body, size_t n);

/* By index: older kernels dump by the remainder of a hash. */
void interfaces_sort(struct interfaces *list);
