/* radar-pod: one executable, a table of commands. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/inherited.h"
#include "agent/cli/command.h"
#include "agent/cli/standard_output.h"
#include "agent/cli/version.h"
#include "agent/daemon/daemon_ports.h"
#include "agent/sandbox/sandbox.h"
#include "agent/sentry/crash_process.h"
#include "agent/service/courier_child.h"
#include "bpf/cgroup.h"
#include "bpf/loader.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

static enum exit_code cmd_help(int argc, char **argv);
static enum exit_code cmd_bpf_loader(int argc, char **argv);
static enum exit_code cmd_courier(int argc, char **argv);

static const struct command commands[] = {
	{ "test", "measure this connection: download, upload, latency", cmd_test },
	{ "serve", "an ndt7 server for the lab, to measure against", cmd_serve },
	{ "trace", "look at a trace, export it, sum it up", cmd_trace },
	{ "record", "trace every TCP connection of another program", cmd_record },
	{ "report", "a trace or a result as one HTML page", cmd_report },
	{ "results", "what was measured here: list, show, export", cmd_results },
	{ "register", "make this machine a pod of the pod service", cmd_register },
	{ "doctor", "what this machine offers for measuring", cmd_doctor },
	{ "agent", "the daemon: what a pod runs", cmd_agent },
	{ "status", "what the daemon on this machine says of itself", cmd_status },
	{ "sentry", "error reports: what would be sent next", cmd_sentry },
	{ "help", "this text, or that of a command", cmd_help },
	{ LOADER_ROLE, NULL, cmd_bpf_loader }, /* roles of ours, started by ourselves */
	{ COURIER_ROLE, NULL, cmd_courier },

	/* of releases to come */
	{ "endpoints" },
	{ "netcheck" },
	{ "packages" },
	{ "service" },
	{ "sign" },
	{ "update" },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void print_help(FILE *to)
{
	fprintf(to,
	        "radar-pod %s measures an Internet connection.\n\n"
	        "Usage: radar-pod COMMAND [OPTION...]\n\nCommands:\n",
	        POD_VERSION);
	for (size_t i = 0; i < COMMANDS; i++)
		if (commands[i].summary)
			fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\nOptions:\n"
	            "  -v         version; -vv the same as JSON\n"
	            "  -h         this text\n"
	            "\nFirst steps:\n"
	            "  radar-pod test                    against the nearest M-Lab server\n"
	            "  radar-pod test --format json      the same as one JSON object\n"
	            "  radar-pod COMMAND --help          all options of a command\n"
	            "\nExit codes: 0 done, 1 could not be done, 2 wrong usage, 3 partly done,\n"
	            "4 a file given is not valid, 5 not possible here or not in this release.\n");
}

static enum exit_code run_command(const char *name, int argc, char **argv)
{
	const struct command *c = find_command(name);

	if (!c) {
		fprintf(stderr, "radar-pod: there is no command \"%s\" (radar-pod help)\n", name);
		return EXIT_USAGE;
	}
	if (!c->run) {
		fprintf(stderr,
		        "radar-pod: %s is not in this release (radar-pod help lists what is)\n",
		        name);
		return EXIT_CANNOT_HERE;
	}
	crash_process_begin_told(name);
	return c->run(argc, argv);
}

static enum exit_code cmd_help(int argc, char **argv)
{
	char *help[] = { argv[1], (char *)"--help", NULL };

	if (argc > 2) {
		fprintf(stderr, "radar-pod help: one command at a time (radar-pod help)\n");
		return EXIT_USAGE;
	}
	if (argc == 2 && argv[1][0] != '-' && strcmp(argv[1], "help") != 0)
		return run_command(argv[1], 2, help);
	print_help(stdout);
	return EXIT_DONE;
}

/* A role without its sandbox is not begun. */
static void enter_sandbox(enum sandbox_role role, const struct sandbox_varies *varies)
{
	struct err err = {};

	if (sandbox_enter(role, varies, &err) == 0)
		return;
	log_err(LOG_LEVEL_ERROR, &err);
	exit(EXIT_NOT_DONE);
}

/* Control groups may be mounted anywhere. */
static enum exit_code cmd_bpf_loader(int argc, char **argv)
{
	char groups[CGROUP_PATH_BYTES];
	struct sandbox_varies varies = {};

	if (cgroup_mount_point(groups, NULL) == 0)
		varies.readable[0] = groups;
	enter_sandbox(SANDBOX_LOADER, &varies);
	loader_role(argc == 2 ? argv[1] : NULL);
}

/* Its word is the file of authorities that its requests name; its ports are in the environment that the daemon's spawner
 * has for it. */
static enum exit_code cmd_courier(int argc, char **argv)
{
	struct daemon_ports ports = daemon_ports_read(getenv(DAEMON_PORTS_OF_PARENT));
	struct sandbox_varies varies = { .any_port = ports.any };

	for (size_t i = 0; i < ports.count; i++)
		sandbox_add_port(&varies, ports.at[i]);
	if (argc == 2)
		varies.readable[0] = argv[1];
	sandbox_add_trust(&varies);
	crash_process_begin_child(COURIER_RECORD_FD, COURIER_ROLE);
	enter_sandbox(SANDBOX_COURIER, &varies);
	courier_role();
}

/* The first agent's executable is replaced in place: started under its name, this is the daemon. */
static bool named_as_agent(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');
	const char *name = slash ? slash + 1 : argv0;

	return strcmp(name, "radar_agent") == 0 || strcmp(name, "radar-agent") == 0;
}

/* The first agent's options have one dash or two. */
static bool is_option(const char *word, const char *letter, const char *name)
{
	if (word[0] != '-')
		return false;
	return strcmp(word + 1, letter) == 0 || strcmp(word + 1, name) == 0 ||
	       (word[1] == '-' && strcmp(word + 2, name) == 0);
}

static enum exit_code dispatch(int argc, char **argv)
{
	if (argc < 2 && (named_as_agent(argv[0]) || !isatty(STDIN_FILENO)))
		return run_command("agent", argc, argv);
	if (argc < 2 || is_option(argv[1], "h", "help")) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (is_option(argv[1], "v", "version")) {
		version_print(stdout);
		return EXIT_DONE;
	}
	if (is_option(argv[1], "vv", "vv")) {
		version_print_json(stdout);
		return EXIT_DONE;
	}
	if (is_option(argv[1], "c", "config-file")) {
		argv[1] = (char *)"-c"; /* with one dash, too, it is that */
		return run_command("agent", argc, argv);
	}
	if (argv[1][0] == '-') {
		fprintf(stderr, "radar-pod: there is no option %s (radar-pod help)\n", argv[1]);
		return EXIT_USAGE;
	}
	return run_command(argv[1], argc - 1, argv + 1);
}

/* The C library moves its threshold up to the largest block that was freed, and would from then on cut
 * the buffers of a connection from its heap, which it does not give back: half a MiB for good. */
static void keep_large_blocks_apart(void)
{
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

int main(int argc, char **argv)
{
	if (argc < 1)
		return EXIT_USAGE;
	inherited_signals_note();
	keep_large_blocks_apart();
	standard_output_begin();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* then it is EFBIG, which has a message */
	return standard_output_end(dispatch(argc, argv));
}
