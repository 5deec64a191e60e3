/* Two network namespaces of our own, joined by four links:
 *
 *   ours                                    theirs: a listener on any address
 *   v0  10.99.0.2/24, fd99::2/64, and   ─── v1  10.99.0.1/24, fd99::1/64
 *       link-local 169.254.9.9, fe80::9
 *   p0  10.97.0.2/24, by a rule the     ─── p1  10.97.0.1/24
 *       way to 10.99.0.1 from there
 *   d0  10.98.0.2/24, no IPv6           ─── d1  down: nothing comes through
 *   l0  fe80::2/64 only                 ─── l1  fe80::1/64
 *   bare, without an address
 *
 * Each case runs in a child, which installs a filter for good. Without the right to make namespaces,
 * or ip(8), everything is skipped (77).
 */
#include "transport/tcp_bind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

static int listener_fd;
static uint16_t server_port;

/* --- the two namespaces ------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static bool run(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) == 0;
}

static bool new_namespace(int *ret_fd)
{
	if (unshare(CLONE_NEWNET) < 0)
		return false;
	*ret_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return *ret_fd >= 0;
}

/* A link between the namespace we are in and that of `pid`. */
static bool add_link(const char *here, const char *there, pid_t pid)
{
	return run("ip link add %s type veth peer name %s netns %d", here, there, (int)pid);
}

/* Without an address by itself; nodad: one that is still being probed cannot be used. */
static bool set_up(const char *device, const char *v4, const char *v6)
{
	return run("ip link set %s addrgenmode none", device) &&
	       (!v4 || run("ip addr add %s dev %s", v4, device)) &&
	       (!v6 || run("ip addr add %s dev %s nodad", v6, device)) &&
	       run("ip link set %s up", device);
}

static bool set_up_theirs(void)
{
	/* what comes from d0's address is answered the way it came */
	return set_up("v1", "10.99.0.1/24", "fd99::1/64") && set_up("p1", "10.97.0.1/24", NULL) &&
	       set_up("l1", NULL, "fe80::1/64") && run("ip route add 10.98.0.0/24 via 10.99.0.2");
}

static bool set_up_ours(void)
{
	return run("ip addr add 169.254.9.9/16 dev v0 && ip addr add fe80::9/64 dev v0 nodad") &&
	       set_up("v0", "10.99.0.2/24", "fd99::2/64") && set_up("d0", "10.98.0.2/24", NULL) &&
	       set_up("p0", "10.97.0.2/24", NULL) && set_up("l0", NULL, "fe80::2/64") &&
	       run("ip rule add from 10.97.0.2 lookup 100") &&
	       run("ip route add 10.99.0.0/24 via 10.97.0.1 table 100") &&
	       run("ip link add bare type veth");
}

static bool add_links(pid_t theirs)
{
	return add_link("v0", "v1", theirs) && add_link("d0", "d1", theirs) &&
	       add_link("l0", "l1", theirs) && add_link("p0", "p1", theirs);
}

/* The listener is born in theirs, and stays there to the end; we end in ours. */
static bool make_world(void)
{
	CLEANUP(fd_closep) int theirs_fd = -1;
	CLEANUP(fd_closep) int ours_fd = -1;
	pid_t child;
	bool ok;

	if (!new_namespace(&theirs_fd))
		return false;
	listener_fd = tcp_listen("::", 0, &server_port, NULL);
	child = fork(); /* somebody in theirs for ip(8) to name */
	if (child == 0) {
		pause();
		_exit(0);
	}
	ok = listener_fd >= 0 && new_namespace(&ours_fd) && add_links(child) &&
	     setns(theirs_fd, CLONE_NEWNET) == 0 && set_up_theirs() &&
	     setns(ours_fd, CLONE_NEWNET) == 0 && set_up_ours();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return ok;
}

/* setsockopt(SO_BINDTODEVICE) as a kernel before 5.7 answers a process without CAP_NET_RAW. */
static bool refuse_device_bind(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_BINDTODEVICE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* --- cases -------------------------------------------------------------------------------------- */

struct bind_case {
	const char *name;
	const char *interface;
	bool device_refused;
	const char *server;
	int family;
	int want; /* of tcp_dial(), or of its end */
	struct tcp_bind_proof want_proof;
	const char *want_local_ip;
};

static struct bind_case bind_cases[] = {
	{ .name = "device, IPv4",
	  .interface = "v0",
	  .server = "10.99.0.1",
	  .want_proof = { TCP_BIND_DEVICE, "v0", "v0", "v0", true, true },
	  .want_local_ip = "10.99.0.2" },
	{ .name = "device, IPv6",
	  .interface = "v0",
	  .server = "fd99::1",
	  .want_proof = { TCP_BIND_DEVICE, "v0", "v0", "v0", true, true },
	  .want_local_ip = "fd99::2" },
	{ .name = "source where the device is refused, IPv4",
	  .interface = "v0",
	  .device_refused = true,
	  .server = "10.99.0.1",
	  .want_proof = { TCP_BIND_SOURCE, "v0", "", "v0", true, true },
	  .want_local_ip = "10.99.0.2" },
	{ .name = "source where the device is refused, IPv6",
	  .interface = "v0",
	  .device_refused = true,
	  .server = "fd99::1",
	  .want_proof = { TCP_BIND_SOURCE, "v0", "", "v0", true, true },
	  .want_local_ip = "fd99::2" },
	{ .name = "source, of a link-local address where there is no other",
	  .interface = "l0",
	  .device_refused = true,
	  .server = "fe80::1%l0",
	  .want_proof = { TCP_BIND_SOURCE, "l0", "l0", "l0", true, true },
	  .want_local_ip = "fe80::2%l0" },
	{ .name = "source of one interface, route through another: no effect",
	  .interface = "d0",
	  .device_refused = true,
	  .server = "10.99.0.1",
	  .want_proof = { TCP_BIND_SOURCE, "d0", "", "v0", true, false },
	  .want_local_ip = "10.98.0.2" },
	{ .name = "source, and a rule that routes by it",
	  .interface = "p0",
	  .device_refused = true,
	  .server = "10.99.0.1",
	  .want_proof = { TCP_BIND_SOURCE, "p0", "", "p0", true, true },
	  .want_local_ip = "10.97.0.2" },
	{ .name = "no such interface",
	  .interface = "nosuch0",
	  .server = "10.99.0.1",
	  .want = -ENODEV },
	{ .name = "a name that the kernel would cut",
	  .interface = "v0123456789abcdefghi",
	  .server = "10.99.0.1",
	  .want = -ENODEV },
	{ .name = "an interface without any address",
	  .interface = "bare",
	  .server = "10.99.0.1",
	  .want = -EADDRNOTAVAIL },
	{ .name = "an interface without the family asked for",
	  .interface = "d0",
	  .server = "fd99::1",
	  .family = AF_INET6,
	  .want = -EADDRNOTAVAIL },
	{ .name = "an interface without the family of the server",
	  .interface = "d0",
	  .device_refused = true,
	  .server = "fd99::1",
	  .want = -EADDRNOTAVAIL },
};

/* What the child tells the test. */
struct outcome {
	int result;
	struct tcp_bind_proof proof;
	char local_ip[TCP_ADDRESS_TEXT_MAX];
	struct loop *loop;
};

static void on_done(void *owner, const struct tcp_connection *connection, const struct err *err)
{
	struct outcome *o = owner;

	o->result = err ? err->code : 0;
	if (connection) {
		o->proof = connection->bind;
		memcpy(o->local_ip, connection->local_ip, sizeof(o->local_ip));
	}
	loop_stop(o->loop);
}

static void dial(const struct bind_case *c, struct outcome *o)
{
	struct tcp_options options = { .family = c->family, .interface = c->interface };
	struct tcp_dial *d;
	uint64_t deadline_ns = clock_now_ns() + 10 * NS_PER_S;

	o->result = -ENOTRECOVERABLE; /* the child could not even try */
	if (loop_open(LOOP_BODY_AUTO, &o->loop, NULL) < 0 ||
	    (c->device_refused && !refuse_device_bind()))
		return;
	o->result = tcp_dial(o->loop, c->server, server_port, &options, deadline_ns, on_done, o, &d,
	                     NULL);
	if (o->result == 0)
		loop_run(o->loop, deadline_ns + 10 * NS_PER_S, NULL);
}

static struct outcome dial_in_child(const struct bind_case *c)
{
	struct outcome o = {};
	int pipe_fds[2];
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dial(c, &o);
		_exit(write(pipe_fds[1], &o, sizeof(o)) != sizeof(o));
	}
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &o, sizeof(o)), sizeof(o));
	close(pipe_fds[0]);
	waitpid(child, NULL, 0);
	return o;
}

static void bind_is_proved(void **state)
{
	const struct bind_case *c = *state;
	const struct tcp_bind_proof *want = &c->want_proof;
	struct outcome o = dial_in_child(c);

	assert_int_equal(o.result, c->want);
	assert_int_equal(o.proof.how, want->how);
	assert_string_equal(o.proof.interface, want->interface);
	assert_string_equal(o.proof.socket_device, want->socket_device);
	assert_string_equal(o.proof.route_device, want->route_device);
	assert_int_equal(o.proof.local_address_on_interface, want->local_address_on_interface);
	assert_int_equal(o.proof.effective, want->effective);
	assert_string_equal(o.local_ip, c->want_local_ip ? c->want_local_ip : "");
}

int main(void)
{
	int failed;

	if (!make_world()) {
		print_message("skipped: no right to make network namespaces, or no ip(8)\n");
		return CASES_EXIT_SKIPPED;
	}
	failed = CASES_RUN(bind_is_proved, bind_cases);
	close(listener_fd);
	return failed != 0;
}
