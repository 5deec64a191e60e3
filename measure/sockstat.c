#include "measure/sockstat.h"

#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure/ring.h"
#include "measure/tcpinfo.h"
#include "measure/wholes.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

struct sockstat {
	struct sockstat_maps maps;
	struct ring ring;
	struct tcpstat_counters *per_cpu; /* maps.cpus of them */
	uint64_t lost_told;
	uint64_t taken; /* samples, ever */
	struct wholes wholes;
	const struct sockstat_sink *sink; /* while a drain lasts */
	struct tcpstat_flow record;       /* the longest there is */
};

/* After so many it is looked how many samples they were. */
#define SLICE_RECORDS 16

CLEANUP_DEFINE(sockstat_closep, struct sockstat *, sockstat_close)

int sockstat_open(const struct sockstat_maps *maps, struct sockstat **ret, struct err *err)
{
	CLEANUP(sockstat_closep) struct sockstat *s = calloc(1, sizeof(*s));
	int r;

	if (maps->cpus == 0 || maps->cpus > SOCKSTAT_CPUS_MAX)
		return ERR_SET(err, -EINVAL, ERR_BPF, 0, "count on %u CPUs", maps->cpus);
	if (s)
		s->per_cpu = calloc(maps->cpus, sizeof(*s->per_cpu));
	if (!s || !s->per_cpu)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0,
		               "allocate the reader of socket statistics");
	s->maps = *maps;
	r = ring_open(maps->records_fd, maps->ring_bytes, &s->ring, err);
	if (r < 0)
		return r;
	*ret = TAKE(s, NULL);
	return 0;
}

struct sockstat *sockstat_close(struct sockstat *s)
{
	if (!s)
		return NULL;
	ring_close(&s->ring);
	wholes_free(&s->wholes);
	free(s->per_cpu);
	free(s);
	return NULL;
}

/* --- maps ----------------------------------------------------------------------------------------- */

static int map_call(int command, int map_fd, const void *key, void *value)
{
	union bpf_attr attr = { .map_fd = (uint32_t)map_fd,
		                .key = (uintptr_t)key,
		                .value = (uintptr_t)value };

	return syscall(SYS_bpf, command, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int sockstat_tag(struct sockstat *s, int socket_fd, struct err *err)
{
	struct tcpstat_flow flow = { .event.cookie = tcpinfo_cookie(socket_fd) };
	int r = map_call(BPF_MAP_UPDATE_ELEM, s->maps.flows_fd, &socket_fd, &flow);

	return r < 0 ? ERR_SET(err, r, ERR_BPF, 0, "tag a socket for statistics") : 0;
}

int sockstat_flow(struct sockstat *s, int socket_fd, struct tcpstat_flow *ret, struct err *err)
{
	int r = map_call(BPF_MAP_LOOKUP_ELEM, s->maps.flows_fd, &socket_fd, ret);

	return r < 0 ? ERR_SET(err, r, ERR_BPF, 0, "read a socket's statistics") : 0;
}

int sockstat_counters(struct sockstat *s, struct tcpstat_counters *ret, struct err *err)
{
	struct tcpstat_counters sum = {};
	uint32_t key = 0;
	int r = map_call(BPF_MAP_LOOKUP_ELEM, s->maps.counters_fd, &key, s->per_cpu);

	if (r < 0)
		return ERR_SET(err, r, ERR_BPF, 0, "read the counters of records");
	for (uint32_t i = 0; i < s->maps.cpus; i++) {
		sum.emitted += s->per_cpu[i].emitted;
		sum.lost += s->per_cpu[i].lost;
	}
	*ret = sum;
	return 0;
}

const struct tcpstat_counters *sockstat_cpu_counters(const struct sockstat *s, uint32_t *ret_cpus)
{
	*ret_cpus = s->maps.cpus;
	return s->per_cpu;
}

/* A kernel that knows less answers a shorter length. */
struct tcp_missed sockstat_missed(const struct sockstat *s)
{
	struct bpf_prog_info info = {};
	union bpf_attr attr = { .info = { .bpf_fd = (uint32_t)s->maps.probe_fd,
		                          .info_len = sizeof(info),
		                          .info = (uintptr_t)&info } };

	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) < 0 ||
	    attr.info.info_len < offsetof(struct bpf_prog_info, recursion_misses) +
	                                 sizeof(info.recursion_misses))
		return (struct tcp_missed){};
	return (struct tcp_missed){ info.recursion_misses, true };
}

/* --- records -------------------------------------------------------------------------------------- */

/* tcpstat_field to tcp_sample_field; a bit of two of ours needs both. */
static uint32_t present_of(uint32_t present)
{
	static const struct {
		uint32_t theirs, ours;
	} bits[] = {
		{ TCPSTAT_HAS_SRTT, TCP_SAMPLE_RTT },
		{ TCPSTAT_HAS_RTTVAR, TCP_SAMPLE_RTTVAR },
		{ TCPSTAT_HAS_MIN_RTT, TCP_SAMPLE_MIN_RTT },
		{ TCPSTAT_HAS_LATEST_RTT, TCP_SAMPLE_LATEST_RTT },
		{ TCPSTAT_HAS_RCV_RTT, TCP_SAMPLE_RCV_RTT },
		{ TCPSTAT_HAS_CWND, TCP_SAMPLE_CWND },
		{ TCPSTAT_HAS_CA_STATE, TCP_SAMPLE_CA_STATE },
		{ TCPSTAT_HAS_BYTES, TCP_SAMPLE_BYTES },
		{ TCPSTAT_HAS_BYTES_SENT, TCP_SAMPLE_BYTES_SENT },
		{ TCPSTAT_HAS_DELIVERY_RATE | TCPSTAT_HAS_APP_LIMITED, TCP_SAMPLE_DELIVERY_RATE },
		{ TCPSTAT_HAS_PACING_RATE, TCP_SAMPLE_PACING_RATE },
		{ TCPSTAT_HAS_SEGMENTS, TCP_SAMPLE_SEGMENTS },
		{ TCPSTAT_HAS_SND_WND, TCP_SAMPLE_SND_WND },
		{ TCPSTAT_HAS_RCV_WND, TCP_SAMPLE_RCV_WND },
		{ TCPSTAT_HAS_NOTSENT, TCP_SAMPLE_NOTSENT },
		{ TCPSTAT_HAS_OOO, TCP_SAMPLE_OOO },
		{ TCPSTAT_HAS_LIMITS, TCP_SAMPLE_LIMITS },
	};
	uint32_t ours = TCP_SAMPLE_TCP_STATE;

	if (present ==
	    TCPSTAT_HAS_EVERYTHING) /* as of nearly each, which come by the hundred thousand */
		return TCP_SAMPLE_EVERYTHING;
	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if ((present & bits[i].theirs) == bits[i].theirs)
			ours |= bits[i].ours;
	return ours;
}

/* A reset is told by the state it leads to, and by the flow's ending. */
static enum tcp_sample_event event_of(enum tcpstat_kind kind)
{
	static const enum tcp_sample_event events[TCPSTAT_KINDS] = {
		[TCPSTAT_ACK] = TCP_SAMPLE_ACK,
		[TCPSTAT_RETRANSMIT] = TCP_SAMPLE_RETRANSMIT,
		[TCPSTAT_STATE] = TCP_SAMPLE_STATE,
		[TCPSTAT_CONGESTION] = TCP_SAMPLE_CONGESTION,
		[TCPSTAT_RESET_SENT] = TCP_SAMPLE_STATE,
		[TCPSTAT_RESET_RECEIVED] = TCP_SAMPLE_STATE,
		[TCPSTAT_BEGIN] = TCP_SAMPLE_STATE,
		[TCPSTAT_END] = TCP_SAMPLE_STATE,
	};

	return events[kind];
}

static struct tcp_sample sample_of(const struct tcpstat_event *e)
{
	return (struct tcp_sample){
		.at_ns = e->at_ns,
		.cookie = e->cookie,
		.bytes_acked = e->bytes_acked,
		.bytes_received = e->bytes_received,
		.bytes_sent = e->bytes_sent,
		.bytes_retrans = e->bytes_retrans,
		.delivery_rate_bps = e->delivery_rate_bps,
		.pacing_rate_bps = e->pacing_rate_bps,
		.busy_us = e->busy_us,
		.rwnd_limited_us = e->rwnd_limited_us,
		.sndbuf_limited_us = e->sndbuf_limited_us,
		.present = present_of(e->present),
		.srtt_us = e->srtt_us,
		.rttvar_us = e->rttvar_us,
		.min_rtt_us = e->min_rtt_us,
		.latest_rtt_us = e->latest_rtt_us,
		.rcv_rtt_us = e->rcv_rtt_us,
		.snd_cwnd_segments = e->snd_cwnd_segments,
		.ssthresh_segments = e->ssthresh_segments,
		.inflight_segments = e->inflight_segments,
		.lost_segments = e->lost_segments,
		.sacked_segments = e->sacked_segments,
		.snd_wnd_bytes = e->snd_wnd_bytes,
		.rcv_wnd_bytes = e->rcv_wnd_bytes,
		.notsent_bytes = e->notsent_bytes,
		.ooo_segments = e->ooo_segments,
		.ca_state = e->ca_state,
		.state = e->state,
		.event = (uint8_t)event_of(e->kind),
		.app_limited = e->app_limited != 0,
	};
}

/* ::ffff:192.0.2.1 */
static void copy_address(uint8_t out[16], const uint8_t in[16], uint16_t family)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == AF_INET6) {
		memcpy(out, in, 16);
	} else if (family == AF_INET) {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + sizeof(mapped), in, 4);
	}
}

static void copy_name(char out[TCPSTAT_NAME_BYTES], const char in[TCPSTAT_NAME_BYTES])
{
	memcpy(out, in, TCPSTAT_NAME_BYTES);
	out[TCPSTAT_NAME_BYTES - 1] = '\0';
	bytes_make_printable(out);
}

static struct tcp_flow flow_of(const struct tcpstat_event *e, const struct tcpstat_identity *who,
                               uint64_t began_ns)
{
	struct tcp_flow f = {
		.cookie = e->cookie,
		.at_ns = began_ns,
		.local_port = who->local_port,
		.remote_port = who->remote_port,
		.pid = who->pid,
		.role = who->role == TCPSTAT_CONNECTED  ? TCP_FLOW_CLIENT
		        : who->role == TCPSTAT_ACCEPTED ? TCP_FLOW_SERVER
		                                        : TCP_FLOW_ROLE_UNKNOWN,
	};

	static_assert(sizeof(f.comm) == TCPSTAT_NAME_BYTES, "the kernel's names fit");
	static_assert(sizeof(f.congestion) == TCPSTAT_NAME_BYTES, "the kernel's names fit");
	copy_address(f.local_ip, who->local, who->family);
	copy_address(f.remote_ip, who->remote, who->family);
	copy_name(f.comm, who->comm);
	copy_name(f.congestion, who->congestion);
	return f;
}

/* Where one more would not fit, receipts that go on from it say what they say themselves. */
static void take_sample(const struct tcpstat_event *e, struct wholes *wholes,
                        const struct sockstat_sink *sink)
{
	struct tcp_sample sample = sample_of(e);

	tcp_sample_drop_unset(&sample);
	if (e->kind == TCPSTAT_ACK && e->inflight_segments == 0 && e->notsent_bytes == 0)
		wholes_keep(wholes, &sample);
	sink->samples.take(sink->samples.self, &sample);
}

#define RECEIPT_HAS                                                                                \
	(TCP_SAMPLE_RCV_RTT | TCP_SAMPLE_SND_WND | TCP_SAMPLE_RCV_WND | TCP_SAMPLE_OOO |           \
	 TCP_SAMPLE_CA_STATE | TCP_SAMPLE_TCP_STATE)

static void take_receipts(const struct tcpstat_receipts *e, struct wholes *wholes,
                          const struct sockstat_sink *sink)
{
	struct tcp_sample alone = { .cookie = e->cookie, .event = TCP_SAMPLE_ACK };
	struct whole *whole = wholes_find(wholes, e->cookie);
	struct tcp_sample *s = whole && whole->ns == e->whole_ns ? &whole->sample : &alone;

	s->ca_state = e->ca_state;
	s->state = e->state;
	for (uint32_t i = 0; i < e->count; i++) {
		s->present |= RECEIPT_HAS;
		s->at_ns = e->receipt[i].at_ns;
		s->bytes_received = e->receipt[i].bytes_received;
		s->rcv_rtt_us = e->receipt[i].rcv_rtt_us;
		s->snd_wnd_bytes = e->receipt[i].snd_wnd_bytes;
		s->rcv_wnd_bytes = e->receipt[i].rcv_wnd_bytes;
		s->ooo_segments = e->receipt[i].ooo_segments;
		tcp_sample_drop_unset(s);
		sink->samples.take(sink->samples.self, s);
	}
}

static void take_begin(const struct tcpstat_begin *b, const struct sockstat_sink *sink)
{
	struct tcp_flow flow = flow_of(&b->event, &b->who, b->event.at_ns);

	if (sink->samples.meet)
		sink->samples.meet(sink->samples.self, &flow);
}

/* The words of docs/traces.md. What was tagged late was established before anybody looked. */
static const char *ending_of(const struct tcpstat_flow *f)
{
	bool established = f->who.role != TCPSTAT_CONNECTED || f->seen[TCPSTAT_BEGIN] > 0;

	if (!established && f->error == ECONNREFUSED)
		return "refused";
	switch (f->error) {
	case ETIMEDOUT:
		return "timed out"; /* also where a reset was sent after it, to be rid of it */
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "no route";
	default:
		break;
	}
	if (f->seen[TCPSTAT_RESET_RECEIVED])
		return "reset received";
	if (f->seen[TCPSTAT_RESET_SENT])
		return "reset sent";
	if (!established)
		return f->error == TCPSTAT_ERROR_UNKNOWN ? "failed" : "given up";
	return "closed";
}

static void take_end(const struct tcpstat_flow *f, struct wholes *wholes,
                     const struct sockstat_sink *sink)
{
	struct tcp_flow flow = flow_of(&f->event, &f->who, f->began_ns);

	bytes_copy_text(flow.ending, sizeof(flow.ending), ending_of(f));
	wholes_drop(wholes, f->event.cookie);
	take_sample(&f->event, wholes, sink);
	if (sink->samples.meet)
		sink->samples.meet(sink->samples.self, &flow);
	if (f->lost && sink->samples.lose)
		sink->samples.lose(sink->samples.self, f->event.cookie, f->lost);
	if (sink->end)
		sink->end(sink->samples.self, f);
}

static size_t size_of(enum tcpstat_kind kind)
{
	switch (kind) {
	case TCPSTAT_BEGIN:
		return sizeof(struct tcpstat_begin);
	case TCPSTAT_END:
		return sizeof(struct tcpstat_flow);
	default:
		return sizeof(struct tcpstat_event);
	}
}

static bool is_end(const void *record, size_t bytes)
{
	return bytes == sizeof(struct tcpstat_flow) &&
	       ((const struct tcpstat_event *)record)->kind == TCPSTAT_END;
}

/* No whole record is as long. */
static bool are_receipts(const struct tcpstat_receipts *r, size_t bytes)
{
	const size_t head = offsetof(struct tcpstat_receipts, receipt), each = sizeof(*r->receipt);

	static_assert(sizeof(struct tcpstat_event) % sizeof(*r->receipt) != 0 &&
	                      sizeof(struct tcpstat_begin) % sizeof(*r->receipt) != 0 &&
	                      sizeof(struct tcpstat_flow) > sizeof(*r),
	              "records are told apart by their sizes");
	return bytes > head && bytes <= sizeof(*r) && (bytes - head) % each == 0 &&
	       r->count == (bytes - head) / each;
}

static uint32_t samples_in(const void *record, size_t bytes)
{
	bool many = bytes != sizeof(struct tcpstat_event) && are_receipts(record, bytes);

	return many ? ((const struct tcpstat_receipts *)record)->count : 1;
}

bool sockstat_record(const void *data, size_t bytes, struct wholes *wholes,
                     const struct sockstat_sink *sink)
{
	const struct tcpstat_event *e = data;

	if (bytes != sizeof(*e) && are_receipts(data, bytes)) {
		take_receipts(data, wholes, sink);
		return true;
	}
	if (bytes < sizeof(*e) || e->kind >= TCPSTAT_KINDS || bytes != size_of(e->kind))
		return false;
	if (e->kind == TCPSTAT_BEGIN)
		take_begin(data, sink);
	else if (e->kind == TCPSTAT_END)
		take_end(data, wholes, sink);
	else
		take_sample(e, wholes, sink);
	return true;
}

static void take_record(void *self, const void *record, size_t bytes)
{
	struct sockstat *s = self;

	s->taken += samples_in(record, bytes);
	if (sockstat_record(record, bytes, &s->wholes, s->sink) && is_end(record, bytes))
		s->lost_told += ((const struct tcpstat_flow *)record)->lost;
}

size_t sockstat_drain(struct sockstat *s, const struct sockstat_sink *sink)
{
	size_t taken;

	s->sink = sink;
	taken = ring_drain(&s->ring, &s->record, sizeof(s->record), SIZE_MAX, take_record, s);
	s->sink = NULL;
	return taken;
}

bool sockstat_drain_some(struct sockstat *s, const struct sockstat_sink *sink, uint64_t samples)
{
	const uint64_t until = s->taken + samples;
	size_t taken;

	s->sink = sink;
	do
		taken = ring_drain(&s->ring, &s->record, sizeof(s->record), SLICE_RECORDS,
		                   take_record, s);
	while (taken == SLICE_RECORDS && s->taken < until);
	s->sink = NULL;
	return taken == SLICE_RECORDS;
}

int sockstat_finish(struct sockstat *s, const struct sockstat_sink *sink, struct err *err)
{
	struct tcpstat_counters counters;
	int r;

	sockstat_drain(s, sink);
	r = sockstat_counters(s, &counters, err);
	if (r < 0)
		return r;
	if (counters.lost > s->lost_told && sink->samples.lose)
		sink->samples.lose(sink->samples.self, 0, counters.lost - s->lost_told);
	s->lost_told = counters.lost;
	return 0;
}
