/* A namespace is made by a thread that leaves ours: it is the thread that opens the TUN device and the
 * netlink socket there, and both stay valid for the rest of the process when it has gone. */
#include "bench/link/side.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "bench/link/netlink.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define NETNS_FOLDER "/run/netns" /* iproute2's */
#define DEVICE       "link0"
#define TUN          "/dev/net/tun"

/* Held by the kernel for us while we are not on the CPU: 2 MiB of pointers, and more than a second of
 * 1500-byte packets at 1 Gbit/s, which is more than any sender's window. */
#define TX_QUEUE_PACKETS 262144

#define V4_PREFIX_BITS 30
#define V6_PREFIX_BITS 64

const char *side_name(enum link_side side)
{
	return side == LINK_CLIENT ? "client" : "server";
}

void side_path(const char *name, enum link_side side, char ret[SIDE_PATH_BYTES])
{
	snprintf(ret, SIDE_PATH_BYTES, NETNS_FOLDER "/link-%.*s-%s", NAMESPACES_NAME_MAX, name,
	         side_name(side));
}

uint64_t side_number(const char *path)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) < 0 || fs.f_type != NSFS_MAGIC || stat(path, &st) < 0)
		return 0;
	return st.st_ino;
}

/* --- in the namespace ---------------------------------------------------------------------------- */

/* A namespace of a container may have /proc/sys read-only; what is set here only keeps the link quiet. */
static void set_ipv6(const char *name, const char *value)
{
	char path[128];
	CLEANUP(fd_closep) int fd = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/" DEVICE "/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, value, strlen(value));
}

static int open_tun(int *ret_fd, unsigned int *ret_index, struct err *err)
{
	struct ifreq request = { .ifr_name = DEVICE, .ifr_flags = IFF_TUN | IFF_NO_PI };
	CLEANUP(fd_closep) int fd = open(TUN, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r = -errno;

	if (fd < 0)
		return ERR_SET(err, r == -ENOENT || r == -ENXIO ? -ENODEV : r, ERR_SYS, 0,
		               "open " TUN);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a TUN device");
	*ret_index = if_nametoindex(DEVICE);
	if (!*ret_index)
		return ERR_SET(err, -errno, ERR_SYS, 0, "find the TUN device " DEVICE);
	*ret_fd = TAKE(fd, -1);
	return 0;
}

static int add_address(const struct side *s, sa_family_t family, const char *text,
                       uint8_t prefix_bits, struct err *err)
{
	struct in6_addr address;

	inet_pton(family, text, &address);
	return netlink_add_address(s->netlink_fd, s->index, family, &address, prefix_bits, err);
}

/* No solicitation of routers or listeners goes over the link, and nobody asks whether an address is
 * taken already. */
static void quieten(const struct scenario *s)
{
	set_ipv6("accept_ra", "0");
	set_ipv6("accept_dad", "0");
	set_ipv6("router_solicitations", "0");
	if (s->family == SCENARIO_V4)
		set_ipv6("disable_ipv6", "1");
}

static int set_up(struct side *s, enum link_side side, const struct scenario *scenario,
                  struct err *err)
{
	const struct netlink_device lo = { .up = true };
	const struct netlink_device device = {
		.mtu = scenario->mtu,
		.tx_queue_packets = TX_QUEUE_PACKETS,
		.no_ipv6_of_its_own = scenario->mtu >= 1280 && scenario->family != SCENARIO_V4,
		.up = true
	};
	const char *v4 = side == LINK_CLIENT ? LINK_CLIENT_V4 : LINK_SERVER_V4;
	const char *v6 = side == LINK_CLIENT ? LINK_CLIENT_V6 : LINK_SERVER_V6;
	int r;

	quieten(scenario);
	r = netlink_set_device(s->netlink_fd, if_nametoindex("lo"), &lo, err);
	if (r == 0)
		r = netlink_set_device(s->netlink_fd, s->index, &device, err);
	if (r == 0)
		r = netlink_set_no_queue(s->netlink_fd, s->index, err);
	if (r == 0 && scenario->family != SCENARIO_V6)
		r = add_address(s, AF_INET, v4, V4_PREFIX_BITS, err);
	if (r == 0 && scenario->family != SCENARIO_V4)
		r = add_address(s, AF_INET6, v6, V6_PREFIX_BITS, err);
	return r;
}

/* --- its name ------------------------------------------------------------------------------------ */

/* A mount point of its own that passes mounts on, as iproute2 makes it: a name given here is seen in
 * every mount namespace, and goes from all of them when it is taken away. */
static int share_folder(struct err *err)
{
	if (mkdir(NETNS_FOLDER, 0755) < 0 && errno != EEXIST)
		return ERR_SET(err, -errno, ERR_SYS, 0, "create " NETNS_FOLDER);
	if (mount("", NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL ||
	    mount(NETNS_FOLDER, NETNS_FOLDER, "none", MS_BIND | MS_REC, NULL) < 0 ||
	    mount("", NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "share " NETNS_FOLDER);
	return 0;
}

/* Names the calling thread's namespace. */
static int bind_name(struct side *s, const char *path, struct err *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "create %s", path);
	memcpy(s->path, path, SIDE_PATH_BYTES);
	if (mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "bind a network namespace to %s", path);
	return 0;
}

void side_unbind(const char *path)
{
	while (umount2(path, MNT_DETACH) == 0)
		;
	unlink(path);
}

/* --- entering it --------------------------------------------------------------------------------- */

/* What /sys/class/net shows is the namespace's that mounted it. */
static bool see_own_sys(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount("", "/", "none", MS_SLAVE | MS_REC, NULL) == 0 &&
	       mount("link", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

int side_enter(const char *path, bool *ret_own_sys, struct err *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", path);
	if (setns(fd, CLONE_NEWNET) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "enter %s", path);
	*ret_own_sys = see_own_sys();
	return 0;
}

/* --- from outside -------------------------------------------------------------------------------- */

struct birth {
	char path[SIDE_PATH_BYTES];
	enum link_side side;
	const struct scenario *scenario;
	struct side made;
	struct err *err;
	int r;
};

static int leave_ours(struct err *err)
{
	if (unshare(CLONE_NEWNET) == 0)
		return 0;
	if (errno == EINVAL || errno == ENOSPC) /* not in this kernel; no more than there are */
		return ERR_SET(err, -ENOSYS, ERR_SYS, 0,
		               "make a network namespace (see user.max_net_namespaces: %s)",
		               strerror(errno));
	return ERR_SET(err, -errno, ERR_SYS, 0, "make a network namespace");
}

static void *give_birth(void *birth)
{
	struct birth *b = birth;

	b->r = leave_ours(b->err);
	if (b->r == 0)
		b->r = bind_name(&b->made, b->path, b->err);
	if (b->r == 0)
		b->r = netlink_open(&b->made.netlink_fd, b->err);
	if (b->r == 0)
		b->r = open_tun(&b->made.tun_fd, &b->made.index, b->err);
	if (b->r == 0)
		b->r = set_up(&b->made, b->side, b->scenario, b->err);
	return NULL;
}

int side_open(const char *name, enum link_side side, const struct scenario *s, struct side *ret,
              struct err *err)
{
	struct birth b = { .side = side, .scenario = s, .made = SIDE_NULL, .err = err };
	pthread_t thread;
	int r = share_folder(err);

	if (r < 0)
		return r;
	side_path(name, side, b.path);
	r = pthread_create(&thread, NULL, give_birth, &b);
	if (r != 0)
		return ERR_SET(err, -r, ERR_SYS, 0, "start a thread");
	pthread_join(thread, NULL);
	if (b.r < 0)
		side_close(&b.made);
	else
		*ret = b.made;
	return b.r;
}

/* Which CPUs receive what the device is given is said in the namespace's own /sys. */
static void *open_steering(void *side)
{
	struct side *s = side;
	bool own_sys = false;

	if (side_enter(s->path, &own_sys, NULL) == 0 && own_sys)
		s->steering_fd = open("/sys/class/net/" DEVICE "/queues/rx-0/rps_cpus",
		                      O_WRONLY | O_CLOEXEC);
	return NULL;
}

bool side_open_steering(struct side *s)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, open_steering, s) != 0)
		return false;
	pthread_join(thread, NULL);
	return s->steering_fd >= 0;
}

bool side_receive_on(const struct side *s, const char *cpus)
{
	ssize_t n = (ssize_t)strlen(cpus);

	return pwrite(s->steering_fd, cpus, (size_t)n, 0) == n;
}

void side_close(struct side *s)
{
	fd_closep(&s->tun_fd);
	fd_closep(&s->netlink_fd);
	fd_closep(&s->steering_fd);
	if (s->path[0])
		side_unbind(s->path);
	*s = (struct side)SIDE_NULL;
}
