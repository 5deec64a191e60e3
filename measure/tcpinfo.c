#include "measure/tcpinfo.h"

#include <assert.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/err.h"

/* The two bytes of bit fields are read whole. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first bit field is the lowest bit");
#define WSCALE_OFFSET      6
#define APP_LIMITED_OFFSET 7
#define APP_LIMITED_BIT    1

/* tcpi_rcv_wnd came with Linux 6.2, after the header this is built with. */
#define RCV_WND_OFFSET 232
static_assert(offsetof(struct tcp_info, tcpi_snd_wnd) == RCV_WND_OFFSET - 4, "it follows snd_wnd");

/* A field in the kernel's answer; `width` is negative where the ndt7 archive has it signed. */
struct source {
	uint16_t offset;
	int8_t width;
};

#define KERNEL_WIDTH(member) sizeof(((struct tcp_info *)NULL)->member)
#define KERNEL(member)                                                                             \
	{                                                                                          \
		offsetof(struct tcp_info, member), KERNEL_WIDTH(member)                            \
	}
#define KERNEL_I32(member)                                                                         \
	{                                                                                          \
		offsetof(struct tcp_info, member), -4                                              \
	}

static const struct source measurement_sources[] = {
	[MEASUREMENT_TCP_State] = KERNEL(tcpi_state),
	[MEASUREMENT_TCP_CAState] = KERNEL(tcpi_ca_state),
	[MEASUREMENT_TCP_Retransmits] = KERNEL(tcpi_retransmits),
	[MEASUREMENT_TCP_Probes] = KERNEL(tcpi_probes),
	[MEASUREMENT_TCP_Backoff] = KERNEL(tcpi_backoff),
	[MEASUREMENT_TCP_Options] = KERNEL(tcpi_options),
	[MEASUREMENT_TCP_WScale] = { WSCALE_OFFSET, 1 },
	[MEASUREMENT_TCP_AppLimited] = { APP_LIMITED_OFFSET, 1 },
	[MEASUREMENT_TCP_RTO] = KERNEL(tcpi_rto),
	[MEASUREMENT_TCP_ATO] = KERNEL(tcpi_ato),
	[MEASUREMENT_TCP_SndMSS] = KERNEL(tcpi_snd_mss),
	[MEASUREMENT_TCP_RcvMSS] = KERNEL(tcpi_rcv_mss),
	[MEASUREMENT_TCP_Unacked] = KERNEL(tcpi_unacked),
	[MEASUREMENT_TCP_Sacked] = KERNEL(tcpi_sacked),
	[MEASUREMENT_TCP_Lost] = KERNEL(tcpi_lost),
	[MEASUREMENT_TCP_Retrans] = KERNEL(tcpi_retrans),
	[MEASUREMENT_TCP_Fackets] = KERNEL(tcpi_fackets),
	[MEASUREMENT_TCP_LastDataSent] = KERNEL(tcpi_last_data_sent),
	[MEASUREMENT_TCP_LastAckSent] = KERNEL(tcpi_last_ack_sent),
	[MEASUREMENT_TCP_LastDataRecv] = KERNEL(tcpi_last_data_recv),
	[MEASUREMENT_TCP_LastAckRecv] = KERNEL(tcpi_last_ack_recv),
	[MEASUREMENT_TCP_PMTU] = KERNEL(tcpi_pmtu),
	[MEASUREMENT_TCP_RcvSsThresh] = KERNEL(tcpi_rcv_ssthresh),
	[MEASUREMENT_TCP_RTT] = KERNEL(tcpi_rtt),
	[MEASUREMENT_TCP_RTTVar] = KERNEL(tcpi_rttvar),
	[MEASUREMENT_TCP_SndSsThresh] = KERNEL(tcpi_snd_ssthresh),
	[MEASUREMENT_TCP_SndCwnd] = KERNEL(tcpi_snd_cwnd),
	[MEASUREMENT_TCP_AdvMSS] = KERNEL(tcpi_advmss),
	[MEASUREMENT_TCP_Reordering] = KERNEL(tcpi_reordering),
	[MEASUREMENT_TCP_RcvRTT] = KERNEL(tcpi_rcv_rtt),
	[MEASUREMENT_TCP_RcvSpace] = KERNEL(tcpi_rcv_space),
	[MEASUREMENT_TCP_TotalRetrans] = KERNEL(tcpi_total_retrans),
	[MEASUREMENT_TCP_PacingRate] = KERNEL(tcpi_pacing_rate),
	[MEASUREMENT_TCP_MaxPacingRate] = KERNEL(tcpi_max_pacing_rate),
	[MEASUREMENT_TCP_BytesAcked] = KERNEL(tcpi_bytes_acked),
	[MEASUREMENT_TCP_BytesReceived] = KERNEL(tcpi_bytes_received),
	[MEASUREMENT_TCP_SegsOut] = KERNEL_I32(tcpi_segs_out),
	[MEASUREMENT_TCP_SegsIn] = KERNEL_I32(tcpi_segs_in),
	[MEASUREMENT_TCP_NotsentBytes] = KERNEL(tcpi_notsent_bytes),
	[MEASUREMENT_TCP_MinRTT] = KERNEL(tcpi_min_rtt),
	[MEASUREMENT_TCP_DataSegsIn] = KERNEL(tcpi_data_segs_in),
	[MEASUREMENT_TCP_DataSegsOut] = KERNEL(tcpi_data_segs_out),
	[MEASUREMENT_TCP_DeliveryRate] = KERNEL(tcpi_delivery_rate),
	[MEASUREMENT_TCP_BusyTime] = KERNEL(tcpi_busy_time),
	[MEASUREMENT_TCP_RWndLimited] = KERNEL(tcpi_rwnd_limited),
	[MEASUREMENT_TCP_SndBufLimited] = KERNEL(tcpi_sndbuf_limited),
	[MEASUREMENT_TCP_Delivered] = KERNEL(tcpi_delivered),
	[MEASUREMENT_TCP_DeliveredCE] = KERNEL(tcpi_delivered_ce),
	[MEASUREMENT_TCP_BytesSent] = KERNEL(tcpi_bytes_sent),
	[MEASUREMENT_TCP_BytesRetrans] = KERNEL(tcpi_bytes_retrans),
	[MEASUREMENT_TCP_DSackDups] = KERNEL(tcpi_dsack_dups),
	[MEASUREMENT_TCP_ReordSeen] = KERNEL(tcpi_reord_seen),
	[MEASUREMENT_TCP_RcvOooPack] = KERNEL(tcpi_rcv_ooopack),
	[MEASUREMENT_TCP_SndWnd] = KERNEL(tcpi_snd_wnd),
};
static_assert(sizeof(measurement_sources) / sizeof(*measurement_sources) ==
                      MEASUREMENT_TCP_ElapsedTime,
              "all but ElapsedTime, which is the last, are the kernel's");

struct sample_row {
	uint32_t field; /* enum tcp_sample_field: present when all its rows are in the answer */
	struct source source;
	uint16_t offset; /* in struct tcp_sample */
	uint8_t width;
};

#define SAMPLE_WIDTH(member) sizeof(((struct tcp_sample *)NULL)->member)
#define SAMPLE(member)       offsetof(struct tcp_sample, member), SAMPLE_WIDTH(member)

static const struct sample_row sample_rows[] = {
	{ TCP_SAMPLE_RTT, KERNEL(tcpi_rtt), SAMPLE(srtt_us) },
	{ TCP_SAMPLE_RTTVAR, KERNEL(tcpi_rttvar), SAMPLE(rttvar_us) },
	{ TCP_SAMPLE_MIN_RTT, KERNEL(tcpi_min_rtt), SAMPLE(min_rtt_us) },
	{ TCP_SAMPLE_RCV_RTT, KERNEL(tcpi_rcv_rtt), SAMPLE(rcv_rtt_us) },
	{ TCP_SAMPLE_CWND, KERNEL(tcpi_snd_cwnd), SAMPLE(snd_cwnd_segments) },
	{ TCP_SAMPLE_CWND, KERNEL(tcpi_snd_ssthresh), SAMPLE(ssthresh_segments) },
	{ TCP_SAMPLE_CA_STATE, KERNEL(tcpi_ca_state), SAMPLE(ca_state) },
	{ TCP_SAMPLE_BYTES, KERNEL(tcpi_bytes_acked), SAMPLE(bytes_acked) },
	{ TCP_SAMPLE_BYTES, KERNEL(tcpi_bytes_received), SAMPLE(bytes_received) },
	{ TCP_SAMPLE_BYTES_SENT, KERNEL(tcpi_bytes_sent), SAMPLE(bytes_sent) },
	{ TCP_SAMPLE_BYTES_SENT, KERNEL(tcpi_bytes_retrans), SAMPLE(bytes_retrans) },
	{ TCP_SAMPLE_DELIVERY_RATE, KERNEL(tcpi_delivery_rate), SAMPLE(delivery_rate_bps) },
	{ TCP_SAMPLE_PACING_RATE, KERNEL(tcpi_pacing_rate), SAMPLE(pacing_rate_bps) },
	{ TCP_SAMPLE_SEGMENTS, KERNEL(tcpi_unacked), SAMPLE(inflight_segments) },
	{ TCP_SAMPLE_SEGMENTS, KERNEL(tcpi_lost), SAMPLE(lost_segments) },
	{ TCP_SAMPLE_SEGMENTS, KERNEL(tcpi_sacked), SAMPLE(sacked_segments) },
	{ TCP_SAMPLE_SND_WND, KERNEL(tcpi_snd_wnd), SAMPLE(snd_wnd_bytes) },
	{ TCP_SAMPLE_RCV_WND, { RCV_WND_OFFSET, 4 }, SAMPLE(rcv_wnd_bytes) },
	{ TCP_SAMPLE_NOTSENT, KERNEL(tcpi_notsent_bytes), SAMPLE(notsent_bytes) },
	{ TCP_SAMPLE_OOO, KERNEL(tcpi_rcv_ooopack), SAMPLE(ooo_segments) },
	{ TCP_SAMPLE_TCP_STATE, KERNEL(tcpi_state), SAMPLE(state) },
	{ TCP_SAMPLE_LIMITS, KERNEL(tcpi_busy_time), SAMPLE(busy_us) },
	{ TCP_SAMPLE_LIMITS, KERNEL(tcpi_rwnd_limited), SAMPLE(rwnd_limited_us) },
	{ TCP_SAMPLE_LIMITS, KERNEL(tcpi_sndbuf_limited), SAMPLE(sndbuf_limited_us) },
};

int tcpinfo_read(int fd, struct tcpinfo_raw *ret, struct err *err)
{
	socklen_t bytes = sizeof(ret->data);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret->data, &bytes) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "read TCP_INFO");
	ret->bytes = bytes;
	return 0;
}

/* False, and *ret is 0, where the kernel's answer ends before it. */
static bool load(const struct tcpinfo_raw *raw, struct source s, int64_t *ret)
{
	size_t width = (size_t)(s.width < 0 ? -s.width : s.width);
	uint64_t value = 0;

	*ret = 0;
	if (s.offset + width > raw->bytes)
		return false;
	memcpy(&value, raw->data + s.offset, width); /* little-endian, see above */
	*ret = s.width == -4 ? (int32_t)value : (int64_t)value;
	return true;
}

/* Bytes per second to bits per second; all ones ("no limit") and what does not fit stay all ones. */
static uint64_t bits_per_s(uint64_t bytes_per_s)
{
	return bytes_per_s > UINT64_MAX / 8 ? UINT64_MAX : 8 * bytes_per_s;
}

void tcpinfo_to_sample(const struct tcpinfo_raw *raw, uint64_t at_ns, uint64_t cookie,
                       struct tcp_sample *ret)
{
	uint32_t absent = 0;
	int64_t value;

	*ret = (struct tcp_sample){ .at_ns = at_ns, .cookie = cookie, .event = TCP_SAMPLE_INFO };
	for (size_t i = 0; i < sizeof(sample_rows) / sizeof(*sample_rows); i++) {
		const struct sample_row *row = &sample_rows[i];

		if (!load(raw, row->source, &value))
			absent |= row->field;
		memcpy((unsigned char *)ret + row->offset, &value, row->width);
		ret->present |= row->field;
	}
	if (ret->min_rtt_us == UINT32_MAX) { /* the kernel's "no sample yet" */
		ret->min_rtt_us = 0;
		absent |= TCP_SAMPLE_MIN_RTT;
	}
	ret->present &= ~absent;
	tcp_sample_drop_unset(ret);
	ret->delivery_rate_bps = bits_per_s(ret->delivery_rate_bps);
	ret->pacing_rate_bps = bits_per_s(ret->pacing_rate_bps);
	load(raw, (struct source){ APP_LIMITED_OFFSET, 1 }, &value);
	ret->app_limited = value & APP_LIMITED_BIT;
}

void tcpinfo_to_measurement(const struct tcpinfo_raw *raw, int64_t elapsed_us,
                            struct measurement_tcp_info *ret)
{
	int64_t value;

	*ret = (struct measurement_tcp_info){};
	for (enum measurement_tcp_field f = 0; f < MEASUREMENT_TCP_ElapsedTime; f++) {
		load(raw, measurement_sources[f], &value);
		measurement_tcp_set(ret, f, value);
	}
	measurement_tcp_set(ret, MEASUREMENT_TCP_ElapsedTime, elapsed_us);
}

bool tcpinfo_read_bbr(int fd, int64_t elapsed_us, struct measurement_bbr_info *ret)
{
	char name[16] = "";
	union tcp_cc_info info = {};
	socklen_t name_bytes = sizeof(name) - 1;
	socklen_t info_bytes = sizeof(info);

	/* The answer does not say whose it is: other algorithms fill the same union. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &name_bytes) < 0 ||
	    strcmp(name, "bbr") != 0)
		return false;
	if (getsockopt(fd, IPPROTO_TCP, TCP_CC_INFO, &info, &info_bytes) < 0 ||
	    info_bytes < sizeof(info.bbr))
		return false;
	*ret = (struct measurement_bbr_info){
		.bw_bytes_per_s =
			(int64_t)((uint64_t)info.bbr.bbr_bw_hi << 32 | info.bbr.bbr_bw_lo),
		.min_rtt_us = info.bbr.bbr_min_rtt,
		.pacing_gain = info.bbr.bbr_pacing_gain,
		.cwnd_gain = info.bbr.bbr_cwnd_gain,
		.elapsed_us = elapsed_us,
	};
	return true;
}

uint32_t tcpinfo_segment_bytes(const struct tcpinfo_raw *raw, bool received)
{
	struct tcp_info info = {};

	memcpy(&info, raw->data, raw->bytes < sizeof(info) ? raw->bytes : sizeof(info));
	return received ? info.tcpi_rcv_mss : info.tcpi_snd_mss;
}

uint64_t tcpinfo_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t bytes = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &bytes) < 0 ? 0 : cookie;
}
