#include "agent/cli/output.h"

#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/clock.h"

static void write_row(struct output *o, const struct measurement *m)
{
	char json[MEASUREMENT_JSON_MAX];

	if (measurement_write(m, json, sizeof(json)) > 0)
		fprintf(o->to, "{\"Key\":\"measurement\",\"Value\":%s}\n", json);
	fflush(o->to);
}

/* Contract pod-service 4.4: loss is BytesRetrans / BytesSent of a download row with TCPInfo. */
static struct measurement fit_for_service(const struct measurement *m)
{
	struct measurement fit = *m;
	bool download = strcmp(m->test, "download") == 0;

	if (download && m->has_tcp_info &&
	    (!measurement_has(&m->tcp_info, MEASUREMENT_TCP_BytesSent) ||
	     m->tcp_info.bytes_sent <= 0))
		fit.has_tcp_info = false;
	return fit;
}

static void put(struct output *o, const struct measurement *m, bool for_service)
{
	struct measurement fit = for_service ? fit_for_service(m) : *m;

	write_row(o, &fit);
}

void output_row(struct output *o, const struct run_event *e, bool for_service)
{
	bool ours = strcmp(e->measurement->origin, "client") == 0;

	/* Ours come four times a second. */
	if (!ours && o->rows >= OUTPUT_ROWS_MAX) {
		o->rows_dropped++;
		return;
	}
	o->rows += !ours;
	put(o, e->measurement, for_service);
}

void output_rows_begin(struct output *o)
{
	o->rows = 0;
	o->rows_dropped = 0;
}

/* R32: the last row of whoever has counted is what the rate is of. Ours may be known later than the last row said; of
 * the server's, the last may not have been believed. */
static void put_final_count(struct output *o, const struct direction_result *d, bool by_server)
{
	struct measurement last =
		by_server ? d->server
			  : (struct measurement){
				    .has_app_info = true,
				    .app_info = { .num_bytes = (int64_t)d->bytes,
		                                  .elapsed_us =
		                                          (int64_t)(d->elapsed_ns / NS_PER_US) },
			    };

	bytes_copy_text(last.origin, sizeof(last.origin), by_server ? "server" : "client");
	bytes_copy_text(last.test, sizeof(last.test), ndt7_test_name(d->test));
	put(o, &last, true);
}

static bool is_servers(enum goodput_source source)
{
	return source == GOODPUT_SERVER_TCP_INFO || source == GOODPUT_SERVER_APP_INFO;
}

void output_rows_end(struct output *o, const struct direction_result *d, bool for_service)
{
	bool by_server = is_servers(d->source);
	struct measurement last = d->server;

	if (for_service && d->source != GOODPUT_NONE)
		put_final_count(o, d, by_server);
	if (o->rows_dropped == 0 || (for_service && by_server))
		return;
	bytes_copy_text(last.origin, sizeof(last.origin), "server");
	bytes_copy_text(last.test, sizeof(last.test), ndt7_test_name(d->test));
	put(o, &last, for_service);
}

bool output_measured(const struct direction_result *d)
{
	return d->state == DIRECTION_PARTIAL || d->state == DIRECTION_COMPLETE;
}

const struct direction_result *output_speaker(const struct test_result *r)
{
	if (output_measured(&r->download))
		return &r->download;
	if (output_measured(&r->upload))
		return &r->upload;
	return r->download.url[0] ? &r->download : &r->upload;
}

/* "198.51.100.7:40122", "[2001:db8::5]:443" */
const char *output_client_ip(const struct test_result *r, char out[OUTPUT_IP_BYTES])
{
	const char *down = r->download.server.connection_info.client;
	const char *client = *down ? down : r->upload.server.connection_info.client;
	bool v6 = client[0] == '[';

	snprintf(out, OUTPUT_IP_BYTES, "%.*s", (int)strcspn(client + v6, v6 ? "]" : ":"),
	         client + v6);
	return out;
}

static struct figure idle_rtt_ms(const struct direction_result *d)
{
	return output_measured(d) ? d->idle_rtt_ms : (struct figure){ .known = false };
}

struct figure output_idle_rtt_ms(const struct test_result *r)
{
	struct figure a = idle_rtt_ms(&r->download), b = idle_rtt_ms(&r->upload);

	if (!a.known || !b.known)
		return a.known ? a : b;
	return a.value < b.value ? a : b;
}
