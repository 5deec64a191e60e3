/* What whoever has taken over a role tries: one attempt for each start, told on standard output.
 *
 *   sandbox_inside ROLE ATTEMPT [WHAT] [--read PATH] [--write DIRECTORY] [--port N]
 *
 * ROLE is a role's name, or "none": then it is tried without a sandbox, and should be possible. It says "done", or the
 * error's name; what ends it is the signal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sandbox/sandbox.h"
#include "tests/ring_ask.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

/* Made before the role is entered, as a role's own are. */
static struct io_uring_params plain_layout, loop_layout;
static int plain_ring = -1, loop_ring = -1;
static const char *what; /* of the attempt */

static long pid_then_zero(long pid)
{
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid < 0 ? pid : 0;
}

/* --- system calls: each as harmless as it can be asked ---------------------------------------------------- */

static long try_execve(void)
{
	char *argv[] = { (char *)"echo", (char *)"done", NULL };

	return execve("/bin/echo", argv, NULL);
}

static long try_fork(void)
{
	return pid_then_zero(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
}

static long try_clone3(void)
{
	static const struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} arguments = { .exit_signal = SIGCHLD };

	return pid_then_zero(syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

static long try_new_user(void)
{
	return pid_then_zero(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

static long try_ptrace(void)
{
	return syscall(SYS_ptrace, 0 /* PTRACE_TRACEME */, 0, 0, 0);
}

static long try_read_process(void)
{
	char here, *there = &here;
	const struct iovec local = { &here, 1 }, remote = { there, 1 };

	return syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0) < 0 ? -1 : 0;
}

static long try_kill_parent(void)
{
	return kill(getppid(), 0);
}

static long try_setuid(void)
{
	return syscall(SYS_setuid, geteuid());
}

static long try_setgroups(void)
{
	return syscall(SYS_setgroups, 0, NULL);
}

static long try_unshare(void)
{
	return unshare(CLONE_NEWNS);
}

static long try_mount(void)
{
	return mount("none", "/nowhere/at/all", "tmpfs", 0, NULL) < 0 && errno == ENOENT ? 0 : -1;
}

static long try_mount_bare(void)
{
	return syscall(SYS_fsopen, "tmpfs", 0) < 0 ? -1 : 0;
}

static long try_chroot(void)
{
	return chroot("/");
}

static long try_bpf_map(void)
{
	union bpf_attr a = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)) < 0 ? -1 : 0;
}

static long try_keys(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -1 /* thread */, 1) < 0 ? -1 : 0;
}

static long try_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY) < 0 ? -1 : 0;
}

static long try_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_DGRAM, 0) < 0 ? -1 : 0;
}

static long try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 ? -1 : 0;
}

static long try_multipath_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */) < 0 ? -1 : 0;
}

static long try_netfilter_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */) < 0 ? -1 : 0;
}

static long try_listen(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const struct sockaddr any = { .sa_family = AF_UNIX };

	if (fd < 0 || bind(fd, &any, sizeof(any.sa_family)) < 0)
		return -1;
	return listen(fd, 1);
}

static long try_written_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? -1 : 0;
}

static long try_written_code_later(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static long try_ring(void)
{
	struct io_uring_params p = {};

	return syscall(SYS_io_uring_setup, 4, &p) < 0 ? -1 : 0;
}

static long try_personality(void)
{
	return syscall(SYS_personality, 0xffffffffUL) < 0 ? -1 : 0;
}

static long try_handle(void)
{
	static const struct {
		unsigned int bytes;
		int type;
	} none = {};

	return syscall(SYS_open_by_handle_at, AT_FDCWD, &none, O_RDONLY) < 0 && errno == EINVAL
	               ? 0
	               : -1;
}

static long try_clock(void)
{
	return syscall(SYS_settimeofday, NULL, NULL);
}

static long try_host_name(void)
{
	return syscall(SYS_sethostname, "", -1) < 0 && errno == EINVAL ? 0 : -1;
}

static long try_module(void)
{
	return syscall(SYS_init_module, "", 0, "") < 0 && errno == ENOEXEC ? 0 : -1;
}

static long try_swap(void)
{
	return syscall(SYS_swapoff, "/nowhere/at/all") < 0 && errno == ENOENT ? 0 : -1;
}

static long try_reboot(void)
{
	return syscall(SYS_reboot, 0, 0, 0, NULL) < 0 && errno == EINVAL ? 0 : -1;
}

static long try_limit(void)
{
	static const struct rlimit few = { 16, 16 };

	return setrlimit(RLIMIT_NOFILE, &few);
}

static long try_priority(void)
{
	return setpriority(PRIO_PROCESS, 0, 1);
}

static long try_shared_memory(void)
{
	long id = syscall(SYS_shmget, 0 /* IPC_PRIVATE */, 4096, 0600);

	if (id >= 0)
		syscall(SYS_shmctl, id, 0 /* IPC_RMID */, NULL);
	return id < 0 ? -1 : 0;
}

static long try_queue(void)
{
	long id = syscall(SYS_msgget, 0, 0600);

	if (id >= 0)
		syscall(SYS_msgctl, id, 0, NULL);
	return id < 0 ? -1 : 0;
}

static long try_other_namespace(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY);

	return fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
}

static long try_other_descriptor(void)
{
	int own = (int)syscall(SYS_pidfd_open, getpid(), 0);

	return own < 0 || syscall(SYS_pidfd_getfd, own, 1, 0) < 0 ? -1 : 0;
}

static long try_node(void)
{
	return syscall(SYS_mknodat, AT_FDCWD, "/nowhere/at/all", 0x1000 /* S_IFIFO */ | 0600, 0) <
	                               0 &&
	                       errno == ENOENT
	               ? 0
	               : -1;
}

static long try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* --- files, by call and by ring ------------------------------------------------------------------------------ */

static long try_read(void)
{
	return open(what, O_RDONLY | O_NONBLOCK) < 0 ? -1 : 0;
}

static long try_write(void)
{
	return open(what, O_WRONLY | O_CREAT | O_NONBLOCK, 0600) < 0 ? -1 : 0;
}

/* Of a file that may be read: O_TRUNC asks for more than O_RDONLY says. */
static long try_empty(void)
{
	return open(what, O_RDONLY | O_TRUNC | O_NONBLOCK) < 0 ? -1 : 0;
}

static long try_abstract_socket(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t n = strlen(what) < sizeof(to.sun_path) ? strlen(what) : sizeof(to.sun_path) - 1;

	memcpy(to.sun_path + 1, what, n);
	return fd < 0 ? -1
	              : connect(fd, (struct sockaddr *)&to,
	                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
}

static long try_remove(void)
{
	return unlink(what);
}

static long answer_of(int result)
{
	errno = result == INT_MIN ? EPERM : -result;
	return result < 0 ? -1 : 0;
}

static long open_by_ring(int flags)
{
	struct io_uring_sqe ask = { .opcode = IORING_OP_OPENAT,
		                    .fd = AT_FDCWD,
		                    .addr = (uintptr_t)what,
		                    .len = 0600,
		                    .open_flags = (uint32_t)flags };

	return answer_of(ring_ask(plain_ring, &plain_layout, &ask));
}

static long try_ring_read(void)
{
	return open_by_ring(O_RDONLY | O_NONBLOCK);
}

static long try_ring_write(void)
{
	return open_by_ring(O_WRONLY | O_CREAT | O_NONBLOCK);
}

/* --- ports, by call and by ring ------------------------------------------------------------------------------- */

static struct sockaddr_in port_of(const char *number)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                     .sin_port = htons((uint16_t)atoi(number)) };
}

static long try_connect(void)
{
	struct sockaddr_in to = port_of(what);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static long try_bind(void)
{
	struct sockaddr_in to = port_of(what);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&to, sizeof(to));
}

static long try_ring_connect(void)
{
	struct sockaddr_in to = port_of(what);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct io_uring_sqe ask = {
		.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&to, .off = sizeof(to)
	};

	return fd < 0 ? -1 : answer_of(ring_ask(plain_ring, &plain_layout, &ask));
}

/* --- what a loop's ring is not for ------------------------------------------------------------------------------ */

/* Without a sandbox it is carried out: it names nothing that there is. */
static int ask_for_nothing(int ring_fd, const struct io_uring_params *layout)
{
	struct io_uring_sqe ask = { .opcode = (uint8_t)atoi(what),
		                    .fd = -1,
		                    .addr = (uintptr_t) "/nowhere/at/all" };

	return ring_ask(ring_fd, layout, &ask);
}

/* Of a ring that takes all operations another error comes. */
static long barred_or_done(int result)
{
	return result == -EACCES || result == INT_MIN ? answer_of(result) : 0;
}

static long try_ring_operation(void)
{
	return barred_or_done(ask_for_nothing(loop_ring, &loop_layout));
}

static long try_plain_ring_operation(void)
{
	return barred_or_done(ask_for_nothing(plain_ring, &plain_layout));
}

static const struct {
	const char *name;
	long (*attempt)(void);
} attempts[] = {
	{ "execve", try_execve },
	{ "fork", try_fork },
	{ "clone3", try_clone3 },
	{ "new-user-namespace", try_new_user },
	{ "ptrace", try_ptrace },
	{ "process_vm_readv", try_read_process },
	{ "kill", try_kill_parent },
	{ "setuid", try_setuid },
	{ "setgroups", try_setgroups },
	{ "unshare", try_unshare },
	{ "mount", try_mount },
	{ "fsopen", try_mount_bare },
	{ "chroot", try_chroot },
	{ "bpf", try_bpf_map },
	{ "keyctl", try_keys },
	{ "userfaultfd", try_userfaultfd },
	{ "packet-socket", try_packet_socket },
	{ "raw-socket", try_raw_socket },
	{ "multipath-socket", try_multipath_socket },
	{ "netfilter-socket", try_netfilter_socket },
	{ "listen", try_listen },
	{ "written-code", try_written_code },
	{ "written-code-later", try_written_code_later },
	{ "io_uring_setup", try_ring },
	{ "personality", try_personality },
	{ "open_by_handle_at", try_handle },
	{ "settimeofday", try_clock },
	{ "sethostname", try_host_name },
	{ "init_module", try_module },
	{ "swapoff", try_swap },
	{ "reboot", try_reboot },
	{ "setrlimit", try_limit },
	{ "setpriority", try_priority },
	{ "shmget", try_shared_memory },
	{ "msgget", try_queue },
	{ "setns", try_other_namespace },
	{ "pidfd_getfd", try_other_descriptor },
	{ "mknod", try_node },
	{ "dumpable", try_dumpable },
	{ "read", try_read },
	{ "write", try_write },
	{ "remove", try_remove },
	{ "empty", try_empty },
	{ "abstract-socket", try_abstract_socket },
	{ "ring-read", try_ring_read },
	{ "ring-write", try_ring_write },
	{ "connect", try_connect },
	{ "bind", try_bind },
	{ "ring-connect", try_ring_connect },
	{ "ring-operation", try_ring_operation },
	{ "plain-ring-operation", try_plain_ring_operation },
};

#define ATTEMPTS (sizeof(attempts) / sizeof(*attempts))

/* --- the role ---------------------------------------------------------------------------------------------------- */

/* A ring that asks nobody, and a loop's. */
static void make_rings(void)
{
	static struct loop *loop;

	plain_layout = (struct io_uring_params){};
	if (ring_layout(&loop_layout) == 0 && loop_open(LOOP_BODY_IO_URING, &loop, NULL) == 0)
		loop_ring = ring_find();
	plain_ring = (int)syscall(SYS_io_uring_setup, 8, &plain_layout);
}

static int enter(const char *role, const struct sandbox_varies *v)
{
	struct err err = {};

	if (strcmp(role, "none") == 0)
		return 0;
	for (int i = 0; i < SANDBOX_ROLES; i++) {
		if (strcmp(sandbox_role_name((enum sandbox_role)i), role) != 0)
			continue;
		if (sandbox_enter((enum sandbox_role)i, v, &err) == 0)
			return 0;
		fprintf(stderr, "could not %s\n", err.text);
		return -1;
	}
	fprintf(stderr, "there is no role %s\n", role);
	return -1;
}

static void take_options(char **argv, struct sandbox_varies *v)
{
	for (; argv[0] && argv[1]; argv += 2) {
		if (strcmp(argv[0], "--read") == 0)
			sandbox_add_readable(v, argv[1]);
		else if (strcmp(argv[0], "--write") == 0)
			sandbox_add_writable(v, argv[1]);
		else if (strcmp(argv[0], "--port") == 0)
			sandbox_add_port(v, (uint16_t)atoi(argv[1]));
	}
}

int main(int argc, char **argv)
{
	struct sandbox_varies v = {};
	size_t i = 0;

	while (argc >= 3 && i < ATTEMPTS && strcmp(attempts[i].name, argv[2]) != 0)
		i++;
	if (argc < 3 || i == ATTEMPTS)
		return 2;
	what = argc > 3 ? argv[3] : "";
	if (argc > 4)
		take_options(argv + 4, &v);
	make_rings();
	if (enter(argv[1], &v) < 0)
		return 3;
	errno = 0;
	puts(attempts[i].attempt() == 0 ? "done" : strerrorname_np(errno));
	fflush(stdout);
	_exit(0);
}
