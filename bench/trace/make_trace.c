/* make_trace FILE SAMPLES SHAPE: a trace of so many samples in 10 s, through the recorder and the writer that
 * a test uses; says how long taking and writing a sample took. Shapes:
 *
 *   download  such as a busy download leaves: all fields there are, and those change that do
 *   flows     a hundred of them in turns
 *   wide      every figure at its longest, and another each time: as slow as a trace can be made
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/trace_recorder.h"
#include "measure/trace_writer.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"

#define SPAN_NS (10 * NS_PER_S)

static int to_file(void *self, const void *data, size_t bytes, struct err *err)
{
	if (fwrite(data, 1, bytes, self) < bytes)
		return ERR_SET(err, -1, ERR_SYS, 0, "write");
	return 0;
}

static int put(void *self, const struct trace_record *record, struct err *err)
{
	return trace_writer_put(self, record, err);
}

enum shape { DOWNLOAD, FLOWS, WIDE, SHAPES };

static const char *const shape_names[SHAPES] = { "download", "flows", "wide" };

#define FLOWS_MANY 100

static void widen(struct tcp_sample *s, uint64_t draw)
{
	uint64_t wide = UINT64_MAX - draw % 1000000;
	uint32_t narrow = (uint32_t)wide;

	s->bytes_acked = s->bytes_received = s->bytes_sent = s->bytes_retrans = wide;
	s->delivery_rate_bps = s->pacing_rate_bps = wide;
	s->busy_us = s->rwnd_limited_us = s->sndbuf_limited_us = wide;
	s->srtt_us = s->rttvar_us = s->min_rtt_us = s->latest_rtt_us = s->rcv_rtt_us = narrow;
	s->snd_cwnd_segments = s->ssthresh_segments = s->inflight_segments = narrow;
	s->lost_segments = s->sacked_segments = s->ooo_segments = narrow;
	s->snd_wnd_bytes = s->rcv_wnd_bytes = s->notsent_bytes = narrow;
}

static void step(struct tcp_sample *s, uint64_t *seed, uint64_t gap_ns)
{
	uint64_t draw = draw_u64(seed);

	s->at_ns += gap_ns;
	s->event = draw % 500 ? TCP_SAMPLE_ACK : TCP_SAMPLE_RETRANSMIT;
	s->bytes_received += 1448 * (1 + (draw >> 8) % 8);
	s->bytes_acked += (draw >> 16) % 64 == 0 ? 517 : 0;
	s->srtt_us = 20000 + (uint32_t)(draw >> 24) % 3000;
	s->rttvar_us = 400 + (uint32_t)(draw >> 32) % 900;
	s->rcv_rtt_us = 21000 + (uint32_t)(draw >> 40) % 700;
	s->rcv_wnd_bytes = 3000000 + (uint32_t)(draw >> 48) % 4096;
}

static uint64_t take(struct trace_recorder *recorder, uint64_t samples, enum shape shape)
{
	struct sample_sink sink = trace_recorder_sink(recorder);
	struct tcp_sample s = { .at_ns = 100 * NS_PER_S,
		                .cookie = 4711,
		                .present = 2 * TCP_SAMPLE_LATEST_RTT - 1,
		                .min_rtt_us = 19800,
		                .snd_cwnd_segments = 10,
		                .ssthresh_segments = INT32_MAX,
		                .pacing_rate_bps = 6000000,
		                .snd_wnd_bytes = 64256,
		                .state = 1 };
	uint64_t seed = 1, began_ns = clock_now_ns();

	for (uint64_t i = 0; i < samples; i++) {
		step(&s, &seed, SPAN_NS / samples);
		if (shape == FLOWS)
			s.cookie = 1 + i % FLOWS_MANY;
		if (shape == WIDE)
			widen(&s, draw_u64(&seed));
		sink.take(sink.self, &s);
	}
	return clock_now_ns() - began_ns;
}

int main(int argc, char **argv)
{
	struct trace_recorder_options o = { 1ULL << 30, 0, -1 };
	struct trace_header header = { .version = POD_VERSION, .source = "made up" };
	uint64_t samples = argc == 4 ? strtoull(argv[2], NULL, 10) : 0, taken_ns, began_ns;
	enum shape shape = DOWNLOAD;
	struct trace_recorder *recorder = NULL;
	struct trace_writer *writer = NULL;
	struct trace_form form;
	struct err err = {};
	FILE *file;
	int r;

	while (argc == 4 && shape < SHAPES && strcmp(argv[3], shape_names[shape]) != 0)
		shape++;
	if (samples == 0 || shape == SHAPES || !trace_form_of(argv[1], &form) ||
	    !(file = fopen(argv[1], "we"))) {
		fprintf(stderr,
		        "usage: make_trace FILE.jsonl|.csv[.zst] SAMPLES download|flows|wide\n");
		return 2;
	}
	r = trace_recorder_open(&o, &recorder, &err);
	if (r == 0)
		r = trace_writer_open(form, (struct trace_output){ to_file, file }, &writer, &err);
	taken_ns = r == 0 ? take(recorder, samples, shape) : 0;
	began_ns = clock_now_ns();
	header.anchor = (struct trace_anchor){ 100 * NS_PER_S, clock_utc_ns(), 0 };
	if (r == 0)
		r = trace_recorder_replay(recorder, &header, (struct trace_emitter){ put, writer },
		                          &err);
	if (r == 0)
		r = trace_writer_finish(writer, &err);
	if (r < 0 || fclose(file) != 0) {
		fprintf(stderr, "make_trace: could not %s\n", err.text);
		return 1;
	}
	printf("take_ns %.0f\nwrite_ns %.0f\n", (double)taken_ns / (double)samples,
	       (double)(clock_now_ns() - began_ns) / (double)samples);
	trace_writer_close(writer);
	trace_recorder_close(recorder);
	return 0;
}
