/* A loop that a test plays: its kernel is the test, its clock moves when the test or the loop says.
 *
 *   loop_script_open(&l, &err);
 *   loop_add(l, fd, …);                       fd is a real one, of anything; nothing is done with it
 *   loop_receive(io);
 *   loop_script_deliver(l, fd, "hello", 5);   what the peer sent
 *   loop_run(l, until_ns, &err);              received() runs; the clock is at until_ns
 *
 * Nothing waits: where the real loop would sleep, the clock jumps. So ten seconds of a test take what
 * its callbacks take. What happens over time is a play, see loop_script_set_play(); a connection
 * between two descriptors of the loop is loop_script_connect_ends().
 *
 * Completions of any kind, however wrong, go in by loop_script_complete().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/loop/loop_body.h"

struct err;
struct loop;

#define LOOP_SCRIPT_START_NS 1000000000ULL /* what its clock begins with */

int loop_script_open(struct loop **ret, struct err *err);

/* --- time ------------------------------------------------------------------------------------- */

void loop_script_advance(struct loop *l, uint64_t ns);

/* Called when the loop would wait: does what happens at now_ns, by the functions below, and answers
 * when it wants to be called again (CLOCK_NEVER_NS: when there is another reason to). */
typedef uint64_t (*loop_script_play)(void *self, struct loop *l, uint64_t now_ns);

void loop_script_set_play(struct loop *l, loop_script_play play, void *self);

/* --- what the loop asks of the kernel ---------------------------------------------------------- */

/* The request of this kind that is under way on `fd`; NULL: there is none. */
const struct loop_request *loop_script_request(struct loop *l, int fd, enum loop_op op);

/* All that are under way, by slot; answers how many there are, of which `max` are in `out`. */
size_t loop_script_requests(struct loop *l, struct loop_request *out, size_t max);

/* Bytes of a send. */
size_t loop_script_message_bytes(const struct msghdr *m);

/* --- what the kernel answers ------------------------------------------------------------------- */

/* Bytes come for the receive under way, which takes what it has asked for; answers how many. Where
 * they are to be dropped, `data` may be NULL. */
size_t loop_script_deliver(struct loop *l, int fd, const void *data, size_t n);

/* Takes up to `max` bytes of the send under way, into `out` unless that is NULL, and completes it
 * (short, where it has more); answers how many. */
size_t loop_script_take(struct loop *l, int fd, void *out, size_t max);

/* Ends the request of this kind, if there is one, with `result`: 0, events, or a negative errno. An
 * accept goes on after a descriptor. */
void loop_script_answer(struct loop *l, int fd, enum loop_op op, int result);

/* A completion as it is, whether or not there is such a request. `n` bytes of `data` are copied into
 * a buffer that lives until the loop gives it back, so that a sanitizer sees who keeps it. */
void loop_script_complete(struct loop *l, union loop_tag tag, int result, bool more,
                          const void *data, size_t n);

/* The next request is refused with this negative errno. */
void loop_script_refuse(struct loop *l, int error);

/* While on, a cancelled request does not end by itself: the test answers it, late or never. */
void loop_script_hold_cancels(struct loop *l, bool on);

/* --- a connection inside the loop --------------------------------------------------------------- */

/* What one of the two descriptors sends, the other receives, in order, at `rate_bps` and delay_ns
 * later; a sender may be `rate_bps * delay_ns` plus 64 KiB ahead of its receiver, as a socket's
 * buffers let it. When one leaves the loop, the other's stream ends behind what is under way. */
int loop_script_connect_ends(struct loop *l, int a_fd, int b_fd, uint64_t rate_bps,
                             uint64_t delay_ns, struct err *err);
