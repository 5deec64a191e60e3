/* Records as bytes; the programs that make them are in tests/bpf. */
#include "measure/sockstat.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "measure/wholes.h"
#include "tests/cases.h"
#include "transport/base/err.h"

struct log {
	struct tcp_sample sample;
	struct tcp_flow flow;
	uint64_t lost;
	int samples, flows, ends;
};

static void keep_sample(void *self, const struct tcp_sample *sample)
{
	struct log *l = self;

	l->sample = *sample;
	l->samples++;
}

static void keep_flow(void *self, const struct tcp_flow *flow)
{
	struct log *l = self;

	l->flow = *flow;
	l->flows++;
}

static void keep_lost(void *self, uint64_t cookie, uint64_t samples)
{
	struct log *l = self;

	assert_int_equal(cookie, 4711);
	l->lost += samples;
}

static void keep_end(void *self, const struct tcpstat_flow *flow)
{
	struct log *l = self;

	assert_int_equal(flow->event.cookie, 4711);
	l->ends++;
}

static bool give_after(struct wholes *before, struct log *l, const void *data, size_t bytes)
{
	struct sockstat_sink sink = { { keep_sample, keep_flow, keep_lost, l }, keep_end };

	*l = (struct log){};
	return sockstat_record(data, bytes, before, &sink);
}

static bool give(struct log *l, const void *data, size_t bytes)
{
	struct wholes none = {};
	bool taken = give_after(&none, l, data, bytes);

	wholes_free(&none);
	return taken;
}

struct size_case {
	const char *name;
	enum tcpstat_kind kind;
	size_t bytes;
	bool taken;
};

static const struct size_case size_cases[] = {
	{ "nothing", TCPSTAT_ACK, 0, false },
	{ "an event cut short", TCPSTAT_ACK, sizeof(struct tcpstat_event) - 1, false },
	{ "an event", TCPSTAT_ACK, sizeof(struct tcpstat_event), true },
	{ "an event and more", TCPSTAT_ACK, sizeof(struct tcpstat_event) + 8, false },
	{ "a beginning without its identity", TCPSTAT_BEGIN, sizeof(struct tcpstat_event), false },
	{ "a beginning", TCPSTAT_BEGIN, sizeof(struct tcpstat_begin), true },
	{ "an end without its aggregates", TCPSTAT_END, sizeof(struct tcpstat_begin), false },
	{ "an end", TCPSTAT_END, sizeof(struct tcpstat_flow), true },
	{ "an event of an end's size", TCPSTAT_STATE, sizeof(struct tcpstat_flow), false },
	{ "a kind to come", TCPSTAT_KINDS, sizeof(struct tcpstat_event), false },
};

static void size_is_the_kinds(void **state)
{
	const struct size_case *c = *state;
	struct tcpstat_flow record = { .event = { .kind = (uint8_t)c->kind, .cookie = 4711 } };
	struct log l;

	assert_int_equal(give(&l, &record, c->bytes), c->taken);
	assert_int_equal(l.samples + l.flows > 0, c->taken);
}

struct present_case {
	const char *name;
	uint32_t theirs, ours;
};

static const struct present_case present_cases[] = {
	{ "nothing but the state", 0, TCP_SAMPLE_TCP_STATE },
	{ "all", TCPSTAT_HAS_EVERYTHING, 2 * TCP_SAMPLE_LATEST_RTT - 1 },
	{ "a bit to come", 1U << 31, TCP_SAMPLE_TCP_STATE },
	{ "a rate needs both", TCPSTAT_HAS_DELIVERY_RATE, TCP_SAMPLE_TCP_STATE },
	{ "cwnd without the state", TCPSTAT_HAS_CWND, TCP_SAMPLE_CWND | TCP_SAMPLE_TCP_STATE },
	{ "srtt without rttvar", TCPSTAT_HAS_SRTT, TCP_SAMPLE_RTT | TCP_SAMPLE_TCP_STATE },
};

static void absent_stays_absent(void **state)
{
	const struct present_case *c = *state;
	struct tcpstat_event e = { .present = c->theirs, .srtt_us = 1, .rcv_rtt_us = 1 };
	struct log l;

	assert_true(give(&l, &e, sizeof(e)));
	assert_int_equal(l.sample.present, c->ours);
}

#define RECEIPTS_BYTES(n)                                                                          \
	(offsetof(struct tcpstat_receipts, receipt) + (n) * sizeof(struct tcpstat_receipt))

#define ALONE                                                                                      \
	(TCP_SAMPLE_RCV_RTT | TCP_SAMPLE_SND_WND | TCP_SAMPLE_RCV_WND | TCP_SAMPLE_OOO |           \
	 TCP_SAMPLE_CA_STATE | TCP_SAMPLE_TCP_STATE)

static const struct receipt_case {
	const char *name;
	struct tcpstat_event before; /* at 10 us */
	uint64_t cookie, whole_ns;
	uint32_t rcv_rtt_us, present; /* present: of the sample */
} receipt_cases[] = {
	{ "it goes on from the whole one", { .kind = TCPSTAT_ACK }, 4711, 10000, 9, ~0U },
	{ "the receiver has no estimate yet",
	  { .kind = TCPSTAT_ACK },
	  4711,
	  10000,
	  0,
	  ~(uint32_t)TCP_SAMPLE_RCV_RTT },
	{ "of a whole one that is not there", { .kind = TCPSTAT_ACK }, 4711, 9999, 9, ALONE },
	{ "of another socket", { .kind = TCPSTAT_ACK }, 4712, 10000, 9, ALONE },
	{ "after a state", { .kind = TCPSTAT_STATE }, 4711, 10000, 9, ALONE },
	{ "something was on its way",
	  { .kind = TCPSTAT_ACK, .inflight_segments = 1 },
	  4711,
	  10000,
	  9,
	  ALONE },
	{ "something waited", { .kind = TCPSTAT_ACK, .notsent_bytes = 1 }, 4711, 10000, 9, ALONE },
};

static void a_receipt_goes_on(void **state)
{
	const struct receipt_case *c = *state;
	struct tcpstat_event before = c->before;
	const struct tcpstat_receipts e = { .cookie = c->cookie,
		                            .whole_ns = c->whole_ns,
		                            .count = 2,
		                            .state = 1,
		                            .ca_state = 2,
		                            .receipt = { { .at_ns = 15000, .rcv_rtt_us = 8 },
		                                         { .at_ns = 20000,
		                                           .bytes_received = 1ULL << 40,
		                                           .rcv_rtt_us = c->rcv_rtt_us,
		                                           .snd_wnd_bytes = 5,
		                                           .rcv_wnd_bytes = 6,
		                                           .ooo_segments = 7 } } };
	const bool alone = c->present == ALONE;
	struct wholes wholes = {};
	struct log l;

	before.at_ns = 10000;
	before.cookie = 4711;
	before.present = TCPSTAT_HAS_EVERYTHING;
	before.srtt_us = before.rcv_rtt_us = before.snd_cwnd_segments = 3;
	before.bytes_acked = 1ULL << 41;
	assert_true(give_after(&wholes, &l, &before, sizeof(before)));
	assert_true(give_after(&wholes, &l, &e, RECEIPTS_BYTES(2)));
	assert_int_equal(l.samples, 2);
	assert_int_equal(l.sample.present, c->present & TCP_SAMPLE_EVERYTHING);
	assert_int_equal(l.sample.event, TCP_SAMPLE_ACK);
	assert_int_equal(l.sample.cookie, c->cookie);
	assert_int_equal(l.sample.at_ns, 20000);
	assert_true(l.sample.bytes_received == 1ULL << 40);
	assert_int_equal(l.sample.rcv_rtt_us, c->rcv_rtt_us);
	assert_int_equal(l.sample.snd_wnd_bytes, 5);
	assert_int_equal(l.sample.rcv_wnd_bytes, 6);
	assert_int_equal(l.sample.ooo_segments, 7);
	assert_int_equal(l.sample.state, 1);
	assert_int_equal(l.sample.ca_state, 2);
	assert_int_equal(l.sample.snd_cwnd_segments, alone ? 0 : 3);
	assert_true(l.sample.bytes_acked == (alone ? 0 : 1ULL << 41));
	wholes_free(&wholes);
}

static const struct count_case {
	const char *name;
	size_t bytes;
	uint32_t count;
	bool taken;
} count_cases[] = {
	{ "one receipt", RECEIPTS_BYTES(1), 1, true },
	{ "as many as there may be", RECEIPTS_BYTES(TCPSTAT_RECEIPTS), TCPSTAT_RECEIPTS, true },
	{ "none", RECEIPTS_BYTES(0), 0, false },
	{ "fewer than it says", RECEIPTS_BYTES(2), 3, false },
	{ "more than it says", RECEIPTS_BYTES(3), 2, false },
	{ "half of one", RECEIPTS_BYTES(2) - 16, 1, false },
	{ "one more than there may be", RECEIPTS_BYTES(TCPSTAT_RECEIPTS + 1), TCPSTAT_RECEIPTS + 1,
	  false },
};

static void receipts_are_counted(void **state)
{
	const struct count_case *c = *state;
	struct tcpstat_receipts e[2] = { { .cookie = 4711, .count = c->count } };
	struct log l;

	assert_int_equal(give(&l, e, c->bytes), c->taken);
	assert_int_equal(l.samples, c->taken ? c->count : 0);
}

static void an_end_ends_its_receipts(void **state)
{
	struct tcpstat_event before = { .kind = TCPSTAT_ACK, .cookie = 4711, .at_ns = 1 };
	struct tcpstat_flow end = { .event = { .kind = TCPSTAT_END, .cookie = 4711 } };
	struct wholes wholes = {};
	struct log l;

	(void)state;
	assert_true(give_after(&wholes, &l, &before, sizeof(before)));
	assert_int_equal(wholes.used, 1);
	assert_true(give_after(&wholes, &l, &end, sizeof(end)));
	assert_int_equal(wholes.used, 0);
	wholes_free(&wholes);
}

static void an_end_tells_all(void **state)
{
	struct tcpstat_flow f = {
		.event = { .kind = TCPSTAT_END, .cookie = 4711, .bytes_acked = 1ULL << 40 },
		.who = { .local = { 192, 0, 2, 17 },
		         .remote = { 198, 51, 100, 4 },
		         .comm = "a\x1b[31mname of 16",
		         .congestion = "cubic",
		         .pid = 42,
		         .family = AF_INET,
		         .local_port = 51234,
		         .remote_port = 443,
		         .role = TCPSTAT_ACCEPTED },
		.began_ns = 77,
		.lost = 3,
		.seen = { [TCPSTAT_RESET_SENT] = 1 },
	};
	struct log l;

	(void)state;
	memset(f.who.comm + 10, 'x', 6); /* no NUL */
	assert_true(give(&l, &f, sizeof(f)));
	assert_int_equal(l.samples, 1);
	assert_int_equal(l.sample.event, TCP_SAMPLE_STATE);
	assert_true(l.sample.bytes_acked == 1ULL << 40);
	assert_int_equal(l.flow.at_ns, 77);
	assert_int_equal(l.flow.local_ip[10], 0xff);
	assert_int_equal(l.flow.local_ip[15], 17);
	assert_int_equal(l.flow.remote_ip[12], 198);
	assert_int_equal(l.flow.remote_port, 443);
	assert_int_equal(l.flow.pid, 42);
	assert_int_equal(l.flow.role, TCP_FLOW_SERVER);
	assert_string_equal(l.flow.comm, "a?[31mnamexxxxx");
	assert_string_equal(l.flow.congestion, "cubic");
	assert_string_equal(l.flow.ending, "reset sent");
	assert_int_equal(l.lost, 3);
	assert_int_equal(l.ends, 1);
}

static const struct ending_case {
	const char *name, *want;
	uint64_t begun, reset_received, reset_sent;
	uint8_t role, error;
} ending_cases[] = {
	{ "it was closed", "closed", 1, 0, 0, TCPSTAT_CONNECTED, 0 },
	{ "the peer aborted", "reset received", 1, 1, 0, TCPSTAT_CONNECTED, ECONNRESET },
	{ "we aborted", "reset sent", 1, 0, 1, TCPSTAT_ACCEPTED, 0 },
	{ "nobody answered any more", "timed out", 1, 0, 1, TCPSTAT_ACCEPTED, ETIMEDOUT },
	{ "nobody answered the SYN", "timed out", 0, 0, 0, TCPSTAT_CONNECTED, ETIMEDOUT },
	{ "a reset answered the SYN", "refused", 0, 1, 0, TCPSTAT_CONNECTED, ECONNREFUSED },
	{ "ICMP refused the SYN", "refused", 0, 0, 0, TCPSTAT_CONNECTED, ECONNREFUSED },
	{ "no such host", "no route", 0, 0, 0, TCPSTAT_CONNECTED, EHOSTUNREACH },
	{ "no such network, later", "no route", 1, 0, 0, TCPSTAT_CONNECTED, ENETUNREACH },
	{ "closed while it connected", "given up", 0, 0, 0, TCPSTAT_CONNECTED, 0 },
	{ "not established, sockops", "failed", 0, 0, 0, TCPSTAT_CONNECTED, TCPSTAT_ERROR_UNKNOWN },
	{ "closed, sockops", "closed", 1, 0, 0, TCPSTAT_CONNECTED, TCPSTAT_ERROR_UNKNOWN },
	{ "tagged when it stood", "closed", 0, 0, 0, TCPSTAT_ROLE_UNKNOWN, 0 },
};

static void an_ending_says_why(void **state)
{
	const struct ending_case *c = *state;
	struct tcpstat_flow f = { .event = { .kind = TCPSTAT_END, .cookie = 4711 },
		                  .who.role = c->role,
		                  .error = c->error,
		                  .seen = { [TCPSTAT_BEGIN] = c->begun,
		                            [TCPSTAT_RESET_RECEIVED] = c->reset_received,
		                            [TCPSTAT_RESET_SENT] = c->reset_sent } };
	struct log l;

	assert_true(give(&l, &f, sizeof(f)));
	assert_string_equal(l.flow.ending, c->want);
}

static void nobody_need_listen(void **state)
{
	struct tcpstat_flow f = { .event = { .kind = TCPSTAT_END, .cookie = 4711 }, .lost = 1 };
	struct log l = {};
	struct sockstat_sink sink = { .samples = { .take = keep_sample, .self = &l } };
	struct wholes none = {};

	(void)state;
	assert_true(sockstat_record(&f, sizeof(f), &none, &sink));
	assert_int_equal(l.samples, 1);
}

static void what_is_no_map_is_an_error(void **state)
{
	struct sockstat_maps maps = {
		.flows_fd = -1,
		.records_fd = -1,
		.counters_fd = -1,
		.probe_fd = -1,
		.ring_bytes = 4096,
		.cpus = 1,
	};
	struct sockstat *s = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(sockstat_open(&maps, &s, &err), -EBADF);
	maps.cpus = SOCKSTAT_CPUS_MAX + 1;
	assert_int_equal(sockstat_open(&maps, &s, &err), -EINVAL);
	assert_null(s);
	assert_null(sockstat_close(NULL));
}

static void no_round_trip_yet(void **state)
{
	const struct tcpstat_event e = { .present = TCPSTAT_HAS_EVERYTHING, .rttvar_us = 250000 };
	struct log l;

	(void)state;
	assert_true(give(&l, &e, sizeof(e)));
	assert_int_equal(
		l.sample.present & (TCP_SAMPLE_RTT | TCP_SAMPLE_RTTVAR | TCP_SAMPLE_RCV_RTT), 0);
	assert_true(l.sample.present & TCP_SAMPLE_CWND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_tells_all),
		cmocka_unit_test(an_end_ends_its_receipts),
		cmocka_unit_test(no_round_trip_yet),
		cmocka_unit_test(nobody_need_listen),
		cmocka_unit_test(what_is_no_map_is_an_error),
	};
	int failed = CASES_RUN(size_is_the_kinds, size_cases);

	failed += CASES_RUN(absent_stays_absent, present_cases);
	failed += CASES_RUN(a_receipt_goes_on, receipt_cases);
	failed += CASES_RUN(receipts_are_counted, count_cases);
	failed += CASES_RUN(an_ending_says_why, ending_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
