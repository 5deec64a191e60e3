#include "measure/trace_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/libzstd.h"
#include "measure/trace_line.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define BUFFER_BYTES (64 * 1024)

/* On lines that resemble each other the quickest level with a small window packs better than level 3 with
 * 1 MiB: 12 instead of 14 bytes in 1,000, in 1.6 MB less memory. */
#define ZSTD_LEVEL      1
#define ZSTD_WINDOW_LOG 16

struct trace_writer {
	struct trace_form form;
	struct trace_output to;
	const struct libzstd *zstd;
	ZSTD_CCtx *compressor;
	size_t bytes;
	char buffer[BUFFER_BYTES];
	char compressed[BUFFER_BYTES];
};

CLEANUP_DEFINE(trace_writer_closep, struct trace_writer *, trace_writer_close)

static int open_zstd(struct trace_writer *w, struct err *err)
{
	int r = libzstd_get(&w->zstd, err);

	if (r < 0)
		return r;
	w->compressor = w->zstd->createCCtx();
	if (!w->compressor)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a compressor");
	w->zstd->CCtx_setParameter(w->compressor, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	w->zstd->CCtx_setParameter(w->compressor, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
	w->zstd->CCtx_setParameter(w->compressor, ZSTD_c_checksumFlag, 1);
	return 0;
}

int trace_writer_open(struct trace_form form, struct trace_output to, struct trace_writer **ret,
                      struct err *err)
{
	CLEANUP(trace_writer_closep) struct trace_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the trace's buffer");
	w->form = form;
	w->to = to;
	r = form.zstd ? open_zstd(w, err) : 0;
	if (r < 0)
		return r;
	*ret = TAKE(w, NULL);
	return 0;
}

struct trace_writer *trace_writer_close(struct trace_writer *w)
{
	if (!w)
		return NULL;
	if (w->compressor)
		w->zstd->freeCCtx(w->compressor);
	free(w);
	return NULL;
}

static int compress(struct trace_writer *w, ZSTD_EndDirective end, struct err *err)
{
	ZSTD_inBuffer in = { w->buffer, w->bytes, 0 };
	size_t left;
	int r;

	do {
		ZSTD_outBuffer out = { w->compressed, sizeof(w->compressed), 0 };

		left = w->zstd->compressStream2(w->compressor, &out, &in, end);
		if (w->zstd->isError(left))
			return ERR_SET(err, -EIO, ERR_SYS, 0, "compress: %s",
			               w->zstd->getErrorName(left));
		r = out.pos > 0 ? w->to.write(w->to.self, w->compressed, out.pos, err) : 0;
		if (r < 0)
			return r;
	} while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);
	return 0;
}

static int flush(struct trace_writer *w, ZSTD_EndDirective end, struct err *err)
{
	int r = w->form.zstd ? compress(w, end, err)
	                     : w->to.write(w->to.self, w->buffer, w->bytes, err);

	w->bytes = 0;
	return r;
}

/* Room for a line, then. */
static int make_room(struct trace_writer *w, struct err *err)
{
	return sizeof(w->buffer) - w->bytes < TRACE_LINE_BYTES ? flush(w, ZSTD_e_continue, err) : 0;
}

int trace_writer_put(struct trace_writer *w, const struct trace_record *r, struct err *err)
{
	int bad = make_room(w, err);

	if (bad < 0)
		return bad;
	w->bytes += trace_line_write(w->form.syntax, r, w->buffer + w->bytes);
	if (r->kind != TRACE_HEADER || w->form.syntax != TRACE_CSV)
		return 0;
	bad = make_room(w, err);
	if (bad == 0)
		w->bytes += trace_line_columns(w->buffer + w->bytes);
	return bad;
}

int trace_writer_finish(struct trace_writer *w, struct err *err)
{
	return flush(w, ZSTD_e_end, err);
}
