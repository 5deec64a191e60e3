/* One look at one TCP connection, from whichever source, and where such looks go.
 *
 * Names and meanings are the kernel's (tcp(7), include/uapi/linux/tcp.h); docs/measurement.md says
 * of each which kernel field it is. What a source does not offer is absent from `present`: absent is
 * not 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum tcp_sample_event {
	TCP_SAMPLE_INFO, /* a poll of TCP_INFO */
	TCP_SAMPLE_ACK,
	TCP_SAMPLE_RETRANSMIT,
	TCP_SAMPLE_STATE,
	TCP_SAMPLE_CONGESTION,
};

enum tcp_sample_field {                               /* bits of tcp_sample.present */
	                TCP_SAMPLE_RTT = 1U << 0,     /* srtt_us, rttvar_us */
	                TCP_SAMPLE_MIN_RTT = 1U << 1, /* min_rtt_us */
	                TCP_SAMPLE_RCV_RTT = 1U << 2, /* rcv_rtt_us */
	                TCP_SAMPLE_CWND = 1U
	                                  << 3, /* snd_cwnd_segments, ssthresh_segments, ca_state */
	                TCP_SAMPLE_BYTES = 1U << 4,         /* bytes_acked, bytes_received */
	                TCP_SAMPLE_BYTES_SENT = 1U << 5,    /* bytes_sent, bytes_retrans */
	                TCP_SAMPLE_DELIVERY_RATE = 1U << 6, /* delivery_rate_bps, app_limited */
	                TCP_SAMPLE_PACING_RATE = 1U << 7,   /* pacing_rate_bps */
	                TCP_SAMPLE_SEGMENTS = 1U << 8,      /* inflight_, lost_, sacked_segments */
	                TCP_SAMPLE_SND_WND = 1U << 9,       /* snd_wnd_bytes */
	                TCP_SAMPLE_RCV_WND = 1U << 10,      /* rcv_wnd_bytes */
	                TCP_SAMPLE_NOTSENT = 1U << 11,      /* notsent_bytes */
	                TCP_SAMPLE_OOO = 1U << 12,          /* ooo_segments */
	                TCP_SAMPLE_LIMITS = 1U
	                                    << 13, /* busy_us, rwnd_limited_us, sndbuf_limited_us */
};

struct tcp_sample {
	uint64_t at_ns;       /* when it was read, CLOCK_MONOTONIC */
	uint64_t cookie;      /* the socket: SO_COOKIE */
	uint64_t bytes_acked; /* since the handshake: TLS, WebSocket and HTTP bytes count too */
	uint64_t bytes_received;
	uint64_t bytes_sent; /* with retransmissions */
	uint64_t bytes_retrans;
	uint64_t delivery_rate_bps; /* 8 * tcpi_delivery_rate, which is bytes per second */
	uint64_t pacing_rate_bps;   /* UINT64_MAX: not paced */
	uint64_t busy_us;           /* time with data outstanding */
	uint64_t rwnd_limited_us;
	uint64_t sndbuf_limited_us;
	uint32_t present; /* enum tcp_sample_field */
	uint32_t srtt_us; /* tcpi_rtt; tcp_sock and sockops keep 8 times this */
	uint32_t rttvar_us;
	uint32_t min_rtt_us; /* windowed: net.ipv4.tcp_min_rtt_wlen */
	uint32_t rcv_rtt_us; /* the receiver's estimate */
	uint32_t snd_cwnd_segments;
	uint32_t ssthresh_segments;
	uint32_t inflight_segments; /* tcpi_unacked */
	uint32_t lost_segments;
	uint32_t sacked_segments;
	uint32_t snd_wnd_bytes;
	uint32_t rcv_wnd_bytes;
	uint32_t notsent_bytes;
	uint32_t ooo_segments; /* received out of order */
	uint8_t ca_state;      /* enum tcp_ca_state */
	uint8_t event;         /* enum tcp_sample_event */
	bool app_limited;      /* then delivery_rate_bps says little of the path */
};

/* Takes samples as they are made; `self` is the sink. */
struct sample_sink {
	void (*take)(void *self, const struct tcp_sample *sample);
	void *self;
};
