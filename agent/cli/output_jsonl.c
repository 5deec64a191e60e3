/* Events as they happen, a line each, in the shape of ndt7-client-go's JSON format; the last line is
 * the summary. An empty Unit means: not measured. */
#include "agent/base/json_writer.h"
#include "agent/cli/output.h"

#define DECIMALS 6 /* whatever a reader rounds to, the quotient of the rows comes out */

static void put_event(struct output *o, const char *key, enum ndt7_test test, const char *more_name,
                      const char *more)
{
	struct json_writer w = { .to = o->to };

	json_begin_object(&w, NULL);
	json_put_text(&w, "Key", key);
	json_begin_object(&w, "Value");
	json_put_text(&w, "Test", ndt7_test_name(test));
	if (more_name)
		json_put_text(&w, more_name, more);
	json_end_object(&w);
	json_end_object(&w);
	fputc('\n', o->to);
	fflush(o->to);
}

static void hear(struct output *o, const struct run_event *e)
{
	switch (e->kind) {
	case RUN_STARTING:
		output_rows_begin(o);
		put_event(o, "starting", e->test, NULL, NULL);
		break;
	case RUN_CONNECTED:
		put_event(o, "connected", e->test, "Server", e->direction->host);
		break;
	case RUN_MEASUREMENT:
		output_row(o, e, false);
		break;
	case RUN_ERROR:
		put_event(o, "error", e->test, "Failure", e->failure);
		break;
	case RUN_COMPLETE:
		output_rows_end(o, e->direction, false);
		put_event(o, "complete", e->test, NULL, NULL);
		break;
	case RUN_PROGRESS:
		break;
	}
}

static void put_value(struct json_writer *w, const char *name, struct figure f, const char *unit)
{
	struct figure value = f.known ? f : (struct figure){ true, 0 };

	json_begin_object(w, name);
	json_put_figure(w, "Value", value, DECIMALS);
	json_put_text(w, "Unit", f.known ? unit : "");
	json_end_object(w);
}

/* The archive's figure first: that is what readers of this shape know. */
static struct figure min_rtt_ms(const struct direction_result *d)
{
	struct figure servers = direction_server_min_rtt_ms(d);

	return servers.known ? servers : direction_min_rtt_ms(d);
}

static void put_direction(struct json_writer *w, const char *name, const struct direction_result *d)
{
	static const struct figure unknown = { .known = false };
	bool failed = d->state == DIRECTION_FAILED;
	/* Of an upload the server cannot know it, and contract 14.1 has it unknown. */
	bool resent_known = !failed && d->test == NDT7_DOWNLOAD;

	if (d->state == DIRECTION_NOT_ASKED) {
		json_put_null(w, name);
		return;
	}
	json_begin_object(w, name);
	json_put_text(w, "UUID", d->server.connection_info.uuid);
	put_value(w, "Throughput", failed ? unknown : direction_goodput_mbps(d), "Mbit/s");
	put_value(w, "Latency", failed ? unknown : min_rtt_ms(d), "ms");
	put_value(w, "Retransmission", resent_known ? direction_retransmit_percent(d) : unknown,
	          "%");
	json_end_object(w);
}

static int finish(struct output *o, const struct test_result *r, struct err *err)
{
	const struct direction_result *d = output_speaker(r);
	struct json_writer w = { .to = o->to };
	char client_ip[OUTPUT_IP_BYTES];

	(void)err;
	json_begin_object(&w, NULL);
	json_put_text(&w, "ServerFQDN", d->host);
	json_put_text(&w, "ServerIP", d->connection.remote_ip);
	json_put_text(&w, "ClientIP", output_client_ip(r, client_ip));
	put_direction(&w, "Download", &r->download);
	put_direction(&w, "Upload", &r->upload);
	json_end_object(&w);
	fputc('\n', o->to);
	fflush(o->to);
	return 0;
}

const struct output_format output_jsonl = { .hear = hear, .finish = finish };
