/* What a trace is made of: a header, flows, samples, an end record. docs/traces.md is the format.
 *
 *   sockets ─tcp_sample─▶ trace_recorder ─trace_record─▶ trace_writer ─bytes─▶ a file
 *             while a test runs            when it has ended                      │
 *                                      trace_record ◀─ trace_reader ◀─────────────┘
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/sample.h"

/* A reader of this version reads all traces of this version, also those with members it does not know,
 * and none of a later one. */
#define TRACE_SCHEMA_NAME "radar-pod/trace/"
#define TRACE_VERSION     1
#define TRACE_SCHEMA      TRACE_SCHEMA_NAME "1"

/* In one trace. Samples of further flows are counted as lost. */
#define TRACE_FLOWS_MAX 16384

enum trace_syntax { TRACE_JSONL, TRACE_CSV };

struct trace_form {
	enum trace_syntax syntax;
	bool zstd;
};

/* By the suffix: .jsonl or .csv, and perhaps .zst behind it. False: another one. */
bool trace_form_of(const char *path, struct trace_form *ret);

/* One instant on both clocks. */
struct trace_anchor {
	uint64_t monotonic_ns;
	uint64_t utc_ns;
	uint64_t error_ns; /* the reading of the one may be so far from that of the other */
};

struct trace_anchor trace_anchor_now(void);

struct trace_header {
	char version[32]; /* of the program that wrote it; here and below, "" is not known */
	char kernel[65];
	char arch[65];
	char source[16];      /* "tcp_info", "ebpf", "ebpf-sockops" */
	char result[40];      /* the id of the result that it belongs to */
	char command[254];    /* what was recorded, its words between spaces; cut where longer */
	uint64_t interval_ns; /* at most one sample of a flow in so much; 0: each one */
	struct trace_anchor anchor;
	uint64_t memory_bytes; /* the ceilings of what was held while it ran, in memory */
	uint64_t spill_bytes;  /* and in a file */
};

struct trace_end {
	uint64_t flows;
	uint64_t samples;
	uint64_t events[TCP_SAMPLE_EVENTS]; /* of the samples, by their event */
	uint64_t lost;                      /* samples that were made and are not here */
	uint64_t lost_for_space; /* those of them that the ceilings of the header kept out */
	uint64_t left_out;       /* samples that an export was asked to leave out */
	struct tcp_missed missed;
};

enum trace_kind { TRACE_HEADER, TRACE_FLOW, TRACE_SAMPLE, TRACE_END };

struct trace_record {
	enum trace_kind kind;
	uint32_t flow; /* of TRACE_FLOW and TRACE_SAMPLE: its number in this trace, from 1 */
	union {
		struct trace_header header;
		struct tcp_flow met;
		struct tcp_sample sample;
		struct trace_end end;
	};
};
