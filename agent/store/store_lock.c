#include "agent/store/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define STEP_NS     (20 * NS_PER_MS)
#define PATIENCE_MS 5000

enum { BYTE_OWNER, BYTE_USERS };

int store_lock_open(const char *directory, struct store_lock *ret, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	char path[4096 + 8];
	struct stat st;

	snprintf(path, sizeof(path), "%s/lock", directory);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "lock %s, which is no regular file",
		               path);
	ret->fd = TAKE(fd, -1);
	return 0;
}

void store_lock_close(struct store_lock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static int lock_byte(const struct store_lock *l, int byte, short type)
{
	struct flock f = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(l->fd, F_OFD_SETLK, &f) < 0 ? -errno : 0;
}

/* -EAGAIN: it is still taken. */
static int wait_for_byte(const struct store_lock *l, int byte, short type, unsigned int patience_ms)
{
	uint64_t until_ns = clock_now_ns() + patience_ms * NS_PER_MS;
	int r;

	while ((r = lock_byte(l, byte, type)) == -EAGAIN || r == -EACCES || r == -EINTR) {
		if (clock_now_ns() >= until_ns)
			return -EAGAIN;
		nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
	}
	return r;
}

/* The process id that its owner has written; 0: not readable. */
static long owner_of(const struct store_lock *l)
{
	char text[16] = {};

	return pread(l->fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

/* For people only: a failure to write it is none. */
static void sign(const struct store_lock *l)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(l->fd, 0) == 0 && pwrite(l->fd, text, (size_t)n, 0) < 0)
		return;
}

int store_lock_own(struct store_lock *l, unsigned int patience_ms, struct err *err)
{
	int r = wait_for_byte(l, BYTE_OWNER, F_WRLCK, patience_ms);

	if (r == -EAGAIN)
		return ERR_SET(err, -EWOULDBLOCK, ERR_SYS, 0,
		               "have the state directory: process %ld has it", owner_of(l));
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "lock the state directory");
	sign(l);
	return 0;
}

void store_lock_disown(struct store_lock *l)
{
	lock_byte(l, BYTE_OWNER, F_UNLCK);
}

int store_lock_use(struct store_lock *l, bool alone, struct err *err)
{
	int r = wait_for_byte(l, BYTE_USERS, alone ? F_WRLCK : F_RDLCK, PATIENCE_MS);

	return r < 0 ? ERR_SET(err, r == -EAGAIN ? -EBUSY : r, ERR_SYS, 0,
	                       "lock the store: other processes are writing to it")
	             : 0;
}
