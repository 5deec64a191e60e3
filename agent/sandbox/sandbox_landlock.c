/* Landlock (Documentation/userspace-api/landlock.rst), by system calls, as Debian 12's C library has no functions and its
 * headers end at version 2. What a kernel does not know is left out of what is asked for. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/sandbox/sandbox_policy.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* linux/landlock.h; the number behind each is the first version that has it. */
#define FS_EXECUTE     (1ULL << 0)
#define FS_WRITE_FILE  (1ULL << 1)
#define FS_READ_FILE   (1ULL << 2)
#define FS_READ_DIR    (1ULL << 3)
#define FS_REMOVE_DIR  (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_CHAR   (1ULL << 6)
#define FS_MAKE_DIR    (1ULL << 7)
#define FS_MAKE_REG    (1ULL << 8)
#define FS_MAKE_SOCK   (1ULL << 9)
#define FS_MAKE_FIFO   (1ULL << 10)
#define FS_MAKE_BLOCK  (1ULL << 11)
#define FS_MAKE_SYM    (1ULL << 12)
#define FS_REFER       (1ULL << 13) /* 2 */
#define FS_TRUNCATE    (1ULL << 14) /* 3 */
#define FS_IOCTL_DEV   (1ULL << 15) /* 5 */

#define NET_BIND_TCP    (1ULL << 0) /* 4 */
#define NET_CONNECT_TCP (1ULL << 1) /* 4 */

#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* 6 */

#define RULE_PATH     1
#define RULE_NET_PORT 2

#define CREATE_VERSION (1U << 0)

struct ruleset {
	uint64_t fs, net, scoped;
};

struct rule_path {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

struct rule_port {
	uint64_t allowed, port;
};

/* What makes sense for a file that is no directory. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define DNS_PORT 53 /* an answer that is too long comes over TCP */

static const uint64_t rights[] = {
	[SANDBOX_LIST] = FS_READ_DIR,
	[SANDBOX_READ] = FS_READ_FILE | FS_READ_DIR,
	[SANDBOX_DEVICE] = FS_READ_FILE | FS_WRITE_FILE,
	[SANDBOX_SOCKETS] = FS_MAKE_SOCK | FS_MAKE_DIR | FS_REMOVE_FILE | FS_REMOVE_DIR,
	[SANDBOX_WRITE] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG |
	                  FS_MAKE_SOCK | FS_MAKE_DIR | FS_REMOVE_FILE | FS_REMOVE_DIR | FS_REFER,
};

int sandbox_landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return version > 0 ? (int)version : 0;
}

/* All that there is to be held: what a rule does not allow is refused. */
static struct ruleset ruleset_of(const struct sandbox_policy *p, int version)
{
	struct ruleset all = { .fs = (FS_MAKE_SYM << 1) - 1 };

	if (version >= 2)
		all.fs |= FS_REFER;
	if (version >= 3)
		all.fs |= FS_TRUNCATE;
	if (version >= 4)
		all.net = NET_BIND_TCP | (p->ports == SANDBOX_ANY_PORT ? 0 : NET_CONNECT_TCP);
	if (version >= 5)
		all.fs |= FS_IOCTL_DEV;
	if (version >= 6)
		all.scoped = SCOPE_ABSTRACT_UNIX;
	return all;
}

static size_t ruleset_bytes(int version)
{
	return version >= 6   ? sizeof(struct ruleset)
	       : version >= 4 ? 2 * sizeof(uint64_t)
	                      : sizeof(uint64_t);
}

/* --- rules ------------------------------------------------------------------------------------------------ */

/* What is not there, or not to be seen, cannot be allowed; nor need it be. */
static int allow_path(int ruleset_fd, uint64_t handled, const char *path, uint64_t allowed,
                      struct err *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_PATH | O_CLOEXEC);
	struct rule_path rule = { .parent_fd = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	rule.allowed = allowed & handled;
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH, &rule, 0) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "allow %s", path);
	return 0;
}

static int allow_listed(int ruleset_fd, uint64_t handled, const struct sandbox_policy *p,
                        struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < SANDBOX_SETS_MAX && p->paths[i]; i++)
		for (const struct sandbox_path *at = p->paths[i]; at->path && r == 0; at++)
			r = allow_path(ruleset_fd, handled, at->path, rights[at->access], err);
	return r;
}

static int allow_varying(int ruleset_fd, uint64_t handled, const struct sandbox_varies *v,
                         struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < SANDBOX_PATHS_MAX && v->readable[i] && r == 0; i++)
		r = allow_path(ruleset_fd, handled, v->readable[i], rights[SANDBOX_READ], err);
	for (size_t i = 0; i < SANDBOX_PATHS_MAX && v->writable[i] && r == 0; i++)
		r = allow_path(ruleset_fd, handled, v->writable[i], rights[SANDBOX_WRITE], err);
	if (v->sockets && r == 0)
		r = allow_path(ruleset_fd, handled, v->sockets, rights[SANDBOX_SOCKETS], err);
	return r;
}

static int allow_port(int ruleset_fd, uint64_t how, uint16_t port, struct err *err)
{
	struct rule_port rule = { .allowed = how, .port = port };

	if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_NET_PORT, &rule, 0) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "allow the TCP port %u", port);
	return 0;
}

/* A socket that is bound to an address, and to whatever port, is bound to port 0. */
static int allow_ports(int ruleset_fd, const struct sandbox_policy *p,
                       const struct sandbox_varies *v, struct err *err)
{
	int r = 0;

	if (p->ports == SANDBOX_NO_PORTS)
		return 0;
	r = allow_port(ruleset_fd, NET_BIND_TCP, 0, err);
	if (p->ports == SANDBOX_ANY_PORT || r < 0)
		return r;
	r = allow_port(ruleset_fd, NET_CONNECT_TCP, DNS_PORT, err);
	for (size_t i = 0; i < v->ports_count && r == 0; i++)
		r = allow_port(ruleset_fd, NET_CONNECT_TCP, v->ports[i], err);
	return r;
}

int sandbox_hold_files(const struct sandbox_policy *p, const struct sandbox_varies *v,
                       bool *ret_ports, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	struct sandbox_policy held = *p;
	struct ruleset all;
	int version = sandbox_landlock_version(), r;

	*ret_ports = version >= 4;
	if (version == 0)
		return SANDBOX_NOT_HERE;
	if (v->any_port && p->ports == SANDBOX_SOME_PORTS)
		held.ports = SANDBOX_ANY_PORT;
	all = ruleset_of(&held, version);
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, ruleset_bytes(version), 0);
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "begin Landlock's rules");
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	r = allow_listed(fd, all.fs, p, err);
	if (r == 0)
		r = allow_varying(fd, all.fs, v, err);
	if (r == 0 && version >= 4)
		r = allow_ports(fd, &held, v, err);
	if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		r = ERR_SET(err, -errno, ERR_SYS, 0, "be held by Landlock's rules");
	return r;
}
