#include "agent/cli/child_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/inherited.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* --- signals -------------------------------------------------------------------------------------- */

/* What may come to us and is meant for the program. Stops and faults are not among it: the terminal
 * stops both, and a fault is our own. */
static sigset_t passed_on(void)
{
	static const int numbers[] = { SIGHUP,    SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
		                       SIGUSR2,   SIGALRM, SIGURG,  SIGIO,   SIGPWR,
		                       SIGVTALRM, SIGPROF, SIGXCPU, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaddset(&set, numbers[i]);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		sigaddset(&set, number);
	return set;
}

static bool means_an_end(uint32_t number)
{
	return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM;
}

static int hear_signals(struct child_program *p, struct err *err)
{
	sigset_t set = passed_on();

	sigaddset(&set, SIGCHLD);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the program's exit code with it */
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return p->signals_fd < 0 ? ERR_SET(err, -errno, ERR_SYS, 0, "hear signals") : 0;
}

/* What the terminal sends it sends to the whole group of processes, and so to the program as well, unless
 * that has made a group of its own. That it is gone it tells the leader of its session alone, which is us
 * where ssh(1) or another started nothing else on it. */
static bool has_it_already(const struct child_program *p, const struct signalfd_siginfo *s)
{
	bool of_a_terminal = s->ssi_signo == SIGINT || s->ssi_signo == SIGQUIT ||
	                     s->ssi_signo == SIGWINCH ||
	                     (s->ssi_signo == SIGHUP && getsid(0) != getpid());

	return of_a_terminal && s->ssi_code == SI_KERNEL && getpgid(p->pid) == getpgrp();
}

/* --- the start ------------------------------------------------------------------------------------ */

enum stage { STAGE_ENTER, STAGE_EXEC };

struct complaint { /* of the child, through a pipe that an exec closes */
	enum stage stage;
	int error;
};

_Noreturn static void become(char **argv, int (*enter)(void *self), void *self, int tell_fd)
{
	struct complaint c = { .stage = STAGE_ENTER, .error = -enter(self) };

	if (c.error == 0) {
		inherited_signals_restore();
		execvp(argv[0], argv);
		c = (struct complaint){ STAGE_EXEC, errno };
	}
	(void)!write(tell_fd, &c, sizeof(c));
	_exit(CHILD_PROGRAM_CANNOT_INVOKE);
}

static int complain(struct child_program *p, const char *program, const struct complaint *c,
                    struct err *err)
{
	p->over = true;
	if (c->stage == STAGE_ENTER)
		return ERR_SET(err, -c->error, ERR_SYS, 0, "move %s to its control group", program);
	p->code = c->error == ENOENT ? CHILD_PROGRAM_NOT_FOUND : CHILD_PROGRAM_CANNOT_INVOKE;
	ERR_SET(err, -c->error, ERR_SYS, 0, "run %s", program);
	return CHILD_PROGRAM_NOT_RUN;
}

/* Until the program runs, or cannot. */
static int hear_complaint(struct child_program *p, const char *program, int fd, struct err *err)
{
	struct complaint c;
	ssize_t n;

	do
		n = read(fd, &c, sizeof(c));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(c))
		return CHILD_PROGRAM_RUNS;
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	return complain(p, program, &c, err);
}

int child_program_start(struct child_program *p, char **argv, int (*enter)(void *self), void *self,
                        struct err *err)
{
	CLEANUP(fd_closep) int hear_fd = -1;
	int ends[2], r;

	*p = (struct child_program){ .signals_fd = -1 };
	r = hear_signals(p, err);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a pipe");
	hear_fd = ends[0];
	p->pid = fork();
	if (p->pid == 0)
		become(argv, enter, self, ends[1]);
	r = p->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "start a process for %s (ulimit -u, pids.max)",
		               argv[0]);
	return hear_complaint(p, argv[0], hear_fd, err);
}

/* --- while it runs -------------------------------------------------------------------------------- */

static void note_end(struct child_program *p)
{
	siginfo_t info = {};

	if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid != p->pid)
		return;
	p->over = true;
	p->code = info.si_code == CLD_EXITED ? info.si_status
	                                     : CHILD_PROGRAM_SIGNALLED + info.si_status;
}

void child_program_tend(struct child_program *p)
{
	struct signalfd_siginfo s;

	while (read(p->signals_fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD && !p->over)
			note_end(p);
		else if (p->over)
			p->told_end |= means_an_end(s.ssi_signo);
		else if (!has_it_already(p, &s))
			kill(p->pid, (int)s.ssi_signo);
	}
}

void child_program_end(struct child_program *p)
{
	if (p->signals_fd >= 0)
		close(p->signals_fd);
	p->signals_fd = -1;
}
