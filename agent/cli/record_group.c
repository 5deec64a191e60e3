#include "agent/cli/record_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf/cgroup.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define NAME_BYTES sizeof(RECORD_GROUP_PREFIX "2147483647.18446744073709551615")

/* Recordings within recordings that were all killed. */
#define DEPTH_MAX 8

/* A group stays busy until the last process of it has left the kernel; one that forks may need several
 * rounds. */
#define REMOVE_TRIES   200
#define REMOVE_WAIT_NS 5000000

/* Somebody who removes what is dead may take a group for dead between its making and its lock. */
#define OPEN_TRIES 3

struct record_group {
	char name[NAME_BYTES];
	int above_fd; /* the directory it is in */
	int fd;       /* its own, with the lock */
	int procs_fd; /* its cgroup.procs, for writing */
	int life_fd;  /* a pipe's end; the keeper waits for it to be closed */
	pid_t keeper; /* 0: none */
};

CLEANUP_DEFINE(file_closep, FILE *, fclose)
CLEANUP_DEFINE(dir_closep, DIR *, closedir)

/* --- whose it is ---------------------------------------------------------------------------------- */

/* When it began, in ticks since the machine did: the 22nd word of /proc/PID/stat, of which the second
 * may hold anything and ends with the last parenthesis. False: there is no such process. */
static bool start_of(pid_t pid, unsigned long long *ret_ticks)
{
	char path[48], text[1024];
	CLEANUP(file_closep) FILE *stat = NULL;
	const char *behind;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "re");
	if (!stat || !fgets(text, sizeof(text), stat))
		return false;
	behind = strrchr(text, ')');
	return behind &&
	       sscanf(behind + 1,
	              " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
	              "%*d %llu",
	              ret_ticks) == 1;
}

static bool owner_lives(const char *name)
{
	unsigned long long began, ticks;
	int pid, end = 0;

	if (sscanf(name, RECORD_GROUP_PREFIX "%d.%llu%n", &pid, &began, &end) != 2 ||
	    name[end] != '\0')
		return true; /* none of ours */
	return start_of(pid, &ticks) && ticks == began;
}

/* --- removing one --------------------------------------------------------------------------------- */

/* Answers how many went. */
static size_t move_up(int fd, int above_fd)
{
	CLEANUP(fd_closep) int to = openat(above_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	int from_fd = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	CLEANUP(file_closep) FILE *from = from_fd < 0 ? NULL : fdopen(from_fd, "r");
	char line[24];
	size_t moved = 0;

	while (to >= 0 && from && fgets(line, sizeof(line), from))
		moved += write(to, line, strlen(line)) > 0;
	return moved;
}

static void remove_dead(int fd, int depth);
static void remove_empty(int fd, int depth);

/* `fd` is the group's own directory. False: something holds it, such as groups that were made in it. */
static bool remove_group(int above_fd, const char *name, int fd, int depth, size_t *moved)
{
	const struct timespec pause = { .tv_nsec = REMOVE_WAIT_NS };

	remove_dead(fd, depth + 1);
	remove_empty(fd, depth + 1);
	for (int i = 0; i < REMOVE_TRIES; i++) {
		*moved += move_up(fd, above_fd);
		if (unlinkat(above_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return true;
		if (errno != EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* What is in the directory `fd`, which stays as it is; NULL: that is too deep, or not to be read. */
static DIR *list(int fd, int depth)
{
	int again = depth > DEPTH_MAX ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return again < 0 ? NULL : fdopendir(again);
}

/* Groups that a program made, innermost first: the kernel keeps those in which somebody is. A recording within
 * this one removes its own. */
static void remove_empty(int fd, int depth)
{
	CLEANUP(dir_closep) DIR *groups = list(fd, depth);
	struct dirent *entry;

	while (groups && (entry = readdir(groups))) {
		const char *name = entry->d_name;
		CLEANUP(fd_closep) int within = -1;

		if (entry->d_type != DT_DIR || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    strncmp(name, RECORD_GROUP_PREFIX, strlen(RECORD_GROUP_PREFIX)) == 0)
			continue;
		within = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (within >= 0)
			remove_empty(within, depth + 1);
		unlinkat(fd, name, AT_REMOVEDIR);
	}
}

/* Groups of recordings that were killed together with their keeper. */
static void remove_dead(int fd, int depth)
{
	CLEANUP(dir_closep) DIR *groups = list(fd, depth);
	struct dirent *entry;

	while (groups && (entry = readdir(groups))) {
		CLEANUP(fd_closep) int dead = -1;
		size_t moved = 0;

		if (owner_lives(entry->d_name))
			continue;
		dead = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dead >= 0 && flock(dead, LOCK_EX | LOCK_NB) == 0)
			remove_group(fd, entry->d_name, dead, depth, &moved);
	}
}

/* --- the keeper ----------------------------------------------------------------------------------- */

/* Out of reach of what is sent to the terminal's or the shell's processes, and holding nothing of
 * anybody else's open. */
_Noreturn static void keep(const struct record_group *g, int life_fd)
{
	enum { ABOVE, OWN, LIFE, KEPT };
	const int fds[KEPT] = { [ABOVE] = g->above_fd, [OWN] = g->fd, [LIFE] = life_fd };
	sigset_t all;
	size_t moved = 0;
	char byte;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "radar-pod-keep");
	for (int i = 0; i < KEPT; i++)
		dup2(fds[i], i);
	close_range(KEPT, ~0U, 0);
	while (read(LIFE, &byte, 1) < 0 && errno == EINTR)
		;
	remove_group(ABOVE, g->name, OWN, 0, &moved);
	_exit(0);
}

static int start_keeper(struct record_group *g, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a pipe for the group's keeper");
	g->life_fd = ends[1];
	g->keeper = fork();
	if (g->keeper == 0)
		keep(g, ends[0]);
	close(ends[0]);
	if (g->keeper < 0) {
		g->keeper = 0;
		return ERR_SET(err, -errno, ERR_SYS, 0, "start the group's keeper");
	}
	return 0;
}

/* --- open and close ------------------------------------------------------------------------------- */

static const char *hint_of(int code)
{
	switch (code) {
	case -EAGAIN:
		return " (cgroup.max.descendants or cgroup.max.depth there or above)";
	case -EACCES:
	case -EPERM:
		return " (run as root, or in a group that is yours: systemd-run --user --scope -p "
		       "Delegate=yes)";
	default:
		return "";
	}
}

/*   -ESTALE  another recording took it for dead */
static int make_group(struct record_group *g, const char *above, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	if (mkdirat(g->above_fd, g->name, 0755) < 0 && errno != EEXIST) {
		int code = -errno;

		return ERR_SET(err, code, ERR_SYS, 0, "make a control group in %s%s", above,
		               hint_of(code));
	}
	g->fd = openat(g->above_fd, g->name, flags);
	if (g->fd < 0 || flock(g->fd, LOCK_EX | LOCK_NB) < 0)
		return ERR_SET(err, -ESTALE, ERR_SYS, 0, "lock the control group %s", g->name);
	g->procs_fd = openat(g->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (g->procs_fd < 0)
		return ERR_SET(err, errno == ENOENT ? -ESTALE : -errno, ERR_SYS, 0,
		               "open the control group %s", g->name);
	return 0;
}

static void close_fds(struct record_group *g)
{
	if (g->fd >= 0)
		close(g->fd);
	if (g->procs_fd >= 0)
		close(g->procs_fd);
	g->fd = g->procs_fd = -1;
}

static int open_group(struct record_group *g, struct err *err)
{
	char above[CGROUP_PATH_BYTES];
	unsigned long long began = 0;
	int r;

	g->above_fd = cgroup_open_own(above, err);
	if (g->above_fd < 0)
		return g->above_fd;
	remove_dead(g->above_fd, 0);
	start_of(getpid(), &began);
	snprintf(g->name, sizeof(g->name), RECORD_GROUP_PREFIX "%d.%llu", getpid(), began);
	for (int i = 0; i < OPEN_TRIES; i++) {
		close_fds(g);
		r = make_group(g, above, err);
		if (r != -ESTALE)
			break;
	}
	return r < 0 ? r : start_keeper(g, err);
}

static void record_group_closep(struct record_group **g)
{
	struct record_group_left left;

	record_group_close(*g, &left);
}

int record_group_open(struct record_group **ret, struct err *err)
{
	CLEANUP(record_group_closep) struct record_group *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a control group");
	g->above_fd = g->fd = g->procs_fd = g->life_fd = -1;
	r = open_group(g, err);
	if (r < 0)
		return r;
	*ret = TAKE(g, NULL);
	return 0;
}

int record_group_fd(const struct record_group *g)
{
	return g->fd;
}

int record_group_join(const struct record_group *g)
{
	return write(g->procs_fd, "0", 1) < 0 ? -errno : 0;
}

bool record_group_is_empty(const struct record_group *g)
{
	CLEANUP(fd_closep) int fd = openat(g->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return true;
	text[n] = '\0';
	return strstr(text, "populated 0");
}

struct record_group *record_group_close(struct record_group *g, struct record_group_left *ret)
{
	*ret = (struct record_group_left){};
	if (!g)
		return NULL;
	if (g->fd >= 0)
		ret->stays = !remove_group(g->above_fd, g->name, g->fd, 0, &ret->moved);
	close_fds(g);
	if (g->life_fd >= 0)
		close(g->life_fd);
	if (g->keeper > 0)
		while (waitpid(g->keeper, NULL, 0) < 0 && errno == EINTR)
			;
	if (g->above_fd >= 0)
		close(g->above_fd);
	free(g);
	return NULL;
}
