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
	TCP_SAMPLE_EVENTS, /* how many there are */
};

/* Bits of tcp_sample.present. */
enum tcp_sample_field {
	TCP_SAMPLE_RTT = 1 << 0,           /* srtt_us */
	TCP_SAMPLE_MIN_RTT = 1 << 1,       /* min_rtt_us */
	TCP_SAMPLE_RCV_RTT = 1 << 2,       /* rcv_rtt_us */
	TCP_SAMPLE_CWND = 1 << 3,          /* snd_cwnd_segments, ssthresh_segments */
	TCP_SAMPLE_BYTES = 1 << 4,         /* bytes_acked, bytes_received */
	TCP_SAMPLE_BYTES_SENT = 1 << 5,    /* bytes_sent, bytes_retrans */
	TCP_SAMPLE_DELIVERY_RATE = 1 << 6, /* delivery_rate_bps, app_limited */
	TCP_SAMPLE_PACING_RATE = 1 << 7,   /* pacing_rate_bps */
	TCP_SAMPLE_SEGMENTS = 1 << 8,      /* inflight_, lost_, sacked_segments */
	TCP_SAMPLE_SND_WND = 1 << 9,       /* snd_wnd_bytes */
	TCP_SAMPLE_RCV_WND = 1 << 10,      /* rcv_wnd_bytes */
	TCP_SAMPLE_NOTSENT = 1 << 11,      /* notsent_bytes */
	TCP_SAMPLE_OOO = 1 << 12,          /* ooo_segments */
	TCP_SAMPLE_LIMITS = 1 << 13,       /* busy_us, rwnd_limited_us, sndbuf_limited_us */
	TCP_SAMPLE_TCP_STATE = 1 << 14,    /* state */
	TCP_SAMPLE_RTTVAR = 1 << 15,       /* rttvar_us */
	TCP_SAMPLE_CA_STATE = 1 << 16,     /* ca_state */
	TCP_SAMPLE_LATEST_RTT = 1 << 17,   /* latest_rtt_us */
	TCP_SAMPLE_EVERYTHING = (1 << 18) - 1,
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
	uint32_t min_rtt_us;    /* windowed: net.ipv4.tcp_min_rtt_wlen */
	uint32_t latest_rtt_us; /* the sample that moved srtt last; TCP_INFO has none */
	uint32_t rcv_rtt_us;    /* the receiver's estimate */
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
	uint8_t state;         /* of tcp(7): 1 established … 11 closing, as TCP_ESTABLISHED */
	uint8_t event;         /* enum tcp_sample_event */
	bool app_limited;      /* then delivery_rate_bps says little of the path */
};

/* Before its first round trip a kernel's estimates are 0, which is no time: they are absent then. */
static inline void tcp_sample_drop_unset(struct tcp_sample *s)
{
	if (s->srtt_us == 0)
		s->present &= ~(uint32_t)(TCP_SAMPLE_RTT | TCP_SAMPLE_RTTVAR);
	if (s->rcv_rtt_us == 0)
		s->present &= ~(uint32_t)TCP_SAMPLE_RCV_RTT;
}

/* The connection that samples of one cookie are of, as far as it is known. */
enum tcp_flow_role {
	TCP_FLOW_ROLE_UNKNOWN,
	TCP_FLOW_CLIENT, /* it connected */
	TCP_FLOW_SERVER, /* it accepted */
};

struct tcp_flow {
	uint64_t cookie;      /* SO_COOKIE */
	uint64_t at_ns;       /* when it was first seen, CLOCK_MONOTONIC */
	uint8_t local_ip[16]; /* IPv6, or IPv4 mapped into it; all 0: not known */
	uint8_t remote_ip[16];
	uint16_t local_port; /* 0: not known */
	uint16_t remote_port;
	uint32_t pid;        /* whose socket it is; 0: not known */
	uint8_t role;        /* enum tcp_flow_role */
	char comm[16];       /* that process; here and below, "" is not known */
	char congestion[16]; /* its congestion control, by the kernel's name */
	char test[16];       /* "download", "upload": of our own */
	char ending[24];     /* what ended it, in a word or two */
};

/* What a source may have passed over, of any connection of the machine: how many were ours is not known. */
struct tcp_missed {
	uint64_t segments_at_most;
	bool known;
};

/* Takes samples as they are made; `self` is the sink. The calls that may be NULL are of no interest to
 * it. */
struct sample_sink {
	void (*take)(void *self, const struct tcp_sample *sample);

	/* May be NULL. A flow, before its first sample where that can be had; again, whole, when more of
	 * it is known. */
	void (*meet)(void *self, const struct tcp_flow *flow);

	/* May be NULL. So many samples of a flow (0: of whichever) were made and never taken. */
	void (*lose)(void *self, uint64_t cookie, uint64_t samples);

	void *self;
};
