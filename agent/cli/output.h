/* The formats of a result. Each hears the test's events as they happen and writes the result at its
 * end; failures to write collect in ferror(o->to). */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "agent/cli/terminal.h"
#include "measure/run.h"

struct err;
struct output;

struct output_format {
	/* NULL where events are of no interest. */
	void (*hear)(struct output *o, const struct run_event *e);

	/* Negative: this result cannot be said in this format, and nothing was written. */
	int (*finish)(struct output *o, const struct test_result *r, struct err *err);

	/* Must not be written by halves: nothing before finish() has answered 0. */
	bool whole;
};

extern const struct output_format output_human, output_json, output_jsonl, output_raw;

/* More texts than this in a direction are dropped but the last: contract 3.6 allows ten a second, a
 * hostile server a million. */
#define OUTPUT_ROWS_MAX 1000

struct output {
	const struct output_format *format;
	FILE *to;
	struct terminal terminal; /* of standard output; the progress line is drawn there */
	uint32_t rows;            /* jsonl, raw: measurements written of the direction under way */
	uint32_t rows_dropped;    /* likewise, of the server's */
};

/* The measurement lines that jsonl and raw share. raw: fit for the pod service, which divides by
 * BytesSent and cannot bear a row without. */
void output_row(struct output *o, const struct run_event *e, bool for_service);

/* Before the events of a direction, and after them: writes the server's last word if it was among
 * what was dropped, and for the service the count that the rate is of. */
void output_rows_begin(struct output *o);
void output_rows_end(struct output *o, const struct direction_result *d, bool for_service);

bool output_measured(const struct direction_result *d);

/* The direction that speaks for both where a result has room for one: what was measured, else what
 * came furthest. */
const struct direction_result *output_speaker(const struct test_result *r);

/* Our address as the server sees it, which behind a NAT is another than ours; "" where it did not
 * say. Answers out. */
#define OUTPUT_IP_BYTES 64
const char *output_client_ip(const struct test_result *r, char out[OUTPUT_IP_BYTES]);

/* The lesser of the handshakes' round trips, before any load, of what was measured: a target that served nothing may be
 * another machine. */
struct figure output_idle_rtt_ms(const struct test_result *r);
