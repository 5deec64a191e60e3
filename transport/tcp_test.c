#include "transport/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/tcp_pair.h"
#include "transport/base/err.h"
#include "transport/resolve.h"

struct listen_case {
	const char *name;
	const char *address;
	const char *dial; /* where a client finds it */
	int family;       /* of the client */
	const char *want; /* as the server names the client, and itself */
};

static struct listen_case listen_cases[] = {
	{ "IPv4", "127.0.0.1", "127.0.0.1", AF_INET, "127.0.0.1" },
	{ "IPv6", "::1", "::1", AF_INET6, "::1" },
	{ "any IPv4", "0.0.0.0", "127.0.0.1", AF_INET, "127.0.0.1" },
	{ "any, heard over IPv6", "::", "::1", AF_INET6, "::1" },
	{ "any, heard over IPv4: not named as mapped", "::", "127.0.0.1", AF_INET, "127.0.0.1" },
};

static int connect_to(int family, const char *ip, uint16_t port)
{
	struct resolve_address to = { .any = { .sa_family = (sa_family_t)family } };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (family == AF_INET) {
		to.bytes = sizeof(to.v4);
		to.v4.sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, ip, &to.v4.sin_addr), 1);
	} else {
		to.bytes = sizeof(to.v6);
		to.v6.sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, ip, &to.v6.sin6_addr), 1);
	}
	assert_int_equal(connect(fd, &to.any, to.bytes), 0);
	return fd;
}

static void listener_is_heard(void **state)
{
	const struct listen_case *c = *state;
	struct tcp_connection client = { .fd = 77 }, server = {};
	struct err err = {};
	uint16_t port = 0;
	int fd = tcp_listen(c->address, 0, &port, &err);
	int client_fd, server_fd;

	assert_true(fd >= 0);
	assert_int_not_equal(port, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	client_fd = connect_to(c->family, c->dial, port);
	server_fd = accept(fd, NULL, NULL);
	assert_true(server_fd >= 0);

	assert_int_equal(tcp_names(client_fd, &client, &err), 0);
	assert_int_equal(tcp_names(server_fd, &server, &err), 0);
	assert_string_equal(client.remote_ip, c->want);
	assert_string_equal(server.local_ip, c->want);
	assert_string_equal(server.remote_ip, c->want);
	assert_int_equal(client.remote_port, port);
	assert_int_equal(server.local_port, port);
	assert_int_equal(client.local_port, server.remote_port);
	assert_int_equal(client.fd, 77); /* not a name: left alone */
	close(client_fd);
	close(server_fd);
	close(fd);
}

static void listen_refuses(void **state)
{
	struct err err = {};
	uint16_t port = 7, taken;
	int fd = tcp_listen("127.0.0.1", 0, &taken, &err);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(tcp_listen("localhost", 0, &port, &err), -EINVAL);
	assert_int_equal(tcp_listen("", 0, &port, &err), -EINVAL);
	assert_int_equal(tcp_listen("127.0.0.1", taken, &port, &err), -EADDRINUSE);
	assert_int_equal(tcp_listen("192.0.2.1", 0, &port, &err), -EADDRNOTAVAIL);
	assert_string_equal(err.text, "listen on 192.0.2.1, port 0");
	assert_int_equal(port, 7);
	close(fd);
}

static void names_need_a_connection(void **state)
{
	struct tcp_connection c = {};
	struct err err = {};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(tcp_names(fd, &c, &err), -ENOTCONN);
	close(fd);
}

static void congestion_is_set(void **state)
{
	struct err err = {};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[16] = "";

	(void)state;
	assert_int_equal(tcp_set_congestion(fd, "reno", &err), 0); /* is in every kernel */
	tcp_congestion(fd, name);
	assert_string_equal(name, "reno");
	assert_int_equal(tcp_set_congestion(fd, "no-such-name", &err), -ENOENT);
	assert_string_equal(err.text, "use congestion control 'no-such-name'");
	tcp_congestion(fd, name);
	assert_string_equal(name, "reno");
	close(fd);
	memset(name, 'x', sizeof(name));
	tcp_congestion(-1, name);
	assert_string_equal(name, "");
}

static void nodelay_is_set(void **state)
{
	struct err err = {};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 0;
	socklen_t bytes = sizeof(on);

	(void)state;
	assert_int_equal(tcp_set_nodelay(fd, &err), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &bytes), 0);
	assert_int_not_equal(on, 0);
	close(fd);
	assert_int_equal(tcp_set_nodelay(-1, &err), -EBADF);
}

struct text_case {
	const char *name;
	int family;
	const char *address;
	uint32_t scope_id;
	const char *want;
};

static struct text_case text_cases[] = {
	{ "IPv4", AF_INET, "192.0.2.1", 0, "192.0.2.1" },
	{ "IPv6", AF_INET6, "2001:db8::1", 0, "2001:db8::1" },
	{ "IPv4 mapped in IPv6", AF_INET6, "::ffff:192.0.2.1", 0, "192.0.2.1" },
	{ "zone by name", AF_INET6, "fe80::1", 1, "fe80::1%lo" }, /* lo is the first everywhere */
	{ "zone of an interface that is gone", AF_INET6, "fe80::1", 4294967295,
	  "fe80::1%4294967295" },
	{ "longest", AF_INET6, "fe80:1111:2222:3333:4444:5555:6666:7777", 4294967295,
	  "fe80:1111:2222:3333:4444:5555:6666:7777%4294967295" },
	{ "another family", AF_UNIX, NULL, 0, "" },
};

static void address_reads(void **state)
{
	const struct text_case *c = *state;
	struct resolve_address a = { .any = { .sa_family = (sa_family_t)c->family } };
	char out[TCP_ADDRESS_TEXT_MAX];

	if (c->family == AF_INET)
		assert_int_equal(inet_pton(AF_INET, c->address, &a.v4.sin_addr), 1);
	if (c->family == AF_INET6)
		assert_int_equal(inet_pton(AF_INET6, c->address, &a.v6.sin6_addr), 1);
	if (c->family == AF_INET6)
		a.v6.sin6_scope_id = c->scope_id;
	assert_ptr_equal(tcp_address_text(&a.any, out), out);
	assert_string_equal(out, c->want);
}

static void closed_is_told_from_half_closed(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	int pair[2];

	(void)state;
	tcp_pair(pair);
	assert_false(tcp_is_closed(pair[0]));
	shutdown(pair[1], SHUT_WR);
	assert_false(tcp_is_closed(pair[0]));
	setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(pair[1]); /* a reset */
	assert_true(tcp_is_closed(pair[0]));
	close(pair[0]);
	assert_false(tcp_is_closed(pair[0])); /* no socket */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen_refuses),
		cmocka_unit_test(names_need_a_connection),
		cmocka_unit_test(congestion_is_set),
		cmocka_unit_test(nodelay_is_set),
		cmocka_unit_test(closed_is_told_from_half_closed),
	};
	int failed = CASES_RUN(listener_is_heard, listen_cases);

	failed += CASES_RUN(address_reads, text_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
