#include "agent/cli/trace_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/spill.h"
#include "agent/base/whole_file.h"
#include "agent/host/sysinfo.h"
#include "measure/trace_recorder.h"
#include "measure/trace_writer.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

struct trace_file {
	const char *path;
	struct trace_anchor anchor;
	struct whole_file *file;
	struct trace_writer *writer;
	struct trace_recorder *recorder;
	struct sample_sink sink;
	int spill_fd;
};

CLEANUP_DEFINE(trace_file_closep, struct trace_file *, trace_file_close)

static int write_bytes(void *self, const void *data, size_t bytes, struct err *err)
{
	return whole_file_write(self, data, bytes, err);
}

static int open_recorder(struct trace_file *t, const char *state_dir, struct err *err)
{
	struct trace_recorder_options o = { .memory_bytes = TRACE_MEMORY_BYTES,
		                            .spill_bytes = TRACE_SPILL_BYTES };
	int r;

	t->spill_fd = o.spill_fd = spill_open(state_dir, t->path);
	r = trace_recorder_open(&o, &t->recorder, err);
	if (r == 0)
		t->sink = trace_recorder_sink(t->recorder);
	return r;
}

int trace_file_form(const char *option, const char *path, struct trace_form *ret, struct err *err)
{
	if (trace_form_of(path, ret))
		return 0;
	return ERR_SET(err, -EINVAL, ERR_SYS, 0,
	               "%s takes a name that ends in .jsonl, .csv, .jsonl.zst or .csv.zst, not "
	               "\"%s\"",
	               option, path);
}

int trace_file_open(const char *path, const char *state_dir, struct trace_file **ret,
                    struct err *err)
{
	CLEANUP(trace_file_closep) struct trace_file *t = calloc(1, sizeof(*t));
	struct trace_form form;
	int r;

	if (!t)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a trace");
	*t = (struct trace_file){ .path = path, .spill_fd = -1 };
	if (!trace_form_of(path, &form))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "choose a form for %s", path);
	r = whole_file_open(path, &t->file, err);
	if (r == 0)
		r = trace_writer_open(form, (struct trace_output){ write_bytes, t->file },
		                      &t->writer, err);
	if (r == 0)
		r = open_recorder(t, state_dir, err);
	if (r < 0)
		return r;
	t->anchor = trace_anchor_now();
	*ret = TAKE(t, NULL);
	return 0;
}

struct trace_file *trace_file_close(struct trace_file *t)
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

const struct sample_sink *trace_file_sink(const struct trace_file *t)
{
	return &t->sink;
}

struct trace_recorder *trace_file_recorder(const struct trace_file *t)
{
	return t->recorder;
}

const char *trace_file_path(const struct trace_file *t)
{
	return t->path;
}

const char *trace_file_directory(const struct trace_file *t)
{
	return whole_file_directory(t->file);
}

struct trace_header trace_file_header(const struct trace_file *t)
{
	struct trace_header h = { .anchor = t->anchor };

	sysinfo_kernel(h.kernel, h.arch);
	bytes_copy_text(h.version, sizeof(h.version), POD_VERSION);
	return h;
}

static int put_record(void *self, const struct trace_record *record, struct err *err)
{
	return trace_writer_put(self, record, err);
}

int trace_file_write(struct trace_file *t, const struct trace_header *header, struct err *err)
{
	int r = trace_recorder_replay(t->recorder, header,
	                              (struct trace_emitter){ put_record, t->writer }, err);

	if (r == 0)
		r = trace_writer_finish(t->writer, err);
	return r < 0 ? r : whole_file_commit(t->file, err);
}
