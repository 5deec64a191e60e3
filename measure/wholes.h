/* The last whole record of each socket that a receipt may go on from (bpf/tcpstat.h), as a sample. Pure.
 *
 *   wholes_keep(&w, &sample);
 *   sample = wholes_find(&w, cookie);      changed in place by each receipt, which goes on from the last
 *   wholes_drop(&w, cookie);               the socket is no more
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/sample.h"

/* Of sockets whose end was lost nothing is dropped: with so many nothing more is kept. */
#define WHOLES_MAX 65536

struct whole {
	uint64_t ns; /* at_ns of the record */
	struct tcp_sample sample;
};

struct wholes {
	struct whole *at;
	uint32_t used, room;
	uint32_t *index; /* place in `at` + 1 by cookie, open addressing, twice `room`; 0: free */
	struct whole *last; /* that was found or kept: mostly the next one, too; NULL: none */
};

void wholes_free(struct wholes *w); /* accepts one that is all zero */

/* In place of the one before. False: there is no room, and none is kept of this socket. */
bool wholes_keep(struct wholes *w, const struct tcp_sample *sample);

/* NULL: none is kept. Stays until the next call of another function. */
struct whole *wholes_find(struct wholes *w, uint64_t cookie);

void wholes_drop(struct wholes *w, uint64_t cookie);
