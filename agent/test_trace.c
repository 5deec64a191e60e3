#include "agent/test_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/interrupt.h"
#include "agent/spill.h"
#include "agent/sysinfo.h"
#include "agent/whole_file.h"
#include "bpf/tier.h"
#include "measure/result.h"
#include "measure/trace_recorder.h"
#include "measure/trace_writer.h"
#include "measure/watch.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

struct test_trace {
	const char *path; /* as given */
	uint64_t interval_ns;
	struct trace_anchor anchor;
	struct whole_file *file;
	struct trace_writer *writer;
	struct trace_recorder *recorder;
	struct sample_sink sink;
	int spill_fd;
};

CLEANUP_DEFINE(test_trace_closep, struct test_trace *, test_trace_close)

static int write_bytes(void *self, const void *data, size_t bytes, struct err *err)
{
	return whole_file_write(self, data, bytes, err);
}

static int open_recorder(struct test_trace *t, struct err *err)
{
	struct trace_recorder_options o = { .memory_bytes = TRACE_MEMORY_BYTES,
		                            .spill_bytes = TRACE_SPILL_BYTES };
	int r;

	t->spill_fd = o.spill_fd = spill_open();
	r = trace_recorder_open(&o, &t->recorder, err);
	if (r == 0)
		t->sink = trace_recorder_sink(t->recorder);
	return r;
}

int test_trace_open(const char *path, uint64_t interval_ns, struct test_trace **ret,
                    struct err *err)
{
	CLEANUP(test_trace_closep) struct test_trace *t = calloc(1, sizeof(*t));
	struct trace_form form;
	int r;

	if (!t)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a trace");
	*t = (struct test_trace){ .path = path, .spill_fd = -1 };
	t->interval_ns = interval_ns;
	if (!trace_form_of(path, &form))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "choose a form for %s", path);
	r = whole_file_open(path, &t->file, err);
	if (r == 0)
		r = trace_writer_open(form, (struct trace_output){ write_bytes, t->file },
		                      &t->writer, err);
	if (r == 0)
		r = open_recorder(t, err);
	if (r < 0)
		return r;
	t->anchor = trace_anchor_now();
	*ret = TAKE(t, NULL);
	return 0;
}

struct test_trace *test_trace_close(struct test_trace *t)
{
	if (!t)
		return NULL;
	trace_recorder_close(t->recorder);
	trace_writer_close(t->writer);
	whole_file_close(t->file);
	if (t->spill_fd >= 0)
		close(t->spill_fd);
	free(t);
	return NULL;
}

const struct sample_sink *test_trace_sink(const struct test_trace *t)
{
	return &t->sink;
}

/* --- the end ---------------------------------------------------------------------------------------- */

static struct trace_header header_of(const struct test_trace *t, const struct test_result *result)
{
	bool polled = strcmp(result->stats, tier_name(TIER_TCP_INFO)) == 0;
	struct trace_header h = { .interval_ns = t->interval_ns, .anchor = t->anchor };

	if (polled && h.interval_ns < WATCH_TRACE_NS_MIN)
		h.interval_ns = WATCH_TRACE_NS_MIN;
	sysinfo_kernel(h.kernel, h.arch);
	bytes_copy_text(h.version, sizeof(h.version), POD_VERSION);
	bytes_copy_text(h.source, sizeof(h.source), result->stats);
	bytes_copy_text(h.result, sizeof(h.result), result->id);
	return h;
}

static int put_record(void *self, const struct trace_record *record, struct err *err)
{
	return trace_writer_put(self, record, err);
}

static int write_file(struct test_trace *t, const struct test_result *result, struct err *err)
{
	struct trace_header header = header_of(t, result);
	int r = trace_recorder_replay(t->recorder, &header,
	                              (struct trace_emitter){ put_record, t->writer }, err);

	if (r == 0)
		r = trace_writer_finish(t->writer, err);
	return r < 0 ? r : whole_file_commit(t->file, err);
}

/* The result follows in any case: it must not be lost to a signal while the trace is written. */
void test_trace_write(struct test_trace *t, struct test_result *result)
{
	const struct trace_end *counts = trace_recorder_counts(t->recorder);
	struct result_trace *said = &result->trace;

	said->path = t->path;
	said->samples = counts->samples;
	said->lost = counts->lost;
	result->download.samples_lost = trace_recorder_lost(t->recorder, result->download.cookie);
	result->upload.samples_lost = trace_recorder_lost(t->recorder, result->upload.cookie);
	interrupt_hold(true);
	if (write_file(t, result, &said->err) < 0)
		said->samples = 0;
	interrupt_hold(false);
	if (said->err.code == 0 && said->lost > 0)
		result_warn(result, "the trace lacks %llu samples, which did not fit",
		            (unsigned long long)said->lost);
}
