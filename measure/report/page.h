/* A trace, a result, or both as one HTML page that needs nothing beside it: opens offline, on a screen, dark or
 * light, and on paper. docs/reports.md tells its reader what stands where. */
#pragma once

#include <stdint.h>

#include "measure/report/html.h"
#include "measure/report/trace_view.h"
#include "measure/result_read.h"

struct report {
	const char *trace_name;         /* as it was given */
	const struct trace_view *trace; /* NULL: there is none */

	const char *result_text; /* the JSON; NULL: there is none */
	size_t result_bytes;
	const struct told_result *result; /* what result_read() made of it */

	uint64_t utc_ns; /* when the page is made */
};

/* Whether a trace and a result, where both say so, are of the same test. */
bool report_same_test(const struct report *r);

/* 0, or what to.write() answered, and *err. */
int report_write(const struct report *r, struct html_output to, struct err *err);
