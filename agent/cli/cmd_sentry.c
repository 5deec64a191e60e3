/* radar-pod sentry: what the daemon tells of its failures, before it does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/command.h"
#include "agent/cli/options.h"
#include "agent/config/config.h"
#include "agent/sentry/sentry.h"
#include "agent/store/store.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

struct sentry_wish {
	bool dry_run;
	const char *config;
	const char *state_dir;
};

#define ROW(...) OPTION_ROW(sentry_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(SWITCH, "--dry-run", NULL, dry_run,
	    "print the request that would be sent next, and send nothing"),
	ROW(TEXT, "--config-file", "PATH", config, "the daemon's configuration"),
	ROW(TEXT, "-c", "PATH", config, "the same"),
	ROW(TEXT, "--state-dir", "PATH", state_dir, "the daemon's state directory"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod sentry",
	.operands = "--dry-run",
	.summary = "Shows the exact bytes of the next error report that the daemon would send. It "
		   "may run "
		   "meanwhile.",
	OPTION_TABLE(options),
};

/* A reporter as the daemon has it, that sends nothing. */
struct look {
	struct config config;
	struct store *store;
	struct sentry *sentry;
};

static void look_end(struct look *l)
{
	sentry_close(l->sentry);
	store_close(l->store);
	explicit_bzero(&l->config, sizeof(l->config));
}

static int look_begin(const struct sentry_wish *w, struct look *l, struct err *err)
{
	char path[CONFIG_PATH_BYTES], directory[CONFIG_PATH_BYTES];
	struct store_limits limits = {};
	struct sentry_options o = { .dsn = l->config.sentry_dsn };
	int r = config_find(w->config, path, err);

	if (r == 0)
		r = config_load(path, &l->config, NULL, err);
	if (r == 0 && !l->config.sentry_dsn[0])
		return SENTRY_OFF;
	if (r == 0)
		r = config_state_dir(w->state_dir, &l->config, directory, err);
	if (r == 0)
		r = store_open(directory, STORE_READER, &limits, &l->store, NULL, err);
	o.store = l->store;
	return r < 0 ? r : sentry_open(&o, &l->sentry, err);
}

static int print_next(struct look *l, struct err *err)
{
	CLEANUP(freep) char *envelope = NULL;
	size_t n;
	int r = sentry_next_envelope(l->sentry, &envelope, &n, err);

	if (r == SENTRY_OFF)
		log_info("no report waits to be sent");
	if (r == 0)
		fwrite(envelope, 1, n, stdout);
	return r < 0 ? r : 0;
}

enum exit_code cmd_sentry(int argc, char **argv)
{
	CLEANUP(look_end) struct look look = {};
	struct sentry_wish wish = {};
	enum exit_code code;
	struct err err = {};
	int r;

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (!wish.dry_run) {
		fprintf(stderr, "radar-pod sentry: --dry-run is what it can do (radar-pod sentry "
		                "--help)\n");
		return EXIT_USAGE;
	}
	r = look_begin(&wish, &look, &err);
	if (r == SENTRY_OFF)
		log_info("error reports are off: sentry_dsn is not set");
	if (r == 0)
		r = print_next(&look, &err);
	if (r >= 0)
		return EXIT_DONE;
	if (r == -EBADMSG)
		log_error("%s", err.text);
	else
		log_err(LOG_LEVEL_ERROR, &err);
	return r == -EBADMSG ? EXIT_BAD_FILE : EXIT_NOT_DONE;
}
