/* What one ACK of a fast test costs from the ring's record on, where each is traced: the reader, the figures, the
 * recorder. */
#include "bench/instructions/codec_bench.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure/feed.h"
#include "measure/sockstat.h"
#include "measure/tally.h"
#include "measure/trace_recorder.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"

#define PAGE_BYTES 4096
#define RING_BYTES (2 * 1024 * 1024)
#define HEADER     8 /* BPF_RINGBUF_HDR_SZ */
#define SAMPLES    10000
#define SEGMENT    65483
static_assert(SAMPLES * (HEADER + sizeof(struct tcpstat_event)) < RING_BYTES, "all fit");

static struct {
	struct trace_recorder *recorder;
	struct sample_sink trace;
	struct direction_result result;
	struct tally tally;
	struct sockstat *sockstat;
	struct feed feed;
	unsigned char *producer; /* its page, then the data */
	struct tcpstat_event event;
	uint64_t seed;
} t;

/* A file in memory, in place of the kernel's ring: a page of the reader's, one of the writer's, the data. */
static int make_ring(void)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	void *at;

	CODEC_CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE_BYTES + RING_BYTES) == 0);
	at = mmap(NULL, PAGE_BYTES + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	          PAGE_BYTES);
	CODEC_CHECK(at != MAP_FAILED);
	t.producer = at;
	return fd;
}

static void start(enum ndt7_test test)
{
	const struct trace_recorder_options options = { TRACE_MEMORY_BYTES, 0, -1 };
	const struct sockstat_maps maps = { .records_fd = make_ring(),
		                            .ring_bytes = RING_BYTES,
		                            .flows_fd = -1,
		                            .counters_fd = -1,
		                            .probe_fd = -1,
		                            .cpus = 1 };
	struct err err = {};

	CODEC_CHECK(sockstat_open(&maps, &t.sockstat, &err) == 0);
	CODEC_CHECK(trace_recorder_open(&options, &t.recorder, &err) == 0);
	t.trace = trace_recorder_sink(t.recorder);
	t.result.test = test;
	tally_start(&t.tally, &t.result);
	t.seed = 7;
	t.event = (struct tcpstat_event){
		.at_ns = 1000000000,
		.cookie = 4711,
		.pacing_rate_bps = 120000000000,
		.present = TCPSTAT_HAS_EVERYTHING,
		.min_rtt_us = 12,
		.rcv_rtt_us = 40,
		.snd_cwnd_segments = 60,
		.ssthresh_segments = INT32_MAX,
		.rcv_wnd_bytes = 3145728,
		.state = 1,
	};
	feed_open(&t.feed, &t.trace, 0);
	feed_connect(&t.feed, t.sockstat, 0, true);
	feed_listen(&t.feed, t.event.cookie, tally_sink(&t.tally));
}

static uint32_t draw_below(uint32_t end)
{
	return (uint32_t)(draw_u64(&t.seed) >> 32) % end;
}

static void *put_record(size_t bytes)
{
	uint64_t *end = (uint64_t *)t.producer;
	unsigned char *at = t.producer + PAGE_BYTES + *end;
	uint32_t length = (uint32_t)bytes;

	memcpy(at, &length, sizeof(length));
	*end += HEADER + bytes;
	return at + HEADER;
}

/* Such as a sender's ACKs on loopback are. */
static void acknowledge(void)
{
	struct tcpstat_event *e = &t.event;

	e->at_ns += 4000 + draw_below(4000);
	e->bytes_acked += SEGMENT * (1 + draw_below(2));
	e->bytes_sent += SEGMENT * draw_below(3);
	e->delivery_rate_bps = 100000000000 + draw_below(UINT32_MAX);
	e->srtt_us = 30 + draw_below(6);
	e->rttvar_us = 8 + draw_below(3);
	e->latest_rtt_us = 25 + draw_below(20);
	e->inflight_segments = 15 + draw_below(8);
	e->notsent_bytes = 1000000 + draw_below(200000);
	e->snd_wnd_bytes = 3000000 + draw_below(SEGMENT);
	if (draw_below(600) == 0)
		e->busy_us += 4000;
	memcpy(put_record(sizeof(*e)), e, sizeof(*e));
}

static void receive(void)
{
	struct tcpstat_receipts *r = put_record(sizeof(*r));

	*r = (struct tcpstat_receipts){ .cookie = t.event.cookie,
		                        .whole_ns = t.event.at_ns,
		                        .count = TCPSTAT_RECEIPTS,
		                        .state = 1 };
	for (int i = 0; i < TCPSTAT_RECEIPTS; i++) {
		t.event.bytes_received += SEGMENT;
		r->receipt[i] = (struct tcpstat_receipt){
			.at_ns = t.event.at_ns += 3000 + draw_below(3000),
			.bytes_received = t.event.bytes_received,
			.rcv_rtt_us = 40 + draw_below(3),
			.snd_wnd_bytes = 64256,
			.rcv_wnd_bytes = 3145728 - draw_below(SEGMENT),
		};
	}
}

static void prepare_upload(void)
{
	start(NDT7_UPLOAD);
	for (int i = 0; i < SAMPLES; i++)
		acknowledge();
}

static void prepare_download(void)
{
	start(NDT7_DOWNLOAD);
	for (int i = 0; i < SAMPLES; i += TCPSTAT_RECEIPTS)
		receive();
}

static void drain(size_t count)
{
	feed_drain(&t.feed);
	CODEC_CHECK(t.result.local.samples > 0);
	CODEC_CHECK(trace_recorder_counts(t.recorder)->samples == count);
}

const struct codec_case trace_cases[] = {
	{ "trace_upload", "ACK of an upload, record to trace", SAMPLES, prepare_upload, drain },
	{ "trace_download", "segment of a download, record to trace", SAMPLES, prepare_download,
	  drain },
	{},
};
