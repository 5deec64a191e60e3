#include "agent/base/interrupt.h"

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
	while (write(asked_fd, "", 1) < 0 && errno == EINTR)
		;
	errno = saved_errno;
}

static void both_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
}

/* Whoever started us may have had it ignored, as a shell does for SIGINT of what runs behind "&":
 * then it stays so. */
static void answer(int number, void (*how)(int))
{
	struct sigaction action = { .sa_handler = how, .sa_flags = SA_RESTART };
	struct sigaction before;

	both_signals(&action.sa_mask);
	if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

static void on_signal(int number)
{
	interrupt_raise();
	answer(SIGINT, SIG_DFL);
	answer(SIGTERM, SIG_DFL);
	(void)number;
}

int interrupt_open(int *ret_fd, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "prepare for interrupts");
	asked_fd = ends[1];
	answer(SIGINT, on_signal);
	answer(SIGTERM, on_signal);
	*ret_fd = ends[0];
	return 0;
}

void interrupt_hold(bool hold)
{
	sigset_t both;

	both_signals(&both);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &both, NULL);
}
