#include "agent/cli/test_trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/interrupt.h"
#include "agent/cli/trace_file.h"
#include "bpf/tier.h"
#include "measure/people.h"
#include "measure/result.h"
#include "measure/trace_recorder.h"
#include "measure/watch.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

struct test_trace {
	struct trace_file *file;
	uint64_t interval_ns;
};

CLEANUP_DEFINE(test_trace_closep, struct test_trace *, test_trace_close)

int test_trace_open(const char *path, uint64_t interval_ns, const char *state_dir,
                    struct test_trace **ret, struct err *err)
{
	CLEANUP(test_trace_closep) struct test_trace *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a trace");
	t->interval_ns = interval_ns;
	r = trace_file_open(path, state_dir, &t->file, err);
	if (r < 0)
		return r;
	*ret = TAKE(t, NULL);
	return 0;
}

struct test_trace *test_trace_close(struct test_trace *t)
{
	if (!t)
		return NULL;
	trace_file_close(t->file);
	free(t);
	return NULL;
}

const struct sample_sink *test_trace_sink(const struct test_trace *t)
{
	return trace_file_sink(t->file);
}

const char *test_trace_directory(const struct test_trace *t)
{
	return t ? trace_file_directory(t->file) : NULL;
}

static int write_file(struct test_trace *t, const struct test_result *result, struct err *err)
{
	bool polled = strcmp(result->stats, tier_name(TIER_TCP_INFO)) == 0;
	struct trace_header header = trace_file_header(t->file);

	header.interval_ns = t->interval_ns;
	if (polled && header.interval_ns < WATCH_TRACE_NS_MIN)
		header.interval_ns = WATCH_TRACE_NS_MIN;
	bytes_copy_text(header.source, sizeof(header.source), result->stats);
	bytes_copy_text(header.result, sizeof(header.result), result->id);
	return trace_file_write(t->file, &header, err);
}

/* The result follows in any case: it must not be lost to a signal while the trace is written. */
void test_trace_write(struct test_trace *t, struct test_result *result)
{
	struct trace_recorder *recorder = trace_file_recorder(t->file);
	const struct trace_end *counts = trace_recorder_counts(recorder);
	struct result_trace *said = &result->trace;
	char samples[PEOPLE_BYTES];

	said->path = trace_file_path(t->file);
	said->samples = counts->samples;
	said->lost = counts->lost;
	result->download.samples_lost = trace_recorder_lost(recorder, result->download.cookie);
	result->upload.samples_lost = trace_recorder_lost(recorder, result->upload.cookie);
	trace_recorder_missed(recorder, said->missed);
	interrupt_hold(true);
	if (write_file(t, result, &said->err) < 0)
		said->samples = 0;
	interrupt_hold(false);
	if (said->err.code == 0 && said->lost > 0)
		result_warn(result, "the trace lacks %s, for want of room",
		            people_count(said->lost, "sample", samples));
	if (said->err.code == 0 && said->missed.segments_at_most > 0)
		result_warn(result, "the trace may lack up to %s: " PEOPLE_MISSED,
		            people_count(said->missed.segments_at_most, "segment", samples));
}
