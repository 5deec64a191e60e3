#include "measure/trace_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "measure/libzstd.h"
#include "measure/trace_line.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define BUFFER_BYTES (128 * 1024)

/* What a compressed file may ask us to hold: as much as `zstd -19` does. */
#define ZSTD_WINDOW_LOG_MAX 23

static const unsigned char zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

struct trace_reader {
	struct trace_input from;
	struct trace_form form;
	struct trace_header header;
	struct trace_lines lines;
	uint64_t line;    /* the number of the one read last, from 1 */
	uint64_t samples; /* read until now */
	bool ended;       /* the end record was there */
	bool exhausted;   /* the input has no more bytes */
	bool torn;        /* the line read last has no newline */

	const struct libzstd *zstd;
	ZSTD_DCtx *decompressor;
	ZSTD_inBuffer in;
	bool more_to_come; /* decompressed, and not fetched yet */
	unsigned char *compressed;

	uint64_t *cookies; /* by flow, from 1 */
	bool *met;
	uint32_t flows_room;

	size_t begin, end; /* what of `text` has not been read */
	char text[BUFFER_BYTES];
};

CLEANUP_DEFINE(trace_reader_closep, struct trace_reader *, trace_reader_close)

static int refuse(const struct trace_reader *t, struct err *err, const char *what)
{
	return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "line %llu: %s", (unsigned long long)t->line,
	               what);
}

/* --- bytes ---------------------------------------------------------------------------------------- */

/* Answers how many came; 0: there are no more. */
static ssize_t read_some(struct trace_reader *t, void *into, size_t bytes, struct err *err)
{
	ssize_t n;

	do
		n = t->from.read(t->from.self, into, bytes);
	while (n == -EINTR);
	if (n < 0)
		return ERR_SET(err, (int)n, ERR_SYS, 0, "read it");
	return n;
}

static int decompress(struct trace_reader *t, struct err *err)
{
	ZSTD_outBuffer out = { t->text + t->end, sizeof(t->text) - t->end, 0 };

	while (out.pos == 0 && !t->exhausted) {
		size_t left;

		if (t->in.pos == t->in.size && !t->more_to_come) {
			ssize_t n = read_some(t, t->compressed, BUFFER_BYTES, err);

			if (n < 0)
				return (int)n;
			t->in = (ZSTD_inBuffer){ t->compressed, (size_t)n, 0 };
			if (n == 0) {
				t->exhausted = true;
				break;
			}
		}
		left = t->zstd->decompressStream(t->decompressor, &out, &t->in);
		if (t->zstd->isError(left))
			return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
			               "behind line %llu: decompress it: %s",
			               (unsigned long long)t->line, t->zstd->getErrorName(left));
		t->more_to_come = out.pos == out.size;
	}
	t->end += out.pos;
	return 0;
}

/* Adds to what is there; sets `exhausted` where nothing comes any more. */
static int fill(struct trace_reader *t, struct err *err)
{
	ssize_t n;

	memmove(t->text, t->text + t->begin, t->end - t->begin);
	t->end -= t->begin;
	t->begin = 0;
	if (t->form.zstd)
		return decompress(t, err);
	n = read_some(t, t->text + t->end, sizeof(t->text) - t->end, err);
	if (n < 0)
		return (int)n;
	t->exhausted = n == 0;
	t->end += (size_t)n;
	return 0;
}

/* --- lines ------------------------------------------------------------------------------------------ */

/* The next line without what ends it; the last one may have nothing that does. TRACE_READ_OVER: there is
 * none. */
static int next_line(struct trace_reader *t, const char **ret, size_t *ret_bytes, struct err *err)
{
	for (;;) {
		const char *at = t->text + t->begin;
		size_t left = t->end - t->begin;
		const char *newline = memchr(at, '\n', left);
		size_t n = newline ? (size_t)(newline - at) : left;
		int r;

		if (t->exhausted && left == 0)
			return TRACE_READ_OVER;
		if (n >= TRACE_LINE_BYTES) {
			t->line++;
			return refuse(t, err, "it is too long for a line of a trace");
		}
		if (newline || t->exhausted) {
			t->torn = !newline;
			t->begin += n + !t->torn;
			t->line++;
			*ret = at;
			*ret_bytes = n > 0 && at[n - 1] == '\r' ? n - 1 : n;
			return 0;
		}
		r = fill(t, err);
		if (r < 0)
			return r;
	}
}

/* --- records ------------------------------------------------------------------------------------------ */

static int know_flow(struct trace_reader *t, const struct trace_record *r, struct err *err)
{
	if (r->flow > TRACE_FLOWS_MAX)
		return refuse(t, err, "flow: there are too many");
	if (r->flow >= t->flows_room) {
		uint32_t room = 2 * r->flow;
		uint64_t *cookies = realloc(t->cookies, room * sizeof(*cookies));
		bool *met = cookies ? realloc(t->met, room * sizeof(*met)) : NULL;

		if (cookies)
			t->cookies = cookies;
		if (!met)
			return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "know the flows");
		memset(met + t->flows_room, 0, (room - t->flows_room) * sizeof(*met));
		t->met = met;
		t->flows_room = room;
	}
	t->met[r->flow] = true;
	t->cookies[r->flow] = r->met.cookie;
	return 0;
}

/* What a record must agree with that came before it. */
static int check_record(struct trace_reader *t, struct trace_record *r, struct err *err)
{
	switch (r->kind) {
	case TRACE_HEADER:
		return refuse(t, err, "a second header");
	case TRACE_FLOW:
		return know_flow(t, r, err);
	case TRACE_SAMPLE:
		if (r->flow >= t->flows_room || !t->met[r->flow])
			return refuse(t, err, "flow: no line before says which one that is");
		r->sample.cookie = t->cookies[r->flow];
		t->samples++;
		return 0;
	case TRACE_END:
		t->ended = true;
		return t->samples == r->end.samples
		               ? 0
		               : refuse(t, err, "samples: there were not as many before it");
	}
	return 0;
}

static int parse(struct trace_reader *t, const char *line, size_t n, struct trace_record *ret,
                 struct err *err)
{
	struct err why = {};
	int r = trace_line_parse(&t->lines, line, n, ret, &why);

	if (r == -EPROTONOSUPPORT && err)
		*err = why;
	else if (r < 0 && t->line == 1) /* any other file */
		ERR_SET(err, -EBADMSG, ERR_SYS, 0, "line 1: not the header of a trace: %s",
		        why.text);
	else if (r < 0)
		refuse(t, err, why.text);
	return r;
}

int trace_reader_next(struct trace_reader *t, struct trace_record *ret, struct err *err)
{
	for (;;) {
		const char *line;
		size_t n;
		int r = next_line(t, &line, &n, err);

		if (r == TRACE_READ_OVER)
			return t->ended ? TRACE_READ_OVER : TRACE_READ_CUT;
		if (r < 0)
			return r;
		if (t->ended)
			return refuse(t, err, "something follows the end record");
		/* A number that was cut may still be one; an object that has its end is whole. */
		if (t->torn && (n == 0 || line[n - 1] != '}'))
			return TRACE_READ_CUT;
		r = parse(t, line, n, ret, err);
		if (r == TRACE_LINE_RECORD)
			r = check_record(t, ret, err);
		if (r != TRACE_LINE_NOTHING)
			return r;
	}
}

int trace_reader_line(struct trace_reader *t, const char **ret, size_t *ret_bytes, struct err *err)
{
	int r = next_line(t, ret, ret_bytes, err);

	return r == 0 && t->torn ? TRACE_READ_OVER : r;
}

/* --- begin and end -------------------------------------------------------------------------------------- */

static int open_zstd(struct trace_reader *t, struct err *err)
{
	int r = libzstd_get(&t->zstd, err);

	if (r < 0)
		return r;
	t->decompressor = t->zstd->createDCtx();
	t->compressed = malloc(BUFFER_BYTES);
	if (!t->decompressor || !t->compressed)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a decompressor");
	t->zstd->DCtx_setParameter(t->decompressor, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	memcpy(t->compressed, t->text, t->end);
	t->in = (ZSTD_inBuffer){ t->compressed, t->end, 0 };
	t->end = 0;
	t->form.zstd = true;
	return 0;
}

/* The first bytes say how it was written. */
static int find_form(struct trace_reader *t, struct err *err)
{
	int r;

	while (t->end < sizeof(zstd_magic) && !t->exhausted) {
		r = fill(t, err);
		if (r < 0)
			return r;
	}
	if (t->end >= sizeof(zstd_magic) && memcmp(t->text, zstd_magic, sizeof(zstd_magic)) == 0) {
		t->exhausted = false;
		r = open_zstd(t, err);
		if (r == 0)
			r = fill(t, err);
		if (r < 0)
			return r;
	}
	t->form.syntax = t->end > 0 && t->text[0] == '#' ? TRACE_CSV : TRACE_JSONL;
	t->lines.syntax = t->form.syntax;
	return 0;
}

static int read_header(struct trace_reader *t, struct err *err)
{
	struct trace_record record;
	const char *line;
	size_t n;
	int r = next_line(t, &line, &n, err);

	if (r == TRACE_READ_OVER)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "it is empty, or ends before its header does");
	if (r < 0)
		return r;
	r = parse(t, line, n, &record, err);
	if (r < 0)
		return r;
	if (r != TRACE_LINE_RECORD || record.kind != TRACE_HEADER)
		return refuse(t, err, "not the header of a trace");
	t->header = record.header;
	return 0;
}

int trace_reader_open(struct trace_input from, struct trace_reader **ret, struct err *err)
{
	CLEANUP(trace_reader_closep) struct trace_reader *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the trace's buffer");
	t->from = from;
	r = find_form(t, err);
	if (r == 0)
		r = read_header(t, err);
	if (r < 0)
		return r;
	*ret = TAKE(t, NULL);
	return 0;
}

struct trace_reader *trace_reader_close(struct trace_reader *t)
{
	if (!t)
		return NULL;
	if (t->decompressor)
		t->zstd->freeDCtx(t->decompressor);
	free(t->compressed);
	free(t->cookies);
	free(t->met);
	free(t);
	return NULL;
}

const struct trace_header *trace_reader_header(const struct trace_reader *t)
{
	return &t->header;
}

struct trace_form trace_reader_form(const struct trace_reader *t)
{
	return t->form;
}
