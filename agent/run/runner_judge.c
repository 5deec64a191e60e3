#include "agent/run/runner_judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/run/bounded_child.h"
#include "agent/upload/raw_check.h"
#include "measure/result.h"
#include "measure/result_read.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

#define BYTES_MAX 9007199254740992.0 /* 2^53: more is no count of a test */
#define DAY_S     86400ULL

/* --- why not ---------------------------------------------------------------------------------------- */

static void say_fate(const struct bounded_child_end *end, char *out, size_t out_bytes)
{
	if (end->stopped)
		snprintf(out, out_bytes, "it was stopped");
	else if (end->late)
		snprintf(out, out_bytes, "it did not end in time and was ended");
	else if (end->too_much)
		snprintf(out, out_bytes, "it wrote more than a result can be and was ended");
	else if (end->signal)
		snprintf(out, out_bytes, "it crashed (SIG%s)", sigabbrev_np(end->signal));
	else
		snprintf(out, out_bytes, "it ended with code %d", end->code);
}

/* What the process says of itself is told after what we know. */
static void say_why(struct runner_verdict *v, const struct bounded_child_end *end,
                    const struct err *err)
{
	struct text why = text_on(v->why, sizeof(v->why));
	char fate[80];

	say_fate(end, fate, sizeof(fate));
	text_append(&why, "%s%s%s; %s", fate, *end->complaint ? ": " : "", end->complaint,
	            err->text);
}

/* --- ndt7 ------------------------------------------------------------------------------------------- */

/* When the locate service wants to be asked again. It reads the network: a day at most. */
static uint64_t hold_local_ns(const struct told_result *told)
{
	double most_s = told->next_request_s.value;

	for (size_t i = 0; i < told->errors_count; i++)
		if (told->errors[i].retry_after_s.value > most_s)
			most_s = told->errors[i].retry_after_s.value;
	return most_s < DAY_S ? (uint64_t)most_s * NS_PER_S : DAY_S * NS_PER_S;
}

static int take_object(const struct bounded_child_end *end, struct runner_verdict *v,
                       struct told_result *told, struct err *err)
{
	struct store_result *to = &v->result;
	int r = end->more_bytes == 0 ? ERR_SET(err, -ENODATA, ERR_SYS, 0, "there is no result")
	                             : result_read(end->more, end->more_bytes, told, err);

	if (r < 0)
		return r;
	if (!told->id.at || told->id.n + 1 != sizeof(to->id))
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "the result has no id");
	memcpy(to->id, told->id.at, told->id.n);
	to->id[told->id.n] = '\0';
	if (told->bytes_used.known && told->bytes_used.value < BYTES_MAX)
		to->bytes_used = (uint64_t)told->bytes_used.value;
	v->hold_local_ns = hold_local_ns(told);
	to->object = end->more;
	to->object_bytes = end->more_bytes;
	return 0;
}

static void judge_ndt7(const struct bounded_child_end *end, struct runner_verdict *v)
{
	struct told_result told;
	struct err err = {};

	bytes_copy_text(v->result.test, sizeof(v->result.test), "ndt7");
	if (take_object(end, v, &told, &err) < 0) {
		say_why(v, end, &err);
		v->failure = runner_failure_of(end, NULL, &v->error);
		return;
	}
	v->measured = true;
	if (raw_check(RAW_NDT7, end->out, end->out_bytes, NULL, &err) < 0) {
		say_why(v, end, &err);
		v->failure = runner_failure_of(end, &told, &v->error);
		return;
	}
	v->upload = true;
	v->result.raw = end->out;
	v->result.raw_bytes = end->out_bytes;
}

/* --- OOKLA ------------------------------------------------------------------------------------------ */

/* The value whose type is "result": the whole text, or a line between others. */
static int find_result(const struct bounded_child_end *end, struct store_result *to,
                       struct raw_figures *figures, struct err *err)
{
	const char *at = end->out, *stop = end->out + end->out_bytes;
	int r = raw_check(RAW_OOKLA, at, end->out_bytes, figures, err);
	struct err of_line;

	to->raw = at;
	to->raw_bytes = end->out_bytes;
	while (r < 0 && at < stop) {
		const char *feed = memchr(at, '\n', (size_t)(stop - at));

		to->raw = at;
		to->raw_bytes = (size_t)((feed ? feed : stop) - at);
		r = raw_check(RAW_OOKLA, at, to->raw_bytes, figures, &of_line);
		at = feed ? feed + 1 : stop;
	}
	return r;
}

static void put_direction(struct json_writer *w, const char *name, double mbps, uint64_t bytes)
{
	json_begin_object(w, name);
	json_put_figure(w, "goodput_mbps", (struct figure){ true, mbps }, 3);
	json_put_count(w, "bytes", bytes);
	json_end_object(w);
}

/* Another program's result is not in the shape of ours; what is known of it stands under the same names. */
static int write_object(struct runner_verdict *v, const struct raw_figures *f, const char *warning,
                        struct err *err)
{
	char started_at[CLOCK_UTC_TEXT_BYTES], *text = NULL;
	size_t bytes = 0;
	FILE *to = open_memstream(&text, &bytes);
	struct json_writer w = { .to = to };

	if (!to)
		return ERR_SET(err, -errno, ERR_SYS, 0, "allocate a result");
	json_begin_object(&w, NULL);
	json_put_text(&w, "schema", "radar-pod/external/1");
	json_put_text(&w, "id", v->result.id);
	json_put_text(&w, "started_at", clock_utc_text(v->result.started_utc_ns, 3, started_at));
	json_put_text(&w, "test", v->result.test);
	json_put_text(&w, "interface", *v->result.interface ? v->result.interface : NULL);
	put_direction(&w, "download", f->download_mbps, f->download_bytes);
	put_direction(&w, "upload", f->upload_mbps, f->upload_bytes);
	json_put_count(&w, "bytes_used", v->result.bytes_used);
	json_begin_array(&w, "warnings");
	if (*warning)
		json_put_text(&w, NULL, warning);
	json_end_array(&w);
	json_end_object(&w);
	v->memory = fclose(to) == 0 ? text : NULL;
	if (!v->memory) {
		free(text);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a result");
	}
	v->result.object = text;
	v->result.object_bytes = bytes;
	return 0;
}

/* Its program has a word of its own on whether the test went well: what it prints counts with code 0 alone. */
static int check_end(const struct bounded_child_end *end, struct err *err)
{
	if (end->code == 0)
		return 0;
	return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
	               "take the result that it has printed, as it did not end with code 0");
}

static void judge_ookla(const struct bounded_child_end *end, const char *warning,
                        struct runner_verdict *v)
{
	struct test_result name = { .utc_ns = v->result.started_utc_ns };
	struct raw_figures figures;
	struct err err = {};
	int r = find_result(end, &v->result, &figures, &err);

	bytes_copy_text(v->result.test, sizeof(v->result.test), "ookla");
	if (r == 0) {
		result_new_id(&name);
		bytes_copy_text(v->result.id, sizeof(v->result.id), name.id);
		v->result.bytes_used = figures.download_bytes + figures.upload_bytes;
		r = check_end(end, &err);
	}
	if (r == 0)
		r = write_object(v, &figures, warning, &err);
	v->measured = v->upload = r == 0;
	if (r < 0) {
		say_why(v, end, &err);
		v->failure = runner_failure_of(end, NULL, &v->error);
	}
}

void runner_judge(enum config_runner kind, const struct store_result *about, const char *warning,
                  const struct bounded_child_end *end, struct runner_verdict *ret)
{
	*ret = (struct runner_verdict){ .result = *about };
	if (kind == CONFIG_RUNNER_OOKLA)
		judge_ookla(end, warning, ret);
	else
		judge_ndt7(end, ret);
}

void runner_verdict_end(struct runner_verdict *v)
{
	free(v->memory);
	v->memory = NULL;
}
