/* Whether anything in a process's network namespace waits for peers. */
#pragma once

#include <stdbool.h>

/* A TCP socket that listens, or any UDP, raw or packet socket, of whatever process there. */
bool listening(int pid);
