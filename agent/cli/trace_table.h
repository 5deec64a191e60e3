/* A trace for people and scripts: what it is, and a line of each flow. */
#pragma once

#include <stdio.h>

#include "agent/cli/terminal.h"

struct trace_reader;
struct trace_summary;

struct trace_told {
	const char *file;
	const struct trace_reader *reader;
	const struct trace_summary *summary;
};

void trace_info_human(const struct trace_told *t, const struct terminal *terminal, FILE *to);
void trace_info_json(const struct trace_told *t, FILE *to);

/* At most terminal->columns wide; where the two ends of a flow do not fit, the far one is shown. */
void trace_summary_human(const struct trace_told *t, const struct terminal *terminal, FILE *to);
void trace_summary_json(const struct trace_told *t, FILE *to);
