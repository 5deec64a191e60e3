/* Samples and flows for the tests of traces: drawn from a seed, with the edges of what a kernel may say;
 * what is not present is 0, as it comes back. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "measure/trace.h"
#include "tests/cases.h"
#include "transport/base/draw.h"

#define TRACE_SAMPLE_GROUPS (2 * TCP_SAMPLE_LATEST_RTT - 1) /* the last one */

static inline uint64_t trace_draw_count(uint64_t *state, bool wide)
{
	static const uint64_t edges[] = {
		0, 1, 127, 128, UINT32_MAX, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX
	};
	uint64_t draw = draw_u64(state);
	uint64_t value = draw % 3 ? draw_u64(state) >> (draw >> 8) % 64 : edges[draw / 3 % 8];

	return wide ? value : (uint32_t)value;
}

#define TRACE_DRAW(s, state, group, member)                                                        \
	do {                                                                                       \
		if ((s)->present & TCP_SAMPLE_##group)                                             \
			(s)->member = (__typeof__((s)->member))trace_draw_count(                   \
				state, sizeof((s)->member) == 8);                                  \
	} while (0)

static inline struct tcp_sample trace_draw_sample(uint64_t *state, uint64_t cookie, uint64_t at_ns)
{
	struct tcp_sample s = { .at_ns = at_ns, .cookie = cookie };

	s.event = (uint8_t)(draw_u64(state) % TCP_SAMPLE_EVENTS);
	s.present = (uint32_t)draw_u64(state) & TRACE_SAMPLE_GROUPS;
	if (draw_u64(state) % 4 == 0)
		s.present = TRACE_SAMPLE_GROUPS;
	TRACE_DRAW(&s, state, RTT, srtt_us);
	TRACE_DRAW(&s, state, RTTVAR, rttvar_us);
	TRACE_DRAW(&s, state, LATEST_RTT, latest_rtt_us);
	TRACE_DRAW(&s, state, MIN_RTT, min_rtt_us);
	TRACE_DRAW(&s, state, RCV_RTT, rcv_rtt_us);
	TRACE_DRAW(&s, state, CWND, snd_cwnd_segments);
	TRACE_DRAW(&s, state, CWND, ssthresh_segments);
	TRACE_DRAW(&s, state, CA_STATE, ca_state);
	TRACE_DRAW(&s, state, BYTES, bytes_acked);
	TRACE_DRAW(&s, state, BYTES, bytes_received);
	TRACE_DRAW(&s, state, BYTES_SENT, bytes_sent);
	TRACE_DRAW(&s, state, BYTES_SENT, bytes_retrans);
	TRACE_DRAW(&s, state, DELIVERY_RATE, delivery_rate_bps);
	TRACE_DRAW(&s, state, PACING_RATE, pacing_rate_bps);
	TRACE_DRAW(&s, state, SEGMENTS, inflight_segments);
	TRACE_DRAW(&s, state, SEGMENTS, lost_segments);
	TRACE_DRAW(&s, state, SEGMENTS, sacked_segments);
	TRACE_DRAW(&s, state, SND_WND, snd_wnd_bytes);
	TRACE_DRAW(&s, state, RCV_WND, rcv_wnd_bytes);
	TRACE_DRAW(&s, state, NOTSENT, notsent_bytes);
	TRACE_DRAW(&s, state, OOO, ooo_segments);
	TRACE_DRAW(&s, state, LIMITS, busy_us);
	TRACE_DRAW(&s, state, LIMITS, rwnd_limited_us);
	TRACE_DRAW(&s, state, LIMITS, sndbuf_limited_us);
	TRACE_DRAW(&s, state, TCP_STATE, state);
	if (s.present & TCP_SAMPLE_DELIVERY_RATE)
		s.app_limited = draw_u64(state) & 1;
	return s;
}

static inline void trace_assert_sample(const struct tcp_sample *is, const struct tcp_sample *want)
{
	/* Padding there may be, and differ. */
	assert_true(is->at_ns == want->at_ns);
	assert_true(is->cookie == want->cookie);
	assert_int_equal(is->event, want->event);
	assert_int_equal(is->present, want->present);
	assert_memory_equal(&is->bytes_acked, &want->bytes_acked,
	                    offsetof(struct tcp_sample, present) -
	                            offsetof(struct tcp_sample, bytes_acked));
	assert_memory_equal(&is->srtt_us, &want->srtt_us,
	                    offsetof(struct tcp_sample, ca_state) -
	                            offsetof(struct tcp_sample, srtt_us));
	assert_int_equal(is->ca_state, want->ca_state);
	assert_int_equal(is->state, want->state);
	assert_int_equal(is->app_limited, want->app_limited);
}

static inline struct tcp_flow trace_flow_example(uint64_t cookie)
{
	return (struct tcp_flow){
		.cookie = cookie,
		.at_ns = 1000,
		.local_ip = { [10] = 0xff, 0xff, 192, 0, 2, 17 },
		.remote_ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 5 },
		.local_port = 51234,
		.remote_port = 443,
		.pid = 4711,
		.role = TCP_FLOW_CLIENT,
		.comm = "a \"b\", #c\n\\",
		.congestion = "bbr",
		.test = "download",
		.ending = "close",
	};
}

static inline void trace_assert_flow(const struct tcp_flow *is, const struct tcp_flow *want)
{
	size_t told = offsetof(struct tcp_flow, ending) + sizeof(want->ending);

	assert_memory_equal(is, want, told); /* padding follows */
}

static inline struct trace_header trace_header_example(void)
{
	return (struct trace_header){
		.version = "0.1.0",
		.kernel = "6.12.1",
		.arch = "x86_64",
		.source = "tcp_info",
		.result = "0190f3c2-0000-7000-8000-000000000000",
		.command = "curl -o \"x y\"",
		.interval_ns = 1000000,
		.anchor = { 5000000000, 1800000000123456789, 40 },
	};
}
