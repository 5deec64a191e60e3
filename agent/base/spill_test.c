/* Where a file without a name is made, as somebody who is not root. */
#include "agent/base/spill.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/process.h"

#define NOBODY 65534

static char folder[] = "/tmp/spill_test_XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

struct place_case {
	const char *name;
	const char *given;        /* the caller's state directory */
	const char *state, *home; /* what the environment says; in the folder */
	const char *beside, *temporary;
	const char *want; /* the folder that it is in */
};

/* "a", "b", "c" and "home/.local/state/radar-pod" are there. */
static const struct place_case place_cases[] = {
	{ "the one that was named", "c", "a", "home", "b/trace.csv", "a", "c" },
	{ "beside the file, where that is not there", "nowhere", "a", "home", "b/trace.csv", "c",
	  "b" },
	{ "the state directory", NULL, "a", "home", "b/trace.csv", "c", "a/radar-pod" },
	{ "the home's", NULL, NULL, "home", "b/trace.csv", "c", "home/.local/state/radar-pod" },
	{ "an empty name is none", NULL, "", "home", "b/trace.csv", "c",
	  "home/.local/state/radar-pod" },
	{ "beside the file, where the usual one is not there", NULL, "nowhere", NULL, "b/trace.csv",
	  "c", "b" },
	{ "beside the file, where none is told", NULL, NULL, NULL, "b/trace.csv", "c", "b" },
	{ "else where the environment has its files", NULL, NULL, NULL, "nowhere/t.csv", "c", "c" },
	{ "there too where it is beside nothing", NULL, NULL, NULL, NULL, "c", "c" },
};

static void set(const char *variable, const char *name)
{
	if (name)
		setenv(variable, *name ? in_folder(name) : "", 1);
	else
		unsetenv(variable);
}

/* In a child: 0, or the number of what failed. */
static int open_as_nobody(const void *row)
{
	const struct place_case *c = row;
	char given[256], beside[256], link[64], place[512] = "", want[512];
	struct stat st;
	int fd;

	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return CASES_EXIT_SKIPPED;
	set("XDG_STATE_HOME", c->state);
	set("HOME", c->home);
	set("TMPDIR", c->temporary);
	if (c->beside)
		snprintf(beside, sizeof(beside), "%s", in_folder(c->beside));
	if (c->given)
		snprintf(given, sizeof(given), "%s", in_folder(c->given));
	fd = spill_open(c->given ? given : NULL, c->beside ? beside : NULL);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return 1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, place, sizeof(place) - 1) < 0)
		return 2;
	snprintf(want, sizeof(want), "%s/", in_folder(c->want));
	if (strncmp(place, want, strlen(want)) != 0 || strchr(place + strlen(want), '/'))
		return 3;
	if (fstat(fd, &st) < 0 || st.st_nlink != 0 || (st.st_mode & 0777) != 0600)
		return 4;
	return fcntl(fd, F_GETFD) == FD_CLOEXEC ? 0 : 5;
}

static void is_made_there(void **state)
{
	assert_int_equal(process_in_child(open_as_nobody, *state), 0);
}

static const char *const folders[] = { "a",
	                               "a/radar-pod",
	                               "b",
	                               "c",
	                               "home",
	                               "home/.local",
	                               "home/.local/state",
	                               "home/.local/state/radar-pod" };
#define FOLDERS (sizeof(folders) / sizeof(*folders))

static int make_folders(void)
{
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	for (size_t i = 0; i < FOLDERS; i++)
		if (mkdir(in_folder(folders[i]), 0700) < 0 ||
		    chmod(in_folder(folders[i]), 0777) < 0)
			return -1;
	return 0;
}

/* Fails where something has a name still. */
static int remove_folders(void)
{
	for (size_t i = FOLDERS; i-- > 0;)
		if (rmdir(in_folder(folders[i])) < 0)
			return -1;
	return rmdir(folder);
}

int main(void)
{
	int failed;

	if (make_folders() < 0)
		return 1;
	failed = CASES_RUN(is_made_there, place_cases);
	if (remove_folders() < 0)
		return 1;
	return failed != 0;
}
