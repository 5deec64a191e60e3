/* Loaded before the daemon (LD_PRELOAD) it makes its clocks go faster and its waits shorter, so that a day is over in
 * minutes and every timer of the program as it is shipped fires as often as in a day.
 *
 *   FAST_CLOCK_TIMES=360 LD_PRELOAD=…/libfast_clock.so radar-pod agent …
 *
 * $FAST_CLOCK_WALL names a file whose first 8 bytes are an int64_t: seconds by which the wall clock is wrong, at any time
 * another number.
 *
 * io_uring waits in the kernel, where nobody can shorten it: it is refused, as where it is barred, and the loop takes
 * epoll. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static long long times = 1;
static long long base_ns[CLOCK_BOOTTIME + 1];
static const volatile long long *wrong_s; /* the wall clock; NULL: it is right */

static long long real_ns(clockid_t id)
{
	struct timespec t;

	syscall(SYS_clock_gettime, id, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void map_wall(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	wrong_s = mmap(NULL, sizeof(*wrong_s), PROT_READ, MAP_SHARED, fd, 0);
	if (wrong_s == MAP_FAILED)
		_exit(99);
	close(fd);
}

static void bar_io_uring(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(*filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(99);
}

__attribute__((constructor)) static void begin(void)
{
	const char *given = getenv("FAST_CLOCK_TIMES");

	if (given)
		times = atoll(given);
	if (times < 1)
		_exit(99);
	for (clockid_t id = 0; id <= CLOCK_BOOTTIME; id++)
		base_ns[id] = real_ns(id);
	given = getenv("FAST_CLOCK_WALL");
	if (given)
		map_wall(given);
	bar_io_uring();
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	long long ns;

	if (id != CLOCK_MONOTONIC && id != CLOCK_BOOTTIME && id != CLOCK_REALTIME)
		return (int)syscall(SYS_clock_gettime, id, ret);
	ns = base_ns[id] + (real_ns(id) - base_ns[id]) * times;
	if (id == CLOCK_REALTIME && wrong_s)
		ns += *wrong_s * NS_PER_S;
	*ret = (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
	return 0;
}

int epoll_pwait2(int fd, struct epoll_event *events, int count, const struct timespec *wait,
                 const sigset_t *mask)
{
	struct timespec shorter;

	if (wait) {
		shorter.tv_sec = wait->tv_sec / times; /* that of "for ever" is no number of ns */
		shorter.tv_nsec = (wait->tv_sec % times * NS_PER_S + wait->tv_nsec) / times;
	}
	return (int)syscall(SYS_epoll_pwait2, fd, events, count, wait ? &shorter : NULL, mask,
	                    sizeof(long));
}
