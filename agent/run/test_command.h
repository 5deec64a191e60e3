/* How a test is started as a program of its own: its arguments from the configuration, and as much of our environment
 * as it needs. Pure, but for reading the environment. */
#pragma once

#include <stddef.h>

#include "agent/config/config.h"

#define TEST_COMMAND_ARGUMENTS_MAX   32
#define TEST_COMMAND_ENVIRONMENT_MAX 32

/* NULL-terminated lists of pointers into what they were made from. */
struct test_command {
	const char *argv[TEST_COMMAND_ARGUMENTS_MAX + 1];
	const char *environment[TEST_COMMAND_ENVIRONMENT_MAX + 1];
};

/* How this one differs from another. */
struct test_command_wish {
	const char *interface;  /* "": the configuration's, or the default route's */
	const char *trace_path; /* NULL: none; else how fine it is, the configuration says */
	const char *warning;    /* to be among its result's; NULL: none */
};

/* `radar-pod test ndt7`: the raw result comes on standard output, the result object on `result_path`. */
void test_command_ndt7(const struct config *config, const struct test_command_wish *wish,
                       const char *result_path, struct test_command *ret);

/* Of our environment what a test may see. */
void test_command_environment(struct test_command *ret);

/* One more, "NAME=value". */
void test_command_add_environment(struct test_command *c, const char *entry);

/* Ookla's program (contract 7.4), whose licence the operator has accepted: its result comes on standard output.
 * `address` is what it binds to; NULL: the default route's. */
void test_command_ookla(const struct config *config, const char *address, struct test_command *ret);
