/* The text of a configuration file: one `key=value` a line, as the first agent has it, and changed without
 * touching what is not meant. Pure; fuzzed.
 *
 * A line may end with CR LF. At its ends, spaces and then tabs are trimmed; nothing is inside: "a = b" is
 * the key "a ". What begins with '#' is a comment. The key ends at the first '='; the value is all that
 * follows, further '=' included. An assignment of nothing leaves a key at its default; of several
 * assignments to a key the last one that is not of nothing counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct config_line {
	unsigned int number; /* from 1 */
	size_t at, bytes;    /* the whole line in the text, with its line feed */
	bool assigns;        /* else a comment, a blank line, or one without '=' */
	const char *key;     /* into the text, not terminated; likewise value */
	size_t key_bytes;
	const char *value;
	size_t value_bytes;
};

/* The next line; *ret begins as {}. False: there is none. */
bool config_file_next(const char *text, size_t n, struct config_line *line);

/* Whether the line assigns to `key`. */
bool config_line_is(const struct config_line *line, const char *key);

/* Whether `value` comes back as it was from a line `key=value`: no line feed, CR or NUL in it, no space or tab
 * at its end. "" does, as nothing. */
bool config_value_keeps(const char *value);

/* The text with `key` set: in the last line that assigns to it, else in a line of its own at the end; "" takes
 * the value out of every line that has one. All else stays as it is, byte for byte.
 * *ret is the caller's to free(3).  -EINVAL  the value would not come back;  -ENOMEM */
int config_file_set(const char *text, size_t n, const char *key, const char *value, char **ret,
                    size_t *ret_n);
