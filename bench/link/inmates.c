#include "bench/link/inmates.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"

#define ROUNDS_MAX 100 /* of looking again: a process that forks faster than we look is left */
#define PAUSE_NS   (10 * NS_PER_MS)

static bool is_inmate(int pid, const uint64_t *numbers, int count)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &st) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (numbers[i] && st.st_ino == numbers[i])
			return true;
	return false;
}

/* By a descriptor of the process, so that the number cannot have become another's in between. */
static bool signal_inmate(int pid, const uint64_t *numbers, int count, int number)
{
	CLEANUP(fd_closep) int fd = -1;

	if (!is_inmate(pid, numbers, count))
		return false;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || !is_inmate(pid, numbers, count))
		return false;
	return syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) == 0;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int signal_all(const uint64_t *numbers, int count, int number)
{
	CLEANUP(closedirp) DIR *proc = opendir("/proc");
	int found = 0;

	for (const struct dirent *e; proc && (e = readdir(proc));) {
		int pid = atoi(e->d_name);

		if (pid > 0 && pid != getpid())
			found += signal_inmate(pid, numbers, count, number);
	}
	return found;
}

static void pause_ns(uint64_t ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

int inmates_end(const uint64_t *numbers, int count, uint64_t patience_ns)
{
	uint64_t until_ns = clock_now_ns() + patience_ns;
	int found = signal_all(numbers, count, SIGTERM);

	while (found && clock_now_ns() < until_ns && signal_all(numbers, count, 0))
		pause_ns(PAUSE_NS);
	for (int i = 0; found && i < ROUNDS_MAX && signal_all(numbers, count, SIGKILL); i++)
		pause_ns(PAUSE_NS);
	return found;
}
