/* How much of a stream or a discard may come together before the kernel wakes us (SO_RCVLOWAT).
 *
 * To be woken for each segment of a fast one is wasted. But the count must not be
 * late, nor the connection behave otherwise for being watched: what may wait together is what comes
 * in COALESCE_NS at the rate just seen, at most an eighth of the receive buffer (more would make
 * the kernel enlarge it, tcp_set_rcvlowat()), and should the stream falter, no longer than
 * COALESCE_PATIENCE_NS. Below half a gigabit per second nothing is coalesced.
 *
 * Who has the instants of arrival from elsewhere lets more wait together, by period_ns: then that is the
 * time, the stream may falter for twice as long, and coalescing begins at 16 KiB in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COALESCE_PATIENCE_NS (5 * 1000000ULL)

struct loop_coalesce {
	uint64_t period_ns; /* what comes in so much may come together; 0: in COALESCE_NS */
	uint64_t since_ns;  /* when the look at the rate began; 0: not yet */
	uint64_t bytes;     /* that came since */
	uint32_t may_wait;  /* bytes that may wait together; 0: none */
	uint32_t low_water; /* what the socket's is; 0: as it was born */
};

/* `n` more bytes came. */
void loop_coalesce_learn(struct loop_coalesce *c, int fd, uint64_t n, uint64_t now_ns);

/* Sets the socket's mark for a request of `bytes` of a discard; true where it is worth waiting for
 * before the next try. */
bool loop_coalesce_set(struct loop_coalesce *c, int fd, uint32_t bytes);

/* So long may the stream falter before what is there is wanted. */
uint64_t loop_coalesce_patience_ns(const struct loop_coalesce *c);

/* The next byte is of interest: as it was born. */
void loop_coalesce_unset(struct loop_coalesce *c, int fd);

/* The stream has faltered: as it was born, and the rate is learnt anew. What waited must not be
 * taken for speed, or what comes behind it would wait once more. */
void loop_coalesce_falter(struct loop_coalesce *c, int fd, uint64_t now_ns);
