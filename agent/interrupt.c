#include "agent/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "transport/base/err.h"

/* A signal handler can reach nothing else. */
static int asked_fd = -1;

void interrupt_raise(void)
{
	int saved_errno = errno;

	/* A pipe that is full has said it already. */
	(void)!write(asked_fd, "", 1);
	errno = saved_errno;
}

static void on_signal(int number)
{
	interrupt_raise();
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	(void)number;
}

static void both_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
}

int interrupt_open(int *ret_fd, struct err *err)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "prepare for interrupts");
	asked_fd = ends[1];
	both_signals(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	*ret_fd = ends[0];
	return 0;
}

void interrupt_hold(bool hold)
{
	sigset_t both;

	both_signals(&both);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &both, NULL);
}
