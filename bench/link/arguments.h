/* What a command line says: words, options, and the command behind "--". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;

#define ARGUMENTS_WORDS_MAX 2

/* The options that a command has. */
enum arguments_option {
	OPTION_TRUTH = 1U << 0,
	OPTION_SEED = 1U << 1,
	OPTION_NAME = 1U << 2,
	OPTION_SERVER = 1U << 3,
	OPTION_QUIET = 1U << 4,
	OPTION_JSON = 1U << 5,
	OPTION_AWAKE = 1U << 6,
	OPTION_DOZE = 1U << 7,
};

struct arguments_syntax {
	int words;            /* exactly so many */
	unsigned int options; /* enum arguments_option; --help is everyone's */
	bool command;         /* must follow "--" … */
	char **otherwise;     /* … or this is it, where there is no "--"; NULL: there must be */
};

struct arguments {
	const char *word[ARGUMENTS_WORDS_MAX];
	const char *truth, *name, *server; /* NULL: not given */
	bool has_seed;
	uint64_t seed;
	bool quiet, json, awake, doze, help; /* not both awake and doze */
	char **command;                      /* ended by NULL */
};

/* `argv` begins behind the name of the command. "--name VALUE" and "--name=VALUE" are the same.
 *   -EINVAL  wrong usage: the text of err is a sentence's */
int arguments_parse(const struct arguments_syntax *s, int argc, char **argv, struct arguments *ret,
                    struct err *err);
