/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The kernel as the programs see it, and every difference between kernels that they know of.
 *
 * Declared by hand, by name only: where a member lies is found when the program is loaded (CO-RE), so
 * neither this file nor the build machine has to agree with the kernel that runs. What the programs
 * do not read is not here.
 *
 * Differences, oldest first; the loader (bpf/loader.c) leaves out what a kernel lacks.
 *
 *   5.2   sk_bpf_storage, NULL without any storage         6ac99e8f23d4
 *   5.3   sockops is called on each round trip             23729ff23186
 *   5.8   ring buffers                                     457f44363a88
 *   5.9   bpf_skc_to_tcp_sock()                            478cfbdf5f13
 *   5.11  socket storage in tracing programs: the tier
 *         "ebpf" begins here                               8e4597c627fb
 *   5.19  the tracepoint tcp_cong_state_set                15fcdf6ae116
 *         map calls on descriptors without CAP_BPF, with
 *         kernel.unprivileged_bpf_disabled set             c8644cd0efe7
 *   6.10  sockops is told the sample that moved srtt       48e2cd3e3dcf
 *         tcp_send_reset has a third argument, the reason  b533fb9cf4f7
 *   6.13  the verifier knows that a tracepoint's argument
 *         may be NULL: tcp_send_reset's socket             838a10bd2ebf
 *   6.17  tcp_retransmit_skb also tells of tries that
 *         failed, in a third argument                      ad892e912b84
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET  2
#define AF_INET6 10

/* Options of a socket, as bpf_getsockopt() takes them. */
#define SOL_TCP        6
#define TCP_CONGESTION 13

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT    2
#define TCP_FIN_WAIT1   4
#define TCP_CLOSE       7
#define TCP_LAST_ACK    9

/* enum tcp_chrono: chrono_stat[] has no entry for 0, "unspecified". */
#define TCP_CHRONO_BUSY           1
#define TCP_CHRONO_RWND_LIMITED   2
#define TCP_CHRONO_SNDBUF_LIMITED 3

/* minmax_get() before the first sample. */
#define TCP_MIN_RTT_NONE (~0U)

#define KERNEL_TYPE __attribute__((preserve_access_index))

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
} KERNEL_TYPE;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} KERNEL_TYPE;

struct sock {
	struct sock_common __sk_common;
	unsigned long sk_pacing_rate;
	int sk_err;
	void *sk_bpf_storage;
} KERNEL_TYPE;

struct inet_sock {
	struct sock sk;
} KERNEL_TYPE;

struct tcp_congestion_ops {
	char name[16];
} KERNEL_TYPE;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const struct tcp_congestion_ops *icsk_ca_ops;
	__u8 icsk_ca_state : 5;
} KERNEL_TYPE;

struct minmax_sample {
	__u32 t;
	__u32 v;
} KERNEL_TYPE;

struct minmax {
	struct minmax_sample s[3];
} KERNEL_TYPE;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_acked;
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u32 srtt_us;
	__u32 mdev_us;
	struct minmax rtt_min;
	struct {
		__u32 rtt_us;
	} rcv_rtt_est;
	__u32 snd_cwnd;
	__u32 snd_ssthresh;
	__u32 packets_out;
	__u32 lost_out;
	__u32 sacked_out;
	__u32 snd_wnd;
	__u32 rcv_wnd;
	__u32 write_seq;
	__u32 snd_nxt;
	__u32 rcv_ooopack;
	__u32 mss_cache;
	__u32 delivered;
	__u32 app_limited;
	__u32 rate_delivered;
	__u32 rate_interval_us;
	__u32 chrono_start;
	__u32 chrono_stat[3];
	__u8 chrono_type : 2; /* a whole byte in later kernels: read as a bit field it is either */
	__u8 rate_app_limited : 1;
} KERNEL_TYPE;
