/* radar-pod trace: what is in a trace, parts of it in another form, a line of each flow. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/inherited.h"
#include "agent/base/whole_file.h"
#include "agent/cli/command.h"
#include "agent/cli/given_file.h"
#include "agent/cli/options.h"
#include "agent/cli/standard_output.h"
#include "agent/cli/trace_file.h"
#include "agent/cli/trace_filter.h"
#include "agent/cli/trace_table.h"
#include "measure/people.h"
#include "measure/trace_reader.h"
#include "measure/trace_summary.h"
#include "measure/trace_writer.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

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

	OPTION_HEADING("What of it"),
	ROW(TEXT, "--flow", "N", flow,
	    "only this flow, by its number or its cookie of 16 digits (all)"),
	ROW(TEXT, "--event", "LIST", events,
	    "only samples of these events, such as ack,retransmit (all)"),
	ROW(TIME, "--from", "DUR", from_ns, "only from so long after the trace began (0)"),
	ROW(TIME, "--to", "DUR", to_ns, "only up to so long after the trace began (its end)"),

	OPTION_HEADING("Of export, where to"),
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
	OPTION_TABLE(options),
};

/* --- what is wished ------------------------------------------------------------------------------ */

/* What --out is called, and --format says; both may be silent. */
static int take_form(const struct trace_wish *w, struct trace_form *ret, struct err *err)
{
	int r;

	*ret = (struct trace_form){ .syntax = w->format == FORMAT_JSONL ? TRACE_JSONL : TRACE_CSV };
	if (w->format == FORMAT_HUMAN || w->format == FORMAT_JSON)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--format of an export is jsonl or csv");
	if (!w->out)
		return 0;
	r = trace_file_form("--out", w->out, ret, err);
	if (r < 0)
		return r;
	if (w->format != FORMAT_UNSAID && (ret->syntax == TRACE_CSV) != (w->format == FORMAT_CSV))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--format and the name of --out differ");
	return 0;
}

static int check_wish(const struct trace_wish *w, struct trace_filter *filter,
                      struct trace_form *form, struct err *err)
{
	int r = 0;

	if (w->verb == NO_VERB)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "info, export or summary?");
	if (!w->file)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "which file?");
	if (given_file_is_same(w->out, w->file))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--out %s is the trace itself, and would be no more", w->out);
	if (w->verb == VERB_EXPORT)
		r = take_form(w, form, err);
	else if (w->format == FORMAT_JSONL || w->format == FORMAT_CSV)
		r = ERR_SET(err, -EINVAL, ERR_SYS, 0, "--format of this is human or json");
	else if (w->out)
		r = ERR_SET(err, -EINVAL, ERR_SYS, 0, "--out belongs to export");
	return r < 0 ? r : trace_filter_of(w->flow, w->events, w->from_ns, w->to_ns, filter, err);
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
		log_error("%s: %s", file, err_sentence(err, sentence, sizeof(sentence)));
	return err->code == -ENOPKG ? EXIT_CANNOT_HERE : EXIT_BAD_FILE;
}

static enum exit_code end_of(const char *file, int outcome)
{
	if (outcome != TRACE_READ_CUT)
		return EXIT_DONE;
	log_warning("%s is cut off: it has no end record, and what was behind is not known", file);
	return EXIT_PARTLY;
}

static enum exit_code has_no_flow(const struct trace_wish *w, int outcome)
{
	end_of(w->file, outcome);
	log_error("%s has no flow %s (radar-pod trace info lists them)", w->file, w->flow);
	return EXIT_NOT_DONE;
}

/* --- info and summary --------------------------------------------------------------------------------- */

/* What does not pass counts as left out. */
static int sum_up(struct trace_reader *reader, const struct trace_filter *filter,
                  struct trace_summary *s, struct err *err)
{
	struct trace_record record;
	uint64_t left_out = 0;
	int r = 0;

	while (r == 0 && (r = trace_reader_next(reader, &record, err)) == TRACE_READ_RECORD) {
		if (trace_filter_passes(filter, &record))
			r = trace_summary_take(s, &record, err);
		else
			left_out += record.kind == TRACE_SAMPLE;
	}
	s->end.left_out += left_out;
	return r;
}

/* A table of flows has no place for them; info has. */
static void tell_losses(const char *file, const struct trace_summary *s)
{
	char samples[PEOPLE_BYTES];

	if (s->end.lost > 0)
		log_warning("%s is without %s, lost while it was taken", file,
		            people_count(s->end.lost, "sample", samples));
}

static enum exit_code tell(const struct trace_wish *w, struct trace_reader *reader,
                           const struct trace_filter *filter)
{
	__attribute__((cleanup(trace_summary_free))) struct trace_summary summary;
	struct trace_told told = { w->file, reader, &summary };
	struct terminal terminal = terminal_of(STDOUT_FILENO);
	struct err err = {};
	int r;

	trace_summary_start(&summary);
	r = sum_up(reader, filter, &summary, &err);
	if (r < 0)
		return complain(w->file, &err);
	if (w->flow && summary.flows_count == 0)
		return has_no_flow(w, r);
	if (w->format == FORMAT_JSON)
		(w->verb == VERB_INFO ? trace_info_json : trace_summary_json)(&told, stdout);
	else
		(w->verb == VERB_INFO ? trace_info_human : trace_summary_human)(&told, &terminal,
		                                                                stdout);
	if (w->verb == VERB_SUMMARY)
		tell_losses(w->file, &summary);
	return end_of(w->file, r);
}

/* --- export ---------------------------------------------------------------------------------------------- */

struct export
{
	const struct trace_filter *filter;
	struct trace_end counts; /* of what passes */
	struct trace_writer *writer;
};

static int pass_on(struct export *x, struct trace_record *r, struct err *err)
{
	if (!trace_filter_passes(x->filter, r)) {
		x->counts.left_out += r->kind == TRACE_SAMPLE;
		return 0;
	}
	if (r->kind == TRACE_END) {
		x->counts.lost = r->end.lost;
		x->counts.lost_for_space = r->end.lost_for_space;
		x->counts.missed = r->end.missed;
		x->counts.left_out += r->end.left_out;
		r->end = x->counts;
	} else if (r->kind == TRACE_SAMPLE) {
		x->counts.samples++;
		x->counts.events[r->sample.event]++;
	} else {
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
                                   struct trace_form form, const struct trace_filter *filter)
{
	CLEANUP(whole_file_closep) struct whole_file *file = NULL;
	CLEANUP(trace_writer_closep) struct trace_writer *writer = NULL;
	struct export x = { .filter = filter };
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
	if (w->flow && x.counts.flows == 0)
		return has_no_flow(w, outcome); /* standard output has a trace without any */
	if (w->out && whole_file_commit(file, &err) < 0)
		return standard_output_complain(&err);
	return end_of(w->file, outcome);
}

enum exit_code cmd_trace(int argc, char **argv)
{
	struct trace_wish wish = { .verb = NO_VERB, .to_ns = UINT64_MAX };
	CLEANUP(trace_reader_closep) struct trace_reader *reader = NULL;
	CLEANUP(fd_closep) int opened = -1;
	struct trace_filter filter;
	struct trace_form form;
	enum exit_code code;
	struct err err = {};
	int fd = STDIN_FILENO;

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (check_wish(&wish, &filter, &form, &err) < 0)
		return options_complain(&syntax, &err);
	if (!wish.out) /* head(1) behind it ends it, as it ends cat(1) */
		inherited_signal_restore(SIGPIPE);
	if (strcmp(wish.file, "-") != 0) {
		fd = opened = open(wish.file, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			log_error("could not read %s: %s", wish.file, strerror(errno));
			return EXIT_BAD_FILE;
		}
	}
	if (trace_reader_open((struct trace_input){ read_fd, &fd }, &reader, &err) < 0)
		return complain(wish.file, &err);
	filter.began_ns = trace_reader_header(reader)->anchor.monotonic_ns;
	return wish.verb == VERB_EXPORT ? export_trace(&wish, reader, form, &filter)
	                                : tell(&wish, reader, &filter);
}
