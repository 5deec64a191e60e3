/* The variables of ours that say how to measure; docs/man/radar-pod.1 lists them. */
#pragma once

/* Warns of a value that means nothing, and would be taken for none in silence. */
void environment_check(void);
