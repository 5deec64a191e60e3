/* Ctrl-C and SIGTERM. The first asks the work under way to end, the second ends the process. What was
 * ignored before interrupt_open() stays ignored. */
#pragma once

#include <stdbool.h>

struct err;

/* From now on *ret_fd is readable as soon as somebody asked for the end. Once in a process. */
int interrupt_open(int *ret_fd, struct err *err);

/* As if a signal had come. */
void interrupt_raise(void);

/* Holds both signals back while something must not be left half done; false lets them come. */
void interrupt_hold(bool hold);
