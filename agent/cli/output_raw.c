/* Exactly what the pod service takes: measurement lines, then a summary with three values.
 *
 * The service stores what it is given: a direction that failed would be a speed of 0 there, and a
 * missing value poisons its averages. So this is both directions measured, or nothing at all. */
#include <errno.h>
#include <stdio.h>

#include "agent/base/json_writer.h"
#include "agent/cli/output.h"
#include "transport/base/err.h"

#define DECIMALS 6

static void hear(struct output *o, const struct run_event *e)
{
	if (e->kind == RUN_STARTING)
		output_rows_begin(o);
	else if (e->kind == RUN_MEASUREMENT)
		output_row(o, e, true);
	else if (e->kind == RUN_COMPLETE)
		output_rows_end(o, e->direction, true);
}

/* The download's, as the service has it from other agents; else the next best that was measured. */
static struct figure min_rtt_ms(const struct test_result *r)
{
	const struct figure choices[] = { direction_min_rtt_ms(&r->download),
		                          direction_min_rtt_ms(&r->upload), r->download.idle_rtt_ms,
		                          r->upload.idle_rtt_ms };

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		if (choices[i].known)
			return choices[i];
	return (struct figure){ .known = false };
}

static void put_value(struct json_writer *w, const char *name, struct figure f)
{
	json_begin_object(w, name);
	json_put_figure(w, "Value", f, DECIMALS);
	json_end_object(w);
}

static int finish(struct output *o, const struct test_result *r, struct err *err)
{
	struct figure download = direction_goodput_mbps(&r->download);
	struct figure upload = direction_goodput_mbps(&r->upload);
	struct figure rtt = min_rtt_ms(r);
	struct json_writer w = { .to = o->to };

	if (r->interrupted)
		return ERR_SET(err, -ECANCELED, ERR_SYS, 0,
		               "make a result for the pod service: interrupted");
	if (!download.known || !upload.known || !rtt.known)
		return ERR_SET(err, -ENODATA, ERR_SYS, 0,
		               "make a result for the pod service: no %s was measured",
		               !download.known ? "download"
		               : !upload.known ? "upload"
		                               : "round trip time");
	json_begin_object(&w, NULL);
	put_value(&w, "Download", download);
	put_value(&w, "Upload", upload);
	put_value(&w, "MinRTT", rtt);
	json_end_object(&w);
	fputc('\n', o->to);
	return 0;
}

const struct output_format output_raw = { .hear = hear, .finish = finish, .whole = true };
