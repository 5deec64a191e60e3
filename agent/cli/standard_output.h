/* Standard output, where results go: what is lost there is a failure, and said once. */
#pragma once

#include "agent/cli/command.h"

struct err;

/* Before anything is opened: descriptors 0, 1 and 2 that are not open would be given to the next
 * socket or file, and what is printed would end up there. */
void standard_output_begin(void);

/* Whether it takes what is written. Remembers why not, as long as errno still says so. */
bool standard_output_works(void);

/* Something could not be written, there or to a file: logs why, unless it was standard output, whose end says
 * so. Answers the exit code. */
enum exit_code standard_output_complain(const struct err *err);

/* Flushes and closes it. Answers `code`, or says what was lost and answers EXIT_NOT_DONE. */
enum exit_code standard_output_end(enum exit_code code);
