/* What happens to the files; what stands in them is read in tests/link. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/link/truth.h"
#include "bench/link/truth_records.h"
#include "tests/cases.h"
#include "transport/base/err.h"

static const struct scenario scenario = {
	.name = "wire",
	.mtu = 1500,
	.direction = { { .rate_bps = UINT64_MAX }, { .rate_bps = 1000000 } },
};

/* A folder of its own, and a run in which nothing happened. */
struct bench {
	char folder[32];
	char path[64], flows[64], flow_bins[64]; /* in it */
	struct direction *d[LINK_DIRECTIONS];
	struct truth *t;
	struct truth_end end;
};

static int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	strcpy(b->folder, "/tmp/link_truth.XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/run.jsonl", b->folder);
	snprintf(b->flows, sizeof(b->flows), "%s/run.flows.csv", b->folder);
	snprintf(b->flow_bins, sizeof(b->flow_bins), "%s/run.flow_bins.csv", b->folder);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		assert_int_equal(
			direction_open(&scenario.direction[d], d, 1, 0, NULL, NULL, &b->d[d], NULL),
			0);
	assert_int_equal(truth_open(0, (const struct direction *const *)b->d, &b->t, NULL), 0);
	truth_finish(b->t, TRUTH_BIN_NS, &b->end);
	*state = b;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	truth_close(b->t);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		direction_close(b->d[d]);
	unlink(b->path);
	unlink(b->flows);
	unlink(b->flow_bins);
	assert_int_equal(rmdir(b->folder), 0); /* nothing else was left in it */
	free(b);
	return 0;
}

static struct truth_writer *open_writer(const char *path)
{
	struct truth_writer *w = NULL;
	struct err err = {};

	assert_int_equal(truth_writer_open(path, &scenario, "wire.link", &w, &err), 0);
	return w;
}

static size_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* --- whole or not at all ------------------------------------------------------------------------ */

static void has_its_name_when_whole(void **state)
{
	struct bench *b = *state;
	struct truth_writer *w = open_writer(b->path);
	struct truth_bin bin;

	while (truth_take_bin(b->t, &bin))
		assert_int_equal(truth_writer_bin(w, &bin, NULL), 0);
	assert_int_equal(access(b->path, F_OK), -1);
	assert_int_equal(truth_writer_end(w, b->t, &b->end, NULL), 0);
	assert_int_equal(access(b->path, F_OK), 0);
	truth_writer_close(w);
}

static void unfinished_leaves_nothing(void **state)
{
	struct bench *b = *state;

	truth_writer_close(open_writer(b->path));
	assert_int_equal(access(b->path, F_OK), -1);
	assert_null(truth_writer_close(NULL));
}

static void replaces_an_older_one_at_the_end(void **state)
{
	struct bench *b = *state;
	int fd = open(b->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct truth_writer *w;

	assert_int_equal(write(fd, "old", 3), 3);
	close(fd);
	w = open_writer(b->path);
	assert_int_equal(size_of(b->path), 3);
	assert_int_equal(truth_writer_end(w, b->t, &b->end, NULL), 0);
	assert_true(size_of(b->path) > 100);
	truth_writer_close(w);
}

static void csv_is_three_files(void **state)
{
	struct bench *b = *state;
	struct truth_writer *w;

	snprintf(b->path, sizeof(b->path), "%s/run.csv", b->folder);
	w = open_writer(b->path);
	assert_int_equal(access(b->flows, F_OK), -1);
	assert_int_equal(truth_writer_end(w, b->t, &b->end, NULL), 0);
	assert_true(size_of(b->path) > 0 && size_of(b->flows) > 0 && size_of(b->flow_bins) > 0);
	truth_writer_close(w);
}

static void a_pipe_is_written_as_it_comes(void **state)
{
	struct bench *b = *state;
	struct truth_writer *w = NULL;
	char begin[32] = "";
	int fd;

	assert_int_equal(mkfifo(b->path, 0600), 0);
	assert_int_equal(truth_writer_open(b->path, &scenario, "", &w, NULL), -ENXIO);
	fd = open(b->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	w = open_writer(b->path);
	assert_int_equal(read(fd, begin, sizeof(begin) - 1), sizeof(begin) - 1);
	assert_memory_equal(begin, "{\"record\":\"header\"", 18);
	truth_writer_close(w);
	close(fd);
}

/* --- what cannot be written --------------------------------------------------------------------- */

static struct refusal {
	const char *name;
	const char *path;
	int want;
} refusals[] = {
	{ "a full disk", "/dev/full", -ENOSPC },
	{ "no such folder", "/nonexistent/run.jsonl", -ENOENT },
	{ "a folder", "/tmp", -EISDIR },
	{ "a file for a folder", "/dev/null/run.jsonl", -ENOTDIR },
	{ "CSV, no such folder", "/nonexistent/run.csv", -ENOENT },
};

static void is_refused_before_the_run(void **state)
{
	const struct refusal *c = *state;
	struct truth_writer *w = NULL;
	struct err err = {};

	assert_int_equal(truth_writer_open(c->path, &scenario, "", &w, &err), c->want);
	assert_non_null(strstr(err.text, c->path));
	assert_null(w);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk fills up while packets pass. */
static void a_write_that_fails_is_told_from_then_on(void **state)
{
	struct bench *b = *state;
	struct truth_writer *w = open_writer(b->path);
	struct truth_bin bin = { .length_ns = TRUTH_BIN_NS };
	struct err err = {};
	int r = 0, at_end;

	limit_files(50000);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = truth_writer_bin(w, &bin, &err);
	at_end = truth_writer_end(w, b->t, &b->end, NULL);
	limit_files(RLIM_INFINITY);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(err.text, b->path));
	assert_int_equal(at_end, -EFBIG);
	truth_writer_close(w);
	assert_int_equal(access(b->path, F_OK), -1);
}

/* It fills up with the last bytes, which the buffer still has. */
static void a_last_write_that_fails_is_told(void **state)
{
	struct bench *b = *state;
	struct truth_writer *w = open_writer(b->path);
	int r;

	limit_files(1000);
	r = truth_writer_end(w, b->t, &b->end, NULL);
	limit_files(RLIM_INFINITY);
	assert_int_equal(r, -EFBIG);
	truth_writer_close(w);
	assert_int_equal(access(b->path, F_OK), -1);
}

/* --- records ------------------------------------------------------------------------------------ */

/* What `print` wrote; the caller's to free. */
#define PRINTED(print)                                                                             \
	({                                                                                         \
		char *text_ = NULL;                                                                \
		size_t bytes_;                                                                     \
		FILE *to = open_memstream(&text_, &bytes_);                                        \
		print;                                                                             \
		fclose(to);                                                                        \
		text_;                                                                             \
	})

static const struct truth_bin some_bin = {
	.at_ns = 20000000,
	.length_ns = TRUTH_BIN_NS,
	.direction = LINK_UP,
	.offered = { 3, 300 },
	.delivered = { 2, 200 },
	.dropped = { [DROP_AQM] = { 1, 100 } },
	.capacity_bytes = UINT64_MAX,
	.delay_sum_ns = 12,
	.flow_bin_count = 1,
	.flow_bin = { { 7, 50, 60 } },
	.other_flows = 3,
	.other = { 0, 5, 6 },
};

static struct record_case {
	const char *name;
	enum truth_shape shape;
	const char *want;
} bin_cases[] = {
	{ "JSON: what dropped nothing and what has no limit are absent", TRUTH_JSON,
	  "{\"record\":\"bin\",\"at_ns\":20000000,\"direction\":\"up\",\"length_ns\":10000000,"
	  "\"offered_packets\":3,\"offered_bytes\":300,\"delivered_packets\":2,"
	  "\"delivered_bytes\":200,\"tcp_payload_bytes\":0,\"queued_packets\":0,\"queued_bytes\":0,"
	  "\"queued_max_bytes\":0,\"delay_min_ns\":0,\"delay_sum_ns\":12,\"delay_max_ns\":0,"
	  "\"drop_aqm_packets\":1,\"drop_aqm_bytes\":100}\n" },
	{ "CSV: zeros, and nothing for no limit", TRUTH_CSV,
	  "20000000,up,10000000,3,300,2,200,0,,0,0,0,0,12,0,0,0,0,0,1,100,0,0,0,0,0,0,0,0,0,0\n" },
};

static void bin_is_printed(void **state)
{
	const struct record_case *c = *state;
	char *text = PRINTED(truth_print_bin(to, c->shape, &some_bin));

	assert_string_equal(text, c->want);
	free(text);
}

static struct record_case flow_bin_cases[] = {
	{ "JSON", TRUTH_JSON,
	  "{\"record\":\"flow_bin\",\"at_ns\":20000000,\"direction\":\"up\",\"flow\":7,\"flows\":1,"
	  "\"unique_payload_bytes\":50,\"payload_bytes\":60}\n"
	  "{\"record\":\"flow_bin\",\"at_ns\":20000000,\"direction\":\"up\",\"flow\":\"other\","
	  "\"flows\":3,\"unique_payload_bytes\":5,\"payload_bytes\":6}\n" },
	{ "CSV", TRUTH_CSV, "20000000,up,7,1,50,60\n20000000,up,other,3,5,6\n" },
};

static void flow_bin_is_printed(void **state)
{
	const struct record_case *c = *state;
	char *text = PRINTED(truth_print_flow_bins(to, c->shape, &some_bin));

	assert_string_equal(text, c->want);
	free(text);
}

static void columns_and_rows_are_as_many(void **state)
{
	char *columns = PRINTED(truth_print_bin_columns(to));
	char *row = PRINTED(truth_print_bin(to, TRUTH_CSV, &some_bin));
	int difference = 0;

	(void)state;
	for (const char *c = columns; *c; c++)
		difference += *c == ',';
	for (const char *c = row; *c; c++)
		difference -= *c == ',';
	assert_int_equal(difference, 0);
	free(columns);
	free(row);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(has_its_name_when_whole),
		WITH_BENCH(unfinished_leaves_nothing),
		WITH_BENCH(replaces_an_older_one_at_the_end),
		WITH_BENCH(csv_is_three_files),
		WITH_BENCH(a_pipe_is_written_as_it_comes),
		WITH_BENCH(a_write_that_fails_is_told_from_then_on),
		WITH_BENCH(a_last_write_that_fails_is_told),
		cmocka_unit_test(columns_and_rows_are_as_many),
	};
	int failed = CASES_RUN(is_refused_before_the_run, refusals);

	failed += CASES_RUN(bin_is_printed, bin_cases);
	failed += CASES_RUN(flow_bin_is_printed, flow_bin_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
