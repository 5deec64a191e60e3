/* The processes in a network namespace. */
#pragma once

#include <stdint.h>

/* Ends what runs in the namespaces of these numbers (side_number(); 0 is none): SIGTERM, and SIGKILL to
 * what is still there after patience_ns. The caller's own process is spared. Answers how many it found. */
int inmates_end(const uint64_t *numbers, int count, uint64_t patience_ns);
