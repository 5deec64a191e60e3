#include "agent/daemon/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "transport/base/units.h"

#define LINE_BYTES 512

/* A path, or a name of the abstract space that begins with "@". */
static int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd;

	if ((path[0] != '/' && path[0] != '@') || n >= sizeof(to.sun_path))
		return -1;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to,
	                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Half of what the manager waits for, as sd_watchdog_enabled(3) advises; CLOCK_NEVER_NS: it does not wait. */
static uint64_t watchdog_ns(void)
{
	const char *us_text = getenv("WATCHDOG_USEC"), *pid_text = getenv("WATCHDOG_PID");
	uint64_t us, pid = (uint64_t)getpid();

	if (!us_text || units_parse_u64(us_text, 2, UINT64_MAX / NS_PER_US, &us, NULL) < 0)
		return CLOCK_NEVER_NS;
	if (pid_text &&
	    (units_parse_u64(pid_text, 0, UINT64_MAX, &pid, NULL) < 0 || pid != (uint64_t)getpid()))
		return CLOCK_NEVER_NS;
	return us * NS_PER_US / 2;
}

void notify_open(struct notify *ret, uint64_t *ret_watchdog_ns)
{
	const char *path = getenv("NOTIFY_SOCKET");

	ret->fd = path ? connect_to(path) : -1;
	*ret_watchdog_ns = ret->fd >= 0 ? watchdog_ns() : CLOCK_NEVER_NS;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void notify_send(const struct notify *n, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;
	int bytes;

	if (n->fd < 0)
		return;
	va_start(args, format);
	bytes = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (bytes > 0 && (size_t)bytes < sizeof(line))
		(void)!send(n->fd, line, (size_t)bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}
