/* radar-pod status: what the daemon on this machine says of itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/cli/command.h"
#include "agent/cli/options.h"
#include "agent/config/config.h"
#include "agent/daemon/status_socket.h"
#include "transport/base/err.h"
#include "transport/base/json_walk.h"
#include "transport/base/log.h"

struct status_wish {
	const char *config;
	const char *state_dir;
	bool json;
};

#define ROW(...) OPTION_ROW(status_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(SWITCH, "--json", NULL, json, "the daemon's own words, one JSON object"),
	ROW(TEXT, "--config-file", "PATH", config, "the daemon's configuration"),
	ROW(TEXT, "-c", "PATH", config, "the same"),
	ROW(TEXT, "--state-dir", "PATH", state_dir, "the daemon's state directory"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod status",
	.summary = "Asks the daemon that runs on this machine. Exits with 1 where none answers.",
	.table = options,
	.count = sizeof(options) / sizeof(*options),
};

/* In the order of the daemon's object. */
static const struct {
	const char *path, *title, *unit;
} lines[] = {
	{ "version", "version", "" },
	{ "pid", "process", "" },
	{ "pod", "pod", "" },
	{ "server_url", "service", "" },
	{ "config", "configuration", "" },
	{ "state_dir", "state", "" },
	{ "running_s", "running for", " s" },
	{ "socket.phase", "socket", "" },
	{ "socket.confirmed_s", "  confirmed for", " s" },
	{ "socket.connections", "  connections", "" },
	{ "socket.last_end", "  last ended by", "" },
	{ "heartbeat.sent", "heartbeats sent", "" },
	{ "heartbeat.taken", "  taken", "" },
	{ "heartbeat.last_error", "  last error", "" },
	{ "needs_restart", "needs restart for", "" },
	{ "sandbox_lacks", "sandbox lacks", "" },
	{ "tests.running.cause", "a test runs for", "" },
	{ "tests.running.for_s", "  since", " s" },
	{ "tests.queued", "a test is queued", "" },
	{ "tests.next_own_s", "next of our own in", " s" },
	{ "tests.run", "tests run", "" },
	{ "tests.measured", "  with a result", "" },
	{ "tests.bytes_today", "bytes used today", "" },
	{ "uploads.denied", "uploads denied", "" },
	{ "store.results", "results", "" },
	{ "store.pending", "  to be sent", "" },
	{ "store.uncertain", "  uncertain", "" },
	{ "store.quarantined", "  in quarantine", "" },
	{ "store.lost", "  lost", "" },
	{ "store.full", "  disk full", "" },
	{ "last_result.started_at", "last result", "" },
	{ "last_result.test", "  test", "" },
	{ "last_result.delivery", "  delivery", "" },
};

static int print_line(void *self, const char *path, const struct json_token *value, struct err *err)
{
	char text[CONFIG_PATH_BYTES];

	(void)self;
	(void)err;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		if (strcmp(lines[i].path, path) != 0)
			continue;
		if (value->kind == JSON_STRING)
			json_text_copy(value, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "%.*s", (int)value->n, value->text);
		if (value->kind == JSON_NULL || !text[0])
			strcpy(text, "-");
		printf("%-18s %s%s\n", lines[i].title, text,
		       strcmp(text, "-") ? lines[i].unit : "");
	}
	return 0;
}

/* The state directory may be the configuration's. */
static int find_directory(const struct status_wish *w, char ret[CONFIG_PATH_BYTES], struct err *err)
{
	static struct config config;
	char path[CONFIG_PATH_BYTES];
	int r;

	if (w->state_dir)
		return config_state_dir(w->state_dir, NULL, ret, err);
	r = config_find(w->config, path, err);
	if (r == 0)
		r = config_load(path, &config, NULL, err);
	return r < 0 ? r : config_state_dir(NULL, &config, ret, err);
}

/* The caller's own daemon; where there is none, that of the system, which answers those of its group as well. */
static int ask(const struct status_wish *w, char *said, size_t said_bytes, struct err *err)
{
	char directory[CONFIG_PATH_BYTES];
	struct err of_system;
	int r = find_directory(w, directory, err), second;

	if (r == 0)
		r = status_socket_ask(directory, said, said_bytes, err);
	if (r >= 0 || r == -EBADMSG || r == -ETIMEDOUT ||
	    !config_system_runtime_dir(w->config, w->state_dir, directory))
		return r;
	second = status_socket_ask(directory, said, said_bytes, &of_system);
	if ((second == -ENOENT || second == -ECONNREFUSED) && r != -EACCES)
		return r;
	if (second == -EACCES)
		ERR_SET(&of_system, second, ERR_SYS, 0,
		        "ask the system's daemon, which answers root and the group radar-pod");
	if (second < 0)
		*err = of_system;
	return second;
}

enum exit_code cmd_status(int argc, char **argv)
{
	static char said[STATUS_BYTES_MAX + 1];
	struct status_wish wish = {};
	enum exit_code code;
	struct err err = {};
	int r;

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	r = ask(&wish, said, sizeof(said), &err);
	if (r == -EBADMSG) {
		log_error("%s", err.text);
		return EXIT_BAD_FILE;
	}
	if (r == 0 && wish.json)
		fputs(said, stdout);
	else if (r == 0)
		r = json_walk(said, strlen(said), print_line, NULL, &err);
	if (r == 0)
		return EXIT_DONE;
	log_err(LOG_LEVEL_ERROR, &err);
	return EXIT_NOT_DONE;
}
