/* ndt7's measurement messages: the JSON of a text message, both ways.
 *
 * Pure, without allocation; fuzzed. Integers are read as 64-bit integers, never through a double, so
 * that counters above 2^53 are exact. Every object and key may be missing, unknown keys are skipped, null
 * is missing, order is free (ndt7 0.11, "Measurement message").
 * A value that is no integer, or outside 64 bits, is as missing. Of a key that comes twice the last
 * usable value stands, as in the reference's own reader. An integer inside 64 bits is taken as it is:
 * a counter may be negative or run backwards, which is for the reader of the figures to judge.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define MEASUREMENT_JSON_MAX  4096 /* of what measurement_write() makes */
#define MEASUREMENT_DEPTH_MAX 32   /* of what measurement_parse() follows; deeper is refused */

/* TCPInfo's members in the order the reference server writes them. The third is the width of its
 * field there: clients may only send values inside it, because the reference server stops reading the
 * connection for good at one that is not. */
/* clang-format off: a row a member */
#define MEASUREMENT_TCP_FIELDS(X)                                                                  \
	X(State, state, U8)                                                                        \
	X(CAState, ca_state, U8)                                                                   \
	X(Retransmits, retransmits, U8)                                                            \
	X(Probes, probes, U8)                                                                      \
	X(Backoff, backoff, U8)                                                                    \
	X(Options, options, U8)                                                                    \
	X(WScale, wscale, U8)                                                                      \
	X(AppLimited, app_limited, U8)                                                             \
	X(RTO, rto_us, U32)                                                                        \
	X(ATO, ato_us, U32)                                                                        \
	X(SndMSS, snd_mss, U32)                                                                    \
	X(RcvMSS, rcv_mss, U32)                                                                    \
	X(Unacked, unacked, U32)                                                                   \
	X(Sacked, sacked, U32)                                                                     \
	X(Lost, lost, U32)                                                                         \
	X(Retrans, retrans, U32)                                                                   \
	X(Fackets, fackets, U32)                                                                   \
	X(LastDataSent, last_data_sent_ms, U32)                                                    \
	X(LastAckSent, last_ack_sent_ms, U32)                                                      \
	X(LastDataRecv, last_data_recv_ms, U32)                                                    \
	X(LastAckRecv, last_ack_recv_ms, U32)                                                      \
	X(PMTU, pmtu, U32)                                                                         \
	X(RcvSsThresh, rcv_ssthresh, U32)                                                          \
	X(RTT, rtt_us, U32)                                                                        \
	X(RTTVar, rttvar_us, U32)                                                                  \
	X(SndSsThresh, snd_ssthresh, U32)                                                          \
	X(SndCwnd, snd_cwnd, U32)                                                                  \
	X(AdvMSS, advmss, U32)                                                                     \
	X(Reordering, reordering, U32)                                                             \
	X(RcvRTT, rcv_rtt_us, U32)                                                                 \
	X(RcvSpace, rcv_space, U32)                                                                \
	X(TotalRetrans, total_retrans, U32)                                                        \
	X(PacingRate, pacing_rate, I64)                                                            \
	X(MaxPacingRate, max_pacing_rate, I64)                                                     \
	X(BytesAcked, bytes_acked, I64)                                                            \
	X(BytesReceived, bytes_received, I64)                                                      \
	X(SegsOut, segs_out, I32)                                                                  \
	X(SegsIn, segs_in, I32)                                                                    \
	X(NotsentBytes, notsent_bytes, U32)                                                        \
	X(MinRTT, min_rtt_us, U32)                                                                 \
	X(DataSegsIn, data_segs_in, U32)                                                           \
	X(DataSegsOut, data_segs_out, U32)                                                         \
	X(DeliveryRate, delivery_rate, I64)                                                        \
	X(BusyTime, busy_time_us, I64)                                                             \
	X(RWndLimited, rwnd_limited_us, I64)                                                       \
	X(SndBufLimited, sndbuf_limited_us, I64)                                                   \
	X(Delivered, delivered, U32)                                                               \
	X(DeliveredCE, delivered_ce, U32)                                                          \
	X(BytesSent, bytes_sent, I64)                                                              \
	X(BytesRetrans, bytes_retrans, I64)                                                        \
	X(DSackDups, dsack_dups, U32)                                                              \
	X(ReordSeen, reord_seen, U32)                                                              \
	X(RcvOooPack, rcv_ooopack, U32)                                                            \
	X(SndWnd, snd_wnd, U32)                                                                    \
	X(ElapsedTime, elapsed_us, I64)

enum measurement_tcp_field {
#define X(json, member, T) MEASUREMENT_TCP_##json,
	MEASUREMENT_TCP_FIELDS(X)
#undef X
		MEASUREMENT_TCP_FIELD_COUNT
};

struct measurement_tcp_info {
	uint64_t present; /* 1 << enum measurement_tcp_field */
#define X(json, member, T) int64_t member;
	MEASUREMENT_TCP_FIELDS(X)
#undef X
};
/* clang-format on */

static inline bool measurement_has(const struct measurement_tcp_info *t,
                                   enum measurement_tcp_field field)
{
	return t->present >> field & 1;
}

void measurement_tcp_set(struct measurement_tcp_info *t, enum measurement_tcp_field field,
                         int64_t value);

struct measurement_bbr_info {
	int64_t bw_bytes_per_s;
	int64_t min_rtt_us;
	int64_t pacing_gain; /* 256 is 1.0 */
	int64_t cwnd_gain;   /* 256 is 1.0 */
	int64_t elapsed_us;
};

struct measurement_app_info {
	int64_t num_bytes;
	int64_t elapsed_us;
};

struct measurement_connection_info { /* a string that does not fit is as missing: "" */
	char client[64];             /* address:port, IPv6 in brackets */
	char server[64];
	char uuid[128];
	char start_time[48]; /* RFC 3339 */
};

struct measurement {
	/* The object was there; AppInfo and BBRInfo, which have no presence of their members, whole. */
	bool has_app_info, has_bbr_info, has_connection_info, has_tcp_info;
	struct measurement_app_info app_info;
	struct measurement_bbr_info bbr_info;
	struct measurement_connection_info connection_info;
	struct measurement_tcp_info tcp_info;
	char origin[8]; /* "client", "server", "" */
	char test[10];  /* "download", "upload", "" */
};

/*   -EINVAL  not one JSON object (trailing white space is allowed), or nested too deep;
 *   *ret is then untouched */
int measurement_parse(const char *json, size_t n, struct measurement *ret, struct err *err);

/* The objects and members that are present, in the reference server's order: ConnectionInfo,
 * AppInfo, BBRInfo, TCPInfo, Origin, Test. Plain decimal integers; TCP values outside their width
 * are left out. Answers the length (terminated, no newline), or -ENOSPC. */
int measurement_write(const struct measurement *m, char *out, size_t out_bytes);
