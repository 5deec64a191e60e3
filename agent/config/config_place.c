/* Where the configuration and the state are. */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/directories.h"
#include "agent/config/config.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define SYSTEM_DIRECTORY "/etc/radar-pod"
#define SYSTEM_STATE     "/var/lib/radar-pod"
#define SYSTEM_RUNTIME   "/run/radar-pod"
#define SHOWN            80 /* of a path in a sentence: its end says more than its beginning */

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int copy_path(char ret[CONFIG_PATH_BYTES], const char *from, const char *to_what,
                     struct err *err)
{
	return bytes_copy_text(ret, CONFIG_PATH_BYTES, from)
	               ? 0
	               : ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "take the path of %s", to_what);
}

/* $VARIABLE/TAIL, or HOME/FOLDER/TAIL; false: neither is known, or it is too long. */
static bool below_home(const char *variable, const char *folder, const char *tail,
                       char ret[CONFIG_PATH_BYTES])
{
	const char *given = environment(variable), *home = environment("HOME");
	struct text t = text_on(ret, CONFIG_PATH_BYTES);

	if (given && given[0] == '/') /* XDG: a path that is not absolute is to be ignored */
		text_append(&t, "%s/%s", given, tail);
	else if (home)
		text_append(&t, "%s/%s/%s", home, folder, tail);
	return t.bytes > 0 && !t.overflow;
}

static const char *told_path(const char *given)
{
	return given ? given : environment("RADAR_CONFIG_PATH");
}

int config_find(const char *given, char ret[CONFIG_PATH_BYTES], struct err *err)
{
	static const char system_file[] = SYSTEM_DIRECTORY "/config.conf";
	const char *told = told_path(given);
	bool own;

	if (told)
		return copy_path(ret, told, "the configuration", err);
	own = below_home("XDG_CONFIG_HOME", ".config", "radar/config.conf", ret);
	if (own && access(ret, F_OK) == 0)
		return 0;
	if (!own || access(system_file, F_OK) == 0 || access(SYSTEM_DIRECTORY, W_OK) == 0 ||
	    geteuid() == 0)
		return copy_path(ret, system_file, "the configuration", err);
	return 0;
}

int config_may_begin(const char *given, const char *path, struct err *err)
{
	char directory[CONFIG_PATH_BYTES];
	const char *shown = strlen(path) > SHOWN ? path + strlen(path) - SHOWN : path;

	if (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
		return 0; /* what else is wrong with it is found by who reads it */
	if (!told_path(given))
		return CONFIG_NEW;
	bytes_copy_text(directory, sizeof(directory), path);
	if (access(dirname(directory), W_OK | X_OK) == 0)
		return CONFIG_NEW;
	if (errno == ENOENT || errno == ENOTDIR)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "%s: there is no such file, nor its directory; for a first start, "
		               "make the directory",
		               shown);
	return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
	               "%s: there is no such file, and in its directory none can be made: %s",
	               shown, strerrordesc_np(errno));
}

static void directory_of(const char *path, char ret[CONFIG_PATH_BYTES])
{
	char whole[CONFIG_PATH_BYTES];

	bytes_copy_text(whole, sizeof(whole), path);
	bytes_copy_text(ret, CONFIG_PATH_BYTES, dirname(whole));
}

/* What cannot be made is told where it is written to. */
void config_directories(const char *path, struct config_directories *ret)
{
	CLEANUP(freep) char *real = realpath(path, NULL);

	directories_make(path, 0);
	directory_of(path, ret->named);
	ret->real[0] = '\0';
	if (real)
		directory_of(real, ret->real);
}

/* systemd's variables have several directories, separated by colons, where a unit asks for several. */
static bool of_systemd(const char *variable, char ret[CONFIG_PATH_BYTES])
{
	const char *directories = environment(variable);
	struct text t = text_on(ret, CONFIG_PATH_BYTES);

	if (!directories)
		return false;
	text_append(&t, "%.*s", (int)strcspn(directories, ":"), directories);
	return t.bytes > 0 && !t.overflow;
}

int config_state_dir(const char *given, const struct config *config, char ret[CONFIG_PATH_BYTES],
                     struct err *err)
{
	if (given)
		return copy_path(ret, given, "the state directory", err);
	if (config && *config->state_dir)
		return copy_path(ret, config->state_dir, "the state directory", err);
	if (of_systemd("STATE_DIRECTORY", ret))
		return 0;
	if (geteuid() == 0)
		return copy_path(ret, SYSTEM_STATE, "the state directory", err);
	if (below_home("XDG_STATE_HOME", ".local/state", "radar-pod", ret))
		return 0;
	return ERR_SET(err, -ENOENT, ERR_SYS, 0,
	               "find a state directory: HOME is not set (--state-dir, or state_dir in the "
	               "configuration)");
}

bool config_runtime_dir(char ret[CONFIG_PATH_BYTES])
{
	return of_systemd("RUNTIME_DIRECTORY", ret);
}

bool config_system_runtime_dir(const char *given_config, const char *given_state_dir,
                               char ret[CONFIG_PATH_BYTES])
{
	if (told_path(given_config) || given_state_dir)
		return false;
	if (!config_runtime_dir(ret))
		bytes_copy_text(ret, CONFIG_PATH_BYTES, SYSTEM_RUNTIME);
	return true;
}
