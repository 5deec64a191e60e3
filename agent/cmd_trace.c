/* radar-pod trace: what is in a trace, parts of it in another form, a line of each flow. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/options.h"
#include "agent/standard_output.h"
#include "agent/trace_table.h"
#include "agent/whole_file.h"
#include "measure/trace_line.h"
#include "measure/trace_reader.h"
#include "measure/trace_summary.h"
#include "measure/trace_writer.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/base/units.h"

enum verb { VERB_INFO, VERB_EXPORT, VERB_SUMMARY };
enum format { FORMAT_UNSAID, FORMAT_HUMAN, FORMAT_JSON, FORMAT_JSONL, FORMAT_CSV };

#define NO_VERB (-1)

struct trace_wish {
	int verb, format;
	const char *file;
	const char *flow, *events;
	uint64_t from_ns, to_ns;
	const char *out;
};

#define ROW(...) OPTION_ROW(trace_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(CHOICE, "VERB", "info|export|summary", verb, "verb"),
	ROW(TEXT, "FILE", NULL, file, "file"),

	OPTION_HEADING("How it is shown"),
	ROW(CHOICE, "--format", "auto|human|json|jsonl|csv", format,
	    "of info and summary: human or json (human); of export: jsonl or csv (as --out is "
	    "named, else csv)"),

	OPTION_HEADING("Of export, what and where to"),
	ROW(TEXT, "--flow", "N", flow,
	    "only this flow, by its number or its cookie of 16 digits (all)"),
	ROW(TEXT, "--event", "LIST", events,
	    "only samples of these events, such as ack,retransmit (all)"),
	ROW(TIME, "--from", "DUR", from_ns, "only from so long after the trace began (0)"),
	ROW(TIME, "--to", "DUR", to_ns, "only up to so long after the trace began (its end)"),
	ROW(TEXT, "--out", "FILE", out,
	    "write there, whole or not at all, instead of to standard output; .jsonl or .csv, "
	    "each also with .zst"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod trace",
	.operands = "info|export|summary FILE",
	.summary =
		"Reads a trace, plain or compressed: info says what it holds, export writes it or "
		"a part of it in another form, summary is a line of each flow.",
	.epilogue = "FILE may be - for standard input. docs/traces.md describes the format.\n",
	.table = options,
	.count = sizeof(options) / sizeof(*options),
};

/* --- what is wished ------------------------------------------------------------------------------ */

struct filter {
	uint32_t flow; /* 0: all, or the one of the cookie */
	bool by_cookie;
	uint64_t cookie;
	uint32_t events; /* a bit for each */
	uint64_t from_ns, to_ns;
};

/* 16 digits are a cookie, as a result and a flow's record write it. */
static int take_flow(const char *text, struct filter *ret, struct err *err)
{
	char *end;
	uint64_t number;

	if (strlen(text) == 16) {
		ret->by_cookie = true;
		ret->cookie = strtoull(text, &end, 16);
		if (*end == '\0' && text[0] != '-' && text[0] != '+')
			return 0;
	} else if (units_parse_u64(text, 1, TRACE_FLOWS_MAX, &number, NULL) == 0) {
		ret->flow = (uint32_t)number;
		return 0;
	}
	return ERR_SET(err, -EINVAL, ERR_SYS, 0,
	               "--flow takes a flow's number or its cookie of 16 digits, not \"%s\"", text);
}

static int take_events(const char *text, uint32_t *ret, struct err *err)
{
	for (const char *at = text;; at++) {
		size_t n = strcspn(at, ",");
		enum tcp_sample_event event = trace_event_named(at, n);

		if (event == TCP_SAMPLE_EVENTS)
			return ERR_SET(err, -EINVAL, ERR_SYS, 0,
			               "--event takes info, ack, retransmit, state and congestion, "
			               "not \"%.*s\"",
			               (int)n, at);
		*ret |= 1U << event;
		at += n;
		if (*at == '\0')
			return 0;
	}
}

static int take_filter(const struct trace_wish *w, struct filter *ret, struct err *err)
{
	int r = 0;

	*ret = (struct filter){ .from_ns = w->from_ns, .to_ns = w->to_ns };
	if (w->flow)
		r = take_flow(w->flow, ret, err);
	if (r == 0 && w->events)
		r = take_events(w->events, &ret->events, err);
	if (!w->events)
		ret->events = UINT32_MAX;
	if (r == 0 && w->to_ns < w->from_ns)
		r = ERR_SET(err, -EINVAL, ERR_SYS, 0, "--to is before --from");
	return r;
}

/* What --out is called, and --format says; both may be silent. */
static int take_form(const struct trace_wish *w, struct trace_form *ret, struct err *err)
{
	*ret = (struct trace_form){ .syntax = w->format == FORMAT_JSONL ? TRACE_JSONL : TRACE_CSV };
	if (w->format == FORMAT_HUMAN || w->format == FORMAT_JSON)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--format of an export is jsonl or csv");
	if (!w->out)
		return 0;
	if (!trace_form_of(w->out, ret))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--out takes a name that ends in .jsonl, .csv, .jsonl.zst or "
		               ".csv.zst, not \"%s\"",
		               w->out);
	if (w->format != FORMAT_UNSAID && (ret->syntax == TRACE_CSV) != (w->format == FORMAT_CSV))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--format and the name of --out differ");
	return 0;
}

static int check_wish(const struct trace_wish *w, struct filter *filter, struct trace_form *form,
                      struct err *err)
{
	int r;

	if (w->verb == NO_VERB)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "info, export or summary?");
	if (!w->file)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "which file?");
	if (w->verb == VERB_EXPORT) {
		r = take_form(w, form, err);
		return r < 0 ? r : take_filter(w, filter, err);
	}
	if (w->format == FORMAT_JSONL || w->format == FORMAT_CSV)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--format of this is human or json");
	if (w->flow || w->events || w->out || w->from_ns || w->to_ns != UINT64_MAX)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--flow, --event, --from, --to and --out belong to export");
	return 0;
}

/* --- the trace ------------------------------------------------------------------------------------- */

static ssize_t read_fd(void *self, void *into, size_t bytes)
{
	ssize_t n = read(*(int *)self, into, bytes);

	return n < 0 ? -errno : n;
}

CLEANUP_DEFINE(trace_reader_closep, struct trace_reader *, trace_reader_close)

/* A sentence of its own: what is wrong with a file is no errno's matter. */
static enum exit_code complain(const char *file, const struct err *err)
{
	char sentence[512];

	if (err->code == -EBADMSG || err->code == -EPROTONOSUPPORT)
		log_error("could not read %s: %s", file, err->text);
	else
		log_error("could not read %s: %s", file,
		          err_sentence(err, sentence, sizeof(sentence)));
	return err->code == -ENOPKG ? EXIT_CANNOT_HERE : EXIT_BAD_FILE;
}

static enum exit_code end_of(const char *file, int outcome)
{
	if (outcome != TRACE_READ_CUT)
		return EXIT_DONE;
	log_warning("%s is cut off: it has no end record, and what was behind is not known", file);
	return EXIT_PARTLY;
}

/* --- info and summary --------------------------------------------------------------------------------- */

static enum exit_code tell(const struct trace_wish *w, struct trace_reader *reader)
{
	__attribute__((cleanup(trace_summary_free))) struct trace_summary summary;
	struct trace_told told = { w->file, reader, &summary };
	struct terminal terminal = terminal_of(STDOUT_FILENO);
	struct trace_record record;
	struct err err = {};
	int r = 0;

	trace_summary_start(&summary);
	while (r == 0 && (r = trace_reader_next(reader, &record, &err)) == TRACE_READ_RECORD)
		r = trace_summary_take(&summary, &record, &err);
	if (r < 0)
		return complain(w->file, &err);
	if (w->format == FORMAT_JSON)
		(w->verb == VERB_INFO ? trace_info_json : trace_summary_json)(&told, stdout);
	else
		(w->verb == VERB_INFO ? trace_info_human : trace_summary_human)(&told, &terminal,
		                                                                stdout);
	return end_of(w->file, r);
}

/* --- export ---------------------------------------------------------------------------------------------- */

struct export
{
	struct filter filter;
	uint64_t began_ns;
	struct trace_end counts; /* of what passes */
	struct trace_writer *writer;
};

static bool wants_flow(struct export *x, const struct trace_record *r)
{
	if (x->filter.by_cookie && r->kind == TRACE_FLOW && r->met.cookie == x->filter.cookie)
		return true;
	if (x->filter.by_cookie)
		return r->kind == TRACE_SAMPLE && r->sample.cookie == x->filter.cookie;
	return x->filter.flow == 0 || x->filter.flow == r->flow;
}

static bool wants_sample(const struct export *x, const struct tcp_sample *s)
{
	uint64_t at_ns = s->at_ns > x->began_ns ? s->at_ns - x->began_ns : 0;

	return x->filter.events >> s->event & 1 && at_ns >= x->filter.from_ns &&
	       at_ns <= x->filter.to_ns;
}

static int pass_on(struct export *x, struct trace_record *r, struct err *err)
{
	if (r->kind == TRACE_END) {
		x->counts.lost = r->end.lost;
		x->counts.lost_for_space = r->end.lost_for_space;
		x->counts.left_out += r->end.left_out;
		r->end = x->counts;
	} else if (r->kind == TRACE_SAMPLE) {
		if (!wants_flow(x, r) || !wants_sample(x, &r->sample)) {
			x->counts.left_out++;
			return 0;
		}
		x->counts.samples++;
		x->counts.events[r->sample.event]++;
	} else {
		if (!wants_flow(x, r))
			return 0;
		x->counts.flows++;
	}
	return trace_writer_put(x->writer, r, err);
}

/* Answers the reader's outcome; *ret_reading tells whose failure a negative one is. */
static int export_records(struct export *x, struct trace_reader *reader, bool *ret_reading,
                          struct err *err)
{
	struct trace_record record = { .kind = TRACE_HEADER,
		                       .header = *trace_reader_header(reader) };
	int r = trace_writer_put(x->writer, &record, err);

	*ret_reading = false;
	while (r == 0) {
		r = trace_reader_next(reader, &record, err);
		if (r != TRACE_READ_RECORD) {
			*ret_reading = r < 0;
			break;
		}
		r = pass_on(x, &record, err);
	}
	if (r >= 0 && trace_writer_finish(x->writer, err) < 0)
		return err->code;
	return r;
}

CLEANUP_DEFINE(whole_file_closep, struct whole_file *, whole_file_close)
CLEANUP_DEFINE(trace_writer_closep, struct trace_writer *, trace_writer_close)

static enum exit_code export_trace(const struct trace_wish *w, struct trace_reader *reader,
                                   struct trace_form form, const struct filter *filter)
{
	CLEANUP(whole_file_closep) struct whole_file *file = NULL;
	CLEANUP(trace_writer_closep) struct trace_writer *writer = NULL;
	struct export x = { .filter = *filter,
		            .began_ns = trace_reader_header(reader)->anchor.monotonic_ns };
	struct err err = {};
	bool reading = false;
	int r, outcome;

	r = w->out ? whole_file_open(w->out, &file, &err) : 0;
	if (r == 0)
		r = trace_writer_open(form,
		                      (struct trace_output){ whole_file_or_stdout_write, file },
		                      &writer, &err);
	if (r < 0)
		return standard_output_complain(&err);
	x.writer = writer;
	outcome = export_records(&x, reader, &reading, &err);
	if (outcome < 0)
		return reading ? complain(w->file, &err) : standard_output_complain(&err);
	if (w->out && whole_file_commit(file, &err) < 0)
		return standard_output_complain(&err);
	return end_of(w->file, outcome);
}

enum exit_code cmd_trace(int argc, char **argv)
{
	struct trace_wish wish = { .verb = NO_VERB, .to_ns = UINT64_MAX };
	CLEANUP(trace_reader_closep) struct trace_reader *reader = NULL;
	CLEANUP(fd_closep) int opened = -1;
	struct filter filter;
	struct trace_form form;
	enum exit_code code;
	struct err err = {};
	int fd = STDIN_FILENO;

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (check_wish(&wish, &filter, &form, &err) < 0)
		return options_complain(&syntax, &err);
	if (strcmp(wish.file, "-") != 0) {
		fd = opened = open(wish.file, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			log_error("could not read %s: %s", wish.file, strerror(errno));
			return EXIT_BAD_FILE;
		}
	}
	if (trace_reader_open((struct trace_input){ read_fd, &fd }, &reader, &err) < 0)
		return complain(wish.file, &err);
	return wish.verb == VERB_EXPORT ? export_trace(&wish, reader, form, &filter)
	                                : tell(&wish, reader);
}
