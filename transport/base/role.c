#include "transport/base/role.h"

#include <signal.h>
#include <spawn.h>
#include <stddef.h>

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

/* The executable may have been replaced on the disk: the child is what we are. */
int role_start(const char *role, int socket_fd, int as_fd, pid_t *ret)
{
	CLEANUP(actions_end) posix_spawn_file_actions_t actions;
	CLEANUP(attributes_end) posix_spawnattr_t attributes;
	char *arguments[] = { (char *)"radar-pod", (char *)role, NULL };
	int error = posix_spawn_file_actions_init(&actions);
	sigset_t none;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes); /* cannot fail in glibc and musl */
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, socket_fd, as_fd);
	if (!error)
		error = posix_spawn(ret, "/proc/self/exe", &actions, &attributes, arguments,
		                    environ);
	return -error;
}
