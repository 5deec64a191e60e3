/* Whole ten-second tests in virtual time: the client's flow against the server's, over streams on the
 * scripted loop, in clear and under TLS. What is played is everything but the kernel. */
#include "measure/flow.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "measure/measurement.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/loop/loop_script.h"
#include "transport/stream.h"
#include "transport/tls.h"

#define TEXT "{\"TCPInfo\":{\"BytesAcked\":%llu,\"ElapsedTime\":1}}\n"

struct side {
	struct stream *stream;
	struct flow *flow;
	struct loop *loop;
	const struct ndt7_options *options;
	uint64_t texts, samples;
	uint64_t last_sample_bytes;
	uint64_t acked_bytes; /* what compose() tells, so that an early exit can be played */
	bool finished;
	struct ndt7_report report;
};

static void on_text(void *owner, const char *text, size_t n)
{
	struct side *s = owner;
	struct measurement m;

	assert_int_equal(measurement_parse(text, n, &m, NULL), 0);
	assert_true(m.has_tcp_info);
	s->texts++;
}

static void on_sample(void *owner)
{
	struct side *s = owner;

	s->samples++;
	assert_true(flow_report(s->flow)->num_bytes > s->last_sample_bytes);
	s->last_sample_bytes = flow_report(s->flow)->num_bytes;
}

static size_t compose(void *owner, char *out, size_t out_bytes, uint64_t *ret_bytes_acked)
{
	struct side *s = owner;

	s->acked_bytes = flow_report(s->flow)->num_bytes;
	*ret_bytes_acked = s->acked_bytes;
	return (size_t)snprintf(out, out_bytes, TEXT, (unsigned long long)s->acked_bytes);
}

static void on_finished(void *owner)
{
	struct side *s = owner;

	s->report = *flow_report(s->flow);
	s->finished = true;
	s->flow = flow_free(s->flow);
	s->stream = stream_close(s->stream);
}

static const struct flow_events flow_events = {
	.text = on_text,
	.sample = on_sample,
	.compose = compose,
	.finished = on_finished,
};

static void on_opened(void *owner)
{
	struct side *s = owner;
	struct flow_options o = { .loop = s->loop,
		                  .stream = s->stream,
		                  .ndt7 = *s->options,
		                  .events = &flow_events,
		                  .owner = s };

	assert_int_equal(flow_start(&o, &s->flow, NULL), 0);
}

static void on_received(void *owner, const uint8_t *data, size_t n)
{
	struct side *s = owner;

	flow_received(s->flow, data, n);
}

static void on_discarded(void *owner, size_t n)
{
	struct side *s = owner;

	flow_discarded(s->flow, n);
}

static void on_sent(void *owner)
{
	struct side *s = owner;

	flow_sent(s->flow);
}

static void on_ended(void *owner, const struct err *why)
{
	struct side *s = owner;

	flow_ended(s->flow, why);
}

static const struct stream_events stream_events = {
	.opened = on_opened,
	.received = on_received,
	.discarded = on_discarded,
	.sent = on_sent,
	.ended = on_ended,
};

struct play {
	const char *name;
	enum ndt7_test test;
	bool tls;
	uint64_t rate_bps;
	uint64_t delay_ns;
	uint64_t early_exit_bytes;
	uint64_t max_bytes;
	uint64_t stop_at_ns; /* the client is stopped; 0: it is not */
	enum ndt7_ending want_ending;
	double want_s, within_s; /* how long the client's test takes */
};

static struct play plays[] = {
	{ "download, 100 Mbit/s, 10 ms", NDT7_DOWNLOAD, false, 100000000, 10 * NS_PER_MS,
	  .want_ending = NDT7_ENDING_CLOSE, .want_s = 10.03, .within_s = 0.1 },
	{ "upload, 100 Mbit/s, 10 ms", NDT7_UPLOAD, false, 100000000, 10 * NS_PER_MS,
	  .want_ending = NDT7_ENDING_TIME, .want_s = 10.05, .within_s = 0.15 },
	{ "download under TLS", NDT7_DOWNLOAD, true, 50000000, 5 * NS_PER_MS,
	  .want_ending = NDT7_ENDING_CLOSE, .want_s = 10.03, .within_s = 0.1 },
	{ "upload under TLS", NDT7_UPLOAD, true, 50000000, 5 * NS_PER_MS,
	  .want_ending = NDT7_ENDING_TIME, .want_s = 10.05, .within_s = 0.15 },
	{ "download, 1 Mbit/s, 300 ms", NDT7_DOWNLOAD, false, 1000000, 300 * NS_PER_MS,
	  .want_ending = NDT7_ENDING_CLOSE, .want_s = 11, .within_s = 1.2 },
	{ "upload, 1 Mbit/s, 300 ms", NDT7_UPLOAD, false, 1000000, 300 * NS_PER_MS,
	  .want_ending = NDT7_ENDING_TIME, .want_s = 11.2, .within_s = 1.2 },
	{ "N49 early exit", NDT7_DOWNLOAD, false, 1000000000, NS_PER_MS,
	  .early_exit_bytes = NDT7_EARLY_EXIT_BYTES, .want_ending = NDT7_ENDING_CLOSE,
	  .want_s = 2.3, .within_s = 0.5 },
	{ "our own ceiling, download", NDT7_DOWNLOAD, false, 100000000, 5 * NS_PER_MS,
	  .max_bytes = 12500000, .want_ending = NDT7_ENDING_MAX_BYTES, .want_s = 1.1,
	  .within_s = 0.6 },
	{ "stopped after 3 s", NDT7_DOWNLOAD, false, 100000000, 5 * NS_PER_MS,
	  .stop_at_ns = 3 * NS_PER_S, .want_ending = NDT7_ENDING_STOP, .want_s = 3.1,
	  .within_s = 0.5 },
};

/* Any descriptor will do for the scripted loop; two different ones. */
static int some_fd(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void stop_client(void *owner)
{
	struct side *s = owner;

	flow_stop(s->flow);
}

static void check(const struct play *p, const struct side *client, const struct side *server)
{
	const struct ndt7_report *c = &client->report;
	double took_s = (double)(c->ended_ns - c->started_ns) / 1e9;
	double mbps = 8e3 * (double)c->num_bytes / (double)c->measured_ns;

	assert_true(client->finished && server->finished);
	assert_int_equal(c->ending, p->want_ending);
	assert_true(took_s > p->want_s - p->within_s && took_s < p->want_s + p->within_s);
	assert_true(client->samples >= 1);
	assert_int_equal(client->last_sample_bytes, c->num_bytes);
	assert_int_equal(c->pongs_sent + c->pongs_dropped + c->pings_late, c->pings);
	if (p->max_bytes || p->stop_at_ns)
		return;
	assert_true(c->close_exchanged);
	assert_int_equal(c->peer_code, 1000);
	assert_int_equal(client->texts, server->report.texts_sent);
	if (p->test ==
	    NDT7_DOWNLOAD) /* what came can be no faster than the link, nor much slower */
		assert_true(mbps < (double)p->rate_bps / 1e6 &&
		            mbps > 0.9 * (double)p->rate_bps / 1e6);
}

static void plays_in_virtual_time(void **state)
{
	const struct play *p = *state;
	struct ndt7_options client_options = { .role = NDT7_CLIENT,
		                               .test = p->test,
		                               .max_bytes = p->max_bytes };
	struct ndt7_options server_options = { .role = NDT7_SERVER,
		                               .test = p->test,
		                               .seed = 7,
		                               .early_exit_bytes = p->early_exit_bytes };
	struct side client = { .options = &client_options },
		    server = { .options = &server_options };
	struct loop_timer stop = { .fire = stop_client, .owner = &client };
	struct tls_context *client_tls = NULL, *server_tls = NULL;
	int a = some_fd(), b = some_fd();
	struct loop *l;

	assert_int_equal(loop_script_open(&l, NULL), 0);
	client.loop = server.loop = l;
	if (p->tls) {
		assert_int_equal(
			tls_context_client(&(struct tls_client_options){ .insecure = true },
		                           &client_tls, NULL),
			0);
		assert_int_equal(tls_context_server(NULL, NULL, &server_tls, NULL), 0);
	}
	assert_int_equal(stream_open_client(l, a, client_tls, "localhost", &stream_events, &client,
	                                    &client.stream, NULL),
	                 0);
	assert_int_equal(
		stream_open_server(l, b, server_tls, &stream_events, &server, &server.stream, NULL),
		0);
	assert_int_equal(loop_script_connect_ends(l, a, b, p->rate_bps, p->delay_ns, NULL), 0);
	if (p->stop_at_ns)
		loop_timer_set(l, &stop, loop_now_ns(l) + p->stop_at_ns);
	assert_int_equal(loop_run(l, loop_now_ns(l) + 16 * NS_PER_S, NULL), LOOP_DEADLINE);
	check(p, &client, &server);
	loop_close(l);
	tls_context_free(client_tls);
	tls_context_free(server_tls);
}

int main(void)
{
	return CASES_RUN(plays_in_virtual_time, plays) != 0;
}
