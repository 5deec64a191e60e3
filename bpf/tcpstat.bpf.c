// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* What the kernel's TCP does with a tagged socket, at each segment that comes in: its tracepoints,
 * read in full (BTF). A socket without an entry in `flows` costs the one look-up that says so. */
#include "bpf/kernel.h"

#include "bpf/flow.h"
#include "bpf/tcpstat.h"

#define NOT_PACED (~0UL)

/* Bytes per second as bits per second; what does not fit is all ones, as "no limit" is. */
static __always_inline __u64 bits_per_s(__u64 bytes_per_s)
{
	return bytes_per_s > ~0ULL / 8 ? ~0ULL : 8 * bytes_per_s;
}

/* tcp_compute_delivery_rate() */
static __always_inline __u64 delivery_rate_bps(const struct tcp_sock *tp)
{
	__u64 segments = tp->rate_delivered, interval_us = tp->rate_interval_us;

	if (segments == 0 || interval_us == 0)
		return 0;
	return bits_per_s(segments * tp->mss_cache * 1000000 / interval_us);
}

/* tcp_get_info_chrono_stats(): the state that lasts counts up to now, in jiffies. */
static __always_inline __u64 chrono_us(const struct tcp_sock *tp, __u32 type, __u32 lasting,
                                       __u32 now_jiffies)
{
	__u64 jiffies = tp->chrono_stat[type - 1];

	if (type == lasting)
		jiffies += now_jiffies - tp->chrono_start;
	return jiffies * knobs.us_per_jiffy;
}

static __always_inline void read_limits(struct tcpstat_event *e, const struct tcp_sock *tp)
{
	__u32 lasting = BPF_CORE_READ_BITFIELD(tp, chrono_type);
	__u32 now_jiffies = bpf_jiffies64();

	e->rwnd_limited_us = chrono_us(tp, TCP_CHRONO_RWND_LIMITED, lasting, now_jiffies);
	e->sndbuf_limited_us = chrono_us(tp, TCP_CHRONO_SNDBUF_LIMITED, lasting, now_jiffies);
	/* tcpi_busy_time is the sum of the three. */
	e->busy_us = e->rwnd_limited_us + e->sndbuf_limited_us +
	             chrono_us(tp, TCP_CHRONO_BUSY, lasting, now_jiffies);
}

/* Each as tcp_get_info() has it. */
static __always_inline void read_figures(struct tcpstat_event *e, const struct tcp_sock *tp)
{
	unsigned long pacing_rate = tp->inet_conn.icsk_inet.sk.sk_pacing_rate;
	__s32 notsent_bytes = tp->write_seq - tp->snd_nxt;

	e->present = TCPSTAT_HAS_EVERYTHING;
	e->bytes_acked = tp->bytes_acked;
	e->bytes_received = tp->bytes_received;
	e->bytes_sent = tp->bytes_sent;
	e->bytes_retrans = tp->bytes_retrans;
	e->delivery_rate_bps = delivery_rate_bps(tp);
	e->pacing_rate_bps = pacing_rate == NOT_PACED ? ~0ULL : bits_per_s(pacing_rate);
	e->srtt_us = tp->srtt_us >> 3;
	e->rttvar_us = tp->mdev_us >> 2;
	e->min_rtt_us = tp->rtt_min.s[0].v; /* tcp_min_rtt() */
	if (e->min_rtt_us == TCP_MIN_RTT_NONE) {
		e->min_rtt_us = 0;
		e->present &= ~TCPSTAT_HAS_MIN_RTT;
	}
	e->rcv_rtt_us = tp->rcv_rtt_est.rtt_us >> 3;
	e->snd_cwnd_segments = tp->snd_cwnd;
	e->ssthresh_segments = tp->snd_ssthresh;
	e->inflight_segments = tp->packets_out; /* tcpi_unacked */
	e->lost_segments = tp->lost_out;
	e->sacked_segments = tp->sacked_out;
	e->snd_wnd_bytes = tp->snd_wnd;
	e->rcv_wnd_bytes = tp->rcv_wnd;
	e->notsent_bytes = notsent_bytes > 0 ? notsent_bytes : 0;
	e->ooo_segments = tp->rcv_ooopack;
	e->app_limited = BPF_CORE_READ_BITFIELD(tp, rate_app_limited);
	read_limits(e, tp);
}

static __always_inline void fill(struct tcpstat_event *e, const struct tcp_sock *tp,
                                 const struct tcpstat_flow *flow, enum tcpstat_kind kind)
{
	e->at_ns = flow->looked_ns;
	e->cookie = flow->event.cookie;
	e->kind = kind;
	e->state = flow->state;
	e->ca_state = flow->ca_state;
	read_figures(e, tp);
	e->latest_rtt_us = flow->latest_rtt_us;
	if (flow->rtt_count == 0)
		e->present &= ~TCPSTAT_HAS_LATEST_RTT;
}

static __always_inline void read_addresses(struct tcpstat_identity *who, const struct tcp_sock *tp)
{
	const struct sock_common *sk = &tp->inet_conn.icsk_inet.sk.__sk_common;

	who->family = sk->skc_family;
	who->local_port = sk->skc_num;
	who->remote_port = bpf_ntohs(sk->skc_dport);
	if (who->family == AF_INET6) {
		__builtin_memcpy(who->local, &sk->skc_v6_rcv_saddr, sizeof(who->local));
		__builtin_memcpy(who->remote, &sk->skc_v6_daddr, sizeof(who->remote));
	} else {
		__builtin_memcpy(who->local, &sk->skc_rcv_saddr, sizeof(sk->skc_rcv_saddr));
		__builtin_memcpy(who->remote, &sk->skc_daddr, sizeof(sk->skc_daddr));
	}
}

/* The addresses when it is established, or as late as it is met (a closed one has no port any more); congestion
 * control each time, as it may have been set since. */
static __always_inline void read_identity(struct tcpstat_flow *flow, const struct tcp_sock *tp,
                                          bool established)
{
	if (established || flow->who.family == 0)
		read_addresses(&flow->who, tp);
	bpf_probe_read_kernel_str(flow->who.congestion, sizeof(flow->who.congestion),
	                          tp->inet_conn.icsk_ca_ops->name);
}

static __always_inline void remember_estimate(struct tcpstat_flow *flow, const struct tcp_sock *tp)
{
	flow->srtt_scaled = tp->srtt_us;
	flow->mdev_scaled = tp->mdev_us;
	flow->delivered = tp->delivered;
}

/* The kernel's own sample, from what its estimator (RFC 6298, in tcp_rtt_estimator()) made of it:
 * srtt += sample - srtt / 8, with srtt kept eightfold. Each segment of an established connection
 * passes tcp_probe, and moves the estimate once at most, so that no sample is missed or met twice
 * where it is looked for there, and when the connection leaves that state.
 * Where it moved neither srtt nor mdev, the sample was srtt itself. */
static __always_inline void add_rtt_since(struct tcpstat_flow *flow, const struct tcp_sock *tp)
{
	__u32 before = flow->srtt_scaled, srtt_scaled = tp->srtt_us;
	__u32 moved = (srtt_scaled ^ before) | (tp->mdev_us ^ flow->mdev_scaled);
	__s32 rtt_us;

	if (srtt_scaled == 0)
		return;
	if (before == 0)
		before = srtt_scaled; /* the first: the handshake's */
	else if (flow->state != TCP_ESTABLISHED)
		return;
	else if (!moved && (flow->mdev_scaled >= 4 || tp->delivered == flow->delivered))
		return;
	rtt_us = tcpstat_rtt_sample(before, srtt_scaled);
	if (rtt_us >=
	    0) /* the kernel passes a program over that runs already on this CPU: then one is missed */
		add_rtt(flow, rtt_us);
}

static __always_inline void account(struct tcpstat_flow *flow, const struct tcp_sock *tp,
                                    enum tcpstat_kind kind, int detail)
{
	bool first = flow->looked_ns == 0;
	__u64 now_ns = bpf_ktime_get_ns();

	if (first) {
		first_look(flow, now_ns, TCPSTAT_HAS_EVERYTHING);
		remember_estimate(flow, tp);
	} else {
		add_time(flow, now_ns);
	}
	if (kind == TCPSTAT_ACK || kind == TCPSTAT_STATE) {
		if (!first)
			add_rtt_since(flow, tp);
		remember_estimate(flow, tp);
	}
	flow->looked_ns = now_ns;
	flow->state =
		kind == TCPSTAT_STATE ? detail : tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	flow->ca_state = kind == TCPSTAT_CONGESTION
	                         ? detail
	                         : BPF_CORE_READ_BITFIELD(&tp->inet_conn, icsk_ca_state);
	flow->app_limited = tp->app_limited != 0;
	flow->seen[kind]++;
}

/* Nothing was sent since snd_nxt was `seq`, nothing waits to be, and all of it is acknowledged: what a sender's
 * fields say cannot have changed in between, as only data that is on its way changes it. */
static __always_inline bool has_sent_nothing(const struct tcp_sock *tp, __u32 seq)
{
	return tp->packets_out == 0 && tp->snd_nxt == seq && tp->write_seq == seq;
}

/* What was received comes before what follows it. */
static __always_inline void emit_receipts(struct tcpstat_flow *flow)
{
	__u32 receipts = flow->receipts.count;
	__u64 bytes = offsetof(struct tcpstat_receipts, receipt);

	if (receipts == 0 || receipts > TCPSTAT_RECEIPTS)
		return;
	bytes += receipts * sizeof(struct tcpstat_receipt);
	count_many(flow, receipts,
	           bpf_ringbuf_output(&records, &flow->receipts, bytes, BPF_RB_NO_WAKEUP) == 0);
	flow->receipts.count = 0;
}

static __always_inline void emit_event(struct tcpstat_flow *flow, const struct tcp_sock *tp,
                                       enum tcpstat_kind kind)
{
	struct tcpstat_event *e;

	emit_receipts(flow);
	flow->receipts.whole_ns = 0;
	e = bpf_ringbuf_reserve(&records, sizeof(*e), 0);
	count(flow, e);
	if (!e)
		return;
	fill(e, tp, flow, kind);
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	flow->whole_seq = tp->snd_nxt;
	if (kind != TCPSTAT_ACK || !has_sent_nothing(tp, flow->whole_seq))
		return;
	flow->receipts.whole_ns = flow->looked_ns;
	flow->receipts.cookie = flow->event.cookie;
	flow->receipts.state = flow->state;
	flow->receipts.ca_state = flow->ca_state;
}

static __always_inline bool goes_on(const struct tcpstat_flow *flow, const struct tcp_sock *tp)
{
	const struct tcpstat_receipts *r = &flow->receipts;

	return r->whole_ns && flow->looked_ns - r->whole_ns < TCPSTAT_WHOLE_NS &&
	       flow->state == r->state && flow->ca_state == r->ca_state &&
	       has_sent_nothing(tp, flow->whole_seq);
}

/* Where many come, a few are told together: the ring's lock, and the wait for lines that the reader's CPU has, are then
 * theirs in common. The whole record of each TCPSTAT_WHOLE_NS, and whatever ends the connection, brings what waits. */
static __always_inline void add_receipt(struct tcpstat_flow *flow, const struct tcp_sock *tp)
{
	__u32 at = flow->receipts.count;
	struct tcpstat_receipt *e;

	if (at >= TCPSTAT_RECEIPTS)
		return;
	e = &flow->receipts.receipt[at];
	e->at_ns = flow->looked_ns;
	e->bytes_received = tp->bytes_received;
	e->rcv_rtt_us = tp->rcv_rtt_est.rtt_us >> 3;
	e->snd_wnd_bytes = tp->snd_wnd;
	e->rcv_wnd_bytes = tp->rcv_wnd;
	e->ooo_segments = tp->rcv_ooopack;
	flow->receipts.count = at + 1;
	if (at + 1 == TCPSTAT_RECEIPTS || !knobs.receipts_together)
		emit_receipts(flow);
}

/* The first `bytes` of the flow: each longer record begins as the shorter ones do. */
static __always_inline void emit_flow(struct tcpstat_flow *flow, __u64 bytes)
{
	emit_receipts(flow);
	flow->receipts.whole_ns = 0;
	count(flow, bpf_ringbuf_output(&records, flow, bytes, BPF_RB_NO_WAKEUP) == 0);
}

/* Looked at once, whatever follows from it: to the verifier each further look is as long as the program.
 * The last snapshot is the one when it closed: tcp_disconnect(), by which a connection is aborted, clears the
 * figures before the socket goes. */
static __always_inline void emit_state(struct tcpstat_flow *flow, const struct tcp_sock *tp,
                                       int state)
{
	fill(&flow->event, tp, flow, TCPSTAT_STATE);
	emit_flow(flow, sizeof(struct tcpstat_event));
	if (state == TCP_ESTABLISHED || state == TCP_CLOSE)
		read_identity(flow, tp, state == TCP_ESTABLISHED);
	if (state == TCP_CLOSE) {
		flow->error = tp->inet_conn.icsk_inet.sk.sk_err;
		flow->event.kind = TCPSTAT_END;
		return;
	}
	if (state == TCP_ESTABLISHED) {
		flow->event.kind = TCPSTAT_BEGIN;
		flow->seen[TCPSTAT_BEGIN]++;
		emit_flow(flow, sizeof(struct tcpstat_begin));
	}
	flow->event.present = TCPSTAT_HAS_EVERYTHING; /* of a living socket */
}

static __always_inline void emit_end(struct tcpstat_flow *flow, const struct tcp_sock *tp)
{
	if (flow->event.kind != TCPSTAT_END) {
		fill(&flow->event, tp, flow, TCPSTAT_END);
		flow->error = tp->inet_conn.icsk_inet.sk.sk_err;
		read_identity(flow, tp, false);
	}
	emit_receipts(flow);
	output_end(flow);
}

static __always_inline struct tcpstat_flow *find(struct sock *sk)
{
	return bpf_sk_storage_get(&flows, sk, NULL, 0);
}

/* Most of the machine's sockets have no storage, ours or anybody's, and are spared the helper's call. To be asked of a
 * full socket only: one in TIME_WAIT, which the helper looks for, ends before this member. */
static __always_inline bool has_storage(const struct sock *sk)
{
	return !bpf_core_field_exists(sk->sk_bpf_storage) || sk->sk_bpf_storage;
}

static __always_inline int handle_event(struct sock *sk, enum tcpstat_kind kind, int detail)
{
	struct tcpstat_flow *flow = find(sk);
	struct tcp_sock *tp;

	if (!flow)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	account(flow, tp, kind, detail);
	if (kind == TCPSTAT_ACK && !is_due(flow, flow->looked_ns))
		return 0;
	if (kind == TCPSTAT_END)
		emit_end(flow, tp);
	else if (kind == TCPSTAT_STATE)
		emit_state(flow, tp, detail);
	else if (kind == TCPSTAT_ACK && goes_on(flow, tp))
		add_receipt(flow, tp);
	else
		emit_event(flow, tp, kind);
	return 0;
}

/* Not inlined: the program's prologue would save, for everybody's segments, the registers that this needs. */
static __noinline int handle_segment(struct sock *sk)
{
	return handle_event(sk, TCPSTAT_ACK, 0);
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(tcp_probe, struct sock *sk)
{
	return has_storage(sk) ? handle_segment(sk) : 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcp_retransmit_skb, struct sock *sk)
{
	return handle_event(sk, TCPSTAT_RETRANSMIT, 0);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int before, int after)
{
	struct tcpstat_flow *flow = find(sk);

	if (!flow)
		return 0;
	if (after == TCP_SYN_SENT) { /* connect(2) */
		flow->who.role = TCPSTAT_CONNECTED;
		note_process(flow, true);
	} else if (its_owner_closes(flow, after, sk->sk_err)) {
		note_process(flow, true);
	}
	return handle_event(sk, TCPSTAT_STATE, after);
}

/* It is called for each step of a recovery, mostly to no change. */
SEC("tp_btf/tcp_cong_state_set")
int BPF_PROG(tcp_cong_state_set, struct sock *sk, __u8 after)
{
	struct tcpstat_flow *flow = has_storage(sk) ? find(sk) : NULL;

	if (!flow || flow->ca_state == after)
		return 0;
	return handle_event(sk, TCPSTAT_CONGESTION, after);
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(tcp_send_reset, struct sock *sk)
{
	return sk ? handle_event(sk, TCPSTAT_RESET_SENT, 0) : 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_receive_reset, struct sock *sk)
{
	return handle_event(sk, TCPSTAT_RESET_RECEIVED, 0);
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcp_destroy_sock, struct sock *sk)
{
	return handle_event(sk, TCPSTAT_END, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
