/* Under RUN_FOLDER each link has a folder with a file `lock`, which its owner holds (flock(2)): the kernel
 * lets go of it when the owner ends, however it ends. RUN_FOLDER/.lock is held for as long as links are
 * made, removed or swept, so that a link that is half made is never taken for a dead one.
 */
#include "bench/link/namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/link/inmates.h"
#include "bench/link/lock.h"
#include "bench/link/netlink.h"
#include "bench/link/own_cpu.h"
#include "bench/link/side.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define PATIENCE_NS (2 * NS_PER_S) /* between SIGTERM and SIGKILL */

struct namespaces {
	char name[NAMESPACES_NAME_MAX + 1];
	int lock_fd;
	int cpu, cpu_fd; /* OWN_CPU_NONE, -1: none is ours alone */
	bool received_elsewhere;
	struct side side[LINK_SIDES];
};

CLEANUP_DEFINE(closedirp, DIR *, closedir)

bool namespaces_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= NAMESPACES_NAME_MAX && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

int namespaces_path(const char *name, const char *file, char ret[NAMESPACES_PATH_BYTES],
                    struct err *err)
{
	if (!namespaces_name_is_valid(name))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "name a link \"%s\": 1 to %d of a-z, 0-9 and -, not - first", name,
		               NAMESPACES_NAME_MAX);
	snprintf(ret, NAMESPACES_PATH_BYTES, NAMESPACES_FOLDER "/%s/%s", name, file);
	return 0;
}

/* --- locks ---------------------------------------------------------------------------------------- */

/* Until the descriptor is closed nobody else makes or removes a link. */
static int lock_all(int *ret_fd, struct err *err)
{
	int r;

	if (mkdir(NAMESPACES_FOLDER, 0755) < 0 && errno != EEXIST)
		return ERR_SET(err, -errno, ERR_SYS, 0, "create " NAMESPACES_FOLDER);
	r = lock_file(NAMESPACES_FOLDER "/.lock", O_CREAT, LOCK_EX, ret_fd);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "lock " NAMESPACES_FOLDER) : 0;
}

/* --- removing ------------------------------------------------------------------------------------- */

/* Ends what runs on both sides and takes their names away. */
static void remove_sides(const char *name)
{
	char path[LINK_SIDES][SIDE_PATH_BYTES];
	uint64_t number[LINK_SIDES];

	for (int side = 0; side < LINK_SIDES; side++) {
		side_path(name, side, path[side]);
		number[side] = side_number(path[side]);
	}
	inmates_end(number, LINK_SIDES, PATIENCE_NS);
	for (int side = 0; side < LINK_SIDES; side++)
		side_unbind(path[side]);
}

/* The lock goes last: without it, a folder is a dead link's. */
static void remove_folder(const char *name)
{
	char path[NAMESPACES_PATH_BYTES];
	static const char *const files[] = { "about", "new", "control", "lock", "" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		namespaces_path(name, files[i], path, NULL);
		(void)(files[i][0] ? unlink(path) : rmdir(path));
	}
}

/* Whether it was one; the caller holds the lock of all. */
static bool remove_dead(const char *name)
{
	CLEANUP(fd_closep) int fd = -1;
	char path[NAMESPACES_PATH_BYTES];
	int r;

	if (namespaces_path(name, "lock", path, NULL) < 0)
		return false;
	r = lock_file(path, 0, LOCK_EX | LOCK_NB, &fd);
	if (r < 0 && r != -ENOENT)
		return false;
	remove_sides(name);
	remove_folder(name);
	return true;
}

static int sweep(struct err *err)
{
	CLEANUP(closedirp) DIR *all = opendir(NAMESPACES_FOLDER);
	int removed = 0;

	if (!all)
		return ERR_SET(err, -errno, ERR_SYS, 0, "look into " NAMESPACES_FOLDER);
	for (const struct dirent *e; (e = readdir(all));)
		removed += remove_dead(e->d_name);
	return removed;
}

int namespaces_sweep(struct err *err)
{
	CLEANUP(fd_closep) int all_fd = -1;
	int r = lock_all(&all_fd, err);

	return r < 0 ? r : sweep(err);
}

int namespaces_living(const char *name, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	char path[NAMESPACES_PATH_BYTES];
	int r = namespaces_path(name, "lock", path, err);

	if (r < 0)
		return r;
	r = lock_file(path, 0, LOCK_SH | LOCK_NB, &fd);
	if (r == -EWOULDBLOCK)
		return 1;
	if (r == 0 || r == -ENOENT)
		return 0;
	return ERR_SET(err, r, ERR_SYS, 0, "open %s", path);
}

/* --- making --------------------------------------------------------------------------------------- */

static int need_rights(struct err *err)
{
	const uint32_t needed = 1U << CAP_SYS_ADMIN | 1U << CAP_NET_ADMIN;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, have) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "ask for our capabilities");
	if ((have[0].effective & needed) != needed)
		return ERR_SET(err, -EPERM, ERR_SYS, 0,
		               "lay a link without root (CAP_SYS_ADMIN and CAP_NET_ADMIN)");
	return 0;
}

/* The folder and its lock. */
static int claim_name(struct namespaces *n, const char *name, struct err *err)
{
	char path[NAMESPACES_PATH_BYTES];
	int r = namespaces_path(name, "", path, err);

	if (r < 0)
		return r;
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? ERR_SET(err, -EEXIST, ERR_SYS, 0,
		                                 "lay a link %s: one of this name is up", name)
		                       : ERR_SET(err, -errno, ERR_SYS, 0, "create %s", path);
	strcpy(n->name, name);
	namespaces_path(name, "lock", path, NULL);
	r = lock_file(path, O_CREAT | O_EXCL, LOCK_EX, &n->lock_fd);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "lock %s", path) : 0;
}

static struct namespaces *namespaces_new(void)
{
	struct namespaces *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->lock_fd = -1;
	n->cpu = OWN_CPU_NONE;
	n->cpu_fd = -1;
	for (int side = 0; side < LINK_SIDES; side++)
		n->side[side] = (struct side)SIDE_NULL;
	return n;
}

/* What was made, in the other order; the caller holds the lock of all. */
static struct namespaces *undo(struct namespaces *n)
{
	uint64_t number[LINK_SIDES];

	for (int side = 0; side < LINK_SIDES; side++)
		number[side] = n->side[side].path[0] ? side_number(n->side[side].path) : 0;
	inmates_end(number, LINK_SIDES, PATIENCE_NS);
	for (int side = 0; side < LINK_SIDES; side++)
		side_close(&n->side[side]);
	if (n->name[0])
		remove_folder(n->name);
	fd_closep(&n->lock_fd);
	fd_closep(&n->cpu_fd);
	free(n);
	return NULL;
}

/* One on which nothing is received that we do not want there: where this system lets us say so. */
static void take_cpu(struct namespaces *n)
{
	n->cpu = own_cpu_claim(NAMESPACES_FOLDER, &n->cpu_fd);
	for (int side = 0; n->cpu != OWN_CPU_NONE && side < LINK_SIDES; side++)
		if (!side_open_steering(&n->side[side]))
			n->cpu = OWN_CPU_NONE;
	if (n->cpu == OWN_CPU_NONE)
		fd_closep(&n->cpu_fd);
}

int namespaces_open(const char *name, const struct scenario *s, struct namespaces **ret,
                    struct err *err)
{
	CLEANUP(fd_closep) int all_fd = -1;
	struct namespaces *n;
	int r = need_rights(err);

	if (r == 0)
		r = lock_all(&all_fd, err);
	if (r == 0)
		r = sweep(err);
	if (r < 0)
		return r;
	n = namespaces_new();
	if (!n)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the link's namespaces");
	r = claim_name(n, name, err);
	for (int side = 0; r == 0 && side < LINK_SIDES; side++)
		r = side_open(name, side, s, &n->side[side], err);
	if (r < 0) {
		undo(n);
		return r;
	}
	take_cpu(n);
	*ret = n;
	return 0;
}

struct namespaces *namespaces_close(struct namespaces *n)
{
	CLEANUP(fd_closep) int all_fd = -1;

	if (!n)
		return NULL;
	lock_all(&all_fd, NULL);
	return undo(n);
}

/* --- using ---------------------------------------------------------------------------------------- */

int namespaces_tun(const struct namespaces *n, enum link_side side)
{
	return n->side[side].tun_fd;
}

int namespaces_cpu(const struct namespaces *n)
{
	return n->cpu;
}

/* From here to elsewhere order is kept: a packet that is dealt with here has been when write(2) is back. The other
 * way one that waits elsewhere is overtaken. */
void namespaces_receive_elsewhere(struct namespaces *n, bool elsewhere)
{
	char cpus[OWN_CPU_MASK_BYTES];
	cpu_set_t usable;

	if (n->cpu == OWN_CPU_NONE || elsewhere == n->received_elsewhere)
		return;
	CPU_ZERO(&usable);
	if (!elsewhere)
		CPU_SET(n->cpu, &usable);
	else if (sched_getaffinity(0, sizeof(usable), &usable) < 0)
		return;
	own_cpu_mask(&usable, elsewhere ? n->cpu : OWN_CPU_NONE, cpus);
	for (int side = 0; side < LINK_SIDES; side++)
		side_receive_on(&n->side[side], cpus);
	n->received_elsewhere = elsewhere;
}

int namespaces_drops(const struct namespaces *n, struct netlink_drops *ret, struct err *err)
{
	struct netlink_drops sum = {}, one;

	for (int side = 0; side < LINK_SIDES; side++) {
		const struct side *s = &n->side[side];
		int r = netlink_drops(s->netlink_fd, s->index, &one, err);

		if (r < 0)
			return r;
		sum.sent += one.sent;
		sum.received += one.received;
	}
	*ret = sum;
	return 0;
}

void namespaces_end_processes(const struct namespaces *n)
{
	uint64_t number[LINK_SIDES];

	for (int side = 0; side < LINK_SIDES; side++)
		number[side] = side_number(n->side[side].path);
	inmates_end(number, LINK_SIDES, PATIENCE_NS);
}

int namespaces_enter(const char *name, enum link_side side, struct err *err)
{
	char path[SIDE_PATH_BYTES];
	bool own_sys;

	side_path(name, side, path);
	return side_enter(path, &own_sys, err);
}
