/* What is told of a socket of ours, against what the kernel says of it. */
#include "measure/own_flow.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "measure/sample.h"
#include "measure/tcpinfo.h"
#include "tests/tcp_pair.h"

static uint16_t port_of(int fd)
{
	struct sockaddr_in address = {};
	socklen_t bytes = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	return ntohs(address.sin_port);
}

static void both_ends_are_told(void **state)
{
	static const uint8_t loopback[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
	struct tcp_flow f;
	int fd[2];

	(void)state;
	tcp_pair(fd);
	own_flow_describe(fd[0], 4711, "download", &f);
	assert_true(f.cookie == tcpinfo_cookie(fd[0]) && f.cookie != 0);
	assert_int_equal(f.at_ns, 4711);
	assert_int_equal(f.pid, getpid());
	assert_int_equal(f.role, TCP_FLOW_CLIENT);
	assert_memory_equal(f.local_ip, loopback, 16);
	assert_memory_equal(f.remote_ip, loopback, 16);
	assert_int_equal(f.local_port, port_of(fd[0]));
	assert_int_equal(f.remote_port, port_of(fd[1]));
	assert_string_equal(f.test, "download");
	assert_string_equal(f.ending, "");
	assert_memory_equal(f.comm, program_invocation_short_name,
	                    strnlen(program_invocation_short_name, sizeof(f.comm) - 1));
	close(fd[0]);
	close(fd[1]);
}

static void its_congestion_control_is_told(void **state)
{
	struct tcp_flow f;
	int fd[2];

	(void)state;
	tcp_pair(fd);
	assert_int_equal(setsockopt(fd[0], IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	own_flow_describe(fd[0], 1, "upload", &f);
	assert_string_equal(f.congestion, "reno");
	close(fd[0]);
	close(fd[1]);
}

static void ipv6_is_told(void **state)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
		                        .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t bytes = sizeof(address);
	int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tcp_flow f;

	(void)state;
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0) {
		print_message("skip: no IPv6 here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	own_flow_describe(fd, 1, "upload", &f);
	assert_memory_equal(f.local_ip, &in6addr_loopback, 16);
	assert_memory_equal(f.remote_ip, &in6addr_loopback, 16);
	assert_int_equal(f.remote_port, ntohs(address.sin6_port));
	close(fd);
	close(listener);
}

static void what_is_not_known_is_zero(void **state)
{
	static const uint8_t nowhere[16];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tcp_flow f;

	(void)state;
	own_flow_describe(fd, 1, "a test with too long a name", &f);
	assert_memory_equal(f.remote_ip, nowhere, 16);
	assert_int_equal(f.remote_port, 0);
	assert_string_equal(f.test, ""); /* no part of it */
	close(fd);
	own_flow_describe(-1, 1, "", &f);
	assert_int_equal(f.cookie, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_are_told),
		cmocka_unit_test(its_congestion_control_is_told),
		cmocka_unit_test(ipv6_is_told),
		cmocka_unit_test(what_is_not_known_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
