/* A result that has no place in the store yet, in memory of its own. */
#pragma once

#include <stdbool.h>

#include "agent/store/store.h"

struct err;
struct held_result;

/* A copy with all that it points to; NULL: there is no memory. */
struct held_result *held_result_new(const struct store_result *result, bool upload);

/* Accepts NULL; always returns NULL. */
struct held_result *held_result_free(struct held_result *h);

/* As store_put(). */
int held_result_put(const struct held_result *h, struct store *s, struct err *err);

const char *held_result_id(const struct held_result *h);
