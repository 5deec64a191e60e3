/* The four formats on results made by hand. */
#include "agent/cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define TCP(field) (1ULL << MEASUREMENT_TCP_##field)

static void measured_download(struct direction_result *d)
{
	*d = (struct direction_result){
		.test = NDT7_DOWNLOAD,
		.state = DIRECTION_COMPLETE,
		.url = "wss://lab.example/ndt/v7/download",
		.host = "lab.example",
		.machine = "mlab1-xyz01",
		.located = true,
		.tls = true,
		.tls_version = "TLSv1.3",
		.tls_cipher = "TLS_AES_128_GCM_SHA256",
		.connection = { .fd = -1, .remote_ip = "198.51.100.4", .local_ip = "10.0.0.2" },
		.congestion = "cubic",
		.source = GOODPUT_CLIENT_RECEIVED,
		.bytes = 234275000,
		.elapsed_ns = 10 * NS_PER_S,
		.report = { .started_ns = 1,
		            .ended_ns = 10 * NS_PER_S + 1,
		            .measured_ns = 10 * NS_PER_S,
		            .num_bytes = 234275000,
		            .ending = NDT7_ENDING_CLOSE },
		.has_server = true,
		.server = { .has_tcp_info = true,
		            .has_connection_info = true,
		            .connection_info = { .client = "192.0.2.17:40112", .uuid = "uuid-d" },
		            .tcp_info = { .present = TCP(MinRTT) | TCP(BytesSent) |
		                                     TCP(BytesRetrans) | TCP(BytesAcked) |
		                                     TCP(ElapsedTime),
		                          .min_rtt_us = 11800,
		                          .bytes_sent = 235000000,
		                          .bytes_retrans = 47000,
		                          .bytes_acked = 234900000,
		                          .elapsed_us = 10002000 } },
		.limits = { .whole = { .cpu_us = 110000,
		                       .all_us = 9890000,
		                       .busy_us = 9890000,
		                       .rwnd_limited_us = 60000,
		                       .sndbuf_limited_us = 120000 } },
		.steady = { .known = true,
		            .from_ns = 1300 * NS_PER_MS,
		            .until_ns = 10 * NS_PER_S,
		            .bps = 191e6,
		            .ci95_low_bps = 190.2e6,
		            .ci95_high_bps = 191.8e6 },
		.idle_rtt_ms = { true, 11.9 },
		.cpu_ns = 410 * NS_PER_MS,
		.wire_bytes = 236000000,
		.flow = "uuid-d",
	};
	summary_rtt_add(&d->server_rtt, 14200);
}

static void measured_upload(struct direction_result *d)
{
	*d = (struct direction_result){
		.test = NDT7_UPLOAD,
		.state = DIRECTION_COMPLETE,
		.url = "wss://lab.example/ndt/v7/upload",
		.host = "lab.example",
		.located = true,
		.tls = true,
		.connection = { .fd = -1, .remote_ip = "198.51.100.4" },
		.congestion = "cubic",
		.source = GOODPUT_SERVER_TCP_INFO,
		.bytes = 26340000,
		.elapsed_ns = 10 * NS_PER_S,
		.report = { .started_ns = 1,
		            .ended_ns = 10 * NS_PER_S + 1,
		            .measured_ns = 10 * NS_PER_S,
		            .num_bytes = 27000000,
		            .ending = NDT7_ENDING_TIME },
		.has_server = true,
		.server = { .has_tcp_info = true,
		            .has_connection_info = true,
		            .connection_info = { .client = "[2001:db8::17]:40113",
		                                 .uuid = "uuid-u" },
		            .tcp_info = { .present = TCP(MinRTT) | TCP(BytesReceived) |
		                                     TCP(ElapsedTime),
		                          .min_rtt_us = 12000,
		                          .bytes_received = 26340000,
		                          .elapsed_us = 10000000 } },
		.idle_rtt_ms = { true, 12.3 },
		.wire_bytes = 27100000,
		.flow = "uuid-u",
	};
}

static void failed(struct direction_result *d, enum ndt7_test test)
{
	*d = (struct direction_result){ .test = test, .state = DIRECTION_FAILED };
	strcpy(d->url, "ws://127.0.0.1:9/ndt/v7/upload");
	strcpy(d->host, "127.0.0.1");
	ERR_SET(&d->err, -ECONNREFUSED, ERR_SYS, 0, "connect to 127.0.0.1:9");
}

static struct test_result *whole_result(void)
{
	struct test_result *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->id, "0190f3c2-0000-7000-8000-000000000000");
	r->utc_ns = 1767225600 * NS_PER_S;
	r->scheme = "wss";
	r->scheme_reason = "cpu has aes instructions";
	r->io = "io_uring";
	measured_download(&r->download);
	measured_upload(&r->upload);
	return r;
}

/* What `format` writes, to be freed; *ret is finish()'s answer. */
static char *written(const struct output_format *format, const struct test_result *r, int *ret)
{
	struct output o = { .format = format, .terminal = { .utf8 = true, .columns = 80 } };
	struct err err = {};
	char *text = NULL;
	size_t bytes;

	o.to = open_memstream(&text, &bytes);
	*ret = format->finish(&o, r, &err);
	fclose(o.to);
	return text;
}

struct says_case {
	const char *name;
	const struct output_format *format;
	void (*change)(struct test_result *r);
	const char *says; /* is somewhere in the text */
};

static void upload_failed(struct test_result *r)
{
	failed(&r->upload, NDT7_UPLOAD);
}

static void all_failed(struct test_result *r)
{
	failed(&r->download, NDT7_DOWNLOAD);
	failed(&r->upload, NDT7_UPLOAD);
}

static void only_upload(struct test_result *r)
{
	r->download = (struct direction_result){ .test = NDT7_DOWNLOAD };
}

static void a_quarter(struct test_result *r)
{
	r->download.steady.ci95_low_bps = 191e6 * 0.75;
	r->download.steady.ci95_high_bps = 191e6 * 1.25;
}

static void three_quarters(struct test_result *r)
{
	r->download.steady.ci95_low_bps = 191e6 * 0.25;
	r->download.steady.ci95_high_bps = 191e6 * 1.75;
}

static void trace_lost(struct test_result *r)
{
	r->trace.path = "t.csv";
	ERR_SET(&r->trace.err, -ENOSPC, ERR_SYS, 0, "write t.csv");
}

static void trace_kept(struct test_result *r)
{
	r->trace.path = "t.csv";
	r->trace.samples = 29;
}

static void no_server_texts(struct test_result *r)
{
	r->download.server = (struct measurement){};
	r->download.has_server = false;
}

static void broken_utf8(struct test_result *r)
{
	strcpy(r->upload.flow, "u\xff\"");
}

static void hostile(struct test_result *r)
{
	strcpy(r->download.machine, "\x1b[2J\xc2\x9bmachine");
	strcpy(r->download.server.connection_info.client, "\x1b]0;you\a:1");
}

static void limited_by_buffer(struct test_result *r)
{
	r->upload.limits.whole = (struct limits_sums){ .all_us = 10000000,
		                                       .busy_us = 10000000,
		                                       .sndbuf_limited_us = 7500000 };
}

static void upload_resent(struct test_result *r)
{
	r->upload.local.last = (struct tcp_sample){
		.present = TCP_SAMPLE_BYTES_SENT,
		.bytes_sent = 1000,
		.bytes_retrans = 10,
	};
}

static void fell_back(struct test_result *r)
{
	r->io = "epoll";
	strcpy(r->io_reason, "barred");
}

static void interrupted(struct test_result *r)
{
	r->interrupted = true;
	result_warn(r, "upload: interrupted after 3.0 s");
}

static void bound(struct test_result *r)
{
	strcpy(r->interface, "eth7");
	r->download.connection.bind =
		(struct tcp_bind_proof){ .how = TCP_BIND_DEVICE, .effective = true };
}

static void from_ebpf(struct test_result *r)
{
	r->stats = "ebpf";
}

static void trickled(struct test_result *r)
{
	r->download.bytes = 26;
	r->download.elapsed_ns = 12500 * NS_PER_MS;
}

static void took_a_moment(struct test_result *r)
{
	r->download.bytes = 1000;
	r->download.elapsed_ns = 2 * NS_PER_MS;
}

static void took_no_time(struct test_result *r)
{
	r->download.bytes = 1000;
	r->download.elapsed_ns = 300;
}

static void was_slow(struct test_result *r)
{
	r->download.steady.bps = 512345;
	r->download.steady.ci95_low_bps = 511987;
	r->download.steady.ci95_high_bps = 512703;
}

/* Percentiles that differ: of the download 10, 20 and 40 ms, of the upload fivefold. */
static void loaded(struct test_result *r)
{
	struct summary_rtt *const both[] = { &r->download.server_rtt, &r->upload.local.rtt };

	for (uint32_t i = 0; i < 2; i++) {
		*both[i] = (struct summary_rtt){};
		summary_rtt_add_many(both[i], (1 + 4 * i) * 10000, 60);
		summary_rtt_add_many(both[i], (1 + 4 * i) * 20000, 35);
		summary_rtt_add_many(both[i], (1 + 4 * i) * 40000, 5);
	}
}

/* 9.6 kbit/s, known to 2 %. */
static void slowly(struct test_result *r)
{
	r->download.bytes = 12000;
	r->download.steady.bps = 9612.3;
	r->download.steady.ci95_low_bps = 9420.1;
	r->download.steady.ci95_high_bps = 9804.5;
	r->download.steady.from_ns = 254 * NS_PER_MS;
}

/* One segment of ten seconds at 10 Gbit/s. */
static void one_segment_again(struct test_result *r)
{
	r->download.server.tcp_info.bytes_sent = 12500000000;
	r->download.server.tcp_info.bytes_retrans = 1448;
}

/* By a nearer machine, which took the connection and no more. */
static void upload_refused_nearby(struct test_result *r)
{
	upload_failed(r);
	r->upload.idle_rtt_ms = (struct figure){ true, 0.5 };
}

static struct says_case says_cases[] = {
	{ "json: a slow rate has its digits", &output_json, slowly, "{\"goodput_mbps\":0.0096," },
	{ "json: the interval of a slow rate", &output_json, slowly,
	  "\"steady_mbps\":0.0096123,\"steady_ci95_mbps\":[0.0094201,0.0098045]," },
	{ "human: a slow rate", &output_human, slowly,
	  "9.61 kbit/s ± 2 %, download from 0.25 s on" },
	{ "json: little that was sent again is not 0", &output_json, one_segment_again,
	  "\"retransmit_percent\":0.0000116," },
	{ "human: a time that is not 0", &output_human, took_a_moment, "1.00 kB in 2.00 ms" },
	{ "json: goodput and its source", &output_json, NULL,
	  "\"download\":{\"goodput_mbps\":187.42,\"goodput_source\":\"client received\","
	  "\"bytes\":234275000,\"elapsed_s\":10,\"steady_mbps\":191," },
	{ "json: a rate that is not 0", &output_json, trickled,
	  "\"goodput_mbps\":0.00001664,\"goodput_source\":\"client received\",\"bytes\":26,"
	  "\"elapsed_s\":12.5," },
	{ "json: a time that is not 0", &output_json, took_no_time, "\"elapsed_s\":0.0000003," },
	{ "json: the steady rate", &output_json, NULL,
	  "\"steady_mbps\":191,\"steady_ci95_mbps\":[190.2,191.8],\"steady_from_s\":1.3,"
	  "\"min_rtt_ms\":11.8," },
	{ "json: a slow line's rate, to the bit", &output_json, was_slow,
	  "\"steady_mbps\":0.512345,\"steady_ci95_mbps\":[0.511987,0.512703]," },
	{ "json: what limited it", &output_json, NULL,
	  "\"limited_by\":\"network\",\"limits_percent\":{\"network\":97.1,\"receiver\":0.6,"
	  "\"sender\":1.2,\"application\":0,\"cpu\":1.1}" },
	{ "json: not known what limited it", &output_json, only_upload,
	  "\"limited_by\":null,\"limits_percent\":null" },
	{ "json: no steady rate", &output_json, only_upload,
	  "\"steady_mbps\":null,\"steady_ci95_mbps\":null,\"steady_from_s\":null," },
	{ "json: t = 0 on the clock of a trace", &output_json, NULL,
	  "\"flow\":\"uuid-d\",\"started_ns\":1,\"ending\":\"close\"," },
	{ "json: what the far side reported", &output_json, NULL,
	  "\"server\":{\"bytes\":234900000,\"elapsed_s\":10.002,\"goodput_mbps\":187.882424}" },
	{ "N91 json: start, scheme, end reason", &output_json, NULL,
	  "\"started_at\":\"2026-01-01T00:00:00.000Z\"" },
	{ "N91 json: end reason", &output_json, NULL, "\"ending\":\"time\"" },
	{ "N91 json: client", &output_json, NULL, "\"client_ip\":\"192.0.2.17\"" },
	{ "json: the client as the upload's server saw it", &output_json, no_server_texts,
	  "\"client_ip\":\"2001:db8::17\"" },
	{ "json: an IPv6 client has no brackets", &output_json, only_upload,
	  "\"client_ip\":\"2001:db8::17\"" },
	{ "json: idle is of who served", &output_json, upload_refused_nearby,
	  "\"latency\":{\"idle_ms\":11.9," },
	{ "human: likewise", &output_human, upload_refused_nearby, "11.9 ms idle, 14.2 ms during" },
	{ "json: idle is the lesser handshake", &output_json, NULL,
	  "\"latency\":{\"idle_ms\":11.9," },
	{ "json: both directions' bytes", &output_json, NULL, "\"bytes_used\":263100000" },
	{ "json: a failed direction is null", &output_json, upload_failed, "\"upload\":null" },
	{ "json: with its reason", &output_json, upload_failed,
	  "\"errors\":[{\"test\":\"upload\",\"error\":\"could not connect to 127.0.0.1:9: "
	  "Connection "
	  "refused\",\"code\":\"ECONNREFUSED\",\"domain\":\"system\",\"detail\":null,"
	  "\"url\":\"ws://127.0.0.1:9/ndt/v7/upload\"}]" },
	{ "json: one that was not asked for has none", &output_json, only_upload, "\"errors\":[]" },
	{ "json: unknown is null, not 0", &output_json, no_server_texts, "\"min_rtt_ms\":null" },
	{ "json: valid UTF-8", &output_json, broken_utf8, "\"flow\":\"u\xef\xbf\xbd\\\"\"" },
	{ "json: why epoll", &output_json, fell_back, "\"io\":\"epoll\",\"io_reason\":\"barred\"" },
	{ "json: the bind's proof", &output_json, bound,
	  "\"interface\":{\"name\":\"eth7\",\"bound_by\":\"device\"," },
	{ "json: interrupted", &output_json, interrupted, "\"interrupted\":true" },

	{ "N86 jsonl: the summary", &output_jsonl, NULL,
	  "{\"ServerFQDN\":\"lab.example\",\"ServerIP\":\"198.51.100.4\",\"ClientIP\":\"192.0.2."
	  "17\","
	  "\"Download\":{\"UUID\":\"uuid-d\",\"Throughput\":{\"Value\":187.42,\"Unit\":\"Mbit/s\"},"
	  "\"Latency\":{\"Value\":11.8,\"Unit\":\"ms\"},"
	  "\"Retransmission\":{\"Value\":0.02,\"Unit\":\"%\"}},"
	  "\"Upload\":{\"UUID\":\"uuid-u\",\"Throughput\":{\"Value\":21.072,\"Unit\":\"Mbit/s\"},"
	  "\"Latency\":{\"Value\":12,\"Unit\":\"ms\"},"
	  "\"Retransmission\":{\"Value\":0,\"Unit\":\"\"}}}\n" },
	{ "N86 jsonl: what an upload sent again is never known", &output_jsonl, upload_resent,
	  "\"Retransmission\":{\"Value\":0,\"Unit\":\"\"}}}\n" },
	{ "N87 jsonl: a failed direction has empty units", &output_jsonl, upload_failed,
	  "\"Upload\":{\"UUID\":\"\",\"Throughput\":{\"Value\":0,\"Unit\":\"\"}" },
	{ "N86 jsonl: one not asked for is null", &output_jsonl, only_upload, "\"Download\":null" },

	{ "R32 raw: the three values", &output_raw, NULL,
	  "{\"Download\":{\"Value\":187.42},\"Upload\":{\"Value\":21.072},\"MinRTT\":{\"Value\":11."
	  "8}}"
	  "\n" },
	{ "raw: the next best round trip, never null", &output_raw, no_server_texts,
	  "\"MinRTT\":{\"Value\":12}" },

	{ "H7 human: why epoll", &output_human, fell_back, "epoll (barred)" },
	{ "human: rate, whose it is, how much", &output_human, NULL,
	  "  Download    187.4 Mbit/s   as received here, 234.3 MB in 10.0 s\n"
	  "  Upload       21.1 Mbit/s   as received by the server, 26.3 MB in 10.0 s\n" },
	{ "human: the steady rate", &output_human, NULL,
	  "191.0 Mbit/s ± 0.42 %, download from 1.3 s on" },
	{ "human: a quarter to either side is a steady rate", &output_human, a_quarter,
	  "  Steady      191.0 Mbit/s ± 25 %, download from 1.3 s on\n" },
	{ "human: what went up and down is none", &output_human, three_quarters,
	  "  Steady      no: the download went up and down around 191.0 Mbit/s\n" },
	{ "json: its interval all the same", &output_json, three_quarters,
	  "\"steady_mbps\":191,\"steady_ci95_mbps\":[47.75,334.25]," },
	{ "json: round trips under load", &output_json, loaded,
	  "\"rtt_ms\":{\"p50\":10.091,\"p90\":20.187,\"p99\":40},"
	  "\"rtt_source\":\"server tcp_info\"" },
	{ "json: latency is their ninetieth percentile", &output_json, loaded,
	  "\"loaded_down_ms\":20.187,\"loaded_up_ms\":100.206}" },
	{ "human: likewise", &output_human, loaded,
	  "11.9 ms idle, 20.2 ms during download, 100 ms during upload" },
	{ "human: what limited it", &output_human, NULL,
	  "  Limited by  the network 97 % of the download\n" },
	{ "human: what limited each", &output_human, limited_by_buffer,
	  "the network 97 % of the download, the sender's buffer 75 % of the\n"
	  "              upload\n" },
	{ "human: a trace", &output_human, trace_kept, "  Trace       t.csv, 29 samples\n" },
	{ "human: a trace that is lost says why", &output_human, trace_lost,
	  "  Trace       lost: could not write t.csv: No space left on device\n" },
	{ "human: polled figures", &output_human, NULL, "ndt7; the kernel's TCP_INFO every 10 ms" },
	{ "human: figures by eBPF", &output_human, from_ebpf,
	  "ndt7; the kernel's figures as ACKs come (ebpf), latency" },
	{ "human: latency", &output_human, NULL, "11.9 ms idle, 14.2 ms during download" },
	{ "human: the server", &output_human, NULL, "mlab1-xyz01 (198.51.100.4)" },
	{ "human: a machine's name is no escape sequence", &output_human, hostile,
	  "  Server      ?[2J?machine (198.51.100.4)" },
	{ "human: nor is our address", &output_human, hostile, "  You         ?]0;you?, as" },
	{ "human: what failed", &output_human, upload_failed,
	  "not measured: could not connect to 127.0.0.1:9" },
	{ "human: a note", &output_human, interrupted, "upload: interrupted after 3.0 s" },
	{ "human: the bind", &output_human, bound, "192.0.2.17, through eth7 (confirmed)" },
};

static void says(void **state)
{
	const struct says_case *c = *state;
	struct test_result *r = whole_result();
	char *text;
	int ret;

	if (c->change)
		c->change(r);
	text = written(c->format, r, &ret);
	assert_int_equal(ret, 0);
	if (!strstr(text, c->says))
		fail_msg("missing: %s\nin: %s", c->says, text);
	free(text);
	free(r);
}

/* Whatever a terminal of another character set would show of the rest. */
static void human_is_ascii_without_utf8(void **state)
{
	struct output o = { .format = &output_human, .terminal = { .columns = 80 } };
	struct test_result *r = whole_result();
	struct err err = {};
	char *text = NULL;
	size_t bytes;

	(void)state;
	o.to = open_memstream(&text, &bytes);
	assert_int_equal(output_human.finish(&o, r, &err), 0);
	fclose(o.to);
	assert_non_null(strstr(text, "191.0 Mbit/s +- 0.42 %"));
	for (size_t i = 0; i < bytes; i++)
		assert_in_range(text[i], '\n', '~');
	free(text);
	free(r);
}

struct refused_case {
	const char *name;
	void (*change)(struct test_result *r);
	const char *says;
};

static void no_round_trip(struct test_result *r)
{
	no_server_texts(r);
	r->upload.server = (struct measurement){};
	r->upload.has_server = false;
	r->download.idle_rtt_ms = r->upload.idle_rtt_ms = (struct figure){};
}

static struct refused_case refused_cases[] = {
	{ "R33 a failed direction is no 0", upload_failed, "no upload was measured" },
	{ "R33 both", all_failed, "no download was measured" },
	{ "one direction only", only_upload, "no download was measured" },
	{ "no round trip time", no_round_trip, "no round trip time was measured" },
	{ "interrupted", interrupted, "interrupted" },
};

static void raw_refuses(void **state)
{
	const struct refused_case *c = *state;
	struct test_result *r = whole_result();
	struct output o = { .format = &output_raw };
	struct err err = {};
	char *text = NULL;
	size_t bytes;

	c->change(r);
	o.to = open_memstream(&text, &bytes);
	assert_true(output_raw.finish(&o, r, &err) < 0);
	fclose(o.to);
	assert_int_equal(bytes, 0);
	assert_non_null(strstr(err.text, c->says));
	free(text);
	free(r);
}

/* --- events ------------------------------------------------------------------------------------------ */

/* A download of which `texts` measurements of the server's are heard. */
static char *heard(const struct output_format *format, const struct measurement *m, int texts)
{
	struct output o = { .format = format, .terminal = { .columns = 80 } };
	struct direction_result *d = calloc(1, sizeof(*d));
	char *text = NULL;
	size_t bytes;
	struct run_event e = { .test = NDT7_DOWNLOAD, .direction = d, .measurement = m };

	measured_download(d);
	o.to = open_memstream(&text, &bytes);
	e.kind = RUN_STARTING;
	format->hear(&o, &e);
	e.kind = RUN_CONNECTED;
	format->hear(&o, &e);
	e.kind = RUN_MEASUREMENT;
	for (int i = 0; i < texts; i++)
		format->hear(&o, &e);
	e.kind = RUN_COMPLETE;
	format->hear(&o, &e);
	fclose(o.to);
	free(d);
	return text;
}

static const struct measurement client_row = {
	.has_app_info = true,
	.app_info = { .num_bytes = 7340032, .elapsed_us = 251034 },
	.origin = "client",
	.test = "download",
};

static const struct measurement server_row = {
	.has_tcp_info = true,
	.tcp_info = { .present = TCP(RTT), .rtt_us = 14210 },
	.origin = "server",
	.test = "download",
};

static void n86_jsonl_events(void **state)
{
	char *text = heard(&output_jsonl, &client_row, 1);

	(void)state;
	assert_string_equal(
		text, "{\"Key\":\"starting\",\"Value\":{\"Test\":\"download\"}}\n"
		      "{\"Key\":\"connected\",\"Value\":{\"Test\":\"download\",\"Server\":"
		      "\"lab.example\"}}\n"
		      "{\"Key\":\"measurement\",\"Value\":{\"AppInfo\":{\"NumBytes\":7340032,"
		      "\"ElapsedTime\":251034},\"Origin\":\"client\",\"Test\":\"download\"}}\n"
		      "{\"Key\":\"complete\",\"Value\":{\"Test\":\"download\"}}\n");
	free(text);
}

static void n87_jsonl_failure(void **state)
{
	struct run_event e = { .kind = RUN_ERROR,
		               .test = NDT7_UPLOAD,
		               .failure = "could not \"x\"" };
	struct output o = { .format = &output_jsonl };
	char *text = NULL;
	size_t bytes;

	(void)state;
	o.to = open_memstream(&text, &bytes);
	output_jsonl.hear(&o, &e);
	fclose(o.to);
	assert_string_equal(text, "{\"Key\":\"error\",\"Value\":{\"Test\":\"upload\",\"Failure\":"
	                          "\"could not \\\"x\\\"\"}}\n");
	free(text);
}

static int lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void a_flood_of_texts_is_bounded(void **state)
{
	char *text = heard(&output_jsonl, &server_row, OUTPUT_ROWS_MAX + 500);

	(void)state;
	/* starting, connected, the rows, the server's last word, complete */
	assert_int_equal(lines(text), 2 + OUTPUT_ROWS_MAX + 1 + 1);
	assert_non_null(strstr(text, "\"BytesAcked\":234900000"));
	free(text);
}

static void r31_raw_has_no_download_row_without_bytes_sent(void **state)
{
	char *text = heard(&output_raw, &server_row, 1);

	(void)state;
	assert_null(strstr(text, "TCPInfo"));
	assert_null(strstr(text, "starting"));
	assert_int_equal(lines(text), 2); /* and the download's count at its end */
	free(text);
}

/* The last row is what the rate is of (raw_check would refuse another). */
static void r32_raw_ends_a_download_with_its_own_count(void **state)
{
	char *text = heard(&output_raw, &client_row, 1);

	(void)state;
	assert_non_null(strstr(text, "\n{\"Key\":\"measurement\",\"Value\":{\"AppInfo\":"
	                             "{\"NumBytes\":234275000,\"ElapsedTime\":10000000},"
	                             "\"Origin\":\"client\",\"Test\":\"download\"}}\n"));
	free(text);
}

static void human_is_silent_in_a_pipe(void **state)
{
	char *text = heard(&output_human, &client_row, 1);

	(void)state;
	assert_string_equal(text, "");
	free(text);
}

static void human_fits_80_columns(void **state)
{
	struct test_result *r = whole_result();
	char *text;
	int ret;

	(void)state;
	for (int i = 0; i < RESULT_WARNINGS_MAX; i++)
		result_warn(r,
		            "upload: a warning that goes on for longer than a line has room, and "
		            "has to be broken where its words end, number %d",
		            i);
	text = written(&output_human, r, &ret);
	assert_null(strchr(text, '\x1b'));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(text_columns(line) <= 80);
	free(text);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(human_is_ascii_without_utf8),
		cmocka_unit_test(n86_jsonl_events),
		cmocka_unit_test(n87_jsonl_failure),
		cmocka_unit_test(a_flood_of_texts_is_bounded),
		cmocka_unit_test(r31_raw_has_no_download_row_without_bytes_sent),
		cmocka_unit_test(r32_raw_ends_a_download_with_its_own_count),
		cmocka_unit_test(human_is_silent_in_a_pipe),
		cmocka_unit_test(human_fits_80_columns),
	};
	int bad = CASES_RUN(says, says_cases);

	bad += CASES_RUN(raw_refuses, refused_cases);
	bad += cmocka_run_group_tests(tests, NULL, NULL);
	return bad != 0;
}
