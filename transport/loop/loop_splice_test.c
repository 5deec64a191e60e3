/* Sending by reference, through the loop on both real bodies: what arrives is what was sent, however
 * slowly it is taken and however it ends, and where pages cannot be referred to they are copied. */
#include "transport/loop/loop_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/loop_plays.h"
#include "tests/process.h"
#include "tests/tcp_pair.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define SOON_NS (10 * NS_PER_S) /* far more than anything here takes */

#define HEADER_BYTES 14
#define PAGES_BYTES  (64 * 1024)
#define REPEATS      16
#define MESSAGE      (HEADER_BYTES + (size_t)REPEATS * PAGES_BYTES)

/* Never written to after fill_once(). */
static _Alignas(4096) uint8_t pages[PAGES_BYTES];

static void fill_once(void)
{
	for (size_t i = 0; i < sizeof(pages); i++)
		pages[i] = (uint8_t)((i * 2654435761U) >> 13);
}

/* The byte at `place` of the stream: the header of message k is k, k + 1, … */
static uint8_t expected(uint64_t place)
{
	uint64_t message = place / MESSAGE, within = place % MESSAGE;

	return within < HEADER_BYTES ? (uint8_t)(message + within)
	                             : pages[(within - HEADER_BYTES) % PAGES_BYTES];
}

/* --- the two ends ------------------------------------------------------------------------------ */

struct sender {
	struct loop *loop;
	struct loop_io *io;
	uint8_t header[HEADER_BYTES];
	uint64_t messages, wanted;
	int result;
};

static void send_message(struct sender *s)
{
	struct iovec iov[1 + REPEATS] = { { s->header, HEADER_BYTES } };

	for (size_t i = 0; i < HEADER_BYTES; i++)
		s->header[i] = (uint8_t)(s->messages + i);
	for (size_t i = 1; i <= REPEATS; i++)
		iov[i] = (struct iovec){ pages, PAGES_BYTES };
	loop_send_kept(s->io, iov, 1 + REPEATS);
}

static void on_sent(void *owner, int result)
{
	struct sender *s = owner;

	s->result = result;
	s->messages++;
	if (result == 0 && s->messages < s->wanted) {
		send_message(s);
		return;
	}
	if (result == 0)
		shutdown(loop_io_fd(s->io), SHUT_WR);
	else
		loop_stop(s->loop);
}

struct receiver {
	struct loop *loop;
	struct loop_io *io;
	uint64_t bytes, wrong;
	int result;
};

static void on_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct receiver *r = owner;

	for (size_t i = 0; i < n; i++)
		r->wrong += data[i] != expected(r->bytes + i);
	r->bytes += n;
	if (n > 0)
		return;
	r->result = result;
	loop_stop(r->loop);
}

static const struct loop_events sender_events = { .sent = on_sent };
static const struct loop_events receiver_events = { .received = on_received };

struct ends {
	struct sender s;
	struct receiver r;
};

static void open_ends(struct ends *e, struct loop *l, uint64_t messages)
{
	int pair[2];

	tcp_pair(pair);
	*e = (struct ends){ .s = { .loop = l, .wanted = messages, .result = 1 },
		            .r = { .loop = l, .result = 1 } };
	assert_int_equal(loop_add(l, pair[0], &sender_events, &e->s, &e->s.io, NULL), 0);
	assert_int_equal(loop_add(l, pair[1], &receiver_events, &e->r, &e->r.io, NULL), 0);
}

static void close_ends(struct ends *e)
{
	loop_remove(e->s.io);
	loop_remove(e->r.io);
}

static int run(struct loop *l, uint64_t for_ns)
{
	return loop_run(l, loop_now_ns(l) + for_ns, NULL);
}

/* Everything that was wanted has arrived, and is what it should be. */
static void expect_whole(struct ends *e, struct loop *l)
{
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(e->r.result, 0);
	assert_int_equal(e->s.result, 0);
	assert_int_equal(e->r.bytes, e->s.wanted * MESSAGE);
	assert_int_equal(e->r.wrong, 0);
}

/* --- rows --------------------------------------------------------------------------------------- */

static void arrives(struct loop *l)
{
	struct ends e;

	open_ends(&e, l, 20);
	loop_receive(e.r.io);
	send_message(&e.s);
	assert_int_equal(e.s.messages, 0); /* nothing is heard outside loop_run() */
	expect_whole(&e, l);
	assert_int_equal(loop_counts(l).referred_bytes,
	                 e.s.wanted * (uint64_t)(MESSAGE - HEADER_BYTES));
	close_ends(&e);
}

/* The socket holds less than a message, and nobody reads for a while. */
static void waits_for_room(struct loop *l)
{
	struct ends e;
	int small = 16 * 1024;
	uint64_t before, wakeups = UINT64_MAX;

	open_ends(&e, l, 5);
	setsockopt(loop_io_fd(e.s.io), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	send_message(&e.s);
	/* Asleep once the receiver's buffer is full too, which a busy machine takes its time for. */
	for (int i = 0; i < 40 && wakeups > 2; i++) {
		before = loop_counts(l).wakeups;
		assert_int_equal(run(l, 50 * NS_PER_MS), LOOP_DEADLINE);
		wakeups = loop_counts(l).wakeups - before;
	}
	assert_in_range(wakeups, 0, 2);
	loop_receive(e.r.io);
	expect_whole(&e, l);
	assert_true(loop_counts(l).referred_bytes > 0);
	close_ends(&e);
}

static void small_messages_are_copied(struct loop *l)
{
	struct ends e;
	struct iovec iov[2] = { { e.s.header, HEADER_BYTES }, { pages, PAGES_BYTES } };

	open_ends(&e, l, 1);
	loop_receive(e.r.io);
	for (size_t i = 0; i < HEADER_BYTES; i++)
		e.s.header[i] = (uint8_t)i;
	loop_send_kept(e.s.io, iov, 2);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(e.r.bytes, HEADER_BYTES + PAGES_BYTES);
	assert_int_equal(e.r.wrong, 0);
	assert_int_equal(loop_counts(l).referred_bytes, 0);
	close_ends(&e);
}

/* SIGPIPE's default would end this program. */
static void broken_pipe_is_no_signal(struct loop *l)
{
	struct ends e;
	struct linger at_once = { .l_onoff = 1 };
	sigset_t pending;
	int fd;

	open_ends(&e, l, 1);
	fd = loop_detach(e.r.io);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	assert_int_equal(recv(loop_io_fd(e.s.io), &fd, 1, 0), -1); /* takes the reset's own error */
	send_message(&e.s);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(e.s.result, -EPIPE);
	assert_int_equal(sigpending(&pending), 0);
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	loop_remove(e.s.io);
}

/* In the middle of a message: what the pipe held and the socket's owner heard, both end. */
static void reset_in_the_middle(struct loop *l)
{
	struct ends e;
	struct linger at_once = { .l_onoff = 1 };
	int fd;

	open_ends(&e, l, 1000);
	send_message(&e.s);
	assert_int_equal(run(l, 20 * NS_PER_MS), LOOP_DEADLINE);
	fd = loop_detach(e.r.io);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_true(e.s.result == -ECONNRESET || e.s.result == -EPIPE);
	loop_remove(e.s.io);
}

static void removed_in_the_middle(struct loop *l)
{
	struct ends e;

	open_ends(&e, l, 1000);
	send_message(&e.s);
	assert_int_equal(run(l, 20 * NS_PER_MS), LOOP_DEADLINE);
	close_ends(&e); /* plays() counts what is left open */
}

static const struct play_case play_cases[] = {
	ON_BOTH("pages arrive as they are, none copied", arrives),
	ON_BOTH("a full socket is waited for asleep, a message goes in parts", waits_for_room),
	ON_BOTH("a small message is copied", small_messages_are_copied),
	ON_BOTH("a broken pipe is EPIPE and no signal", broken_pipe_is_no_signal),
	ON_BOTH("a reset in the middle is heard", reset_in_the_middle),
	ON_BOTH("removed in the middle: nothing is left open", removed_in_the_middle),
};

/* --- where it is barred ------------------------------------------------------------------------- */

static const struct barred_case {
	const char *name;
	int syscall, error;
} barred_cases[] = {
	{ "vmsplice barred: copied instead", SYS_vmsplice, EPERM },
	{ "splice barred: copied instead, what the pipe held too", SYS_splice, EPERM },
	{ "splice unknown: copied instead", SYS_splice, ENOSYS },
	{ "pipes barred: copied instead", SYS_pipe2, EMFILE },
};

/* In a child, since the filter stays: 0, or the number of what failed. */
static int send_barred(const void *row)
{
	const struct barred_case *c = row;
	struct loop *l = NULL;
	struct ends e;

	if (loop_open(LOOP_BODY_EPOLL, &l, NULL) != 0)
		return 1;
	open_ends(&e, l, 3);
	loop_receive(e.r.io);
	process_bar(c->syscall, c->error);
	send_message(&e.s);
	if (run(l, SOON_NS) != LOOP_STOPPED)
		return 2;
	if (e.s.result != 0 || e.r.result != 0)
		return 3;
	if (e.r.bytes != 3 * MESSAGE || e.r.wrong != 0)
		return 4;
	if (loop_counts(l).referred_bytes != 0)
		return 5;
	close_ends(&e);
	loop_close(l);
	return 0;
}

static void copies_instead(void **state)
{
	assert_int_equal(process_in_child(send_barred, *state), 0);
}

/* --- SIGPIPE of the caller's own ---------------------------------------------------------------- */

/* One that was blocked and waiting before is waiting afterwards. */
static void leaves_a_pending_sigpipe(void **state)
{
	struct loop_splice s = {};
	struct iovec iov = { pages, PAGES_BYTES };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	sigset_t pipe, before, pending;
	static const struct timespec at_once = {};
	int pair[2];

	(void)state;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	raise(SIGPIPE);
	tcp_pair(pair);
	shutdown(pair[0], SHUT_WR);
	assert_int_equal(loop_splice_send(&s, pair[0], &message, 0), -EPIPE);
	assert_int_equal(sigpending(&pending), 0);
	assert_int_equal(sigismember(&pending, SIGPIPE), 1);
	assert_int_equal(sigtimedwait(&pipe, NULL, &at_once), SIGPIPE);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	loop_splice_close(&s);
	loop_splice_close(&s);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(leaves_a_pending_sigpipe),
	};
	int failed;

	fill_once();
	failed = CASES_RUN(plays, play_cases);
	failed += CASES_RUN(copies_instead, barred_cases);
	failed += cmocka_run_group_tests(others, NULL, NULL);
	return failed != 0;
}
