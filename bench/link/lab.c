/* Links for longer work: up, exec, down. `up` leaves a process behind that keeps the link. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/link/about.h"
#include "bench/link/addresses.h"
#include "bench/link/command.h"
#include "bench/link/control.h"
#include "bench/link/keeper.h"
#include "bench/link/namespaces.h"
#include "bench/link/session.h"
#include "bench/link/summary.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* --- up: the process that keeps the link ----------------------------------------------------------- */

struct lab {
	struct session session;
	struct keeper keeper;
	bool interrupted;
};

static void on_signal(void *owner, const struct signalfd_siginfo *s)
{
	struct lab *lab = owner;

	(void)s;
	lab->interrupted = true;
	loop_stop(lab->keeper.loop);
}

static void on_asked(void *owner)
{
	struct lab *lab = owner;

	loop_stop(lab->keeper.loop);
}

/* Whoever takes the link down will hear of it. */
static void on_unwritable(void *owner)
{
	(void)owner;
}

static enum exit_code begin(struct lab *lab, const struct arguments *a)
{
	enum exit_code code = session_load(&lab->session, a->word[0], a->word[1], a);
	struct err err = {};
	int r;

	if (code == EXIT_DONE)
		code = session_open(&lab->session);
	if (code != EXIT_DONE)
		return code;
	lab->keeper = (struct keeper){ .session = &lab->session,
		                       .owner = lab,
		                       .signalled = on_signal,
		                       .asked = on_asked,
		                       .unwritable = on_unwritable };
	r = keeper_open(&lab->keeper, &err);
	if (r == 0)
		r = session_start(&lab->session, &err);
	if (r < 0) {
		complain(&err);
		return exit_code_of(r);
	}
	return EXIT_DONE;
}

/* Nobody is there any more to read what we say. */
static void leave_terminal(void)
{
	CLEANUP(fd_closep) int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
		dup2(fd, i);
}

static void keep(struct lab *lab, int ready_fd)
{
	char text[CONTROL_TEXT_BYTES];
	enum exit_code code = EXIT_DONE;
	struct err err = {};

	leave_terminal();
	(void)!write(ready_fd, &code, sizeof(code));
	close(ready_fd);
	loop_run(lab->keeper.loop, CLOCK_NEVER_NS, &err);
	namespaces_end_processes(lab->session.namespaces);
	code = session_end(&lab->session, lab->interrupted);
	summary_write(&lab->session, text, sizeof(text));
	session_close(&lab->session);
	control_answer(&lab->keeper.control, code, text);
}

static int be_keeper(const struct arguments *a, int ready_fd)
{
	struct lab lab = {};
	enum exit_code code;

	setsid();
	code = begin(&lab, a);
	if (code == EXIT_DONE)
		keep(&lab, ready_fd);
	else
		(void)!write(ready_fd, &code, sizeof(code));
	session_close(&lab.session);
	keeper_close(&lab.keeper);
	return (int)code;
}

static void say_up(const struct arguments *a)
{
	printf("%s is up: link exec %s client|server -- COMMAND…, link down %s\n", a->word[0],
	       a->word[0], a->word[0]);
}

int cmd_up(const struct arguments *a)
{
	CLEANUP(fd_closep) int ready_fd = -1;
	enum exit_code code = EXIT_NOT_DONE;
	int ends[2];
	pid_t pid;

	keeper_block_signals();
	if (pipe2(ends, O_CLOEXEC) < 0) {
		perror("link: could not make a pipe");
		return EXIT_NOT_DONE;
	}
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		return be_keeper(a, ends[1]);
	}
	ready_fd = ends[0];
	close(ends[1]);
	if (pid < 0)
		perror("link: could not make a process");
	else if (read(ready_fd, &code, sizeof(code)) != sizeof(code))
		fprintf(stderr, "link: the link's process has ended without a word\n");
	if (code == EXIT_DONE)
		say_up(a);
	return (int)code;
}

/* --- exec and down --------------------------------------------------------------------------------- */

static bool read_side(const char *word, enum link_side *ret)
{
	*ret = strcmp(word, "server") == 0 ? LINK_SERVER : LINK_CLIENT;
	return *ret == LINK_SERVER || strcmp(word, "client") == 0;
}

/* 0 where the link is up, else the exit code; said. */
static enum exit_code need_living(const char *name)
{
	struct err err = {};
	int r = namespaces_living(name, &err);

	if (r > 0)
		return EXIT_DONE;
	if (r == 0) {
		fprintf(stderr, "link: no link %s is up (link list)\n", name);
		return EXIT_NOT_DONE;
	}
	complain(&err);
	return r == -EINVAL ? EXIT_USAGE : exit_code_of(r);
}

int cmd_exec(const struct arguments *a)
{
	struct addresses addresses;
	struct about about = {};
	enum link_side side;
	enum exit_code code;
	struct err err = {};
	int r;

	if (!read_side(a->word[1], &side)) {
		fprintf(stderr, "link exec: client or server, not '%s' (link --help)\n",
		        a->word[1]);
		return EXIT_USAGE;
	}
	code = need_living(a->word[0]);
	if (code != EXIT_DONE)
		return (int)code;
	r = about_read(a->word[0], &about, &err);
	addresses = addresses_of(a->word[0], about.family);
	if (r == 0)
		r = namespaces_enter(a->word[0], side, &err);
	if (r == 0 && addresses_expand_all(&addresses, a->command) < 0)
		r = ERR_SET(&err, -ENOMEM, ERR_SYS, 0, "expand the command's words");
	if (r < 0) {
		complain(&err);
		return (int)exit_code_of(r);
	}
	addresses_export(&addresses);
	signal(SIGPIPE, SIG_DFL);
	execvp(a->command[0], a->command);
	code = errno == ENOENT ? EXIT_NO_COMMAND : EXIT_CANNOT_RUN;
	ERR_SET(&err, -errno, ERR_SYS, 0, "run %s", a->command[0]);
	complain(&err);
	return (int)code;
}

int cmd_down(const struct arguments *a)
{
	char text[CONTROL_TEXT_BYTES];
	enum exit_code code = need_living(a->word[0]);
	struct err err = {};
	int r;

	if (code != EXIT_DONE) {
		namespaces_sweep(NULL);
		return (int)code;
	}
	r = control_ask(a->word[0], CONTROL_PATIENCE_NS, &code, text, &err);
	if (r < 0) {
		complain(&err);
		return (int)exit_code_of(r);
	}
	if (!a->quiet || code != EXIT_DONE)
		fputs(text, stderr);
	return (int)code;
}
