/* Samples held while a test runs, so that nothing is written then: compact, in memory up to a ceiling, and
 * beyond it in a file that the caller gives.
 *
 *   trace_recorder_open(&options, &recorder, &err);
 *   sink = trace_recorder_sink(recorder);           sources call it
 *   trace_recorder_replay(recorder, &header, …);    when the test has ended
 *
 * A sample costs the bytes in which it differs from the one before it of its flow, some 20 to 40.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "measure/sample.h"
#include "measure/trace.h"

struct err;
struct trace_recorder;

#define TRACE_CHUNK_BYTES (64 * 1024) /* in which memory and file grow */

#define TRACE_MEMORY_BYTES (16 * 1024 * 1024)
#define TRACE_SPILL_BYTES  (1024 * 1024 * 1024)

struct trace_recorder_options {
	uint64_t memory_bytes; /* at least two chunks */
	uint64_t spill_bytes;  /* of the file; what does not fit there either is counted as lost */
	int spill_fd;          /* empty, the caller's; -1: there is none */
};

int trace_recorder_open(const struct trace_recorder_options *options, struct trace_recorder **ret,
                        struct err *err);

/* Accepts NULL; always returns NULL. */
struct trace_recorder *trace_recorder_close(struct trace_recorder *r);

/* A sample that says what the last one of its flow said, of the same instant, is that one: it is not taken
 * again, nor counted. */
struct sample_sink trace_recorder_sink(struct trace_recorder *r);

/* What the source may have passed over, for the end record. Until then it is not known. */
void trace_recorder_missed(struct trace_recorder *r, struct tcp_missed missed);

/* What was taken and lost until now. */
const struct trace_end *trace_recorder_counts(const struct trace_recorder *r);

/* Flows of which nothing has told how they ended. */
uint32_t trace_recorder_open_flows(const struct trace_recorder *r);

/* The numbers in the trace of the flows that moved the most bytes, the largest first; answers how many. */
size_t trace_recorder_largest(const struct trace_recorder *r, uint32_t *ret, size_t room);

/* Samples of that flow that are not held. */
uint64_t trace_recorder_lost(const struct trace_recorder *r, uint64_t cookie);

struct trace_emitter {
	/* Negative ends the replay. */
	int (*emit)(void *self, const struct trace_record *record, struct err *err);
	void *self;
};

/* The whole trace: *header with this recorder's ceilings, samples in the order of their time and each flow
 * before its first one, the end record. Nothing is taken any more afterwards; it may be played again. */
int trace_recorder_replay(struct trace_recorder *r, const struct trace_header *header,
                          struct trace_emitter to, struct err *err);
