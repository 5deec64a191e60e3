/* The trace of a test: taken while it runs, written when it has ended. */
#pragma once

#include <stdint.h>

#include "measure/sample.h"

struct err;
struct test_result;
struct test_trace;

/* Before the test: what cannot be written fails now. `state_dir` as spill_open() has it.
 *   -EINVAL  a suffix that names no form;  -ENOPKG  compressed, and libzstd is not there;
 *   others   as the file system says */
int test_trace_open(const char *path, uint64_t interval_ns, const char *state_dir,
                    struct test_trace **ret, struct err *err);

/* Accepts NULL; always returns NULL. What was not written is gone. */
struct test_trace *test_trace_close(struct test_trace *t);

const struct sample_sink *test_trace_sink(const struct test_trace *t);

/* In which it makes its file; NULL: in none, and of NULL. */
const char *test_trace_directory(const struct test_trace *t);

/* Once, after the test: the file, whole or not at all, and what became of it into the result. */
void test_trace_write(struct test_trace *t, struct test_result *result);
