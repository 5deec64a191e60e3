/* A subcommand of the program, and what its exit code means. */
#pragma once

#include <stdbool.h>

/* The same for every command. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_NOT_DONE = 1,    /* network, server, refused, interrupted */
	EXIT_USAGE = 2,       /* wrong usage */
	EXIT_PARTLY = 3,      /* one direction of two, some of many */
	EXIT_BAD_FILE = 4,    /* the configuration or a file given is not valid */
	EXIT_CANNOT_HERE = 5, /* this kernel, these privileges or this release cannot do it */
};

struct command {
	const char *name;
	const char *summary; /* one line of `help`; NULL: known by name, not in this release */

	/* argv[0] is the command's name. */
	enum exit_code (*run)(int argc, char **argv);
};

enum exit_code cmd_test(int argc, char **argv);
enum exit_code cmd_serve(int argc, char **argv);
enum exit_code cmd_trace(int argc, char **argv);
enum exit_code cmd_record(int argc, char **argv);
enum exit_code cmd_register(int argc, char **argv);
enum exit_code cmd_report(int argc, char **argv);
enum exit_code cmd_results(int argc, char **argv);
enum exit_code cmd_doctor(int argc, char **argv);
enum exit_code cmd_agent(int argc, char **argv);
enum exit_code cmd_sentry(int argc, char **argv);
enum exit_code cmd_status(int argc, char **argv);
