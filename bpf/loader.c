/* The side that starts the loader and takes what it hands out. */
#include "bpf/loader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/cgroup.h"
#include "bpf/loader_message.h"
#include "bpf/obstacle.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/role.h"

/* By the time it has answered it is ending anyway. */
static void end_child(struct loader_child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (child->fd >= 0)
		close(child->fd);
	*child = (struct loader_child){ .fd = -1 };
}

/* --- who is asked ------------------------------------------------------------------------------------ */

static bool may_load(void)
{
	return obstacle_may_load(obstacle_capabilities());
}

static const char *socket_path(void)
{
	const char *given = getenv(LOADER_SOCKET_NAME);

	return given ? given : LOADER_SOCKET;
}

bool loader_is_served(void)
{
	return !may_load() && access(socket_path(), W_OK) == 0;
}

/* Never waits: where four others are served, it is as if there were none. */
static int connect_to_service(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	CLEANUP(fd_closep) int fd = -1;

	if (!bytes_copy_text(to.sun_path, sizeof(to.sun_path), socket_path()))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return TAKE(fd, -1);
}

static int start_child(struct loader_child *ret, struct err *err)
{
	CLEANUP(fd_closep) int theirs = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a socket for the BPF loader");
	ret->fd = pair[0];
	theirs = pair[1];
	r = role_start(LOADER_ROLE, &(struct role_fd){ theirs, LOADER_FD }, 1, &ret->pid);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "start the BPF loader") : 0;
}

/* The service's own control group is not the caller's. */
static int ask(const struct loader_child *child, const struct loader_wish *wish)
{
	struct loader_wish told = *wish;
	char name[CGROUP_PATH_BYTES];
	CLEANUP(fd_closep) int own = -1;
	struct loader_request request;

	if (child->pid == 0 && wish->cgroup_fd < 0 && wish->tiers & TIER_BIT(TIER_SOCKOPS))
		told.cgroup_fd = own = cgroup_open_own(name, NULL);
	request = loader_request_of(&told);
	return passing_send(child->fd, &request, sizeof(request), &told.cgroup_fd,
	                    request.has_cgroup);
}

int loader_begin(const struct loader_wish *wish, struct loader_child *ret, struct err *err)
{
	CLEANUP(end_child) struct loader_child child = { .fd = -1 };
	int r = 0;

	if (!loader_ring_fits(wish->ring_bytes))
		return ERR_SET(err, -EINVAL, ERR_BPF, 0, "make a ring of %u bytes",
		               wish->ring_bytes);
	if (loader_is_served())
		child.fd = connect_to_service();
	if (child.fd < 0)
		r = start_child(&child, err);
	if (r < 0)
		return r;
	r = ask(&child, wish);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "ask the BPF loader");
	*ret = child;
	child = (struct loader_child){ .fd = -1 };
	return 0;
}

/* --- its answer --------------------------------------------------------------------------------------- */

static int await_answer(int fd, int stop_fd)
{
	uint64_t until_ns = clock_now_ns() + LOADER_DEADLINE_S * NS_PER_S;
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };

	for (uint64_t now_ns = clock_now_ns(); now_ns < until_ns; now_ns = clock_now_ns()) {
		int n = poll(p, 2, (int)((until_ns - now_ns) / NS_PER_MS + 1));

		if (n > 0)
			return p[1].revents & POLLIN ? -ECANCELED : 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

int loader_finish(struct loader_child *child, int stop_fd, struct loader_grant *ret,
                  struct err *err)
{
	CLEANUP(end_child) struct loader_child ours = *child;
	struct loader_answer answer = {};
	int fds[LOADER_DESCRIPTORS_MAX];
	size_t count = 0;
	int r = await_answer(ours.fd, stop_fd);

	*child = (struct loader_child){ .fd = -1 };
	if (r == 0)
		r = passing_receive(ours.fd, &answer, sizeof(answer), fds, LOADER_DESCRIPTORS_MAX,
		                    &count);
	if (r < 0)
		return ERR_SET(err, r, ERR_BPF, 0, "hear from the BPF loader%s",
		               r == -ECHILD ? ", which ended" : "");
	r = loader_answer_read(&answer, fds, count, ret);
	if (r < 0) {
		ERR_SET(err, r, ERR_BPF, 0, "take %zu descriptors of the BPF loader", count);
		while (count > 0)
			close(fds[--count]);
	}
	return r;
}

int loader_start(const struct loader_wish *wish, struct loader_grant *ret, struct err *err)
{
	struct loader_child child;
	int r = loader_begin(wish, &child, err);

	return r < 0 ? r : loader_finish(&child, -1, ret, err);
}

void loader_release(struct loader_grant *grant)
{
	int *others[] = { &grant->flows_fd, &grant->records_fd, &grant->counters_fd,
		          &grant->probe_fd };

	while (grant->links > 0)
		close(grant->link_fds[--grant->links]);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (*others[i] >= 0)
			close(*others[i]);
		*others[i] = -1;
	}
	grant->tier = TIER_TCP_INFO;
}
