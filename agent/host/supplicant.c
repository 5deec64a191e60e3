#include "agent/host/supplicant.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

static bool is_name(const char *interface)
{
	size_t n = strlen(interface);

	return n > 0 && n < IF_NAMESIZE && !strchr(interface, '/') && interface[0] != '.';
}

const char *supplicant_usual_directory(char out[SUPPLICANT_PATH_BYTES])
{
	const char *given = getenv("RUNTIME_DIRECTORY");

	if (!given || *given != '/')
		given = getenv("XDG_RUNTIME_DIR");
	if (!given || *given != '/')
		return access("/run", W_OK) == 0 ? "/run" : "/tmp";
	snprintf(out, SUPPLICANT_PATH_BYTES, "%.*s", (int)strcspn(given, ":"), given);
	return out;
}

static int make_directory(struct supplicant *s, const char *below, struct err *err)
{
	char usual[SUPPLICANT_PATH_BYTES], directory[SUPPLICANT_PATH_BYTES];

	below = below ? below : supplicant_usual_directory(usual);
	if (snprintf(directory, sizeof(directory), "%s/radar-pod-XXXXXX", below) >=
	    (int)sizeof(directory) - (int)strlen("/wifi"))
		return ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "have a socket below %s", below);
	if (!mkdtemp(directory)) /* of mode 0700 */
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a directory below %s", below);
	memcpy(s->directory, directory, sizeof(directory));
	return 0;
}

static int bind_name(struct supplicant *s, struct err *err)
{
	struct sockaddr_un ours = { .sun_family = AF_UNIX };
	size_t n = strlen(s->directory);

	memcpy(ours.sun_path, s->directory, n);
	memcpy(ours.sun_path + n, "/wifi", sizeof("/wifi"));
	if (bind(s->fd, (const void *)&ours, sizeof(ours)) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "bind a socket to %s", ours.sun_path);
	memcpy(s->name, ours.sun_path, sizeof(s->name));
	return 0;
}

/* Connected, it hears nobody else. */
static int connect_to(struct supplicant *s, const char *sockets, const char *interface,
                      struct err *err)
{
	struct sockaddr_un theirs = { .sun_family = AF_UNIX };

	if (snprintf(theirs.sun_path, sizeof(theirs.sun_path), "%s/%s", sockets, interface) >=
	    (int)sizeof(theirs.sun_path))
		return ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "reach a socket below %s", sockets);
	if (connect(s->fd, (const void *)&theirs, sizeof(theirs)) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "reach %s", theirs.sun_path);
	return 0;
}

static void supplicant_endp(struct supplicant **s)
{
	if (*s)
		supplicant_close(*s);
}

/* The connection first: where there is no supplicant, nothing is made. */
int supplicant_open(struct supplicant *s, const char *below, const char *sockets,
                    const char *interface, struct err *err)
{
	CLEANUP(supplicant_endp) struct supplicant *half = s;
	int r;

	*s = (struct supplicant)SUPPLICANT_NULL;
	if (!is_name(interface))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "take this for an interface's name");
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open a local socket");
	r = connect_to(s, sockets, interface, err);
	if (r == 0)
		r = make_directory(s, below, err);
	if (r == 0)
		r = bind_name(s, err);
	if (r == 0)
		half = NULL;
	return r;
}

void supplicant_close(struct supplicant *s)
{
	if (*s->name)
		unlink(s->name);
	if (*s->directory)
		rmdir(s->directory);
	fd_closep(&s->fd);
	*s = (struct supplicant)SUPPLICANT_NULL;
}
