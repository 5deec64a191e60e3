#include "agent/daemon/hangup.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/base/err.h"

/* A signal handler can reach nothing else. */
static int came_fd = -1;

static void on_hangup(int number)
{
	int saved_errno = errno;

	(void)number;
	(void)!write(came_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	errno = saved_errno;
}

int hangup_open(int *ret_fd, struct err *err)
{
	struct sigaction action = { .sa_handler = on_hangup, .sa_flags = SA_RESTART };

	came_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (came_fd < 0 || sigaction(SIGHUP, &action, NULL) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "prepare for SIGHUP");
	*ret_fd = came_fd;
	return 0;
}

void hangup_take(int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
}
