#include "agent/base/inherited.h"

#include <signal.h>
#include <stddef.h>

static sigset_t ignored, blocked;

void inherited_signals_note(void)
{
	struct sigaction now;

	sigemptyset(&ignored);
	for (int number = 1; number < NSIG; number++)
		if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			sigaddset(&ignored, number);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
}

void inherited_signal_restore(int number)
{
	signal(number, sigismember(&ignored, number) == 1 ? SIG_IGN : SIG_DFL);
}

void inherited_signals_restore(void)
{
	for (int number = 1; number < NSIG; number++)
		inherited_signal_restore(number);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}
