/* The programs, the loader and the reader together, on living sockets over loopback. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure/feed.h"
#include "measure/tcpinfo.h"
#include "tests/bpf/rig.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define EVERY_ACK                                                                                  \
	{                                                                                          \
		.interval_ns = 0, .ring_bytes = 4U << 20, .tiers = TIER_BIT(TIER_EBPF),            \
		.cgroup_fd = -1                                                                    \
	}

static const struct loader_wish every_ack = EVERY_ACK;

#define FIELD(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct tcp_sample, name),                                          \
			sizeof(((struct tcp_sample *)NULL)->name)                                  \
	}

static const struct {
	const char *name;
	size_t at, bytes;
} fields[] = {
	FIELD(bytes_acked),       FIELD(bytes_received),    FIELD(bytes_sent),
	FIELD(bytes_retrans),     FIELD(delivery_rate_bps), FIELD(pacing_rate_bps),
	FIELD(busy_us),           FIELD(rwnd_limited_us),   FIELD(sndbuf_limited_us),
	FIELD(srtt_us),           FIELD(rttvar_us),         FIELD(min_rtt_us),
	FIELD(rcv_rtt_us),        FIELD(snd_cwnd_segments), FIELD(ssthresh_segments),
	FIELD(inflight_segments), FIELD(lost_segments),     FIELD(sacked_segments),
	FIELD(snd_wnd_bytes),     FIELD(rcv_wnd_bytes),     FIELD(notsent_bytes),
	FIELD(ooo_segments),      FIELD(ca_state),          FIELD(app_limited),
};

static uint64_t value_of(const struct tcp_sample *s, size_t field)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)s + fields[field].at, fields[field].bytes);
	return value;
}

static void assert_same_figures(const struct tcp_sample *ours, const struct tcp_sample *kernels)
{
	int different = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (value_of(ours, i) == value_of(kernels, i))
			continue;
		print_error("%s: %llu, TCP_INFO has %llu\n", fields[i].name,
		            (unsigned long long)value_of(ours, i),
		            (unsigned long long)value_of(kernels, i));
		different++;
	}
	assert_int_equal(different, 0);
}

/* --- figures --------------------------------------------------------------------------------------- */

struct agree_case {
	const char *name;
	int family;
	bool tag_late;
	size_t sent_bytes, received_bytes;
};

static const struct agree_case agree_cases[] = {
	{ "the last record is TCP_INFO's: a sender", AF_INET, false, 20000000, 0 },
	{ "the last record is TCP_INFO's: a receiver", AF_INET, false, 0, 20000000 },
	{ "the last record is TCP_INFO's: both ways", AF_INET, false, 300000, 500000 },
	{ "the last record is TCP_INFO's: nothing sent", AF_INET, false, 0, 0 },
	{ "the last record is TCP_INFO's: IPv6", AF_INET6, false, 1000000, 1000 },
	{ "the last record is TCP_INFO's: tagged when established", AF_INET, true, 1000000, 5000 },
};

static void last_record_is_tcp_info(void **state)
{
	const struct agree_case *c = *state;
	struct tcpinfo_raw raw;
	struct tcp_sample info;
	struct rig r;
	int fd[2];

	rig_open(&r, &every_ack);
	rig_pair(c->tag_late ? NULL : &r, c->family, fd);
	if (c->tag_late)
		assert_int_equal(sockstat_tag(r.s, fd[0], NULL), 0);
	rig_pass(&r, fd[0], fd[1], c->sent_bytes);
	rig_pass(&r, fd[1], fd[0], c->received_bytes);
	rig_settle(&r, fd[0]);
	assert_int_equal(tcpinfo_read(fd[0], &raw, NULL), 0);
	tcpinfo_to_sample(&raw, 0, tcpinfo_cookie(fd[0]), &info);
	rig_abort(fd[0]);
	rig_await_end(&r);
	assert_same_figures(&r.sample[r.samples - 1], &info);
	assert_int_equal(r.sample[r.samples - 1].cookie, info.cookie);
	assert_int_equal(r.sample[r.samples - 1].present & ~(unsigned)TCP_SAMPLE_LATEST_RTT,
	                 info.present);
	assert_int_equal(r.sample[r.samples - 1].state, 7); /* TCP_CLOSE */
	assert_string_equal(r.flow.ending, "reset sent");
	assert_int_equal(r.lost, 0);
	close(fd[1]);
	rig_close(&r);
}

/* What comes is acknowledged at once: then nothing moves but by what this process does. */
static void acknowledge_at_once(const int fd[2])
{
	const int yes = 1;

	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fd[i], IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes)),
		                 0);
}

#define TURNS 400

/* A segment that fd[0] received, and what TCP_INFO said before. */
struct turn {
	struct tcp_sample info;
	uint64_t number; /* of its record among the ACKs' */
	bool receipt;
};

static void one_segment(struct rig *r, const int fd[2], struct turn *ret)
{
	static char bytes[1000];
	struct tcpstat_flow before, after;
	struct tcpinfo_raw raw;

	acknowledge_at_once(fd);
	assert_int_equal(sockstat_flow(r->s, fd[0], &before, NULL), 0);
	assert_int_equal(tcpinfo_read(fd[0], &raw, NULL), 0);
	assert_int_equal(send(fd[1], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(recv(fd[0], bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	assert_int_equal(sockstat_flow(r->s, fd[0], &after, NULL), 0);
	assert_int_equal(after.seen[TCPSTAT_ACK], before.seen[TCPSTAT_ACK] + 1);
	tcpinfo_to_sample(&raw, 0, tcpinfo_cookie(fd[0]), &ret->info);
	ret->number = before.seen[TCPSTAT_ACK];
	ret->receipt = after.receipts.whole_ns && after.receipts.whole_ns != after.looked_ns;
}

static void assert_records_are_as_told(const struct rig *r, const struct turn *turns)
{
	uint64_t number = 0;
	size_t checked = 0;

	for (size_t i = 0; i < r->samples && checked < TURNS; i++) {
		const struct tcp_sample *s = &r->sample[i];

		if (s->event != TCP_SAMPLE_ACK || number++ != turns[checked].number)
			continue;
		assert_same_figures(s, &turns[checked].info);
		assert_int_equal(s->present & ~(unsigned)TCP_SAMPLE_LATEST_RTT,
		                 turns[checked].info.present);
		assert_true(i == 0 || s->at_ns >= r->sample[i - 1].at_ns);
		checked++;
	}
	assert_int_equal(checked, TURNS);
}

/* Also once the receiver has sent something, after which its next record is a whole one. */
static void receipts_are_tcp_info(void **state)
{
	static struct turn turns[TURNS];
	int receipts = 0;
	struct rig r;
	int fd[2];
	char byte;

	(void)state;
	rig_open(&r, &every_ack);
	rig_pair(&r, AF_INET, fd);
	for (int i = 0; i < TURNS; i++) {
		bool sends = i % 8 == 0;

		if (sends) {
			acknowledge_at_once(fd);
			assert_int_equal(send(fd[0], "x", 1, 0), 1);
			assert_int_equal(recv(fd[1], &byte, 1, 0), 1);
		}
		one_segment(&r, fd, &turns[i]);
		assert_false(sends && turns[i].receipt);
		receipts += turns[i].receipt;
	}
	rig_abort(fd[0]);
	rig_await_end(&r);
	print_message("%d receipts\n", receipts);
	assert_true(receipts > 0);
	assert_records_are_as_told(&r, turns);
	assert_int_equal(rig_count(&r, TCP_SAMPLE_ACK), r.end.seen[TCPSTAT_ACK]);
	assert_int_equal(r.lost, 0);
	close(fd[1]);
	rig_close(&r);
}

/* The number behind "name:" in what ss(8) says of the connection. */
static uint64_t said_by_ss(const char *text, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s:", name);
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static bool ask_ss(int fd, char *out, size_t out_bytes)
{
	struct sockaddr_in local = {};
	socklen_t bytes = sizeof(local);
	char command[80];
	FILE *ss;
	size_t n;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &bytes), 0);
	snprintf(command, sizeof(command), "ss -tinH sport = :%u 2>&1", ntohs(local.sin_port));
	ss = popen(command, "r");
	assert_non_null(ss);
	n = fread(out, 1, out_bytes - 1, ss);
	out[n] = '\0';
	return pclose(ss) == 0;
}

static void totals_are_what_ss_and_both_ends_say(void **state)
{
	enum { SENT = 3000000, RECEIVED = 70000 };
	char text[2048];
	struct rig r;
	int fd[2];

	(void)state;
	rig_open(&r, &every_ack);
	rig_pair(&r, AF_INET, fd);
	rig_pass(&r, fd[0], fd[1], SENT);
	rig_pass(&r, fd[1], fd[0], RECEIVED);
	rig_settle(&r, fd[0]);
	if (!ask_ss(fd[0], text, sizeof(text))) {
		print_message("skip: there is no ss(8)\n");
		skip();
	}
	rig_abort(fd[0]);
	rig_await_end(&r);
	assert_int_equal(r.end.event.bytes_acked, said_by_ss(text, "bytes_acked"));
	assert_int_equal(r.end.event.bytes_received, said_by_ss(text, "bytes_received"));
	assert_int_equal(r.end.event.bytes_sent, said_by_ss(text, "bytes_sent"));
	assert_int_equal(r.end.event.snd_cwnd_segments, said_by_ss(text, "cwnd"));
	assert_int_equal(r.end.event.bytes_acked, SENT + 1); /* and the SYN */
	assert_int_equal(r.end.event.bytes_received, RECEIVED);
	close(fd[1]);
	rig_close(&r);
}

static void assert_aggregates_agree(const struct rig *r)
{
	const struct tcpstat_flow *f = &r->end;
	uint64_t seen = 0, in_histogram = 0, least_us = UINT32_MAX, most_us = 0;

	for (int k = 0; k < TCPSTAT_KINDS; k++)
		seen += f->seen[k];
	for (size_t b = 0; b < TCPSTAT_RTT_BUCKETS; b++)
		in_histogram += f->rtt_histogram[b];
	for (size_t i = 0; i < r->samples; i++) {
		if (!(r->sample[i].present & TCP_SAMPLE_LATEST_RTT))
			continue;
		if (r->sample[i].latest_rtt_us < least_us)
			least_us = r->sample[i].latest_rtt_us;
		if (r->sample[i].latest_rtt_us > most_us)
			most_us = r->sample[i].latest_rtt_us;
	}
	assert_int_equal(f->emitted, seen);
	assert_int_equal(in_histogram, f->rtt_count);
	assert_int_equal(f->rtt_min_us, least_us);
	assert_int_equal(f->rtt_max_us, most_us);
	assert_true(f->rtt_sum_us >= f->rtt_min_us * f->rtt_count);
	assert_true(f->rtt_sum_us <= f->rtt_max_us * f->rtt_count);
	assert_true(f->rtt_count <= f->seen[TCPSTAT_ACK] + 1);
	assert_true(f->rtt_min_us <= f->event.srtt_us && f->event.srtt_us <= f->rtt_max_us);
}

/* A process of the far end's, so that both run at once. */
static pid_t start_sender(int fd, uint64_t for_ns)
{
	static char buffer[256 * 1024];
	uint64_t until_ns = clock_now_ns() + for_ns;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	while (clock_now_ns() < until_ns && send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) > 0)
		;
	_exit(0);
}

/* As much as comes, while it comes; the payload is dropped in the kernel. */
static uint64_t receive_all(struct rig *r, int fd)
{
	uint64_t bytes = 0;
	ssize_t n;

	while ((n = recv(fd, NULL, 1 << 20, MSG_TRUNC)) > 0) {
		bytes += (uint64_t)n;
		rig_drain(r);
	}
	return bytes;
}

static void every_ack_at_full_speed(void **state)
{
	struct tcpstat_counters counters;
	struct rig r;
	int fd[2];
	uint64_t bytes;

	(void)state;
	rig_open(&r, &every_ack);
	rig_pair(&r, AF_INET, fd);
	start_sender(fd[1], NS_PER_S);
	close(fd[1]);
	bytes = receive_all(&r, fd[0]);
	close(fd[0]);
	rig_await_end(&r);
	print_message("%zu records, %.1f Gbit/s\n", r.samples, (double)bytes * 8e-9);
	assert_int_equal(r.end.lost, 0);
	assert_int_equal(rig_count(&r, TCP_SAMPLE_ACK), r.end.seen[TCPSTAT_ACK]);
	assert_int_equal(r.end.event.bytes_received, bytes + 1); /* and the FIN */
	assert_int_equal(sockstat_counters(r.s, &counters, NULL), 0);
	assert_int_equal(counters.lost, 0);
	assert_int_equal(counters.emitted, r.end.emitted);
	assert_true(r.end.seen[TCPSTAT_ACK] > 1000);
	rig_close(&r);
}

static void aggregates_of_a_sender(void **state)
{
	struct tcpstat_flow before_close;
	struct rig r;
	int fd[2];

	(void)state;
	rig_open(&r, &every_ack);
	rig_pair(&r, AF_INET, fd);
	rig_pass(&r, fd[0], fd[1], 50000000);
	rig_settle(&r, fd[0]);
	assert_int_equal(sockstat_flow(r.s, fd[0], &before_close, NULL), 0);
	rig_abort(fd[0]);
	rig_await_end(&r);
	assert_aggregates_agree(&r);
	assert_int_equal(before_close.seen[TCPSTAT_ACK], r.end.seen[TCPSTAT_ACK]);
	assert_true(r.end.rtt_count >= before_close.rtt_count);
	assert_true(r.end.rtt_count > 10);
	close(fd[1]);
	rig_close(&r);
}

/* --- which sockets, how much ------------------------------------------------------------------------- */

static void untagged_gives_nothing(void **state)
{
	struct rig r;
	int fd[2];

	(void)state;
	rig_open(&r, &every_ack);
	rig_pair(NULL, AF_INET, fd);
	rig_pass(&r, fd[0], fd[1], 10000000);
	close(fd[0]);
	close(fd[1]);
	rig_drain(&r);
	assert_int_equal(r.samples, 0);
	assert_int_equal(r.flows, 0);
	rig_close(&r);
}

/* It has a storage, so that it is looked up there, and has no entry of ours. */
static void tagged_by_another_gives_nothing(void **state)
{
	struct rig other, r;
	int fd[2];

	(void)state;
	rig_open(&r, &every_ack);
	rig_open(&other, &every_ack);
	rig_pair(&other, AF_INET, fd);
	rig_pass(&other, fd[0], fd[1], 1000000);
	close(fd[0]);
	close(fd[1]);
	rig_await_end(&other);
	rig_drain(&r);
	assert_true(other.samples > 0);
	assert_int_equal(r.samples, 0);
	assert_int_equal(r.flows, 0);
	rig_close(&other);
	rig_close(&r);
}

static void interval_thins_acks(void **state)
{
	const uint64_t interval_ns = 20 * NS_PER_MS;
	struct loader_wish wish = EVERY_ACK;
	uint64_t last_ns = 0;
	struct rig r;
	int fd[2];

	(void)state;
	wish.interval_ns = interval_ns;
	rig_open(&r, &wish);
	rig_pair(&r, AF_INET, fd);
	start_sender(fd[1], NS_PER_S / 2);
	close(fd[1]);
	receive_all(&r, fd[0]);
	close(fd[0]);
	rig_await_end(&r);
	for (size_t i = 0; i < r.samples; i++) {
		if (r.sample[i].event != TCP_SAMPLE_ACK)
			continue;
		assert_true(last_ns == 0 || r.sample[i].at_ns - last_ns >= interval_ns);
		last_ns = r.sample[i].at_ns;
	}
	assert_in_range(rig_count(&r, TCP_SAMPLE_ACK), 2,
	                (r.end.event.at_ns - r.end.began_ns) / interval_ns + 1);
	assert_true(r.end.seen[TCPSTAT_ACK] > 10 * rig_count(&r, TCP_SAMPLE_ACK));
	assert_int_equal(r.end.lost, 0); /* what was not due is not lost */
	rig_close(&r);
}

static void small_ring_counts_its_losses(void **state)
{
	struct loader_wish wish = EVERY_ACK;
	struct tcpstat_counters counters;
	struct rig r;
	uint64_t seen = 0;
	int fd[2];

	(void)state;
	wish.ring_bytes = LOADER_RING_BYTES_MIN;
	rig_open(&r, &wish);
	rig_pair(&r, AF_INET, fd);
	rig_pass(NULL, fd[0], fd[1], 100000000);
	rig_pass(NULL, fd[1], fd[0], 100000000);
	rig_drain(&r);
	rig_abort(fd[0]);
	rig_await_end(&r);
	assert_int_equal(sockstat_counters(r.s, &counters, NULL), 0);
	assert_true(r.end.lost > 0);
	assert_int_equal(counters.lost, r.end.lost);
	assert_int_equal(counters.emitted, r.end.emitted);
	assert_int_equal(r.lost, r.end.lost); /* told to the sink */
	for (int kind = 0; kind < TCPSTAT_KINDS; kind++)
		seen += r.end.seen[kind];
	assert_int_equal(r.end.emitted + r.lost,
	                 seen); /* of whichever kind the ring did not take */
	assert_true(rig_count(&r, TCP_SAMPLE_ACK) <= r.end.seen[TCPSTAT_ACK]);
	close(fd[1]);
	rig_close(&r);
}

struct told {
	uint64_t samples, lost, lost_of_nobody;
};

static void count_sample(void *self, const struct tcp_sample *sample)
{
	(void)sample;
	((struct told *)self)->samples++;
}

static void count_lost(void *self, uint64_t cookie, uint64_t samples)
{
	struct told *t = self;

	*(cookie ? &t->lost : &t->lost_of_nobody) += samples;
}

/* While it lives, at its end, and when all is over: no loss twice. */
static void a_trace_is_told_of_each_loss_once(void **state)
{
	struct loader_wish wish = EVERY_ACK;
	struct told told = {};
	const struct sample_sink trace = { .take = count_sample,
		                           .lose = count_lost,
		                           .self = &told };
	struct tcpstat_counters counters;
	struct tcpstat_flow flow;
	struct feed feed;
	struct rig r;
	int fd[2];

	(void)state;
	wish.ring_bytes = LOADER_RING_BYTES_MIN;
	rig_open(&r, &wish);
	feed_open(&feed, &trace, 0);
	feed_connect(&feed, r.s, 0, true);
	rig_pair(&r, AF_INET, fd);
	feed_announce(&feed, &(struct tcp_flow){ .cookie = tcpinfo_cookie(fd[0]) });
	rig_pass(NULL, fd[0], fd[1], 100000000); /* nobody drains */
	rig_pass(NULL, fd[1], fd[0], 100000000);
	assert_int_equal(sockstat_flow(r.s, fd[0], &flow, NULL), 0);
	assert_true(flow.lost > 0);
	feed_lost(&feed, tcpinfo_cookie(fd[0]), flow.lost);
	assert_int_equal(told.lost, flow.lost);
	feed_drain(&feed);
	rig_abort(fd[0]);
	feed_finish(&feed);
	assert_int_equal(sockstat_counters(r.s, &counters, NULL), 0);
	assert_int_equal(told.lost + told.lost_of_nobody, counters.lost);
	assert_true(told.samples > 0 && told.samples <= counters.emitted);
	close(fd[1]);
	rig_close(&r);
}

static void a_lost_end_is_told(void **state)
{
	struct loader_wish wish = EVERY_ACK;
	struct tcpstat_counters counters;
	struct rig r;
	int fd[2];

	(void)state;
	wish.ring_bytes = LOADER_RING_BYTES_MIN;
	rig_open(&r, &wish);
	rig_pair(&r, AF_INET, fd);
	rig_pass(NULL, fd[0], fd[1], 100000000);
	rig_pass(NULL, fd[1], fd[0], 100000000);
	rig_abort(fd[0]);
	assert_int_equal(sockstat_finish(r.s, &r.sink, NULL), 0);
	assert_int_equal(r.ends, 0);
	assert_int_equal(sockstat_counters(r.s, &counters, NULL), 0);
	assert_true(counters.lost > 1);
	assert_int_equal(r.lost, counters.lost);
	assert_int_equal(counters.emitted, r.samples + r.flows); /* all but its begin are samples */
	close(fd[1]);
	rig_close(&r);
}

/* --- events ----------------------------------------------------------------------------------------- */

/* iperf3 chooses it for a connection that stands already. */
static void the_last_congestion_control_is_told(void **state)
{
	struct rig r;
	int fd[2];

	(void)state;
	rig_open(&r, &every_ack);
	rig_pair(&r, AF_INET, fd);
	rig_drain(&r);
	assert_int_equal(setsockopt(fd[0], IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	rig_abort(fd[0]);
	rig_await_end(&r);
	assert_string_equal(r.flow.congestion, "reno");
	close(fd[1]);
	rig_close(&r);
}

static void handshake_is_seen(void **state)
{
	char comm[16] = "";
	struct rig r;
	int fd[2];
	FILE *f = fopen("/proc/self/comm", "re");

	(void)state;
	assert_non_null(f);
	assert_non_null(fgets(comm, sizeof(comm), f));
	fclose(f);
	comm[strcspn(comm, "\n")] = '\0';
	rig_open(&r, &every_ack);
	rig_pair(&r, AF_INET6, fd);
	rig_drain(&r);
	assert_true(r.samples >= 2);
	assert_int_equal(r.sample[0].event, TCP_SAMPLE_STATE);
	assert_int_equal(r.sample[0].state, 2); /* SYN_SENT */
	assert_int_equal(r.sample[1].state, 1); /* ESTABLISHED */
	assert_true(r.sample[1].present & TCP_SAMPLE_LATEST_RTT);
	assert_int_equal(r.flows, 1);
	assert_int_equal(r.flow.pid, getpid());
	assert_int_equal(r.flow.role, TCP_FLOW_CLIENT);
	assert_string_equal(r.flow.comm, comm);
	assert_true(r.flow.congestion[0] != '\0');
	assert_true(r.flow.local_port != 0 && r.flow.remote_port != 0);
	assert_int_equal(r.flow.remote_ip[15], 1);
	close(fd[0]);
	close(fd[1]);
	rig_await_end(&r);
	assert_string_equal(r.flow.ending, "closed");
	rig_close(&r);
}

static void a_peers_reset_is_seen(void **state)
{
	struct rig r;
	int fd[2];

	(void)state;
	rig_open(&r, &every_ack);
	rig_pair(&r, AF_INET, fd);
	rig_abort(fd[1]);
	rig_drain(&r);
	close(fd[0]);
	rig_await_end(&r);
	assert_int_equal(r.end.seen[TCPSTAT_RESET_RECEIVED], 1);
	assert_string_equal(r.flow.ending, "reset received");
	rig_close(&r);
}

/* A namespace of this process's own, whose loopback drops what comes faster than 20 Mbit/s. */
static int enter_lossy_namespace(void)
{
	int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (before < 0 || unshare(CLONE_NEWNET) < 0 ||
	    system("ip link set lo up && ip link set lo mtu 1500 && "
	           "tc qdisc add dev lo root tbf rate 20mbit burst 10kb limit 20kb") != 0) {
		print_message("skip: no network namespace with a tbf here\n");
		skip();
	}
	return before;
}

static void losses_are_seen(void **state)
{
	uint64_t in_states_ns = 0;
	struct rig r;
	int fd[2], home;

	(void)state;
	rig_open(&r, &every_ack);
	home = enter_lossy_namespace();
	rig_pair(&r, AF_INET, fd);
	assert_int_equal(setsockopt(fd[0], IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	rig_pass(&r, fd[0], fd[1], 2000000);
	rig_settle(&r, fd[0]);
	rig_abort(fd[0]);
	rig_await_end(&r);
	close(fd[1]);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	assert_true(r.end.event.bytes_retrans > 0);
	assert_true(r.end.seen[TCPSTAT_RETRANSMIT] > 0);
	assert_int_equal(rig_count(&r, TCP_SAMPLE_RETRANSMIT), r.end.seen[TCPSTAT_RETRANSMIT]);
	assert_true(r.end.seen[TCPSTAT_CONGESTION] > 0);
	assert_int_equal(rig_count(&r, TCP_SAMPLE_CONGESTION), r.end.seen[TCPSTAT_CONGESTION]);
	assert_true(r.end.ca_state_ns[3] > 0); /* TCP_CA_Recovery */
	for (int i = 0; i < TCPSTAT_CA_STATES; i++)
		in_states_ns += r.end.ca_state_ns[i];
	assert_in_range(in_states_ns, 1, r.end.looked_ns - r.end.began_ns);
	assert_aggregates_agree(&r);
	rig_close(&r);
}

/* --- more than one, and the other tier ---------------------------------------------------------------- */

static void two_at_once(void **state)
{
	struct rig a, b;
	int fd[2];

	(void)state;
	rig_open(&a, &every_ack);
	rig_open(&b, &every_ack);
	rig_pair(&a, AF_INET, fd);
	assert_int_equal(sockstat_tag(b.s, fd[0], NULL), 0);
	rig_pass(&a, fd[0], fd[1], 10000000);
	rig_abort(fd[0]);
	rig_await_end(&a);
	rig_await_end(&b);
	assert_int_equal(a.end.seen[TCPSTAT_ACK], b.end.seen[TCPSTAT_ACK]);
	assert_int_equal(a.end.event.bytes_acked, b.end.event.bytes_acked);
	close(fd[1]);
	rig_close(&b);
	rig_close(&a);
}

static void sockops_tier(void **state)
{
	struct loader_wish wish = EVERY_ACK;
	struct tcpinfo_raw raw;
	struct tcp_sample info;
	struct rig r;
	int fd[2];

	(void)state;
	wish.tiers = TIER_BIT(TIER_SOCKOPS);
	rig_open(&r, &wish);
	assert_int_equal(r.grant.tier, TIER_SOCKOPS);
	assert_string_equal(r.grant.refusals[TIER_EBPF].reason, "it was not asked for");
	assert_false(sockstat_missed(r.s).known);
	rig_pair(&r, AF_INET, fd);
	rig_pass(&r, fd[0], fd[1], 20000000);
	rig_settle(&r, fd[0]);
	assert_int_equal(tcpinfo_read(fd[0], &raw, NULL), 0);
	tcpinfo_to_sample(&raw, 0, tcpinfo_cookie(fd[0]), &info);
	rig_abort(fd[0]);
	rig_await_end(&r);
	assert_true(r.end.seen[TCPSTAT_ACK] > 0);
	assert_int_equal(rig_count(&r, TCP_SAMPLE_ACK), r.end.seen[TCPSTAT_ACK]);
	assert_int_equal(r.end.event.cookie, info.cookie);
	assert_int_equal(r.end.event.bytes_acked, info.bytes_acked);
	assert_int_equal(r.end.event.srtt_us, info.srtt_us);
	assert_int_equal(r.end.event.min_rtt_us, info.min_rtt_us);
	assert_int_equal(r.end.event.snd_cwnd_segments, info.snd_cwnd_segments);
	assert_int_equal(r.sample[r.samples - 1].present & TCP_SAMPLE_RTTVAR, 0);
	assert_int_equal(r.flow.remote_ip[12], 127);
	close(fd[1]);
	rig_close(&r);
}

/* --- what is missed ----------------------------------------------------------------------------------- */

/* The program behind a link. */
static int program_of(int link_fd)
{
	struct bpf_link_info info = {};
	union bpf_attr attr = { .info = { .bpf_fd = (uint32_t)link_fd,
		                          .info_len = sizeof(info),
		                          .info = (uintptr_t)&info } };

	assert_true(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) >= 0);
	attr = (union bpf_attr){ .prog_id = info.prog_id };
	return (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
}

/* As bpftool finds it: of all programs that are attached the one with that name. */
static uint64_t misses_in_kernel(const struct rig *r)
{
	uint64_t misses = 0;
	int found = 0;

	for (size_t i = 0; i < r->grant.links; i++) {
		struct bpf_prog_info info = {};
		int fd = program_of(r->grant.link_fds[i]);
		union bpf_attr attr = { .info = { .bpf_fd = (uint32_t)fd,
			                          .info_len = sizeof(info),
			                          .info = (uintptr_t)&info } };

		assert_true(fd >= 0);
		assert_true(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) >= 0);
		close(fd);
		if (strcmp(info.name, TCPSTAT_PROGRAM_PROBE) != 0)
			continue;
		misses = info.recursion_misses;
		found++;
	}
	assert_int_equal(found, 1);
	return misses;
}

#define OTHERS      8
#define OTHERS_SEND (250 * 1000 * 1000)

/* Both ends send and receive, each in two processes: then segments of the one come while those of the other are worked on. */
static void start_process(int fd, bool sends, pid_t *ret)
{
	static char buffer[128 * 1024];
	ssize_t n = 1;

	*ret = fork();
	if (*ret != 0)
		return;
	for (size_t left = OTHERS_SEND; left > 0 && n > 0; left -= n > 0 ? (size_t)n : 0) {
		size_t some = left < sizeof(buffer) ? left : sizeof(buffer);

		n = sends ? send(fd, buffer, some, MSG_NOSIGNAL) : recv(fd, buffer, some, 0);
	}
	_exit(n <= 0);
}

static void pass_among_others(void)
{
	pid_t pid[4 * OTHERS];

	for (size_t i = 0; i < OTHERS; i++) {
		int fd[2];

		rig_pair(NULL, AF_INET, fd);
		for (size_t k = 0; k < 4; k++)
			start_process(fd[k / 2], k % 2, &pid[4 * i + k]);
		close(fd[0]);
		close(fd[1]);
	}
	for (size_t i = 0; i < 4 * OTHERS; i++) {
		int status = -1;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
}

/* Of connections that are not ours, too, and of a machine that goes on. Whether any are missed is a matter of chance. */
static void what_is_missed_is_the_kernels_count(void **state)
{
	struct tcp_missed before, after;
	uint64_t kernels;
	struct rig r;

	(void)state;
	rig_open(&r, &every_ack);
	pass_among_others();
	before = sockstat_missed(r.s);
	kernels = misses_in_kernel(&r);
	after = sockstat_missed(r.s);
	assert_true(before.known && after.known);
	assert_in_range(kernels, before.segments_at_most, after.segments_at_most);
	print_message("%llu missed\n", (unsigned long long)kernels);
	rig_close(&r);
}

/* --- BPF_PROG_TEST_RUN ------------------------------------------------------------------------------- */

#define ENOTSUPP_OF_THE_KERNEL 524

/* Neither type allows it, which is why everything here is live: bpf_prog_test_run_tracing() knows fentry, fexit
 * and modify_return alone, and sockops has no such call. Where a kernel begins to, this fails, and they can be run
 * so. */
static void no_program_can_be_run_on_paper(void **state)
{
	static const int refused_with[] = {
		[TIER_EBPF] = EFAULT, [TIER_SOCKOPS] = ENOTSUPP_OF_THE_KERNEL
	};
	struct loader_wish wish = EVERY_ACK;
	struct rig r;

	(void)state;
	for (enum tier t = TIER_EBPF; t < TIER_TCP_INFO; t++) {
		wish.tiers = TIER_BIT(t);
		rig_open(&r, &wish);
		for (size_t i = 0; i < r.grant.links; i++) {
			int fd = program_of(r.grant.link_fds[i]);
			union bpf_attr attr = { .test = { .prog_fd = (uint32_t)fd } };

			assert_true(fd >= 0);
			assert_true(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) < 0);
			assert_int_equal(errno, refused_with[t]);
			close(fd);
		}
		rig_close(&r);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(no_program_can_be_run_on_paper),
	cmocka_unit_test(receipts_are_tcp_info),
	cmocka_unit_test(totals_are_what_ss_and_both_ends_say),
	cmocka_unit_test(every_ack_at_full_speed),
	cmocka_unit_test(aggregates_of_a_sender),
	cmocka_unit_test(untagged_gives_nothing),
	cmocka_unit_test(tagged_by_another_gives_nothing),
	cmocka_unit_test(interval_thins_acks),
	cmocka_unit_test(small_ring_counts_its_losses),
	cmocka_unit_test(a_trace_is_told_of_each_loss_once),
	cmocka_unit_test(a_lost_end_is_told),
	cmocka_unit_test(the_last_congestion_control_is_told),
	cmocka_unit_test(handshake_is_seen),
	cmocka_unit_test(a_peers_reset_is_seen),
	cmocka_unit_test(losses_are_seen),
	cmocka_unit_test(two_at_once),
	cmocka_unit_test(what_is_missed_is_the_kernels_count),
	cmocka_unit_test(sockops_tier),
};

/* Says why, where the best tier is not to be had: then none of this can be shown here. */
static bool can_run_here(void)
{
	struct loader_grant grant;
	struct err err = {};
	bool granted;

	if (loader_start(&every_ack, &grant, &err) < 0) {
		fprintf(stderr, "could not %s\n", err.text);
		return true; /* the tests will fail of it */
	}
	granted = grant.tier == TIER_EBPF;
	if (!granted)
		fprintf(stderr, "skip: ebpf: %s\n", grant.refusals[TIER_EBPF].reason);
	loader_release(&grant);
	return granted;
}

int main(int argc, char **argv)
{
	int failed;

	if (argc == 2 && strcmp(argv[1], LOADER_ROLE) == 0)
		loader_role(NULL);
	if (!can_run_here())
		return CASES_EXIT_SKIPPED;
	failed = CASES_RUN(last_record_is_tcp_info, agree_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
