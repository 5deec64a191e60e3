/* A CPU that is one link's emulator's among links, and masks of CPUs for the kernel's receive packet steering
 * (RPS). What both are for: docs/decisions/0016-the-receiver-elsewhere.md.
 */
#pragma once

#include <sched.h>
#include <stddef.h>

#define OWN_CPU_NONE       (-1)
#define OWN_CPU_MASK_BYTES (CPU_SETSIZE / 32 * 9 + 1)

/* Takes one of the CPUs that this process may use, but never the first of them, and keeps it until *ret_fd is
 * closed or the process ends. OWN_CPU_NONE: every other has a link already, or there is one CPU. */
int own_cpu_claim(const char *folder, int *ret_fd);

/* The usable CPUs but for that one (OWN_CPU_NONE: all), as the kernel reads a mask: "3", "1,ffffffff". */
void own_cpu_mask(const cpu_set_t *usable, int but, char ret[OWN_CPU_MASK_BYTES]);
