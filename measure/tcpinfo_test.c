#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "measure/tcpinfo.h"
#include "tests/cases.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* --- a made-up answer ------------------------------------------------------------------------------ */

/* Where Linux has its fields: written down here once more, as numbers, against the tables. */
struct layout {
	const char *name;
	enum measurement_tcp_field field;
	size_t offset, width;
};

static const struct layout layouts[] = {
	{ "State", MEASUREMENT_TCP_State, 0, 1 },
	{ "CAState", MEASUREMENT_TCP_CAState, 1, 1 },
	{ "Retransmits", MEASUREMENT_TCP_Retransmits, 2, 1 },
	{ "Probes", MEASUREMENT_TCP_Probes, 3, 1 },
	{ "Backoff", MEASUREMENT_TCP_Backoff, 4, 1 },
	{ "Options", MEASUREMENT_TCP_Options, 5, 1 },
	{ "WScale", MEASUREMENT_TCP_WScale, 6, 1 },
	{ "AppLimited", MEASUREMENT_TCP_AppLimited, 7, 1 },
	{ "RTO", MEASUREMENT_TCP_RTO, 8, 4 },
	{ "ATO", MEASUREMENT_TCP_ATO, 12, 4 },
	{ "SndMSS", MEASUREMENT_TCP_SndMSS, 16, 4 },
	{ "RcvMSS", MEASUREMENT_TCP_RcvMSS, 20, 4 },
	{ "Unacked", MEASUREMENT_TCP_Unacked, 24, 4 },
	{ "Sacked", MEASUREMENT_TCP_Sacked, 28, 4 },
	{ "Lost", MEASUREMENT_TCP_Lost, 32, 4 },
	{ "Retrans", MEASUREMENT_TCP_Retrans, 36, 4 },
	{ "Fackets", MEASUREMENT_TCP_Fackets, 40, 4 },
	{ "LastDataSent", MEASUREMENT_TCP_LastDataSent, 44, 4 },
	{ "LastAckSent", MEASUREMENT_TCP_LastAckSent, 48, 4 },
	{ "LastDataRecv", MEASUREMENT_TCP_LastDataRecv, 52, 4 },
	{ "LastAckRecv", MEASUREMENT_TCP_LastAckRecv, 56, 4 },
	{ "PMTU", MEASUREMENT_TCP_PMTU, 60, 4 },
	{ "RcvSsThresh", MEASUREMENT_TCP_RcvSsThresh, 64, 4 },
	{ "RTT", MEASUREMENT_TCP_RTT, 68, 4 },
	{ "RTTVar", MEASUREMENT_TCP_RTTVar, 72, 4 },
	{ "SndSsThresh", MEASUREMENT_TCP_SndSsThresh, 76, 4 },
	{ "SndCwnd", MEASUREMENT_TCP_SndCwnd, 80, 4 },
	{ "AdvMSS", MEASUREMENT_TCP_AdvMSS, 84, 4 },
	{ "Reordering", MEASUREMENT_TCP_Reordering, 88, 4 },
	{ "RcvRTT", MEASUREMENT_TCP_RcvRTT, 92, 4 },
	{ "RcvSpace", MEASUREMENT_TCP_RcvSpace, 96, 4 },
	{ "TotalRetrans", MEASUREMENT_TCP_TotalRetrans, 100, 4 },
	{ "PacingRate", MEASUREMENT_TCP_PacingRate, 104, 8 },
	{ "MaxPacingRate", MEASUREMENT_TCP_MaxPacingRate, 112, 8 },
	{ "BytesAcked", MEASUREMENT_TCP_BytesAcked, 120, 8 },
	{ "BytesReceived", MEASUREMENT_TCP_BytesReceived, 128, 8 },
	{ "SegsOut", MEASUREMENT_TCP_SegsOut, 136, 4 },
	{ "SegsIn", MEASUREMENT_TCP_SegsIn, 140, 4 },
	{ "NotsentBytes", MEASUREMENT_TCP_NotsentBytes, 144, 4 },
	{ "MinRTT", MEASUREMENT_TCP_MinRTT, 148, 4 },
	{ "DataSegsIn", MEASUREMENT_TCP_DataSegsIn, 152, 4 },
	{ "DataSegsOut", MEASUREMENT_TCP_DataSegsOut, 156, 4 },
	{ "DeliveryRate", MEASUREMENT_TCP_DeliveryRate, 160, 8 },
	{ "BusyTime", MEASUREMENT_TCP_BusyTime, 168, 8 },
	{ "RWndLimited", MEASUREMENT_TCP_RWndLimited, 176, 8 },
	{ "SndBufLimited", MEASUREMENT_TCP_SndBufLimited, 184, 8 },
	{ "Delivered", MEASUREMENT_TCP_Delivered, 192, 4 },
	{ "DeliveredCE", MEASUREMENT_TCP_DeliveredCE, 196, 4 },
	{ "BytesSent", MEASUREMENT_TCP_BytesSent, 200, 8 },
	{ "BytesRetrans", MEASUREMENT_TCP_BytesRetrans, 208, 8 },
	{ "DSackDups", MEASUREMENT_TCP_DSackDups, 216, 4 },
	{ "ReordSeen", MEASUREMENT_TCP_ReordSeen, 220, 4 },
	{ "RcvOooPack", MEASUREMENT_TCP_RcvOooPack, 224, 4 },
	{ "SndWnd", MEASUREMENT_TCP_SndWnd, 228, 4 },
};

static void store(struct tcpinfo_raw *raw, size_t offset, size_t width, uint64_t value)
{
	memcpy(raw->data + offset, &value, width);
}

static int64_t value_of(const struct measurement_tcp_info *t, enum measurement_tcp_field field)
{
	const int64_t values[] = {
#define X(json, member, T) t->member,
		MEASUREMENT_TCP_FIELDS(X)
#undef X
	};

	return values[field];
}

static void field_is_where_linux_has_it(void **state)
{
	const struct layout *l = *state;
	struct tcpinfo_raw raw = { .bytes = 248 };
	struct measurement_tcp_info t;

	store(&raw, l->offset, l->width, 0x5a);
	tcpinfo_to_measurement(&raw, 777, &t);
	assert_int_equal(value_of(&t, l->field), 0x5a);
	assert_true(measurement_has(&t, l->field));
	assert_int_equal(t.elapsed_us, 777);
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
		if (layouts[i].field != l->field)
			assert_int_equal(value_of(&t, layouts[i].field), 0);
	}

	raw.bytes = (uint32_t)(l->offset + l->width - 1); /* a kernel that ends before it */
	tcpinfo_to_measurement(&raw, 777, &t);
	assert_int_equal(value_of(&t, l->field), 0);
	assert_true(measurement_has(&t, l->field));
}

static void measurement_keeps_every_width(void **state)
{
	struct tcpinfo_raw raw = { .bytes = 248 };
	struct measurement_tcp_info t;

	(void)state;
	memset(raw.data, 0xff, sizeof(raw.data));
	tcpinfo_to_measurement(&raw, -1, &t);
	assert_int_equal(t.state, 255);
	assert_int_equal(t.wscale, 255);
	assert_int_equal(t.rtt_us, UINT32_MAX);
	assert_true(t.segs_out == -1);    /* 32 bits with a sign, as the archive has it */
	assert_true(t.pacing_rate == -1); /* "unlimited" */
	assert_true(t.max_pacing_rate == -1);
	assert_int_equal(t.present, (1ULL << MEASUREMENT_TCP_FIELD_COUNT) - 1);
}

#define SINCE_2_6                                                                                  \
	(TCP_SAMPLE_RTT | TCP_SAMPLE_RTTVAR | TCP_SAMPLE_RCV_RTT | TCP_SAMPLE_CWND |               \
	 TCP_SAMPLE_CA_STATE | TCP_SAMPLE_SEGMENTS | TCP_SAMPLE_TCP_STATE)
#define SINCE_3_15 (SINCE_2_6 | TCP_SAMPLE_PACING_RATE)
#define SINCE_4_1  (SINCE_3_15 | TCP_SAMPLE_BYTES)
#define SINCE_4_6  (SINCE_4_1 | TCP_SAMPLE_NOTSENT | TCP_SAMPLE_MIN_RTT)
#define SINCE_4_10 (SINCE_4_6 | TCP_SAMPLE_DELIVERY_RATE | TCP_SAMPLE_LIMITS)
#define SINCE_4_19 (SINCE_4_10 | TCP_SAMPLE_BYTES_SENT)
#define SINCE_5_4  (SINCE_4_19 | TCP_SAMPLE_OOO | TCP_SAMPLE_SND_WND)
#define SINCE_6_2  (SINCE_5_4 | TCP_SAMPLE_RCV_WND)

static void sample_has_units_of_its_names(void **state)
{
	struct tcpinfo_raw raw = { .bytes = 248 };
	struct tcp_sample s;

	(void)state;
	store(&raw, 1, 1, 3); /* ca_state: recovery */
	store(&raw, 7, 1, 1); /* app limited */
	store(&raw, 24, 4, 11);
	store(&raw, 28, 4, 12);
	store(&raw, 32, 4, 13);
	store(&raw, 68, 4, 21034);
	store(&raw, 72, 4, 500);
	store(&raw, 76, 4, 0x7fffffff);
	store(&raw, 80, 4, 10);
	store(&raw, 92, 4, 33);
	store(&raw, 104, 8, UINT64_MAX);
	store(&raw, 120, 8, (1ULL << 53) + 1);
	store(&raw, 128, 8, 130);
	store(&raw, 144, 4, 146);
	store(&raw, 148, 4, 18250);
	store(&raw, 160, 8, 125000000);
	store(&raw, 168, 8, 169);
	store(&raw, 176, 8, 177);
	store(&raw, 184, 8, 185);
	store(&raw, 200, 8, 201);
	store(&raw, 208, 8, 209);
	store(&raw, 224, 4, 225);
	store(&raw, 228, 4, 229);
	store(&raw, 232, 4, 233);
	tcpinfo_to_sample(&raw, 42, 4711, &s);
	assert_int_equal(s.present, SINCE_6_2);
	assert_int_equal(s.at_ns, 42);
	assert_int_equal(s.cookie, 4711);
	assert_int_equal(s.event, TCP_SAMPLE_INFO);
	assert_int_equal(s.ca_state, 3);
	assert_true(s.app_limited);
	assert_int_equal(s.inflight_segments, 11);
	assert_int_equal(s.sacked_segments, 12);
	assert_int_equal(s.lost_segments, 13);
	assert_int_equal(s.srtt_us, 21034);
	assert_int_equal(s.rttvar_us, 500);
	assert_int_equal(s.ssthresh_segments, 0x7fffffff);
	assert_int_equal(s.snd_cwnd_segments, 10);
	assert_int_equal(s.rcv_rtt_us, 33);
	assert_true(s.pacing_rate_bps == UINT64_MAX); /* not paced */
	assert_int_equal(s.bytes_acked, (1ULL << 53) + 1);
	assert_int_equal(s.bytes_received, 130);
	assert_int_equal(s.notsent_bytes, 146);
	assert_int_equal(s.min_rtt_us, 18250);
	assert_int_equal(s.delivery_rate_bps, 1000000000);
	assert_int_equal(s.busy_us, 169);
	assert_int_equal(s.rwnd_limited_us, 177);
	assert_int_equal(s.sndbuf_limited_us, 185);
	assert_int_equal(s.bytes_sent, 201);
	assert_int_equal(s.bytes_retrans, 209);
	assert_int_equal(s.ooo_segments, 225);
	assert_int_equal(s.snd_wnd_bytes, 229);
	assert_int_equal(s.rcv_wnd_bytes, 233);
}

static void other_bits_are_not_app_limited(void **state)
{
	struct tcpinfo_raw raw = { .bytes = 248 };
	struct tcp_sample s;

	(void)state;
	store(&raw, 7, 1, 0xfe); /* fastopen_client_fail and what may come */
	tcpinfo_to_sample(&raw, 0, 0, &s);
	assert_false(s.app_limited);
}

static void no_rtt_yet_is_absent(void **state)
{
	struct tcpinfo_raw raw = { .bytes = 248 };
	struct tcp_sample s;

	(void)state;
	store(&raw, 148, 4, UINT32_MAX);
	tcpinfo_to_sample(&raw, 0, 0, &s);
	assert_false(s.present & TCP_SAMPLE_MIN_RTT);
	assert_int_equal(s.min_rtt_us, 0);
}

/* --- answers of older kernels ------------------------------------------------------------------- */

struct kernel_case {
	const char *name;
	uint32_t bytes;
	uint32_t present;
};

static const struct kernel_case kernel_cases[] = {
	{ "nothing", 0, 0 },
	{ "2.6", 104, SINCE_2_6 },
	{ "3.15", 120, SINCE_3_15 },
	{ "4.1", 136, SINCE_4_1 },
	{ "4.6", 160, SINCE_4_6 },
	{ "4.10", 192, SINCE_4_10 },
	{ "4.19, half of a pair", 208, SINCE_4_10 },
	{ "4.19", 224, SINCE_4_19 },
	{ "5.4", 232, SINCE_5_4 },
	{ "6.2", 240, SINCE_6_2 },
	{ "one to come", TCPINFO_BYTES, SINCE_6_2 },
};

static void old_kernels_lack_fields(void **state)
{
	const struct kernel_case *c = *state;
	struct tcpinfo_raw raw = { .bytes = c->bytes };
	struct tcp_sample s;

	memset(raw.data, 1, sizeof(raw.data));
	tcpinfo_to_sample(&raw, 0, 0, &s);
	assert_int_equal(s.present, c->present);
}

/* --- a living socket ------------------------------------------------------------------------------ */

#define SENT_BYTES 100000

struct pair {
	int client, server;
};

static struct pair connect_pair(void)
{
	CLEANUP(fd_closep) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(a);
	struct pair p;

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, bytes), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &bytes), 0);
	p.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p.client, (struct sockaddr *)&a, bytes), 0);
	p.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(p.server >= 0);
	return p;
}

static void pass_bytes(const struct pair *p)
{
	static char buffer[SENT_BYTES];
	size_t got = 0;

	assert_int_equal(send(p->client, buffer, sizeof(buffer), MSG_NOSIGNAL), sizeof(buffer));
	while (got < sizeof(buffer)) {
		ssize_t n = recv(p->server, buffer, sizeof(buffer), 0);

		assert_true(n > 0);
		got += (size_t)n;
	}
}

static struct tcp_sample look(int fd)
{
	struct tcpinfo_raw raw;
	struct tcp_sample s;
	struct err err = {};

	assert_int_equal(tcpinfo_read(fd, &raw, &err), 0);
	tcpinfo_to_sample(&raw, clock_now_ns(), tcpinfo_cookie(fd), &s);
	return s;
}

static void live_counters_move_as_sent(void **state)
{
	struct pair p = connect_pair();
	struct tcp_sample before = look(p.client), sender, receiver;

	(void)state;
	assert_true(before.present & TCP_SAMPLE_BYTES);
	pass_bytes(&p);
	sender = look(p.client);
	for (int i = 0; i < 2000 && sender.bytes_acked < before.bytes_acked + SENT_BYTES; i++) {
		poll(NULL, 0, 1); /* the last ACK may be delayed */
		sender = look(p.client);
	}
	receiver = look(p.server);
	assert_int_equal(sender.bytes_acked - before.bytes_acked, SENT_BYTES);
	assert_int_equal(receiver.bytes_received, SENT_BYTES);
	if (sender.present & TCP_SAMPLE_BYTES_SENT)
		assert_true(sender.bytes_sent - before.bytes_sent >= SENT_BYTES);
	assert_int_equal(sender.inflight_segments, 0);
	assert_true(sender.srtt_us > 0 && sender.srtt_us < 10000000);
	assert_true(sender.snd_cwnd_segments > 0);
	assert_true(sender.cookie != receiver.cookie);
	close(p.client);
	close(p.server);
}

static void live_measurement(void **state)
{
	struct pair p = connect_pair();
	struct measurement_tcp_info t;
	struct tcpinfo_raw raw;

	(void)state;
	pass_bytes(&p);
	assert_int_equal(tcpinfo_read(p.server, &raw, NULL), 0);
	tcpinfo_to_measurement(&raw, 5, &t);
	assert_int_equal(t.state, 1); /* ESTABLISHED */
	assert_int_equal(t.bytes_received, SENT_BYTES);
	assert_true(t.snd_mss >= 500);
	assert_int_equal(t.elapsed_us, 5);
	close(p.client);
	close(p.server);
}

static void bbr_where_it_runs(void **state)
{
	struct pair p = connect_pair();
	struct measurement_bbr_info info = { .bw_bytes_per_s = -1 };
	bool has_bbr;

	(void)state;
	assert_int_equal(setsockopt(p.client, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	assert_false(tcpinfo_read_bbr(p.client, 9, &info));
	assert_true(info.bw_bytes_per_s == -1);
	has_bbr = setsockopt(p.client, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3) == 0;
	assert_int_equal(tcpinfo_read_bbr(p.client, 9, &info), has_bbr);
	if (has_bbr) {
		assert_int_equal(info.elapsed_us, 9);
		pass_bytes(&p);
		for (int i = 0; i < 2000 && info.pacing_gain == 0; i++) {
			poll(NULL, 0, 1); /* its gains are set at the first ACK */
			assert_true(tcpinfo_read_bbr(p.client, 9, &info));
		}
		assert_true(info.pacing_gain > 0 && info.cwnd_gain > 0);
		assert_true(info.bw_bytes_per_s > 0);
	}
	close(p.client);
	close(p.server);
}

static void no_socket_is_an_error(void **state)
{
	struct measurement_bbr_info info;
	struct tcpinfo_raw raw;
	struct err err = {};

	(void)state;
	assert_int_equal(tcpinfo_read(-1, &raw, &err), -EBADF);
	assert_int_equal(err.code, -EBADF);
	assert_int_equal(tcpinfo_cookie(-1), 0);
	assert_false(tcpinfo_read_bbr(-1, 0, &info));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(measurement_keeps_every_width),
	cmocka_unit_test(sample_has_units_of_its_names),
	cmocka_unit_test(other_bits_are_not_app_limited),
	cmocka_unit_test(no_rtt_yet_is_absent),
	cmocka_unit_test(live_counters_move_as_sent),
	cmocka_unit_test(live_measurement),
	cmocka_unit_test(bbr_where_it_runs),
	cmocka_unit_test(no_socket_is_an_error),
};

int main(void)
{
	int failed = CASES_RUN(field_is_where_linux_has_it, layouts);

	failed += CASES_RUN(old_kernels_lack_fields, kernel_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
