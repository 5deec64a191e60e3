/* Which children the daemon's spawner starts, whoever asks it: a courier, a test as agent/run/test_command.h has it, and the one
 * program that the configuration named at the start. Pure. */
#pragma once

#include <stdbool.h>

#include "agent/config/config.h"

struct daemon_children {
	char state_dir[CONFIG_PATH_BYTES];
	char ookla_binary[CONFIG_PATH_BYTES]; /* "": none */
};

/* `argv` ends with a NULL. */
bool daemon_children_may(const struct daemon_children *c, const char *program, char *const *argv);
