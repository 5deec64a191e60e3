/* The configuration of a pod: the first agent's file, key for key, and ours (docs/configuration.md).
 *
 *   config_find(given, path, &err);                which file: -c, the environment, the usual places
 *   config_load(path, &config, &notes, &err);      every key has its value or its default
 *   config_save(path, changes, n, &err);           some keys, durably; the rest of the file stays
 *
 * The library logs nothing: what a person should hear comes back in `notes`, without values of secrets.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define CONFIG_PATH_BYTES     4096 /* with the terminating NUL; likewise below */
#define CONFIG_ID_BYTES       65   /* pod id, secret */
#define CONFIG_TEXT_BYTES     512
#define CONFIG_URL_BYTES      1024
#define CONFIG_FILE_BYTES_MAX (1024 * 1024) /* what is larger is no configuration file */
#define CONFIG_NOTES_MAX      16

enum config_runner { CONFIG_RUNNER_NDT7 = 1, CONFIG_RUNNER_OOKLA = 2 };
enum config_scheme { CONFIG_SCHEME_AUTO, CONFIG_SCHEME_WS, CONFIG_SCHEME_WSS };
enum config_trace { CONFIG_TRACE_OFF, CONFIG_TRACE_SUMMARY, CONFIG_TRACE_FULL };
enum config_packages { CONFIG_PACKAGES_OFF, CONFIG_PACKAGES_CHECK, CONFIG_PACKAGES_SECURITY };
enum config_egress { CONFIG_EGRESS_OFF, CONFIG_EGRESS_AUDIT, CONFIG_EGRESS_ENFORCE };

/* Texts are "" where nothing is set. */
struct config {
	/* the first agent's */
	char server_url[CONFIG_URL_BYTES]; /* http or https, without a slash at its end */
	char client_id[CONFIG_ID_BYTES], secret[CONFIG_ID_BYTES]; /* both or neither are of use */
	uint64_t ping_freq_s;                                     /* at least 1 */
	char registration_token[CONFIG_TEXT_BYTES];               /* a secret, too */
	uint64_t last_tested_s; /* since 1970, of the last test that was uploaded; 0: none */
	char last_download_speed[32], last_upload_speed[32]; /* Mbit/s as text, two decimals */
	char last_updated[32];
	char wlan_interface[IF_NAMESIZE];

	/* ours */
	char state_dir[CONFIG_PATH_BYTES]; /* "": config_state_dir() */
	unsigned int runners;              /* of enum config_runner, at least one */
	uint64_t schedule_ns;              /* mean of the local schedule; 0: off */
	uint64_t daily_byte_cap;           /* 0: none */
	uint64_t min_test_spacing_ns;
	uint64_t fleet_spread_ns; /* docs/fleet.md; 0: few pods share the service */
	char locate_url[CONFIG_URL_BYTES];
	int scheme; /* enum config_scheme */
	char interface[IF_NAMESIZE];
	char ca_file[CONFIG_PATH_BYTES];
	int trace; /* enum config_trace */
	uint64_t trace_quota_bytes;
	char ookla_servers[CONFIG_TEXT_BYTES]; /* HOST[:PORT], separated by commas */
	char ookla_binary[CONFIG_PATH_BYTES];
	bool ookla_accept_license, ookla_public_list;
	char sentry_dsn[CONFIG_URL_BYTES]; /* "": no error reports */
	char crl_url[CONFIG_URL_BYTES]; /* http, https or file; CRL_URL of the environment wins */
	uint64_t crl_grace_ns;          /* how long past its nextUpdate a list is still taken */
	char update_root_ca[CONFIG_PATH_BYTES]; /* "": the one compiled in */
	char update_floor[32]; /* no version below it is installed; "": the compiled in */
	uint64_t update_trial_ns;
	int packages; /* enum config_packages */
	int egress;   /* enum config_egress */
	uint64_t spool_max_results, spool_max_bytes, spool_max_age_ns;
};

/* What a person should hear, each a sentence that names file and line. */
struct config_notes {
	size_t count, more; /* `more` of them had no room */
	char text[CONFIG_NOTES_MAX][200];
};

/* Which file: `given` (of -c) if it is not NULL; RADAR_CONFIG_PATH; radar/config.conf below
 * $XDG_CONFIG_HOME or ~/.config, if it is there; /etc/radar-pod/config.conf, if it is there, or may be made.
 * Else the one before, as the place of a new one.  -ENAMETOOLONG */
int config_find(const char *given, char ret[CONFIG_PATH_BYTES], struct err *err);

#define CONFIG_NEW 1

/* Whether a daemon may begin with `path`, of config_find(given): a daemon without a configuration registers a new pod,
 * which nobody wants of a mistyped name. What somebody has named is there, or its directory is and can be
 * written to; elsewhere directories are made.
 *   CONFIG_NEW  it is not there and may be made
 *   -EBADMSG    it may not: err->text is the whole sentence */
int config_may_begin(const char *given, const char *path, struct err *err);

/* Reads `path`. A file that is not there is one with nothing in it. `notes` may be NULL.
 *   -EBADMSG  not valid: err->text is the whole sentence, "PATH line 3: ping_freq takes …, not …"
 *   else      it cannot be read */
int config_load(const char *path, struct config *ret, struct config_notes *notes, struct err *err);

/* Whether tests go to M-Lab's servers, whose acceptable use is four a day. */
bool config_is_mlab(const struct config *config);

/* The same of a text; `name` is what the sentences call it. Pure, but for `notes`. */
int config_parse(const char *name, const char *text, size_t n, struct config *ret,
                 struct config_notes *notes, struct err *err);

struct config_change {
	const char *key, *value; /* "" takes it back to its default */
};

/* Makes the changes to what the file has now, and writes it durably, mode 0600: there is always the old file
 * or the new one, also after kill -9 or a power cut. One saver at a time, in all processes; directories that
 * are missing are made. A file that is mounted by itself cannot be replaced, and is written over.
 *   -EINVAL  a key that is not known, or a value that it does not take (err says what it takes)
 *   -EBADMSG  what is there is no text: nothing was changed
 *   -EBUSY   another process has been saving for 2 s
 *   -ENOSPC, -EIO, -EROFS, -EACCES, …: the old file is what is there; but for -EIO of the last step, the
 *   directory's fsync(2), after which it is either */
int config_save(const char *path, const struct config_change *changes, size_t count,
                struct err *err);

/* As config_save(), the credentials of a pod; with `over` false only where the file has none, so that of two that register
 * at once neither writes over what the other was given.
 *   -EEXIST  it has, by now: nothing was changed */
int config_save_pod(const char *path, const char *client_id, const char *secret, bool over,
                    struct err *err);

/* Where config_save(path) writes: the directory of `path`, and where that is a link, the one of the file that it leads to;
 * else "". What is missing of the first is made. */
struct config_directories {
	char named[CONFIG_PATH_BYTES], real[CONFIG_PATH_BYTES];
};
void config_directories(const char *path, struct config_directories *ret);

/* The state directory: `given` (of --state-dir), the configuration's, $STATE_DIRECTORY of systemd, or
 * /var/lib/radar-pod for root and radar-pod below $XDG_STATE_HOME or ~/.local/state for others. `given` and
 * `config` may be NULL.  -ENOENT  no HOME;  -ENAMETOOLONG */
int config_state_dir(const char *given, const struct config *config, char ret[CONFIG_PATH_BYTES],
                     struct err *err);

/* What lives as long as a daemon that systemd has started: $RUNTIME_DIRECTORY. False: systemd has not. */
bool config_runtime_dir(char ret[CONFIG_PATH_BYTES]);

/* The same of the system's daemon, for who asks it: $RUNTIME_DIRECTORY, or the unit's, /run/radar-pod. False where a
 * configuration or a state directory was named, by an option or RADAR_CONFIG_PATH: then it is another that is meant. */
bool config_system_runtime_dir(const char *given_config, const char *given_state_dir,
                               char ret[CONFIG_PATH_BYTES]);

/* The text of `path`, "" of a file that is not there; *ret is the caller's to free(3). As config_load(). */
int config_file_read(const char *path, char **ret, size_t *ret_n, struct err *err);

/* Every key in the order of the documentation: its default as text, and what it takes. */
void config_each_key(void (*visit)(void *self, const char *key, const char *standard,
                                   const char *takes),
                     void *self);
