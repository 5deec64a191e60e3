/* What each role keeps: read it from below, where the roles are. What is in no list of a role's is answered with ENOSYS,
 * which the C library takes for an older kernel and does without; what no honest path of any role calls ends the process by
 * SIGSYS, so that its crash record has the stack that came there.
 */
#include "agent/sandbox/sandbox_policy.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define INT 0xffffffffULL /* of an argument's register, what an int is */

/* Rows of calls that are allowed by one argument's bits, by two, or by a process that the first one is. */
#define IF(name, argument, mask, value)                                                            \
	{                                                                                          \
		name, 1,                                                                           \
		{                                                                                  \
			{                                                                          \
				argument, false, false, mask, value                                \
			}                                                                          \
		}                                                                                  \
	}
#define IF_OWN(name)                                                                               \
	{                                                                                          \
		name, 1,                                                                           \
		{                                                                                  \
			{                                                                          \
				0, true, false, INT, 0                                             \
			}                                                                          \
		}                                                                                  \
	}
#define IF_CHILD(name)                                                                             \
	{                                                                                          \
		name, 1,                                                                           \
		{                                                                                  \
			{                                                                          \
				0, false, true, INT, 0                                             \
			}                                                                          \
		}                                                                                  \
	}

#if defined(SANDBOX_INSTRUMENTS)
#define INSTRUMENTED 1
#else
#define INSTRUMENTED 0
#endif

bool sandbox_is_instrumented(void)
{
	return INSTRUMENTED;
}

bool sandbox_next_name(const char *names, size_t *at, char ret[SANDBOX_NAME_BYTES])
{
	size_t n;

	*at += strspn(names + *at, " ");
	n = strcspn(names + *at, " ");
	if (n == 0 || n >= SANDBOX_NAME_BYTES)
		return false;
	memcpy(ret, names + *at, n);
	ret[n] = '\0';
	*at += n;
	return true;
}

/* --- system calls: of all --------------------------------------------------------------------------------- */

#define MMAP(prot)                                                                                 \
	IF("mmap", 2, PROT_WRITE | PROT_EXEC, prot), IF("mmap2", 2, PROT_WRITE | PROT_EXEC, prot)
#define MPROTECT(prot) IF("mprotect", 2, PROT_WRITE | PROT_EXEC, prot)
#define FCNTL(command) IF("fcntl", 1, INT, command), IF("fcntl64", 1, INT, command)
#define PRCTL(option)  IF("prctl", 0, INT, option)
#define IOCTL(request) IF("ioctl", 1, INT, request)

/* No page is both written and run; of limits none is changed; nobody else is signalled. */
static const struct sandbox_call living_tested[] = {
	MMAP(0),
	MMAP(PROT_WRITE),
	MMAP(PROT_EXEC),
	MPROTECT(0),
	MPROTECT(PROT_WRITE),
	MPROTECT(PROT_EXEC),
	FCNTL(F_DUPFD),
	FCNTL(F_DUPFD_CLOEXEC),
	FCNTL(F_GETFD),
	FCNTL(F_SETFD),
	FCNTL(F_GETFL),
	FCNTL(F_SETFL),
	FCNTL(F_GETPIPE_SZ),
	FCNTL(F_SETPIPE_SZ),
	IOCTL(TCGETS),
	IOCTL(TIOCGWINSZ),
	IOCTL(FIONREAD),
	IOCTL(FIONBIO),
	PRCTL(PR_SET_NAME),
	PRCTL(PR_GET_NAME),
	PRCTL(PR_SET_PDEATHSIG),
	PRCTL(PR_GET_DUMPABLE),
	PRCTL(PR_SET_NO_NEW_PRIVS),
	IF("prlimit64", 2, UINT64_MAX, 0),
	IF_OWN("kill"),
	IF_OWN("tgkill"),
	IF_OWN("rt_tgsigqueueinfo"),
	{},
};

/* What a process of the C library's does to live, with what it has open. Some are names on machines of 32 bits. */
static const char living_names[] =
	"brk munmap mremap madvise read readv pread64 preadv preadv2 write writev "
	"pwrite64 pwritev lseek close close_range dup dup2 dup3 pipe pipe2 eventfd2 poll "
	"ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait "
	"epoll_pwait2 futex futex_waitv set_robust_list rseq membarrier sched_yield "
	"sched_getaffinity getcpu rt_sigaction rt_sigprocmask rt_sigreturn "
	"rt_sigtimedwait sigaltstack restart_syscall pause exit exit_group getpid gettid "
	"getppid getpgrp getuid geteuid getgid getegid getresuid getresgid getgroups "
	"capget getrlimit getrusage times clock_gettime clock_getres clock_nanosleep "
	"nanosleep gettimeofday time uname sysinfo getrandom umask _llseek _newselect "
	"sigreturn ugetrlimit set_tls cacheflush ppoll_time64 pselect6_time64 "
	"futex_time64 rt_sigtimedwait_time64 clock_gettime64 clock_getres_time64 "
	"clock_nanosleep_time64 getuid32 geteuid32 getgid32 getegid32 getresuid32 "
	"getresgid32 getgroups32";
static const struct sandbox_calls living = {
	.names = living_names,
	.tested = living_tested,
};

#define STAYS_WITHIN                                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

/* Threads, and no processes. clone3(2) keeps its flags in memory, where a filter does not see them: it is in no list, and the
 * C library calls clone(2). */
static const struct sandbox_call threads_tested[] = {
	IF("clone", 0, CLONE_THREAD | STAYS_WITHIN, CLONE_THREAD),
	{},
};
static const struct sandbox_calls threads = { .names = "", .tested = threads_tested };

#if INSTRUMENTED
#define NOT_TRACED ""
#else
#define NOT_TRACED "ptrace "
#endif

/* Programs, other processes, other users, names of things, and the whole machine. A ring is there before a role enters, and
 * no other is made. */
static const char fatal_names[] = NOT_TRACED
	"execve execveat fork vfork process_vm_readv process_vm_writev process_madvise "
	"pidfd_getfd kcmp setuid setgid setreuid setregid setresuid setresgid setfsuid "
	"setfsgid setgroups mount umount2 move_mount open_tree fsopen pivot_root chroot "
	"unshare setns init_module finit_module delete_module kexec_load kexec_file_load "
	"reboot swapon swapoff acct quotactl sethostname setdomainname settimeofday "
	"clock_settime adjtimex clock_adjtime iopl ioperm modify_ldt add_key request_key "
	"keyctl perf_event_open userfaultfd open_by_handle_at mknod mknodat "
	"io_uring_setup io_uring_register";
const struct sandbox_calls sandbox_calls_fatal = {
	.answer = SANDBOX_END,
	.names = fatal_names,
};

/* The row `instruments`, in builds for tests alone: the leak check stops the process from a process of its own, what was run
 * is written to files at the end. What ends a role ends it still, but for ptrace(2). */
static const char instruments_names[] =
	"ptrace clone wait4 prctl open openat mmap mprotect fcntl readlink readlinkat "
	"getdents getdents64 personality tgkill ftruncate mkdir sched_getparam";
const struct sandbox_calls sandbox_calls_instruments = {
	.names = instruments_names,
};

/* --- system calls: of files -------------------------------------------------------------------------------- */

#define LOOKING                                                                                    \
	"fstat newfstatat stat lstat statx statfs fstatfs access faccessat faccessat2 "            \
	"readlink readlinkat getdents64 getcwd fadvise64 "                                         \
	"fstat64 fstatat64 stat64 lstat64 statfs64 fstatfs64 fadvise64_64 arm_fadvise64_64 "

#define CHANGES (O_ACCMODE | O_CREAT | O_TRUNC)

static const struct sandbox_call reading_tested[] = {
	IF("open", 1, CHANGES, O_RDONLY),
	IF("openat", 2, CHANGES, O_RDONLY),
	{},
};
static const struct sandbox_calls reading = { .names = LOOKING, .tested = reading_tested };

static const struct sandbox_call writing_tested[] = {
	FCNTL(F_SETLK),      FCNTL(F_SETLKW),    FCNTL(F_GETLK),     FCNTL(F_OFD_SETLK),
	FCNTL(F_OFD_SETLKW), FCNTL(F_OFD_GETLK), FCNTL(F_ADD_SEALS), {},
};
static const char writing_names[] =
	LOOKING "open openat creat ftruncate fallocate fsync fdatasync sync_file_range flock "
		"fchmod fchown rename renameat renameat2 link linkat unlink unlinkat mkdir "
		"mkdirat rmdir memfd_create utimensat utimensat_time64 ftruncate64 fchown32 "
		"arm_sync_file_range sync_file_range2";
static const struct sandbox_calls writing = {
	.names = writing_names,
	.tested = writing_tested,
};

/* --- system calls: of the network --------------------------------------------------------------------------- */

#define KIND 0xfU /* of socket(2)'s second argument, without its flags */

/* With its protocol: MPTCP and SCTP are streams, too, which Landlock's ports do not hold. */
#define SOCKET(family, kind, protocol)                                                             \
	{                                                                                          \
		"socket", 3,                                                                       \
		{                                                                                  \
			{ 0, false, false, INT, family }, { 1, false, false, KIND, kind },         \
			{                                                                          \
				2, false, false, INT, protocol                                     \
			}                                                                          \
		}                                                                                  \
	}
#define STREAM(family, protocol)   SOCKET(family, SOCK_STREAM, protocol)
#define DATAGRAM(family, protocol) SOCKET(family, SOCK_DGRAM, protocol)

/* Sent with MSG_FASTOPEN the first bytes connect. */
static const struct sandbox_call sockets_tested[] = {
	IF("send", 3, MSG_FASTOPEN, 0),
	IF("sendto", 3, MSG_FASTOPEN, 0),
	IF("sendmsg", 2, MSG_FASTOPEN, 0),
	IF("sendmmsg", 3, MSG_FASTOPEN, 0),
	IF("socketpair", 0, INT, AF_UNIX),
	IOCTL(SIOCOUTQ),
	{},
};
static const struct sandbox_calls sockets = {
	.names = "recv recvfrom recvmsg recvmmsg recvmmsg_time64 shutdown getsockopt setsockopt "
		 "getsockname getpeername",
	.tested = sockets_tested,
};

/* TCP, names by UDP and by local services, and which addresses and routes there are. */
static const struct sandbox_call connecting_tested[] = {
	STREAM(AF_INET, 0),
	STREAM(AF_INET, IPPROTO_TCP),
	STREAM(AF_INET6, 0),
	STREAM(AF_INET6, IPPROTO_TCP),
	STREAM(AF_UNIX, 0),
	DATAGRAM(AF_INET, 0),
	DATAGRAM(AF_INET, IPPROTO_UDP),
	DATAGRAM(AF_INET6, 0),
	DATAGRAM(AF_INET6, IPPROTO_UDP),
	DATAGRAM(AF_UNIX, 0),
	SOCKET(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
	SOCKET(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE),
	IOCTL(SIOCGIFINDEX),
	IOCTL(SIOCGIFNAME),
	IOCTL(SIOCGIFFLAGS),
	IOCTL(SIOCGIFADDR),
	{},
};
static const struct sandbox_calls connecting = { .names = "connect bind",
	                                         .tested = connecting_tested };

static const struct sandbox_call asking_radios_tested[] = {
	SOCKET(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC),
	SOCKET(AF_NETLINK, SOCK_DGRAM, NETLINK_GENERIC),
	{},
};
static const struct sandbox_calls asking_radios = { .names = "", .tested = asking_radios_tested };

static const struct sandbox_calls accepting = { .names = "accept accept4" };

/* Pages by reference, and a ring that has been made. */
static const struct sandbox_calls fast = { .names = "splice vmsplice tee io_uring_enter" };

/* --- system calls: of BPF, and of children -------------------------------------------------------------------- */

/* Maps that were handed over, what a program that was counts, and the end of who hands them over. */
static const struct sandbox_call maps_tested[] = {
	IF("bpf", 0, INT, BPF_MAP_LOOKUP_ELEM),
	IF("bpf", 0, INT, BPF_MAP_UPDATE_ELEM),
	IF("bpf", 0, INT, BPF_OBJ_GET_INFO_BY_FD),
	IF_CHILD("kill"),
	{},
};
static const struct sandbox_calls maps = { .names = "wait4 waitpid waitid", .tested = maps_tested };

/* Before that: who asks is looked up, capabilities are given up one after another. */
static const struct sandbox_call loading_tested[] = {
	STREAM(AF_UNIX, 0),
	DATAGRAM(AF_UNIX, 0),
	{},
};
static const char loading_names[] =
	"bpf capset alarm memfd_create ftruncate ftruncate64 connect recvmsg sendmsg "
	"recvfrom sendto getsockopt setsockopt";
static const struct sandbox_calls loading = {
	.names = loading_names,
	.tested = loading_tested,
};

/* Children that another process starts for it: they are watched, ended and waited for. */
static const struct sandbox_calls children = { .names = "pidfd_open wait4 waitid kill" };

/* --- files ---------------------------------------------------------------------------------------------------- */

/* Libraries that are loaded late, the zone, what one is oneself and what the kernel is set to. */
static const struct sandbox_path running[] = {
	{ "/usr", SANDBOX_READ },
	{ "/lib", SANDBOX_READ },
	{ "/lib64", SANDBOX_READ },
	{ "/etc/ld.so.cache", SANDBOX_READ },
	{ "/etc/localtime", SANDBOX_READ },
	{ "/proc/self", SANDBOX_READ },
	{ "/proc/sys", SANDBOX_READ },
	{ "/proc/cpuinfo", SANDBOX_READ },
	{ "/proc/meminfo", SANDBOX_READ },
	{ "/proc/stat", SANDBOX_READ },
	{ "/sys/devices/system/cpu", SANDBOX_READ },
	{ "/dev/null", SANDBOX_DEVICE },
	{ "/dev/urandom", SANDBOX_READ },
	{},
};

/* Whom nsswitch.conf(5) names for names. /etc as a whole would be the pod's credentials, too. Services are directories: their
 * files are replaced. */
static const struct sandbox_path names[] = {
	{ "/etc/resolv.conf", SANDBOX_READ },   { "/etc/hosts", SANDBOX_READ },
	{ "/etc/nsswitch.conf", SANDBOX_READ }, { "/etc/gai.conf", SANDBOX_READ },
	{ "/etc/host.conf", SANDBOX_READ },     { "/etc/services", SANDBOX_READ },
	{ "/etc/protocols", SANDBOX_READ },     { "/etc/networks", SANDBOX_READ },
	{ "/etc/mdns.allow", SANDBOX_READ },    { "/etc/passwd", SANDBOX_READ },
	{ "/etc/group", SANDBOX_READ },         { "/run/systemd/resolve", SANDBOX_READ },
	{ "/run/resolvconf", SANDBOX_READ },    { "/run/NetworkManager", SANDBOX_READ },
	{ "/run/connman", SANDBOX_READ },       { "/run/nscd", SANDBOX_READ },
	{ "/var/lib/sss/mc", SANDBOX_READ },    {},
};

/* What machine it is on. */
static const struct sandbox_path machine[] = {
	{ "/proc", SANDBOX_READ },
	{ "/sys", SANDBOX_READ },
	{},
};

static const struct sandbox_path trust[] = {
	{ "/etc/ssl", SANDBOX_READ },
	{ "/etc/ca-certificates", SANDBOX_READ },
	{ "/etc/pki", SANDBOX_READ },
	{ "/etc/crypto-policies", SANDBOX_READ },
	{ "/var/lib/ca-certificates", SANDBOX_READ },
	{},
};

/* Who lives on while the machine moves to another network: resolv.conf is another file then, which no list has, or a link
 * into the folder of a systemd-resolved that was not there before. */
static const struct sandbox_path lasting[] = {
	{ "/etc", SANDBOX_READ },
	{ "/run/systemd", SANDBOX_READ },
	{},
};

/* The kernel's types, whether it is locked down, control groups, how many processors there may be. libbpf opens the root
 * directory for the number of its descriptor, where programs share maps. */
static const struct sandbox_path kernel[] = {
	{ "/", SANDBOX_LIST },
	{ "/sys", SANDBOX_READ },
	{ "/etc/passwd", SANDBOX_READ },
	{ "/etc/nsswitch.conf", SANDBOX_READ },
	{ "/run/systemd/userdb", SANDBOX_READ },
	{},
};

/* And where a build for coverage keeps its counts. */
static const struct sandbox_path instruments[] = {
#if INSTRUMENTED
	{ "/", SANDBOX_READ },
#endif
#if defined(SANDBOX_COVERS)
	{ SANDBOX_COVERS, SANDBOX_WRITE },
#endif
	{},
};

/* --- roles ------------------------------------------------------------------------------------------------------ */

#define BIT(capability) (1ULL << (capability))

static const struct sandbox_policy policies[SANDBOX_ROLES] = {
	[SANDBOX_LOADER] = {
		.name = "bpf-loader",
		.capabilities = BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_ADMIN),
		.calls = { &living, &threads, &reading, &loading },
		.paths = { running, kernel, instruments },
		.ports = SANDBOX_NO_PORTS,
	},
	[SANDBOX_COURIER] = {
		.name = "courier",
		.calls = { &living, &threads, &reading, &sockets, &connecting },
		.paths = { running, names, trust, lasting, instruments },
		.ports = SANDBOX_SOME_PORTS,
	},
	[SANDBOX_TEST] = {
		.name = "test",
		.calls = { &living, &threads, &writing, &sockets, &connecting, &fast, &maps },
		.paths = { running, names, trust, instruments },
		.ports = SANDBOX_SOME_PORTS,
		.rings = true,
	},
	[SANDBOX_AGENT] = {
		.name = "agent",
		.calls = { &living, &threads, &writing, &sockets, &connecting, &asking_radios, &accepting, &fast, &children },
		.paths = { running, names, trust, lasting, machine, instruments },
		.ports = SANDBOX_SOME_PORTS,
		.rings = true,
	},
	[SANDBOX_REGISTER] = {
		.name = "register",
		.calls = { &living, &threads, &writing, &sockets, &connecting, &fast },
		.paths = { running, names, trust, instruments },
		.ports = SANDBOX_SOME_PORTS,
		.rings = true,
	},
	[SANDBOX_SERVE] = {
		.name = "serve",
		.calls = { &living, &threads, &reading, &sockets, &accepting, &fast },
		.paths = { running, trust, instruments },
		.ports = SANDBOX_NO_PORTS,
		.rings = true,
	},
};

const struct sandbox_policy *sandbox_policy_of(enum sandbox_role role)
{
	return &policies[role];
}
