/* radar-pod-link: a table of commands. What is no command's name is a scenario, to be run. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/link/command.h"
#include "transport/base/err.h"

static const struct command {
	const char *name; /* NULL: none, a scenario stands first */
	int (*run)(const struct arguments *a);
	struct arguments_syntax syntax;
} commands[] = {
	{ "up",
	  cmd_up,
	  { 2, OPTION_TRUTH | OPTION_SEED | OPTION_AWAKE | OPTION_DOZE, false, NULL } },
	{ "exec", cmd_exec, { 2, 0, true, NULL } },
	{ "down", cmd_down, { 1, OPTION_QUIET, false, NULL } },
	{ "list", cmd_list, { 0, OPTION_JSON, false, NULL } },
	{ "clean", cmd_clean, { 0, OPTION_QUIET, false, NULL } },
	{ NULL,
	  cmd_run,
	  { 1,
	    OPTION_TRUTH | OPTION_SEED | OPTION_AWAKE | OPTION_DOZE | OPTION_NAME | OPTION_SERVER |
	            OPTION_QUIET,
	    true, NULL } },
};

static const char help[] =
	"link lays a link between two network namespaces and tells what really went over it.\n"
	"\n"
	"Usage: link SCENARIO [OPTION...] -- COMMAND...   for the time of one command\n"
	"       link up NAME SCENARIO [OPTION...]         until it is taken down\n"
	"       link exec NAME client|server -- COMMAND...\n"
	"       link down NAME [--quiet]                  when the truth is whole\n"
	"       link list [--json]\n"
	"       link clean                                what dead links have left\n"
	"\n"
	"SCENARIO is a file, or its text with ; for the end of a line:\n"
	"\n"
	"  link '[both]; rate = 100Mbit/s; delay = 10ms' -- ping -c 5 '$LINK_SERVER'\n"
	"\n"
	"Without -- COMMAND, on a terminal, it is your shell.\n"
	"\n"
	"Options:\n"
	"  --truth FILE      what went over it: JSONL, or CSV where FILE ends in .csv\n"
	"  --seed N          of the random numbers, in place of the scenario's\n"
	"  --awake           a packet after a pause finds the link awake: 0.1 ms less of its "
	"first\n"
	"                    round trip, for a CPU that never rests\n"
	"  --doze            asleep whenever nothing is due: under half of the CPU; a packet that\n"
	"                    comes meanwhile is seen some 50 us late, on a busy machine later\n"
	"\n"
	"and of a link for one command:\n"
	"  --server COMMAND  a shell's line, run on the server's side from before the command's\n"
	"                    beginning to after its end\n"
	"  --name NAME       for link exec, list and down (run- and the process's number)\n"
	"  --quiet           no summary on standard error\n"
	"\n"
	"Commands have in their environment LINK_NAME, LINK_SERVER and LINK_CLIENT (addresses),\n"
	"LINK_SERVER6 and LINK_CLIENT6 where the link has IPv6. In a COMMAND's words $LINK_SERVER\n"
	"and the others are replaced; quote them, or your shell will, by nothing:\n"
	"\n"
	"  link bench/links/cable.link -- ping -c 5 '$LINK_SERVER'\n"
	"\n"
	"Whatever still runs in a link's namespaces is ended with it.\n"
	"\n"
	"Exit codes: those of COMMAND, 128 and the signal where it was killed, 126 and 127 where\n"
	"it cannot be run or is missing; 1 the link failed or the run is void, 2 wrong usage,\n"
	"4 the scenario is not valid, 5 not possible here: no root, no TUN, no namespaces.\n";

static const struct command *find_command(const char *word)
{
	const struct command *c = commands;

	while (c->name && strcmp(c->name, word) != 0)
		c++;
	return c;
}

/* A word that is no command's, and neither a scenario nor the name of its file. */
static bool is_no_command(const struct command *c, const char *word)
{
	return !c->name && word[0] != '-' && !strpbrk(word, "./=[") && access(word, F_OK) < 0;
}

static int refuse(const struct command *c, const char *word, const struct err *err)
{
	if (is_no_command(c, word))
		fprintf(stderr, "link: %s is no command and no file (link --help)\n", word);
	else
		fprintf(stderr, "link%s%s: %s (link --help)\n", c->name ? " " : "",
		        c->name ? c->name : "", err->text);
	return EXIT_USAGE;
}

/* What runs where no command is given: on a terminal the user's shell, else nothing. */
static char **shell_of_terminal(void)
{
	static char *shell[2];
	const char *wanted = getenv("SHELL");

	if (!isatty(STDIN_FILENO))
		return NULL;
	shell[0] = (char *)(wanted && *wanted ? wanted : "/bin/sh");
	return shell;
}

int main(int argc, char **argv)
{
	char **shell = shell_of_terminal();
	struct arguments_syntax syntax;
	const struct command *c = argc > 1 ? find_command(argv[1]) : NULL;
	struct arguments a = {};
	struct err err = {};
	int named = c && c->name ? 1 : 0;

	/* What we say may have lost its reader, as behind `| head`: the link ends as ever. */
	signal(SIGPIPE, SIG_IGN);
	if (!c) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	syntax = c->syntax;
	syntax.otherwise = shell;
	a.help = strcmp(argv[1], "help") == 0;
	if (!a.help && arguments_parse(&syntax, argc - 1 - named, argv + 1 + named, &a, &err) < 0)
		return refuse(c, argv[1], &err);
	if (a.help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	if (a.command && a.command == shell)
		fprintf(stderr,
		        "link: %s on a side of the link, until it ends; $LINK_SERVER and "
		        "$LINK_CLIENT are its addresses\n",
		        shell[0]);
	return c->run(&a);
}
