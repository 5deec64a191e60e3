/* Which flows of a trace end as the largest, found by a reading that is quick because it looks at nothing else: of
 * every line the flow's number, and of each flow its last line. A tenth of what reading the samples takes.
 *
 * It foretells: who reads the samples does not take one whose counters run backwards, and may find others.
 */
#pragma once

#include <stdint.h>

#include "measure/report/largest.h"
#include "measure/trace_reader.h"

struct err;

/* Payload both ways until a sample. */
uint64_t trace_finals_bytes(const struct tcp_sample *s);

/* From a trace's first byte on; where it breaks off, it ends. As trace_reader_open();  -ENOMEM */
int trace_finals_largest(struct trace_input from, struct largest *ret, struct err *err);
