#include "transport/base/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "transport/base/cleanup.h"

extern char **environ;

static void actions_end(posix_spawn_file_actions_t *actions)
{
	posix_spawn_file_actions_destroy(actions);
}

static void attributes_end(posix_spawnattr_t *attributes)
{
	posix_spawnattr_destroy(attributes);
}

/* Out of the way of the numbers that the child's have. */
static int lift(const struct role_fd *from, struct role_fd *to)
{
	to->as = from->as;
	to->ours = fcntl(from->ours, F_DUPFD_CLOEXEC, ROLE_FD_MAX);
	return to->ours < 0 ? errno : 0;
}

/* The executable may have been replaced on the disk: the child is what we are. */
static int spawn(const char *role, const char *word, const struct role_fd *fds, size_t count,
                 pid_t *ret)
{
	CLEANUP(actions_end) posix_spawn_file_actions_t actions;
	CLEANUP(attributes_end) posix_spawnattr_t attributes;
	char *arguments[] = { (char *)"radar-pod", (char *)role, (char *)word, NULL };
	int error = posix_spawn_file_actions_init(&actions);
	sigset_t none;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes); /* cannot fail in glibc and musl */
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	for (size_t i = 0; i < count && !error; i++)
		error = posix_spawn_file_actions_adddup2(&actions, fds[i].ours, fds[i].as);
	if (!error)
		error = posix_spawn(ret, "/proc/self/exe", &actions, &attributes, arguments,
		                    environ);
	return error;
}

int role_start_with(const char *role, const char *word, const struct role_fd *fds, size_t count,
                    pid_t *ret)
{
	struct role_fd lifted[ROLE_FD_MAX];
	size_t n = 0;
	int error = 0;

	for (size_t i = 0; i < count && n < ROLE_FD_MAX && !error; i++) {
		if (fds[i].ours < 0)
			continue;
		error = lift(&fds[i], &lifted[n]);
		n += !error;
	}
	if (!error)
		error = spawn(role, word, lifted, n, ret);
	while (n > 0)
		close(lifted[--n].ours);
	return -error;
}

int role_start(const char *role, const struct role_fd *fds, size_t count, pid_t *ret)
{
	return role_start_with(role, NULL, fds, count, ret);
}
