#include "bpf/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

CLEANUP_DEFINE(file_closep, FILE *, fclose)

/* Longer ones are none of a mount of ours. */
#define LINE_BYTES (3 * CGROUP_PATH_BYTES)

static bool is_octal(const char *text)
{
	for (int i = 0; i < 3; i++)
		if (text[i] < '0' || text[i] > '7')
			return false;
	return true;
}

/* The next word; in it a space, a tab, a newline and a backslash stand as "\040". False: there is none,
 * or no room for it. */
static bool next_word(const char **at, char *out, size_t out_bytes)
{
	const char *in = *at + strspn(*at, " ");
	size_t n = 0;

	while (*in && *in != ' ' && *in != '\n') {
		if (n + 1 >= out_bytes)
			return false;
		if (*in == '\\' && is_octal(in + 1)) {
			out[n++] = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			out[n++] = *in++;
		}
	}
	out[n] = '\0';
	*at = in;
	return n > 0;
}

/* "41 31 0:38 / /sys/fs/cgroup/unified rw,… - cgroup2 cgroup2 rw" */
bool cgroup_mount_line(const char *line, char ret_point[CGROUP_PATH_BYTES],
                       char ret_root[CGROUP_PATH_BYTES])
{
	const char *at = line;
	char word[CGROUP_PATH_BYTES];

	for (int i = 0; i < 3; i++)
		if (!next_word(&at, word, sizeof(word)))
			return false;
	return next_word(&at, ret_root, CGROUP_PATH_BYTES) &&
	       next_word(&at, ret_point, CGROUP_PATH_BYTES) && strstr(at, " - cgroup2 ");
}

static int find_mount(char point[CGROUP_PATH_BYTES], char root[CGROUP_PATH_BYTES], struct err *err)
{
	CLEANUP(file_closep) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[LINE_BYTES];
	struct stat st;

	if (!mounts)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open /proc/self/mountinfo");
	while (fgets(line, sizeof(line), mounts)) {
		char procs[CGROUP_PATH_BYTES + sizeof("/cgroup.procs")];

		if (!cgroup_mount_line(line, point, root))
			continue;
		/* Another mount may lie on top of it. */
		snprintf(procs, sizeof(procs), "%s/cgroup.procs", point);
		if (stat(procs, &st) == 0)
			return 0;
	}
	return ERR_SET(err, -ENOENT, ERR_SYS, 0,
	               "find a mount of cgroup2 (mount -t cgroup2 none /sys/fs/cgroup/unified)");
}

int cgroup_mount_point(char ret[CGROUP_PATH_BYTES], struct err *err)
{
	char root[CGROUP_PATH_BYTES];

	return find_mount(ret, root, err);
}

/* "0::/user.slice/…" */
static bool own_group(char ret[CGROUP_PATH_BYTES])
{
	CLEANUP(file_closep) FILE *groups = fopen("/proc/self/cgroup", "re");
	char line[CGROUP_PATH_BYTES];

	while (groups && fgets(line, sizeof(line), groups)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) == 0)
			return bytes_copy_text(ret, CGROUP_PATH_BYTES, line + 3);
	}
	return false;
}

/* What of `group` lies below `root`; NULL: it is not below. */
static const char *below(const char *group, const char *root)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(group, root, n) != 0 || (group[n] != '/' && group[n] != '\0') ||
	    strstr(group, "/.."))
		return NULL;
	return strcmp(group + n, "/") == 0 ? "" : group + n;
}

/* A mount that nobody sees, gone with its last descriptor. */
static int mount_for_oneself(void)
{
	CLEANUP(fd_closep) int fs = fsopen("cgroup2", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return fsmount(fs, FSMOUNT_CLOEXEC, 0);
}

/* `path` may be "" or begin with a slash. */
static int open_below(int fd, const char *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	path += strspn(path, "/");
	return openat(fd, *path ? path : ".", flags);
}

int cgroup_open_own(char ret_name[CGROUP_PATH_BYTES], struct err *err)
{
	char root[CGROUP_PATH_BYTES] = "/", group[CGROUP_PATH_BYTES];
	CLEANUP(fd_closep) int top = -1;
	const char *path;
	int fd = -1, r = find_mount(ret_name, root, err);

	top = r == 0 ? open(ret_name, O_PATH | O_DIRECTORY | O_CLOEXEC) : mount_for_oneself();
	if (r < 0)
		strcpy(ret_name, "cgroup2");
	if (top < 0)
		return r < 0 ? r
		             : ERR_SET(err, -errno, ERR_SYS, 0, "open the control groups in %s",
		                       ret_name);
	path = own_group(group) ? below(group, root) : NULL;
	if (path && strlen(ret_name) + strlen(path) < CGROUP_PATH_BYTES)
		fd = open_below(top, path);
	if (fd >= 0)
		strcat(ret_name, path);
	else
		fd = open_below(top, "");
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open the control group %s", ret_name);
	return fd;
}
