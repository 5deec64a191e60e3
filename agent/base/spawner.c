#include "agent/base/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/passing.h"

#define ABOVE_THEIRS  10  /* no descriptor that a child is to get lies in the way of another */
#define CANNOT_INVOKE 126 /* as the shells have them */
#define NOT_FOUND     127
#define PATIENCE_S    5 /* it answers within a millisecond */

struct message {
	uint32_t number; /* of the order, which the answer repeats */
	uint32_t words;  /* in `text`, each with its NUL: the program, then its argv */
	uint8_t has[SPAWNER_FDS];
	uint8_t reserved[3];
	char text[SPAWNER_TEXT_BYTES];
};

struct answer {
	uint32_t number;
	int32_t pid; /* or a negative errno */
};

static int spawner_fd = -1;
static int life_fd = -1; /* a pipe into which nobody writes; the spawner alone has its other end */
static pid_t spawner_pid;

/* --- in the child ----------------------------------------------------------------------------------------- */

void spawner_become(const char *program, char *const *argv, char *const *environment,
                    const int fds[SPAWNER_FDS], pid_t parent)
{
	static const struct rlimit none = {};
	sigset_t nothing;
	int error;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CANNOT_INVOKE);
	setrlimit(RLIMIT_CORE, &none); /* it would hold tokens */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&nothing);
	sigprocmask(SIG_SETMASK, &nothing, NULL);
	for (int i = 0; i < SPAWNER_FDS; i++)
		if (fds[i] < 0 || dup2(fds[i], i) < 0)
			close(i);
	close_range(SPAWNER_FDS, ~0U, 0);
	execve(program, argv, environment);
	error = errno;
	dprintf(STDERR_FILENO, "could not run %s: %s\n", program, strerrordesc_np(error));
	_exit(error == ENOENT ? NOT_FOUND : CANNOT_INVOKE);
}

/* --- in the spawner ----------------------------------------------------------------------------------------- */

/* Answers whether the words are as many as it says. */
static bool read_words(struct message *m, char *words[SPAWNER_WORDS_MAX + 2])
{
	char *at = m->text, *end = m->text + sizeof(m->text);

	if (m->words < 2 || m->words > SPAWNER_WORDS_MAX + 1)
		return false;
	for (uint32_t i = 0; i < m->words; i++) {
		char *nul = memchr(at, '\0', (size_t)(end - at));

		if (!nul)
			return false;
		words[i] = at;
		at = nul + 1;
	}
	words[m->words] = NULL;
	return true;
}

/* What came are the lowest numbers, which are a child's. */
static bool sort_descriptors(const struct message *m, const int *came, size_t count,
                             int fds[SPAWNER_FDS])
{
	size_t n = 0;

	for (int i = 0; i < SPAWNER_FDS; i++) {
		fds[i] = i <= STDERR_FILENO ? i : -1;
		if (!m->has[i])
			continue;
		if (n == count)
			return false;
		fds[i] = fcntl(came[n++], F_DUPFD_CLOEXEC, ABOVE_THEIRS);
	}
	return n == count;
}

/* Its parent is ours, who waits for it; as fork(2), but that the C library is not told, which a process that goes on to
 * execve(2) at once does not need. */
static int fork_for_parent(void)
{
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);

	return pid < 0 ? -errno : (int)pid;
}

static int32_t obey(const struct spawner_options *o, struct message *m, const int *came,
                    size_t count)
{
	char *words[SPAWNER_WORDS_MAX + 2];
	int fds[SPAWNER_FDS] = { -1, -1, -1, -1, -1 };
	int32_t pid = -EPERM;

	if (read_words(m, words) && o->may(o->owner, words[0], words + 1)) {
		char *const *environment = o->environment(o->owner, words + 1, m->has[4]);
		pid_t parent = getppid();

		pid = sort_descriptors(m, came, count, fds) ? fork_for_parent() : -EPROTO;
		if (pid == 0)
			spawner_become(words[0], words + 1, environment, fds, parent);
	}
	for (int i = 0; i < SPAWNER_FDS; i++)
		if (fds[i] > STDERR_FILENO)
			close(fds[i]);
	return pid;
}

_Noreturn static void serve(const struct spawner_options *o, int fd)
{
	static struct message m;

	for (;;) {
		int came[SPAWNER_FDS];
		size_t count = 0;
		int r = passing_receive(fd, &m, sizeof(m), came, SPAWNER_FDS, &count);
		struct answer answer;

		if (r == -EINTR)
			continue;
		if (r < 0)
			_exit(EXIT_SUCCESS);
		answer = (struct answer){ m.number, obey(o, &m, came, count) };
		while (count > 0)
			close(came[--count]);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			_exit(EXIT_SUCCESS);
	}
}

/* What ends the daemon's group of processes is the daemon's to answer: it ends with its socket. */
_Noreturn static void begin_serving(const struct spawner_options *o, int fd, pid_t parent)
{
	static const int not_ours[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	prctl(PR_SET_NAME, "radar-pod-spawn");
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++)
		signal(not_ours[i], SIG_IGN);
	o->forget(o->owner);
	serve(o, fd);
}

/* --- in the daemon -------------------------------------------------------------------------------------------- */

int spawner_begin(const struct spawner_options *options, struct err *err)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	CLEANUP(fd_closep) int ours = -1;
	CLEANUP(fd_closep) int theirs = -1;
	CLEANUP(fd_closep) int our_life = -1;
	CLEANUP(fd_closep) int their_life = -1;
	pid_t parent = getpid();
	int pair[2], life[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a socket for the spawner");
	ours = pair[0];
	theirs = pair[1];
	if (pipe2(life, O_CLOEXEC) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a pipe for the spawner");
	our_life = life[0];
	their_life = life[1];
	setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	spawner_pid = fork();
	if (spawner_pid == 0) {
		close(ours);
		close(our_life);
		begin_serving(options, theirs, parent);
	}
	if (spawner_pid < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "start the spawner (ulimit -u, pids.max)");
	spawner_fd = TAKE(ours, -1);
	life_fd = TAKE(our_life, -1);
	return 0;
}

bool spawner_is_there(void)
{
	return spawner_fd >= 0;
}

int spawner_watch(void)
{
	return TAKE(life_fd, -1);
}

/* It ends by itself. */
void spawner_end(void)
{
	if (spawner_fd < 0)
		return;
	close(spawner_fd);
	fd_closep(&life_fd);
	spawner_fd = life_fd = -1;
	while (waitpid(spawner_pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool add_word(struct message *m, size_t *at, const char *word)
{
	size_t n = strlen(word) + 1;

	if (n > sizeof(m->text) - *at || m->words > SPAWNER_WORDS_MAX)
		return false;
	memcpy(m->text + *at, word, n);
	*at += n;
	m->words++;
	return true;
}

static bool write_order(const struct spawner_order *o, struct message *m, int fds[SPAWNER_FDS],
                        size_t *ret_count)
{
	size_t at = 0;
	bool fits = add_word(m, &at, o->program);

	*ret_count = 0;
	for (const char *const *word = o->argv; *word && fits; word++)
		fits = add_word(m, &at, *word);
	for (int i = 0; i < SPAWNER_FDS; i++) {
		m->has[i] = o->fds[i] >= 0;
		if (m->has[i])
			fds[(*ret_count)++] = o->fds[i];
	}
	return fits;
}

static int send_order(const struct message *m, const int *fds, size_t count)
{
	int r;

	do
		r = passing_send(spawner_fd, m, sizeof(*m), fds, count);
	while (r == -EINTR);
	return r;
}

/* Whom nobody waited for: what it was started for is told as failed already. */
static void abandon(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* With a time limit recv(2) is not begun again behind a signal, whatever SA_RESTART says. */
static int hear_answer(uint32_t number, int32_t *ret)
{
	uint64_t until_ns = clock_now_ns() + PATIENCE_S * NS_PER_S;

	for (;;) {
		struct answer a;
		ssize_t n = recv(spawner_fd, &a, sizeof(a), 0);

		if (n < 0 && errno == EINTR && clock_now_ns() < until_ns)
			continue;
		if (n != sizeof(a))
			return -ECHILD;
		if (a.number == number) {
			*ret = a.pid;
			return 0;
		}
		abandon(a.pid);
	}
}

int spawner_start(const struct spawner_order *order, pid_t *ret, struct err *err)
{
	static struct message m;
	static uint32_t number;
	int fds[SPAWNER_FDS];
	size_t count;
	int32_t answer = 0;
	int r;

	m = (struct message){ .number = ++number };
	if (!write_order(order, &m, fds, &count))
		return ERR_SET(err, -E2BIG, ERR_SYS, 0, "order %s of the spawner", order->program);
	r = send_order(&m, fds, count);
	if (r == 0)
		r = hear_answer(number, &answer);
	if (r < 0)
		return ERR_SET(err, -ECHILD, ERR_SYS, 0, "reach the spawner");
	if (answer < 0)
		return ERR_SET(err, answer, ERR_SYS, 0, "have the spawner start %s",
		               order->program);
	*ret = answer;
	return 0;
}
