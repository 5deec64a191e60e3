/* The keys of a configuration as one table: what each takes, where it goes, what it is without. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/config/config.h"

struct err;

enum config_kind {
	CONFIG_TEXT,     /* char[]: anything that can be printed */
	CONFIG_WORD,     /* char[]: as TEXT, without space, ':' or '=' */
	CONFIG_URL,      /* char[]: http or https */
	CONFIG_URL_FILE, /* char[]: likewise, or file:///PATH */
	CONFIG_PATH,     /* char[]: absolute */
	CONFIG_SECONDS,  /* uint64_t, from min to max */
	CONFIG_COUNT,    /* uint64_t, from min to max */
	CONFIG_TIME,     /* uint64_t, nanoseconds */
	CONFIG_SIZE,     /* uint64_t, bytes */
	CONFIG_SCHEDULE, /* uint64_t, nanoseconds; off is 0, else at least min */
	CONFIG_CHOICE,   /* int: the place of the word in `takes`, "off|check" */
	CONFIG_SWITCH,   /* bool: on or off */
	CONFIG_RUNNERS,  /* unsigned int */
	CONFIG_STATE,    /* char[]: written by ourselves; never refused */
	CONFIG_INSTANT,  /* uint64_t, seconds since 1970; likewise */
	CONFIG_IGNORED,  /* of images in the field; never refused, read or written */
};

struct config_key {
	const char *name;
	enum config_kind kind;
	size_t offset, bytes; /* of its member in struct config */
	const char *standard; /* the default, as it would stand in the file; "" is nothing */
	const char *takes;    /* in words; of a CHOICE its words */
	uint64_t min, max;
	bool secret; /* its value is never shown */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_count;

/* NULL: there is none of that name. */
const struct config_key *config_key_find(const char *name, size_t n);

/* Puts a value into its member. `value` is n bytes, not terminated.
 *   -EINVAL  err->text: "ping_freq takes …, not …"; the member is untouched */
int config_key_take(const struct config_key *key, const char *value, size_t n, struct config *into,
                    struct err *err);
