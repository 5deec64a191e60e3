/* A file that the command line names and a library will read. */
#pragma once

#include <stdbool.h>

#include "agent/cli/command.h"

/* EXIT_DONE where there is something to be read in it. Otherwise EXIT_BAD_FILE, and why was logged as
 * "could not read WHAT PATH: …". A pipe or a device is refused, as the library would wait for it. */
enum exit_code given_file_check(const char *what, const char *path);

/* Both are there, and are one file, by whichever names. NULL is none. */
bool given_file_is_same(const char *a, const char *b);
