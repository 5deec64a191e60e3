/* radar-pod agent: the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/json_writer.h"
#include "agent/cli/command.h"
#include "agent/cli/options.h"
#include "agent/config/config.h"
#include "agent/config/config_environment.h"
#include "agent/daemon/daemon.h"
#include "agent/daemon/daemon_tests.h"
#include "agent/host/interfaces.h"
#include "agent/host/interfaces_json.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

struct agent_wish {
	const char *config;
	const char *state_dir;
	bool verbose;
};

#define ROW(...) OPTION_ROW(agent_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(TEXT, "--config-file", "PATH", config,
	    "the configuration (RADAR_CONFIG_PATH, ~/.config/radar/config.conf, "
	    "/etc/radar-pod/config.conf)"),
	ROW(TEXT, "-c", "PATH", config, "the same"),
	ROW(TEXT, "--state-dir", "PATH", state_dir, "where results and counters are kept"),
	ROW(SWITCH, "--verbose", NULL, verbose, "log what is tried again, too"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod agent",
	.summary = "The daemon: registers where there are no credentials, keeps the connection to "
		   "the service, says that the pod is alive, runs the tests that the service asks "
		   "for and those of its own schedule, and delivers their results. An update that "
		   "is ordered is written to the log and not carried out in this release. Ends at "
		   "SIGTERM or Ctrl-C; SIGHUP reads the configuration again.",
	.table = options,
	.count = sizeof(options) / sizeof(*options),
};

/* Read afresh for each report; that they cannot be had is an error once. */
static char *interfaces_now(void *self)
{
	static bool failing;
	struct interfaces list = {};
	struct err err;
	char *out = NULL;
	size_t n;
	FILE *to;

	(void)self;
	if (interfaces_read(&list, &err) < 0) {
		log_err(failing ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, &err);
		failing = true;
		return NULL;
	}
	failing = false;
	to = open_memstream(&out, &n);
	if (to) {
		interfaces_put_json(&(struct json_writer){ .to = to }, NULL, &list);
		if (fclose(to) != 0)
			out = (free(out), NULL);
	}
	interfaces_free(&list);
	return out;
}

enum exit_code cmd_agent(int argc, char **argv)
{
	struct agent_wish wish = {};
	struct daemon_tests *tests = NULL;
	struct daemon_options o = {};
	struct config_environment environment;
	char path[CONFIG_PATH_BYTES];
	enum exit_code code;
	struct err err = {};
	int r;

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (wish.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	r = config_environment_read(&environment, &err);
	if (r == 0)
		r = config_find(wish.config, path, &err);
	if (r == 0)
		r = config_may_begin(wish.config, path, &err);
	if (r == CONFIG_NEW)
		log_warning("%s is not there: this is the first start of a new pod", path);
	if (r >= 0)
		r = daemon_tests_new(&tests, &err);
	if (r == 0) {
		o.orders = daemon_tests_orders(tests);
		o.orders.interfaces = interfaces_now;
		o.config_path = path;
		o.state_dir = wish.state_dir;
		o.register_label = environment.register_label;
		r = daemon_run(&o, &err);
	}
	daemon_tests_free(tests);
	if (r == 0)
		return EXIT_DONE;
	if (r == -EBADMSG)
		log_error("%s", err.text);
	else
		log_err(LOG_LEVEL_ERROR, &err);
	return r == -EBADMSG ? EXIT_BAD_FILE : EXIT_NOT_DONE;
}
