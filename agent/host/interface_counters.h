/* How much has gone over an interface since it came up, as the kernel counts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct interface_counters {
	uint64_t received_bytes, sent_bytes;
};

/*   -ENODEV  no such interface;  else as netlink_ask() */
int interface_counters_read(const char *name, struct interface_counters *ret, struct err *err);

/* Of an RTM_NEWLINK's body; false where it has none. Pure. */
bool interface_counters_parse(const uint8_t *body, size_t n, struct interface_counters *ret);
