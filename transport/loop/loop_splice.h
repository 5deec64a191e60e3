/* Sends memory that never changes by reference: the kernel is given its pages (vmsplice(2), splice(2))
 * and copies nothing.
 *
 * The pages are in the socket until the peer has acknowledged them, and whatever is written to them
 * until then is what is sent: so this is for memory that nobody writes to again. tcp(7) has no other
 * way without a copy that needs no answer for each piece (MSG_ZEROCOPY does, and over loopback it
 * copies all the same).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct loop_splice {
	bool open;
	bool barred; /* a filter or a kernel has refused: for good */
	int read_fd, write_fd;
	size_t held_bytes; /* in the pipe: the next ones of the message */
};

/* As much of `message` as the socket takes now. The first `copied_bytes` of it are copied, what is
 * behind them is referred to. Raises no SIGPIPE. What one call leaves is for the next one, whose
 * message begins behind the bytes taken.
 *   > 0          so many bytes are taken
 *   -EAGAIN      no room
 *   -EOPNOTSUPP  not to be had here: s->barred, nothing of the message is held any more */
int loop_splice_send(struct loop_splice *s, int fd, const struct msghdr *message,
                     size_t copied_bytes);

/* Drops what is held. */
void loop_splice_close(struct loop_splice *s);
