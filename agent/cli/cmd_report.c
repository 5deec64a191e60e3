/* radar-pod report: a trace, a result, or both as one HTML page. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/whole_file.h"
#include "agent/cli/command.h"
#include "agent/cli/given_file.h"
#include "agent/cli/options.h"
#include "agent/cli/standard_output.h"
#include "agent/cli/stored.h"
#include "measure/report/page.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/base/units.h"

/* A result is a few kB; what is larger is none. */
#define RESULT_BYTES_MAX (1 * MIB)

/* What is looked at to find out what a file is: a header's line is no longer. */
#define HEAD_BYTES (16 * KIB)

struct report_wish {
	const char *file;
	const char *result;
	const char *out;
	const char *state_dir;
};

#define ROW(...) OPTION_ROW(report_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(TEXT, "FILE", NULL, file, "file"),

	OPTION_HEADING("What goes in, and where it goes"),
	ROW(TEXT, "--result", "FILE", result,
	    "of a trace: the result of the same test, as --format json writes it"),
	ROW(TEXT, "-o", "FILE", out,
	    "write the page there, whole or not at all (standard output, if it is no terminal)"),
	ROW(TEXT, "--state-dir", "DIR", state_dir,
	    "where a RESULT-ID is looked for (that of the configuration)"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod report",
	.operands = "FILE|RESULT-ID",
	.summary = "Makes one HTML page of a trace or a result, or of both: curves over time, "
		   "round-trip times, what limited the rate. It opens offline.",
	.epilogue =
		"FILE is a trace (test --trace) or a result (test --format json); - is standard\n"
		"input. RESULT-ID is of `radar-pod results`, and may be cut short.\n"
		"docs/reports.md tells what stands where on a page.\n",
	OPTION_TABLE(options),
};

/* --- files --------------------------------------------------------------------------------------- */

/* A file whose beginning was looked at, and is given out again. */
struct given {
	const char *name;
	int fd;
	off_t began;    /* where it was when it was given; -1: it cannot go back */
	off_t again_at; /* where the second reading is */
	size_t head_bytes, head_at;
	char head[HEAD_BYTES];
};

static void given_close(struct given *g)
{
	if (g->fd > STDIN_FILENO)
		close(g->fd);
}

static ssize_t given_read(void *self, void *into, size_t bytes)
{
	struct given *g = self;
	size_t left = g->head_bytes - g->head_at;
	ssize_t n;

	if (left > 0) {
		n = (ssize_t)(left < bytes ? left : bytes);
		memcpy(into, g->head + g->head_at, (size_t)n);
		g->head_at += (size_t)n;
		return n;
	}
	n = read(g->fd, into, bytes);
	return n < 0 ? -errno : n;
}

static ssize_t given_read_again(void *self, void *into, size_t bytes)
{
	struct given *g = self;
	ssize_t n = pread(g->fd, into, bytes, g->again_at);

	if (n < 0)
		return -errno;
	g->again_at += n;
	return n;
}

static int given_again(void *self, struct trace_input *ret)
{
	struct given *g = self;

	if (g->began < 0)
		return -ESPIPE;
	g->again_at = g->began;
	*ret = (struct trace_input){ given_read_again, g };
	return 0;
}

/* Fills `into` as far as the file goes; answers how many, or a negative errno. */
static ssize_t read_full(struct given *g, char *into, size_t room)
{
	size_t bytes = 0;

	while (bytes < room) {
		ssize_t n = given_read(g, into + bytes, room - bytes);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		bytes += (size_t)n;
	}
	return (ssize_t)bytes;
}

static enum exit_code unreadable(const char *name, const char *why)
{
	log_error("could not read %s: %s", name, why);
	return EXIT_BAD_FILE;
}

static enum exit_code given_open(const char *name, struct given *g)
{
	bool standard_input = strcmp(name, "-") == 0;
	ssize_t n;

	g->name = name;
	g->fd = standard_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	if (g->fd < 0)
		return unreadable(name, strerror(errno));
	g->began = lseek(g->fd, 0, SEEK_CUR);
	n = read_full(g, g->head, sizeof(g->head));
	if (n < 0)
		return unreadable(name, strerror((int)-n));
	if (n == 0)
		return unreadable(name, "it is empty");
	g->head_bytes = (size_t)n;
	return EXIT_DONE;
}

/* Compressed, CSV, or JSON that first names a trace's schema; all else is to be a result. */
static bool is_trace(const struct given *g)
{
	static const char zstd_magic[] = "\x28\xb5\x2f\xfd";
	const char *trace =
		memmem(g->head, g->head_bytes, TRACE_SCHEMA_NAME, strlen(TRACE_SCHEMA_NAME));
	const char *result =
		memmem(g->head, g->head_bytes, RESULT_SCHEMA_NAME, strlen(RESULT_SCHEMA_NAME));

	if (g->head[0] == '#' || (g->head_bytes >= 4 && memcmp(g->head, zstd_magic, 4) == 0))
		return true;
	return trace && (!result || trace < result);
}

/* --- what goes in -------------------------------------------------------------------------------- */

struct material {
	struct trace_view *trace;
	char *result_text;
	size_t result_bytes;
	struct told_result result;
};

static void material_free(struct material *m)
{
	trace_view_free(m->trace);
	free(m->result_text);
}

/* A sentence of its own: what is wrong with a file is no errno's matter. */
static enum exit_code complain(const char *name, const struct err *err)
{
	char sentence[512];

	if (err->code == -EBADMSG || err->code == -EPROTONOSUPPORT)
		return unreadable(name, err->text);
	unreadable(name, err_sentence(err, sentence, sizeof(sentence)));
	return err->code == -ENOPKG ? EXIT_CANNOT_HERE : EXIT_BAD_FILE;
}

static enum exit_code read_trace(struct given *g, struct material *m)
{
	struct trace_source source = { .input = { given_read, g }, .again = given_again };
	struct err err = {};

	return trace_view_read(source, &m->trace, &err) < 0 ? complain(g->name, &err) : EXIT_DONE;
}

static enum exit_code read_result(struct given *g, struct material *m)
{
	struct err err = {};
	ssize_t n;

	if (is_trace(g))
		return unreadable(g->name, "it is a trace, and no result");
	m->result_text = malloc(RESULT_BYTES_MAX + 1);
	if (!m->result_text)
		return unreadable(g->name, strerror(ENOMEM));
	n = read_full(g, m->result_text, RESULT_BYTES_MAX + 1);
	if (n < 0)
		return unreadable(g->name, strerror((int)-n));
	if ((size_t)n > RESULT_BYTES_MAX)
		return unreadable(g->name, "neither a trace nor a result: it is larger than one");
	m->result_bytes = (size_t)n;
	if (result_read(m->result_text, m->result_bytes, &m->result, &err) == 0)
		return EXIT_DONE;
	if (err.code == -EPROTONOSUPPORT)
		return complain(g->name, &err);
	log_error("could not read %s: neither a trace nor a result: %s", g->name, err.text);
	return EXIT_BAD_FILE;
}

static enum exit_code read_second(const char *name, struct material *m)
{
	__attribute__((cleanup(given_close))) struct given g = { .fd = -1 };
	enum exit_code code = given_open(name, &g);

	return code == EXIT_DONE ? read_result(&g, m) : code;
}

/* A file of that name comes first. */
static bool is_of_the_store(const struct report_wish *w)
{
	return stored_is_id(w->file) && access(w->file, F_OK) < 0;
}

static enum exit_code read_stored(const struct report_wish *w, struct material *m)
{
	struct store_result *stored = NULL;
	enum exit_code code = stored_result(w->state_dir, w->file, &stored);
	struct err err = {};

	if (code != EXIT_DONE)
		return code;
	m->result_text = strndup(stored->object, stored->object_bytes);
	m->result_bytes = stored->object_bytes;
	free(stored);
	if (!m->result_text)
		return unreadable(w->file, strerror(ENOMEM));
	if (result_read(m->result_text, m->result_bytes, &m->result, &err) < 0)
		return complain(w->file, &err);
	return EXIT_DONE;
}

static enum exit_code read_file(const struct report_wish *w, struct material *m)
{
	__attribute__((cleanup(given_close))) struct given g = { .fd = -1 };
	enum exit_code code = given_open(w->file, &g);
	struct err err = {};

	if (code != EXIT_DONE)
		return code;
	if (is_trace(&g)) {
		code = read_trace(&g, m);
		return code == EXIT_DONE && w->result ? read_second(w->result, m) : code;
	}
	if (!w->result)
		return read_result(&g, m);
	ERR_SET(&err, -EINVAL, ERR_SYS, 0, "--result goes with a trace, and %s is none", w->file);
	return options_complain(&syntax, &err);
}

static enum exit_code read_material(const struct report_wish *w, struct material *m)
{
	struct err err = {};

	if (!is_of_the_store(w))
		return read_file(w, m);
	if (!w->result)
		return read_stored(w, m);
	ERR_SET(&err, -EINVAL, ERR_SYS, 0, "--result goes with a trace, and %s is a result",
	        w->file);
	return options_complain(&syntax, &err);
}

/* --- what comes out ------------------------------------------------------------------------------ */

CLEANUP_DEFINE(whole_file_closep, struct whole_file *, whole_file_close)

static enum exit_code make_page(const struct report_wish *w, const struct material *m,
                                struct whole_file *file)
{
	const struct report report = {
		.trace_name = w->file,
		.trace = m->trace,
		.result_text = m->result_text,
		.result_bytes = m->result_bytes,
		.result = m->result_text ? &m->result : NULL,
		.utc_ns = clock_utc_ns(),
	};
	struct err err = {};

	if (!report_same_test(&report))
		log_warning("%s and %s are of different tests", w->file, w->result);
	if (report_write(&report, (struct html_output){ whole_file_or_stdout_write, file }, &err) <
	    0)
		return standard_output_complain(&err);
	if (file && whole_file_commit(file, &err) < 0)
		return standard_output_complain(&err);
	if (!m->trace || !m->trace->cut)
		return EXIT_DONE;
	log_warning("%s is cut off: it has no end record, and what was behind is not known",
	            w->file);
	return EXIT_PARTLY;
}

enum exit_code cmd_report(int argc, char **argv)
{
	__attribute__((cleanup(material_free))) struct material material = {};
	CLEANUP(whole_file_closep) struct whole_file *file = NULL;
	struct report_wish wish = {};
	enum exit_code code;
	struct err err = {};

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (!wish.file)
		ERR_SET(&err, -EINVAL, ERR_SYS, 0, "which file?");
	else if (!wish.out && isatty(STDOUT_FILENO))
		ERR_SET(&err, -EINVAL, ERR_SYS, 0,
		        "a page is nothing for a terminal: -o page.html");
	else if (given_file_is_same(wish.out, wish.file) ||
	         given_file_is_same(wish.out, wish.result))
		ERR_SET(&err, -EINVAL, ERR_SYS, 0,
		        "-o %s is what the page would be made of, and would be no more", wish.out);
	if (err.code)
		return options_complain(&syntax, &err);
	code = read_material(&wish, &material);
	if (code != EXIT_DONE)
		return code;
	if (wish.out && whole_file_open(wish.out, &file, &err) < 0)
		return standard_output_complain(&err);
	return make_page(&wish, &material, file);
}
