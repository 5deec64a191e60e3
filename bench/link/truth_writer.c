/* JSONL: one file, all records in it. CSV: three files, tables; what is no table stands in the first as
 * comments. Each has its temporary name until all are whole, and the one with the end gets its own last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/truth.h"
#include "bench/link/truth_file.h"
#include "bench/link/truth_records.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

struct truth_writer {
	enum truth_shape shape;
	struct truth_file main;
	struct truth_file flows, flow_bins; /* of CSV */
	struct truth_written written;
};

CLEANUP_DEFINE(truth_writer_closep, struct truth_writer *, truth_writer_close)

/* Where records of a kind go. */
static FILE *flows_of(struct truth_writer *w)
{
	return w->shape == TRUTH_CSV ? w->flows.to : w->main.to;
}

static FILE *flow_bins_of(struct truth_writer *w)
{
	return w->shape == TRUTH_CSV ? w->flow_bins.to : w->main.to;
}

/* A record that is no row. */
static FILE *record_in(struct truth_writer *w)
{
	if (w->shape == TRUTH_CSV)
		fputs("# ", w->main.to);
	return w->main.to;
}

/* All files, or the one there is; `act` is a function of truth_file.h. */
static int with_files(struct truth_writer *w, int (*act)(struct truth_file *f, struct err *err),
                      struct err *err)
{
	struct truth_file *files[] = { &w->flows, &w->flow_bins, &w->main };

	for (size_t i = w->shape == TRUTH_CSV ? 0 : 2; i < 3; i++) {
		int r = act(files[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- begin -------------------------------------------------------------------------------------- */

#define CSV_SUFFIX ".csv"

static bool is_csv(const char *path)
{
	size_t n = strlen(path), suffix = strlen(CSV_SUFFIX);

	return n > suffix && strcmp(path + n - suffix, CSV_SUFFIX) == 0;
}

/* NAME.csv has NAME.flows.csv beside it. */
static int open_beside(struct truth_file *f, const char *path, const char *suffix, struct err *err)
{
	int stem = (int)(strlen(path) - strlen(CSV_SUFFIX));
	CLEANUP(freep) char *name = NULL;

	if (asprintf(&name, "%.*s%s", stem, path, suffix) < 0)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a name");
	return truth_file_open(f, name, err);
}

static int open_tables(struct truth_writer *w, const char *path, struct err *err)
{
	int r = open_beside(&w->flows, path, ".flows" CSV_SUFFIX, err);

	if (r == 0)
		r = open_beside(&w->flow_bins, path, ".flow_bins" CSV_SUFFIX, err);
	if (r < 0)
		return r;
	truth_print_bin_columns(w->main.to);
	truth_print_flow_columns(w->flows.to);
	truth_print_flow_bin_columns(w->flow_bins.to);
	return 0;
}

int truth_writer_open(const char *path, const struct scenario *s, const char *scenario_path,
                      struct truth_writer **ret, struct err *err)
{
	CLEANUP(truth_writer_closep) struct truth_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the truth's writer");
	w->shape = is_csv(path) ? TRUTH_CSV : TRUTH_JSON;
	r = truth_file_open(&w->main, path, err);
	if (r < 0)
		return r;
	r = truth_print_header(record_in(w), s, scenario_path);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "write the header of %s", path);
	r = w->shape == TRUTH_CSV ? open_tables(w, path, err) : 0;
	if (r == 0)
		r = with_files(w, truth_file_flush, err); /* a full disk is found before the run */
	if (r < 0)
		return r;
	*ret = TAKE(w, NULL);
	return 0;
}

/* --- records ------------------------------------------------------------------------------------ */

int truth_writer_bin(struct truth_writer *w, const struct truth_bin *bin, struct err *err)
{
	truth_print_bin(w->main.to, w->shape, bin);
	truth_print_flow_bins(flow_bins_of(w), w->shape, bin);
	w->written.bins++;
	w->written.flow_bins += bin->flow_bin_count + (bin->other_flows > 0);
	return with_files(w, truth_file_check, err);
}

int truth_writer_end(struct truth_writer *w, const struct truth *t, const struct truth_end *end,
                     struct err *err)
{
	int r;

	for (size_t i = 0; i < truth_flow_count(t); i++)
		truth_print_flow(flows_of(w), w->shape, i, truth_flow(t, i));
	w->written.flows = truth_flow_count(t);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++) {
		truth_print_histogram(record_in(w), "delay", d, truth_delay(t, d));
		truth_print_histogram(record_in(w), "lateness", d, truth_lateness(t, d));
	}
	truth_print_end(record_in(w), end, &w->written);
	r = with_files(w, truth_file_sync, err);
	return r < 0 ? r : with_files(w, truth_file_publish, err);
}

struct truth_writer *truth_writer_close(struct truth_writer *w)
{
	if (!w)
		return NULL;
	truth_file_close(&w->main);
	truth_file_close(&w->flows);
	truth_file_close(&w->flow_bins);
	free(w);
	return NULL;
}
