/* radar-pod results: what the local store has, while the daemon writes to it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/cli/command.h"
#include "agent/cli/options.h"
#include "agent/cli/standard_output.h"
#include "agent/cli/stored.h"
#include "measure/result_read.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/json_walk.h"
#include "transport/base/log.h"

#define LIST_MAX 20 /* results of a list for people, where nothing else is asked for */

enum verb { LIST, SHOW, EXPORT };
enum format { HUMAN, JSON, JSONL };

struct results_wish {
	int verb, format;
	const char *id, *state_dir;
	uint64_t max;
};

#define ROW(...) OPTION_ROW(results_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(CHOICE, "list", "list|show|export", verb, "command"),
	ROW(TEXT, "ID", NULL, id, "result"),

	OPTION_HEADING("What, and how"),
	ROW(CHOICE, "--format", "human|json|jsonl", format,
	    "human: for people; json: one value; jsonl: an object a line (export: jsonl; else "
	    "human)"),
	ROW(NUMBER, "--max", "N", max, "the newest N only (a list for people: 20)", .min = 1,
	    .max = 1000000),
	ROW(TEXT, "--state-dir", "DIR", state_dir,
	    "the store below this directory (that of the configuration)"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod results",
	.operands = "list|show|export [ID]",
	.summary =
		"Shows the results that are kept on this machine: a list from the newest on, one "
		"of them, or all of them for other programs.",
	.epilogue =
		"ID may be cut short as long as it is one result's. A daemon may run meanwhile.\n",
	OPTION_TABLE(options),
};

/* --- one after the other -------------------------------------------------------------------------- */

struct listing {
	struct json_writer writer;
	int format;
	uint64_t count;
};

/* What a line of a list says of a result's figures. */
struct figures {
	struct figure download_mbps, upload_mbps, idle_ms;
};

static struct figures figures_of(const struct store_result *r)
{
	struct told_result *told = calloc(1, sizeof(*told));
	struct figures f = {};

	if (told && result_read(r->object, r->object_bytes, told, NULL) == 0)
		f = (struct figures){ told->download.goodput_mbps, told->upload.goodput_mbps,
			              told->idle_ms };
	free(told);
	return f;
}

static bool is_small(struct figure f)
{
	return f.known && f.value > 0 && f.value < RESULT_SMALL;
}

static void print_figure(struct figure f, int width)
{
	if (f.known)
		printf("  %*.*f", width, is_small(f) ? 6 : 2, f.value);
	else
		printf("  %*s", width, "-");
}

static int list_for_people(void *self, const struct store_result *r, struct err *err)
{
	struct listing *l = self;
	char started_at[CLOCK_UTC_TEXT_BYTES];
	struct figures f = figures_of(r);

	(void)err;
	if (l->count++ == 0)
		printf("%-36s  %-20s  %-6s  %11s  %10s  %8s  %-8s  %s\n", "id", "started", "test",
		       "down Mbit/s", "up Mbit/s", "idle ms", "by", "delivery");
	printf("%-36s  %-20s  %-6s", r->id, clock_utc_text(r->started_utc_ns, 0, started_at),
	       r->test);
	print_figure(f.download_mbps, 11);
	print_figure(f.upload_mbps, 10);
	print_figure(f.idle_ms, 8);
	printf("  %-8s  %s\n", store_cause_name(r->cause), store_delivery_name(r->delivery));
	return standard_output_works() ? 0 : -EPIPE;
}

/* As the result itself has it. */
static void put_rate(struct json_writer *w, const char *name, struct figure mbps)
{
	json_put_figure(w, name, mbps,
	                RESULT_MBPS_DECIMALS + (is_small(mbps) ? RESULT_SMALL_DECIMALS : 0));
}

static int list_as_json(void *self, const struct store_result *r, struct err *err)
{
	struct listing *l = self;
	struct json_writer *w = &l->writer;
	char at[CLOCK_UTC_TEXT_BYTES];
	struct figures f = figures_of(r);

	(void)err;
	if (l->format == JSONL && l->count++ > 0)
		*w = (struct json_writer){ .to = stdout };
	json_begin_object(w, NULL);
	json_put_text(w, "id", r->id);
	json_put_text(w, "started_at", clock_utc_text(r->started_utc_ns, 3, at));
	json_put_text(w, "stored_at", clock_utc_text(r->stored_utc_ns, 3, at));
	json_put_text(w, "test", r->test);
	json_put_text(w, "interface", *r->interface ? r->interface : NULL);
	json_put_text(w, "cause", store_cause_name(r->cause));
	json_put_text(w, "delivery", store_delivery_name(r->delivery));
	json_put_count(w, "bytes_used", r->bytes_used);
	put_rate(w, "download_mbps", f.download_mbps);
	put_rate(w, "upload_mbps", f.upload_mbps);
	json_put_figure(w, "idle_ms", f.idle_ms, RESULT_MS_DECIMALS);
	json_end_object(w);
	if (l->format == JSONL)
		putchar('\n');
	return standard_output_works() ? 0 : -EPIPE;
}

/* An object of ours is one line already. */
static int export_one(void *self, const struct store_result *r, struct err *err)
{
	struct listing *l = self;
	size_t n = r->object_bytes;

	(void)err;
	while (n > 0 && r->object[n - 1] == '\n')
		n--;
	if (l->format == JSON && l->count++ > 0)
		fputs(",\n", stdout);
	fwrite(r->object, 1, n, stdout);
	if (l->format == JSONL)
		putchar('\n');
	return standard_output_works() ? 0 : -EPIPE;
}

/* --- the whole ------------------------------------------------------------------------------------ */

CLEANUP_DEFINE(store_closep, struct store *, store_close)

static enum exit_code walk(const struct results_wish *w, struct store *store)
{
	struct listing listing = { .writer = { .to = stdout }, .format = w->format };
	bool array = w->format == JSON;
	uint64_t damaged = 0;
	struct err err = {};
	int r;

	if (array)
		fputs(w->verb == EXPORT ? "[\n" : "[", stdout);
	r = store_each(store, w->max,
	               w->verb == EXPORT    ? export_one
	               : w->format == HUMAN ? list_for_people
	                                    : list_as_json,
	               &listing, &damaged, &err);
	if (array)
		fputs(w->verb == EXPORT ? "\n]\n" : "]\n", stdout);
	if (r == -EPIPE)
		return EXIT_NOT_DONE; /* the program's end says why */
	if (r < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		return EXIT_NOT_DONE;
	}
	if (damaged > 0)
		log_warning("%llu results are not what was stored, and are left out",
		            (unsigned long long)damaged);
	return damaged > 0 ? EXIT_PARTLY : EXIT_DONE;
}

static enum exit_code list(const struct results_wish *w)
{
	CLEANUP(store_closep) struct store *store = NULL;
	struct err err = {};
	int r = stored_open(w->state_dir, STORE_READER, &store, &err);

	if (r == -ENOENT) {
		log_info("no results are kept here yet");
		if (w->format == JSON)
			puts("[]");
		return EXIT_DONE;
	}
	if (r == 0)
		return walk(w, store);
	log_err(LOG_LEVEL_ERROR, &err);
	return r == -ENOPKG || r == -EPROTONOSUPPORT ? EXIT_CANNOT_HERE
	       : r == -EBADMSG                       ? EXIT_BAD_FILE
	                                             : EXIT_NOT_DONE;
}

/* "download.goodput_mbps  187.42" */
static int print_member(void *self, const char *path, const struct json_token *value,
                        struct err *err)
{
	(void)self;
	(void)err;
	if (value->kind != JSON_OBJECT_BEGIN && value->kind != JSON_ARRAY_BEGIN &&
	    value->kind != JSON_NULL)
		printf("%-40s %.*s\n", path, (int)value->n, value->text);
	return 0;
}

static enum exit_code show(const struct results_wish *w)
{
	CLEANUP(freep) struct store_result *result = NULL;
	enum exit_code code = stored_result(w->state_dir, w->id, &result);
	struct err err = {};

	if (code != EXIT_DONE)
		return code;
	if (w->format != HUMAN)
		fwrite(result->object, 1, result->object_bytes, stdout);
	else if (json_walk(result->object, result->object_bytes, print_member, NULL, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err);
	return err.code ? EXIT_BAD_FILE : EXIT_DONE;
}

/* What is asked for where nothing is said of it. */
static void take_defaults(struct results_wish *w)
{
	if (w->format < 0)
		w->format = w->verb == EXPORT ? JSONL : HUMAN;
	if (w->max == 0 && w->verb == LIST && w->format == HUMAN)
		w->max = LIST_MAX;
}

enum exit_code cmd_results(int argc, char **argv)
{
	struct results_wish wish = { .format = -1 };
	enum exit_code code;
	struct err err = {};

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	take_defaults(&wish);
	if (wish.verb == SHOW && !wish.id)
		ERR_SET(&err, -EINVAL, ERR_SYS, 0, "which result? `radar-pod results` lists them");
	else if (wish.verb != SHOW && wish.id)
		ERR_SET(&err, -EINVAL, ERR_SYS, 0, "\"%s\" is not understood here", wish.id);
	else if (wish.verb == EXPORT && wish.format == HUMAN)
		ERR_SET(&err, -EINVAL, ERR_SYS, 0, "export is for programs: json or jsonl");
	if (err.code)
		return options_complain(&syntax, &err);
	return wish.verb == SHOW ? show(&wish) : list(&wish);
}
