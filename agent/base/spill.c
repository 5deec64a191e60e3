#include "agent/base/spill.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/bytes.h"

#define STATE_DIRECTORY "/var/lib/radar-pod"

static int open_in(const char *directory)
{
	char name[4096];
	struct text t = text_on(name, sizeof(name));
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* A file system without nameless files: it has a name for an instant. */
	text_append(&t, "%s/.radar-pod-XXXXXX", directory);
	fd = t.overflow ? -1 : mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

/* NULL where the environment does not say. */
static const char *usual_state_directory(char *out, size_t out_bytes)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct text t = text_on(out, out_bytes);

	if (geteuid() == 0)
		return STATE_DIRECTORY;
	if (state && *state)
		text_append(&t, "%s/radar-pod", state);
	else if (home && *home)
		text_append(&t, "%s/.local/state/radar-pod", home);
	return t.overflow || t.bytes == 0 ? NULL : out;
}

/* NULL where there is none, or it is too long. */
static const char *directory_of(const char *name, char *out, size_t out_bytes)
{
	const char *slash = name ? strrchr(name, '/') : NULL;
	struct text t = text_on(out, out_bytes);

	if (!name)
		return NULL;
	text_append(&t, "%.*s", slash ? (int)(slash - name) + 1 : 1, slash ? name : ".");
	return t.overflow ? NULL : out;
}

int spill_open(const char *state_dir, const char *beside)
{
	char own[4096], there[4096];
	const char *const directories[] = {
		state_dir ? state_dir : usual_state_directory(own, sizeof(own)),
		directory_of(beside, there, sizeof(there)),
		getenv("TMPDIR"),
		"/var/tmp",
		"/tmp",
	};
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof(directories) / sizeof(*directories); i++)
		if (directories[i] && *directories[i])
			fd = open_in(directories[i]);
	return fd;
}
