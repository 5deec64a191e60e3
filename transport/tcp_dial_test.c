/* Names by the test's own table (tests/names.h), servers on the loopback device. A server that does
 * not answer is a listener whose queue is full: Linux drops the SYN. Everything runs on each body
 * that the loop has here. */
#include "transport/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/names.h"
#include "tests/process.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

/* fe80::1 without a zone cannot even be begun: EINVAL. 127.0.0.x are all this machine. */
const struct names_row names_rows[] = {
	{ .name = "both", .addresses = { "::1", "127.0.0.1" } },
	{ .name = "both4", .addresses = { "127.0.0.1", "::1" } },
	{ .name = "mixed", .addresses = { "::1", "fe80::1", "127.0.0.1", "127.0.0.2" } },
	{ .name = "longer4", .addresses = { "127.0.0.1", "127.0.0.2", "127.0.0.3", "fe80::1" } },
	{ .name = "last",
	  .addresses = { "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6",
	                 "127.0.0.7", "127.0.0.8", "127.0.0.1" } },
	{ .name = "none", .eai = EAI_NONAME },
	{ .name = "hangs", .hang = true, .addresses = { "127.0.0.1" } },
	{ .name = NULL },
};

static enum loop_body body;

/* --- servers ------------------------------------------------------------------------------------ */

static uint16_t any_port; /* of the last listener, or held */

static int listen_on(const char *address)
{
	struct err err = {};
	int fd = tcp_listen(address, 0, &any_port, &err);

	assert_true(fd >= 0);
	return fd;
}

/* Two listeners on one port; that which is free for the one may be taken for the other. */
static void listen_on_both(const char *const addresses[2], int ret_fds[2])
{
	for (int tries = 0; tries < 100; tries++) {
		ret_fds[0] = listen_on(addresses[0]);
		ret_fds[1] = tcp_listen(addresses[1], any_port, &any_port, NULL);
		if (ret_fds[1] >= 0)
			return;
		close(ret_fds[0]);
	}
	fail_msg("no port is free on both %s and %s", addresses[0], addresses[1]);
}

/* A port on which nobody listens, in either family; nobody else can while the descriptor is open. */
static int hold_port(void)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	socklen_t at_bytes = sizeof(at);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int both = 0;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, at_bytes), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
	any_port = ntohs(at.sin6_port);
	return fd;
}

#define FILLERS 4

/* A listener that answers no SYN any more. */
struct black_hole {
	int fd;
	int fillers[FILLERS];
};

static struct black_hole dig_black_hole(int listener_fd)
{
	struct black_hole h = { .fd = listener_fd };
	struct sockaddr_storage at;
	socklen_t at_bytes = sizeof(at);

	assert_int_equal(listen(h.fd, 0), 0);
	assert_int_equal(getsockname(h.fd, (struct sockaddr *)&at, &at_bytes), 0);
	for (int i = 0; i < FILLERS; i++) {
		h.fillers[i] = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(h.fillers[i], (struct sockaddr *)&at, at_bytes);
	}
	return h;
}

static void fill_in(struct black_hole *h)
{
	close(h->fd);
	for (int i = 0; i < FILLERS; i++)
		close(h->fillers[i]);
}

/* Sockets only: a thread of the resolver may hold its eventfd a moment longer. */
static int count_sockets(void)
{
	return process_descriptors("socket:");
}

/* --- dial --------------------------------------------------------------------------------------- */

struct heard {
	struct loop *loop;
	int times;
	bool stands;
	struct tcp_connection connection;
	struct err err;
	uint64_t elapsed_ns;
};

static void on_done(void *owner, const struct tcp_connection *connection, const struct err *err)
{
	struct heard *h = owner;

	h->times++;
	h->stands = connection != NULL;
	if (connection)
		h->connection = *connection;
	if (err)
		h->err = *err;
	loop_stop(h->loop);
}

static struct heard dial(const char *host, uint16_t port, int family, uint64_t timeout_ns)
{
	struct heard h = { .loop = process_loop(body) };
	struct tcp_options options = { .family = family };
	struct tcp_dial *d = NULL;
	struct err err = {};
	uint64_t began_ns = clock_now_ns();
	int before = count_sockets();

	assert_int_equal(tcp_dial(h.loop, host, port, &options, began_ns + timeout_ns, on_done, &h,
	                          &d, &err),
	                 0);
	assert_int_equal(h.times, 0); /* never from inside tcp_dial() */
	assert_int_equal(loop_run(h.loop, began_ns + timeout_ns + 10 * NS_PER_S, &err),
	                 LOOP_STOPPED);
	h.elapsed_ns = clock_now_ns() - began_ns;
	assert_int_equal(h.times, 1);
	if (h.stands)
		assert_int_equal(count_sockets(), before + 1); /* the losers are closed */
	loop_close(h.loop);
	return h;
}

struct win_case {
	const char *name;
	const char *host;
	int family;
	const char *listen[2];
	const char *want_ip;
};

static struct win_case win_cases[] = {
	{ "IPv4 literal", "127.0.0.1", AF_UNSPEC, { "127.0.0.1" }, "127.0.0.1" },
	{ "IPv6 literal", "::1", AF_UNSPEC, { "::1" }, "::1" },
	{ "the first of two that answer", "both", AF_UNSPEC, { "::1", "127.0.0.1" }, "::1" },
	{ "the first, IPv4", "both4", AF_UNSPEC, { "::1", "127.0.0.1" }, "127.0.0.1" },
	{ "IPv4 where IPv6 is refused", "both", AF_UNSPEC, { "127.0.0.1" }, "127.0.0.1" },
	{ "IPv6 where IPv4 is refused", "both4", AF_UNSPEC, { "::1" }, "::1" },
	{ "-4", "both", AF_INET, { "::1", "127.0.0.1" }, "127.0.0.1" },
	{ "-6", "both4", AF_INET6, { "::1", "127.0.0.1" }, "::1" },
	{ "the last of eight", "last", AF_UNSPEC, { "127.0.0.1" }, "127.0.0.1" },
};

static void dial_connects(void **state)
{
	const struct win_case *c = *state;
	int fds[2] = { -1, -1 };
	uint16_t port;
	struct heard h;
	char byte;

	process_needs_lookup(body, c->host);
	if (c->listen[1])
		listen_on_both(c->listen, fds);
	else
		fds[0] = listen_on(c->listen[0]);
	port = any_port;
	h = dial(c->host, port, c->family, 10 * NS_PER_S);
	assert_true(h.stands);
	assert_string_equal(h.connection.remote_ip, c->want_ip);
	assert_string_equal(h.connection.local_ip, c->want_ip);
	assert_int_equal(h.connection.remote_port, port);
	assert_int_not_equal(h.connection.local_port, 0);
	assert_int_equal(h.connection.bind.how, TCP_BIND_NONE);
	assert_false(h.connection.bind.effective);
	assert_int_equal(fcntl(h.connection.fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(h.connection.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(recv(h.connection.fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN); /* it stands, and is silent */
	assert_true(h.connection.connected_ns > 0 && h.connection.connected_ns <= h.elapsed_ns);
	close(h.connection.fd);
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
}

struct lose_case {
	const char *name;
	const char *host;
	int family;
	int want;
	const char *want_text; /* %u is the port */
};

static struct lose_case lose_cases[] = {
	{ "refused", "127.0.0.1", AF_UNSPEC, -ECONNREFUSED,
	  "connect to 127.0.0.1:%1$u: Connection refused" },
	{ "refused over IPv6", "::1", AF_UNSPEC, -ECONNREFUSED,
	  "connect to [::1]:%1$u: Connection refused" },
	{ "every address is named", "both", AF_UNSPEC, -ECONNREFUSED,
	  "connect to [::1]:%1$u: Connection refused; 127.0.0.1:%1$u: Connection refused" },
	{ "families in turn; the code of who came furthest", "mixed", AF_UNSPEC, -ECONNREFUSED,
	  "connect to [::1]:%1$u: Connection refused; 127.0.0.1:%1$u: Connection refused; "
	  "[fe80::1]:%1$u: Invalid argument; 127.0.0.2:%1$u: Connection refused" },
	{ "the longer list ends", "longer4", AF_UNSPEC, -ECONNREFUSED,
	  "connect to 127.0.0.1:%1$u: Connection refused; [fe80::1]:%1$u: Invalid argument; "
	  "127.0.0.2:%1$u: Connection refused; 127.0.0.3:%1$u: Connection refused" },
	{ "one family only", "mixed", AF_INET, -ECONNREFUSED,
	  "connect to 127.0.0.1:%1$u: Connection refused; 127.0.0.2:%1$u: Connection refused" },
	{ "no such name", "none", AF_UNSPEC, -ENOENT, "resolve none: Name or service not known" },
};

static void dial_fails(void **state)
{
	const struct lose_case *c = *state;
	struct heard h;
	char want[256], want_sentence[300], sentence[300];
	int fd;

	process_needs_lookup(body, c->host);
	fd = hold_port();
	h = dial(c->host, any_port, c->family, 10 * NS_PER_S);
	close(fd);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(want, sizeof(want), c->want_text, any_port);
#pragma GCC diagnostic pop
	assert_false(h.stands);
	assert_int_equal(h.err.code, c->want);
	assert_string_equal(h.err.text, want);
	snprintf(want_sentence, sizeof(want_sentence), "could not %s", want);
	assert_string_equal(err_sentence(&h.err, sentence, sizeof(sentence)), want_sentence);
}

/* --- time --------------------------------------------------------------------------------------- */

/* RFC 8305 5: the second family begins after the delay, and wins. */
static void silence_is_overtaken(void **state)
{
	struct black_hole hole;
	struct heard h;
	int fds[2];

	(void)state;
	process_needs_threads(body);
	listen_on_both((const char *const[]){ "::1", "127.0.0.1" }, fds);
	hole = dig_black_hole(fds[0]);
	h = dial("both", any_port, AF_UNSPEC, 10 * NS_PER_S);
	assert_true(h.stands);
	assert_string_equal(h.connection.remote_ip, "127.0.0.1");
	assert_true(h.elapsed_ns >= TCP_ATTEMPT_DELAY_NS);
	/* its own handshake, not the wait before it */
	assert_true(h.connection.connected_ns <= h.elapsed_ns - TCP_ATTEMPT_DELAY_NS);
	close(h.connection.fd);
	fill_in(&hole);
	close(fds[1]);
}

/* Seven delays would be 1.75 s. */
static void refusal_is_not_waited_for(void **state)
{
	struct heard h;
	int fd;

	(void)state;
	process_needs_threads(body);
	fd = listen_on("127.0.0.1");
	h = dial("last", any_port, AF_UNSPEC, 10 * NS_PER_S);
	assert_true(h.stands);
	assert_true(h.elapsed_ns < 7 * TCP_ATTEMPT_DELAY_NS); /* one for each that was refused */
	close(h.connection.fd);
	close(fd);
}

static void deadline_ends_the_race(void **state)
{
	struct black_hole hole;
	struct heard h;
	char want[128];
	uint16_t port;
	int before;

	(void)state;
	process_needs_threads(body);
	hole = dig_black_hole(listen_on("127.0.0.1"));
	port = any_port;
	before = count_sockets();
	h = dial("127.0.0.1", port, AF_UNSPEC, 50 * NS_PER_MS);
	assert_false(h.stands);
	assert_int_equal(h.err.code, -ETIMEDOUT);
	snprintf(want, sizeof(want), "connect to 127.0.0.1:%u: no answer", port);
	assert_string_equal(h.err.text, want);
	assert_true(h.elapsed_ns >= 50 * NS_PER_MS);
	assert_int_equal(count_sockets(), before);

	h = dial("both", port, AF_UNSPEC, 2 * NS_PER_S); /* ::1 is refused at once */
	assert_false(h.stands);
	assert_int_equal(h.err.code, -ETIMEDOUT);
	snprintf(want, sizeof(want),
	         "connect to [::1]:%1$u: Connection refused; 127.0.0.1:%1$u: no answer", port);
	assert_string_equal(h.err.text, want);
	fill_in(&hole);
}

static void deadline_ends_the_name(void **state)
{
	struct heard h = dial("hangs", 9, AF_UNSPEC, 50 * NS_PER_MS);

	(void)state;
	assert_false(h.stands);
	assert_int_equal(h.err.code, -ETIMEDOUT);
	assert_string_equal(h.err.text, "resolve hangs before the deadline");
	sem_post(&names_release);
}

static void cancelled_is_not_heard(void **state)
{
	struct black_hole hole = dig_black_hole(listen_on("127.0.0.1"));
	uint16_t port = any_port;
	static const char *const hosts[] = { "127.0.0.1", "hangs" };
	struct tcp_options options = {};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct heard h = { .loop = process_loop(body) };
		int before = count_sockets();
		struct tcp_dial *d = NULL;

		assert_int_equal(tcp_dial(h.loop, hosts[i], port, &options, CLOCK_NEVER_NS, on_done,
		                          &h, &d, NULL),
		                 0);
		assert_int_equal(loop_run(h.loop, clock_now_ns() + 20 * NS_PER_MS, NULL),
		                 LOOP_DEADLINE);
		assert_null(tcp_dial_cancel(d));
		assert_int_equal(loop_run(h.loop, clock_now_ns() + 20 * NS_PER_MS, NULL),
		                 LOOP_DEADLINE);
		assert_int_equal(h.times, 0);
		assert_int_equal(count_sockets(), before);
		loop_close(h.loop);
	}
	sem_post(&names_release);
	assert_null(tcp_dial_cancel(NULL));
	fill_in(&hole);
}

static int run_all(enum loop_body with)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_is_overtaken),
		cmocka_unit_test(refusal_is_not_waited_for),
		cmocka_unit_test(deadline_ends_the_race),
		cmocka_unit_test(deadline_ends_the_name),
		cmocka_unit_test(cancelled_is_not_heard),
	};
	int failed;

	body = with;
	failed = CASES_RUN(dial_connects, win_cases);
	failed += CASES_RUN(dial_fails, lose_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed;
}

int main(void)
{
	int at_rest = process_threads_at_rest();
	int failed;

	sem_init(&names_release, 0, 0);
	failed = run_all(LOOP_BODY_IO_URING);
	failed += run_all(LOOP_BODY_EPOLL);
	failed += process_threads_await(at_rest) != at_rest;
	return failed != 0;
}
