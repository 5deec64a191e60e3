/* The options of one command: one table, from which they are parsed and --help is written.
 *
 *   #define ROW(...) OPTION_ROW(wish, __VA_ARGS__)
 *   static const struct option table[] = {
 *           OPTION_HEADING("Which server"),
 *           ROW(TEXT, "--server", "HOST", server, "measure against it"),
 *           ROW(CHOICE, "--io", "auto|epoll", io, "the event loop"),
 *   };
 *   r = options_parse(&syntax, argc, argv, &wish, &err);
 *
 * "--name value" and "--name=value" are the same; the last of two wins; "--" ends the options.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/cli/command.h"

struct err;

enum option_kind {
	OPTION_SWITCH,  /* bool: true where it is given */
	OPTION_TEXT,    /* const char *: not empty; points into argv */
	OPTION_CHOICE,  /* int: the place, from 0, of the word in `argument`, "auto|wss|ws" */
	OPTION_NUMBER,  /* uint64_t in [min, max] */
	OPTION_SIZE,    /* uint64_t: bytes, "250MB" */
	OPTION_TIME,    /* uint64_t: nanoseconds, "250ms" */
	OPTION_COMMAND, /* char **: an operand, and all that follows it, options or not */
	OPTION_NOT_YET, /* known by name, and refused: not in this release; not in --help */
};

struct option {
	const char *name;     /* "--server", "-4"; without a dash: an operand; NULL: a heading */
	const char *argument; /* what follows it, NULL for a switch */
	enum option_kind kind;
	size_t offset;       /* of its member in what options_parse() fills */
	const char *meaning; /* of an operand: what it is, in a word */
	uint64_t min, max;   /* of OPTION_NUMBER */
};

/* A row; what it fills is a member of struct `into`. More of struct option may follow. */
#define OPTION_ROW(into, kind_, name_, argument_, member, ...)                                     \
	{                                                                                          \
		.name = name_, .argument = argument_, .kind = OPTION_##kind_,                      \
		.offset = offsetof(struct into, member), .meaning = __VA_ARGS__                    \
	}
#define OPTION_HEADING(text)                                                                       \
	{                                                                                          \
		.meaning = text                                                                    \
	}
#define OPTION_REFUSED(name_)                                                                      \
	{                                                                                          \
		.name = name_, .kind = OPTION_NOT_YET                                              \
	}

struct option_syntax {
	const char *command; /* "radar-pod test" */
	const char
		*operands; /* of the usage line: "[ndt7]"; NULL: none. Taken in the table's order */
	const char *summary;  /* a sentence */
	const char *epilogue; /* after the options; NULL: nothing */
	const struct option *table;
	size_t count;
};

/* The last two of them, of an array. */
#define OPTION_TABLE(array) .table = (array), .count = sizeof(array) / sizeof(*(array))

enum option_outcome {
	OPTIONS_OK = 0,
	OPTIONS_HELP, /* -h, --help: nothing else counts */
};

/* `into` holds the defaults; argv[0] is not looked at.
 *   -EINVAL      wrong usage: err->text is a clause that names the option and what is valid
 *   -EOPNOTSUPP  an option or a word that this release does not have */
int options_parse(const struct option_syntax *syntax, int argc, char **argv, void *into,
                  struct err *err);

/* At most 80 columns wide. */
void options_help(const struct option_syntax *syntax, FILE *to);

/* "radar-pod test: <clause> (radar-pod test --help)" on standard error; answers the exit code. */
enum exit_code options_complain(const struct option_syntax *syntax, const struct err *err);

/* What every command begins with: parses, prints the help or the complaint. True: go on. False:
 * leave with *ret. */
bool options_begin(const struct option_syntax *syntax, int argc, char **argv, void *into,
                   enum exit_code *ret);
