/* A trace on its way to a file: held while something runs, written when it has ended, whole or not at
 * all.
 *
 *   trace_file_open(path, NULL, &file, &err);  before: what cannot be written fails now
 *   …  trace_file_sink(file)  …                sources call it
 *   trace_file_write(file, &header, &err);     afterwards
 *   file = trace_file_close(file);
 */
#pragma once

#include "measure/sample.h"
#include "measure/trace.h"

struct err;
struct trace_file;
struct trace_recorder;

/* What the suffix of `path` says of its form.
 *   -EINVAL  none of the four, in words that name the option */
int trace_file_form(const char *option, const char *path, struct trace_form *ret, struct err *err);

/* The suffix of `path` says the form; `state_dir` as spill_open() has it.
 *   -EINVAL  it is none of the four;  -ENOPKG  libzstd is wanted and not there */
int trace_file_open(const char *path, const char *state_dir, struct trace_file **ret,
                    struct err *err);

/* Accepts NULL; always returns NULL. */
struct trace_file *trace_file_close(struct trace_file *t);

const struct sample_sink *trace_file_sink(const struct trace_file *t);
struct trace_recorder *trace_file_recorder(const struct trace_file *t);
const char *trace_file_path(const struct trace_file *t); /* as given */

/* As whole_file_directory(). */
const char *trace_file_directory(const struct trace_file *t);

/* What is known of every trace: this program, this kernel, the clocks as the file was opened. */
struct trace_header trace_file_header(const struct trace_file *t);

int trace_file_write(struct trace_file *t, const struct trace_header *header, struct err *err);
