/* The records of a truth file, each as it stands in it: JSON objects of one line, rows of CSV. The
 * rows' columns and the objects' keys are one table. docs/links.md defines every field.
 *
 * Errors collect in ferror(to).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/link/truth.h"

#define TRUTH_FORMAT "radar-pod/link-truth/1"

/* {"record":"header",…}: format, clocks, machine, scenario.   -ENOMEM, -EIO */
int truth_print_header(FILE *to, const struct scenario *s, const char *scenario_path);

/* The columns' names, as the first row of CSV. */
void truth_print_bin_columns(FILE *to);
void truth_print_flow_bin_columns(FILE *to);
void truth_print_flow_columns(FILE *to);

enum truth_shape { TRUTH_JSON, TRUTH_CSV };

void truth_print_bin(FILE *to, enum truth_shape shape, const struct truth_bin *bin);
void truth_print_flow_bins(FILE *to, enum truth_shape shape, const struct truth_bin *bin);
void truth_print_flow(FILE *to, enum truth_shape shape, size_t index,
                      const struct truth_flow *flow);

/* {"record":"delay",…}; `record` is its name. */
void truth_print_histogram(FILE *to, const char *record, enum link_direction d,
                           const struct histogram *h);

/* What was written before it, so that a reader knows whether it has all. */
struct truth_written {
	uint64_t bins, flow_bins, flows;
};

void truth_print_end(FILE *to, const struct truth_end *end, const struct truth_written *written);
