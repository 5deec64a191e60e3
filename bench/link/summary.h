/* The truth of a run in a few lines, for a person. */
#pragma once

#include <stddef.h>

struct session;

/* Of one that is over. */
void summary_write(const struct session *s, char *out, size_t out_bytes);
