/* The line that moves while a test runs, drawn over itself on a terminal.
 *
 *   Download  ▕██████████▌             ▏   187.4 Mbit/s   14.2 ms     6 s left
 *
 * The cursor is never hidden and no mode is changed, so there is nothing to restore for whoever
 * interrupts or kills us; the line is drawn with one write.
 */
#pragma once

#include <stddef.h>

#include "agent/cli/terminal.h"
#include "measure/run.h"

/* Enough for any width that is drawn. */
#define PROGRESS_BYTES 1024

/* The line for `e` (RUN_STARTING, RUN_CONNECTED, RUN_PROGRESS), without its end and at most
 * t->columns - 3 wide. Answers out. */
const char *progress_line(const struct terminal *t, const struct run_event *e,
                          char out[PROGRESS_BYTES]);

/* What stays of a direction when it is over. */
const char *progress_last_line(const struct terminal *t, const struct direction_result *d,
                               char out[PROGRESS_BYTES]);
