#include "bench/link/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/link/command.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* The ends of both pipes that the child has. */
struct inside {
	int go_fd, report_fd;
};

/* --- in the child ---------------------------------------------------------------------------------- */

static void take_signals_back(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Not to outlive the link, which may have gone before we say so. */
static void follow(const struct child_options *o, int parent)
{
	if (o->own_group)
		setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_CANNOT_RUN);
}

static int prepare(const struct child_options *o, struct err *err)
{
	int r = namespaces_enter(o->link_name, o->side, err);

	if (r < 0)
		return r;
	addresses_export(o->addresses);
	r = addresses_expand_all(o->addresses, o->argv);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "expand the command's words") : 0;
}

static void __attribute__((noreturn))
be_child(const struct child_options *o, int parent, const struct inside *in)
{
	struct err err = {};
	char go;

	follow(o, parent);
	if (read(in->go_fd, &go, 1) != 1)
		_exit(EXIT_CANNOT_RUN);
	if (prepare(o, &err) == 0) {
		take_signals_back();
		execvp(o->argv[0], o->argv);
		ERR_SET(&err, -errno, ERR_SYS, 0, "run %s", o->argv[0]);
	}
	(void)!write(in->report_fd, &err, sizeof(err));
	_exit(EXIT_CANNOT_RUN);
}

/* --- in the parent --------------------------------------------------------------------------------- */

static int open_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a pipe");
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

int child_prepare(const struct child_options *o, struct child *ret, struct err *err)
{
	CLEANUP(fd_closep) int inside_go = -1;
	CLEANUP(fd_closep) int inside_report = -1;
	CLEANUP(child_end) struct child c = CHILD_NULL;
	int parent = getpid();
	int r = open_pipe(&inside_go, &c.go_fd, err);

	if (r == 0)
		r = open_pipe(&c.report_fd, &inside_report, err);
	if (r < 0)
		return r;
	c.pid = fork();
	if (c.pid < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a process");
	if (c.pid == 0) {
		close(c.go_fd);
		be_child(o, parent, &(struct inside){ inside_go, inside_report });
	}
	c.pid_fd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	if (c.pid_fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "watch a process");
	*ret = TAKE(c, (struct child)CHILD_NULL);
	return 0;
}

int child_go(struct child *c, struct err *err)
{
	struct err report = {};
	ssize_t n;

	if (write(c->go_fd, "", 1) != 1)
		return ERR_SET(err, -errno, ERR_SYS, 0, "start a command");
	do
		n = read(c->report_fd, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != sizeof(report))
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "start a command");
	if (err)
		*err = report; /* its strings are in this image, too */
	return report.code;
}

static void close_all(struct child *c)
{
	fd_closep(&c->pid_fd);
	fd_closep(&c->go_fd);
	fd_closep(&c->report_fd);
	*c = (struct child)CHILD_NULL;
}

void child_end(struct child *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_all(c);
}

int child_status(struct child *c)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
	close_all(c);
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}
