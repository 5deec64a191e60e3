#include "bpf/loader_peer.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

/* sd_listen_fds(3): one descriptor, for this process. Its number is the first that systemd gives. */
static bool was_handed_over(void)
{
	const char *pid_text = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint64_t pid;

	return pid_text && count && strcmp(count, "1") == 0 &&
	       units_parse_u64(pid_text, 1, INT32_MAX, &pid, NULL) == 0 &&
	       pid == (uint64_t)getpid();
}

int loader_peer_of(const char *user, enum loader_peer *ret, struct err *err)
{
	struct passwd *served;
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (!was_handed_over())
		return ERR_SET(err, -EBADF, ERR_SYS, 0,
		               "take a connection of systemd's (radar-pod-bpf.socket)");
	if (getsockopt(LOADER_FD, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "learn who asks");
	if (peer.uid == 0) {
		*ret = LOADER_PEER_ROOT;
		return 0;
	}
	errno = 0;
	served = getpwnam(user);
	if (!served)
		return ERR_SET(err, errno ? -errno : -ENOENT, ERR_SYS, 0, "find the user %s", user);
	if (peer.uid != served->pw_uid)
		return ERR_SET(err, -EPERM, ERR_SYS, 0, "serve user %u: only %s and root", peer.uid,
		               user);
	*ret = LOADER_PEER_USER;
	return 0;
}
