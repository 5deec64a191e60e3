/* The commands of the executable, and what its exit codes mean: those of radar-pod, and a shell's for
 * what it could not run. */
#pragma once

#include "bench/link/arguments.h"

struct err;

enum exit_code {
	EXIT_DONE = 0,
	EXIT_NOT_DONE = 1,    /* the link failed, or the run is void */
	EXIT_USAGE = 2,       /* wrong usage */
	EXIT_BAD_FILE = 4,    /* the scenario is not valid */
	EXIT_CANNOT_HERE = 5, /* no root, no TUN, no namespaces */
	EXIT_CANNOT_RUN = 126,
	EXIT_NO_COMMAND = 127,
	EXIT_SIGNAL = 128, /* and the number of the signal that ended the command */
};

/* Says it on standard error: "link: could not …". */
void complain(const struct err *err);

/* The code for what namespaces_open() and what follows it answer. */
enum exit_code exit_code_of(int negative_errno);

int cmd_run(const struct arguments *a);
int cmd_up(const struct arguments *a);
int cmd_exec(const struct arguments *a);
int cmd_down(const struct arguments *a);
int cmd_list(const struct arguments *a);
int cmd_clean(const struct arguments *a);
