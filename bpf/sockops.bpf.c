// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* What TCP calls a cgroup's program for. It needs no types of the kernel (BTF), and does two things,
 * each if the knobs say so:
 *
 *   tags_whole_cgroup   every connection that begins in the cgroup gets its entry in `flows`
 *   samples_by_sockops  where tracing is not to be had, connections with an entry are looked at here,
 *                       once in each round trip, by the figures that struct bpf_sock_ops offers
 *
 * A connection must have its entry before it is established to be looked at. */
#include "bpf/kernel.h"

#include "bpf/flow.h"
#include "bpf/tcpstat.h"

#define SOCKOPS_HAS                                                                                \
	(TCPSTAT_HAS_SRTT | TCPSTAT_HAS_MIN_RTT | TCPSTAT_HAS_CWND | TCPSTAT_HAS_BYTES |           \
	 TCPSTAT_HAS_SEGMENTS)

#define CALL_ME                                                                                    \
	(BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG)

static __always_inline struct tcpstat_flow *find(struct bpf_sock_ops *ops, bool make)
{
	struct bpf_sock *sk = ops->sk;

	if (!sk)
		return NULL;
	return bpf_sk_storage_get(&flows, sk, NULL, make ? BPF_SK_STORAGE_GET_F_CREATE : 0);
}

static __always_inline void read_figures(struct tcpstat_event *e, struct bpf_sock_ops *ops)
{
	e->present = SOCKOPS_HAS;
	e->bytes_acked = ops->bytes_acked;
	e->bytes_received = ops->bytes_received;
	e->srtt_us = ops->srtt_us >> 3;
	e->min_rtt_us = ops->rtt_min;
	if (e->min_rtt_us == TCP_MIN_RTT_NONE) {
		e->min_rtt_us = 0;
		e->present &= ~TCPSTAT_HAS_MIN_RTT;
	}
	e->snd_cwnd_segments = ops->snd_cwnd;
	e->ssthresh_segments = ops->snd_ssthresh;
	e->inflight_segments = ops->packets_out;
	e->lost_segments = ops->lost_out;
	e->sacked_segments = ops->sacked_out;
}

static __always_inline void fill(struct tcpstat_event *e, struct bpf_sock_ops *ops,
                                 const struct tcpstat_flow *flow, enum tcpstat_kind kind)
{
	__u64 cookie = flow->event.cookie; /* e may be that event */

	__builtin_memset(e, 0, sizeof(*e));
	e->at_ns = flow->looked_ns;
	e->cookie = cookie;
	e->kind = kind;
	e->state = flow->state;
	read_figures(e, ops);
	if (flow->rtt_count == 0)
		return;
	e->latest_rtt_us = flow->latest_rtt_us;
	e->present |= TCPSTAT_HAS_LATEST_RTT;
}

static __always_inline void emit_event(struct bpf_sock_ops *ops, struct tcpstat_flow *flow,
                                       enum tcpstat_kind kind)
{
	struct tcpstat_event *e = bpf_ringbuf_reserve(&records, sizeof(*e), 0);

	count(flow, e);
	if (!e)
		return;
	fill(e, ops, flow, kind);
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

static __always_inline void read_identity(struct tcpstat_identity *who, struct bpf_sock_ops *ops)
{
	__u32 *local = (__u32 *)who->local, *remote = (__u32 *)who->remote;

	who->family = ops->family;
	who->local_port = ops->local_port;
	who->remote_port = bpf_ntohl(ops->remote_port);
	if (who->family == AF_INET6) {
		local[0] = ops->local_ip6[0];
		local[1] = ops->local_ip6[1];
		local[2] = ops->local_ip6[2];
		local[3] = ops->local_ip6[3];
		remote[0] = ops->remote_ip6[0];
		remote[1] = ops->remote_ip6[1];
		remote[2] = ops->remote_ip6[2];
		remote[3] = ops->remote_ip6[3];
	} else {
		local[0] = ops->local_ip4;
		remote[0] = ops->remote_ip4;
	}
}

/* Each time, as it may have been set since. */
static __always_inline void read_congestion(struct tcpstat_identity *who, struct bpf_sock_ops *ops)
{
	bpf_getsockopt(ops, SOL_TCP, TCP_CONGESTION, who->congestion, sizeof(who->congestion));
}

static __always_inline void emit_begin(struct bpf_sock_ops *ops, struct tcpstat_flow *flow)
{
	struct tcpstat_begin *b;

	read_identity(&flow->who, ops);
	read_congestion(&flow->who, ops);
	flow->seen[TCPSTAT_BEGIN]++;
	b = bpf_ringbuf_reserve(&records, sizeof(*b), 0);
	count(flow, b);
	if (!b)
		return;
	fill(&b->event, ops, flow, TCPSTAT_BEGIN);
	b->who = flow->who;
	bpf_ringbuf_submit(b, BPF_RB_NO_WAKEUP);
}

static __always_inline void emit_end(struct bpf_sock_ops *ops, struct tcpstat_flow *flow)
{
	if (flow->who.family == 0)
		read_identity(&flow->who, ops); /* it was never established */
	flow->error = TCPSTAT_ERROR_UNKNOWN;
	flow->seen[TCPSTAT_END]++;
	read_congestion(&flow->who, ops);
	fill(&flow->event, ops, flow, TCPSTAT_END);
	output_end(flow);
}

static __always_inline void look(struct tcpstat_flow *flow, enum tcpstat_kind kind)
{
	__u64 now_ns = bpf_ktime_get_ns();

	if (flow->looked_ns == 0)
		first_look(flow, now_ns, SOCKOPS_HAS);
	flow->looked_ns = now_ns;
	flow->seen[kind]++;
}

/* Its state only, in case that it is never established. */
static __always_inline void on_connect(struct bpf_sock_ops *ops)
{
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void on_established(struct bpf_sock_ops *ops, struct tcpstat_flow *flow)
{
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | CALL_ME);
	flow->state = TCP_ESTABLISHED;
	flow->who.role = ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ? TCPSTAT_CONNECTED
	                                                               : TCPSTAT_ACCEPTED;
	look(flow, TCPSTAT_STATE);
	emit_event(ops, flow, TCPSTAT_STATE);
	emit_begin(ops, flow);
}

static __always_inline void on_rtt(struct bpf_sock_ops *ops, struct tcpstat_flow *flow)
{
	__u32 rtt_us = ops->args[0]; /* 0: a kernel that does not tell it */

	look(flow, TCPSTAT_ACK);
	if (rtt_us) {
		flow->event.present |= TCPSTAT_HAS_LATEST_RTT;
		add_rtt(flow, rtt_us);
	}
	if (is_due(flow, flow->looked_ns))
		emit_event(ops, flow, TCPSTAT_ACK);
}

static __always_inline void on_state(struct bpf_sock_ops *ops, struct tcpstat_flow *flow)
{
	__u32 after = ops->args[1];

	if (after == TCP_ESTABLISHED)
		return; /* on_established() tells of it */
	if (knobs.sockops_knows_pid && its_owner_closes(flow, after, true))
		note_process(flow, knobs.sockops_knows_comm);
	flow->state = after;
	look(flow, TCPSTAT_STATE);
	emit_event(ops, flow, TCPSTAT_STATE);
	if (flow->state == TCP_CLOSE)
		emit_end(ops, flow);
}

static __always_inline void on_retransmit(struct bpf_sock_ops *ops, struct tcpstat_flow *flow)
{
	look(flow, TCPSTAT_RETRANSMIT);
	emit_event(ops, flow, TCPSTAT_RETRANSMIT);
}

static __always_inline void handle_sample(struct bpf_sock_ops *ops)
{
	struct tcpstat_flow *flow = find(ops, false);

	if (!flow)
		return;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		on_connect(ops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		on_established(ops, flow);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		on_rtt(ops, flow);
		break;
	case BPF_SOCK_OPS_RETRANS_CB:
		on_retransmit(ops, flow);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		on_state(ops, flow);
		break;
	default:
		break;
	}
}

/* Nothing will be told of it. */
static __always_inline void count_untraced(void)
{
	__u32 zero = 0;
	struct tcpstat_counters *here = bpf_map_lookup_elem(&counters, &zero);

	if (here)
		here->untraced++;
}

/* The process is the one that connects. */
static __always_inline void handle_tag(struct bpf_sock_ops *ops)
{
	bool connects = ops->op == BPF_SOCK_OPS_TCP_CONNECT_CB;
	struct tcpstat_flow *flow;

	if (!connects && ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return;
	flow = find(ops, true);
	if (!flow) {
		count_untraced();
		return;
	}
	flow->who.role = connects ? TCPSTAT_CONNECTED : TCPSTAT_ACCEPTED;
	flow->event.cookie = bpf_get_socket_cookie(ops);
	if (connects && knobs.sockops_knows_pid)
		note_process(flow, knobs.sockops_knows_comm);
}

SEC("sockops")
int tcp_callback(struct bpf_sock_ops *ops)
{
	if (knobs.tags_whole_cgroup)
		handle_tag(ops);
	if (knobs.samples_by_sockops)
		handle_sample(ops);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
