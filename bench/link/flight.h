/* Packets past the line, by the instant they are due: a heap, so that one which overtakes costs no
 * more than the logarithm of how many there are.
 *
 * Of several due at once, the one that arrived first comes first, and a copy after what it copies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet;

struct flight_entry {
	uint64_t due_ns;
	uint64_t rank; /* twice the order, one more for a copy */
	struct packet *packet;
};

struct flight { /* all zero: empty */
	struct flight_entry *entries;
	size_t count, capacity;
};

/* Takes it by its due_ns. false: no memory, and it stays the caller's. */
bool flight_push(struct flight *f, struct packet *p);

struct packet *flight_pop(struct flight *f); /* the next; NULL: none */

/* CLOCK_NEVER_NS: none. */
uint64_t flight_next_ns(const struct flight *f);

void flight_clear(struct flight *f); /* frees what is in it */
