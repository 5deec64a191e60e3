/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* What the programs in the kernel tell of a TCP connection, and the process that measures reads.
 *
 * A ring buffer carries whole records, of three kinds, and receipts. A whole one begins with a struct
 * tcpstat_event, whose `kind` says what follows it: nothing, the rest of a struct tcpstat_begin, or the
 * rest of a struct tcpstat_flow. The last is also what the socket's storage holds while it lives.
 * Receipts are in a struct tcpstat_receipts.
 *
 * Only sockets with an entry in the storage map are looked at. An entry is made by the process
 * that owns the socket, zero but for `event.cookie`, or by a program on the cgroup.
 *
 * Sizes are fixed, the widest members stand first, there are no holes.
 */
#pragma once

#include <linux/types.h>

/* The maps' names, by which the loader finds them. */
#define TCPSTAT_MAP_FLOWS    "flows"    /* BPF_MAP_TYPE_SK_STORAGE of struct tcpstat_flow */
#define TCPSTAT_MAP_RECORDS  "records"  /* BPF_MAP_TYPE_RINGBUF */
#define TCPSTAT_MAP_COUNTERS "counters" /* BPF_MAP_TYPE_PERCPU_ARRAY of struct tcpstat_counters */

/* That of the program which looks at each segment. */
#define TCPSTAT_PROGRAM_PROBE "tcp_probe"

enum tcpstat_kind {
	TCPSTAT_ACK,        /* a segment came in; the figures are those it found */
	TCPSTAT_RETRANSMIT, /* a segment was sent again; also each try that failed (Linux 6.17) */
	TCPSTAT_STATE,      /* `state` is the new one */
	TCPSTAT_CONGESTION, /* `ca_state` is the new one */
	TCPSTAT_RESET_SENT,
	TCPSTAT_RESET_RECEIVED,
	TCPSTAT_BEGIN, /* established; the record is a struct tcpstat_begin */
	TCPSTAT_END,   /* the socket is no more; the record is a struct tcpstat_flow */
	TCPSTAT_KINDS,
};

/* Bits of tcpstat_event.present. */
enum tcpstat_field {
	TCPSTAT_HAS_SRTT = 1U << 0,          /* srtt_us */
	TCPSTAT_HAS_RTTVAR = 1U << 1,        /* rttvar_us */
	TCPSTAT_HAS_MIN_RTT = 1U << 2,       /* min_rtt_us */
	TCPSTAT_HAS_RCV_RTT = 1U << 3,       /* rcv_rtt_us */
	TCPSTAT_HAS_CWND = 1U << 4,          /* snd_cwnd_segments, ssthresh_segments */
	TCPSTAT_HAS_CA_STATE = 1U << 5,      /* ca_state */
	TCPSTAT_HAS_BYTES = 1U << 6,         /* bytes_acked, bytes_received */
	TCPSTAT_HAS_BYTES_SENT = 1U << 7,    /* bytes_sent, bytes_retrans */
	TCPSTAT_HAS_DELIVERY_RATE = 1U << 8, /* delivery_rate_bps */
	TCPSTAT_HAS_APP_LIMITED = 1U << 9,   /* app_limited */
	TCPSTAT_HAS_PACING_RATE = 1U << 10,  /* pacing_rate_bps */
	TCPSTAT_HAS_SEGMENTS = 1U << 11,     /* inflight_, lost_, sacked_segments */
	TCPSTAT_HAS_SND_WND = 1U << 12,      /* snd_wnd_bytes */
	TCPSTAT_HAS_RCV_WND = 1U << 13,      /* rcv_wnd_bytes */
	TCPSTAT_HAS_NOTSENT = 1U << 14,      /* notsent_bytes */
	TCPSTAT_HAS_OOO = 1U << 15,          /* ooo_segments */
	TCPSTAT_HAS_LIMITS = 1U << 16,       /* busy_, rwnd_limited_, sndbuf_limited_us */
	TCPSTAT_HAS_LATEST_RTT = 1U << 17,   /* latest_rtt_us */
	TCPSTAT_HAS_EVERYTHING = (1U << 18) - 1,
};

/* One look at a connection. The units are those of the names; docs/measurement.md says more. */
struct tcpstat_event {
	__u64 at_ns;          /* bpf_ktime_get_ns(): CLOCK_MONOTONIC */
	__u64 cookie;         /* the socket: what SO_COOKIE returns */
	__u64 bytes_acked;    /* since the handshake */
	__u64 bytes_received; /* since the handshake */
	__u64 bytes_sent;     /* with retransmissions */
	__u64 bytes_retrans;
	__u64 delivery_rate_bps; /* bits, where the kernel counts bytes */
	__u64 pacing_rate_bps;   /* likewise; all ones: not paced */
	__u64 busy_us;           /* time with data outstanding */
	__u64 rwnd_limited_us;
	__u64 sndbuf_limited_us;
	__u32 present;       /* enum tcpstat_field: what is not there is 0 */
	__u32 srtt_us;       /* unscaled: the kernel keeps 8 * srtt */
	__u32 rttvar_us;     /* unscaled: the kernel keeps 4 * mdev */
	__u32 min_rtt_us;    /* windowed: net.ipv4.tcp_min_rtt_wlen */
	__u32 latest_rtt_us; /* the sample that moved srtt last */
	__u32 rcv_rtt_us;    /* the receiver's estimate; the kernel keeps 8 times this */
	__u32 snd_cwnd_segments;
	__u32 ssthresh_segments;
	__u32 inflight_segments;
	__u32 lost_segments;
	__u32 sacked_segments;
	__u32 snd_wnd_bytes;
	__u32 rcv_wnd_bytes;
	__u32 notsent_bytes;
	__u32 ooo_segments; /* received out of order */
	__u8 kind;          /* enum tcpstat_kind */
	__u8 state;         /* TCP_ESTABLISHED … of the kernel's tcp_states.h */
	__u8 ca_state;      /* enum tcp_ca_state */
	__u8 app_limited;   /* then delivery_rate_bps says little of the path */
};
_Static_assert(sizeof(struct tcpstat_event) == 152, "both sides agree on the layout");

/* A segment that came to a socket which has sent nothing since its last whole record, and had nothing on
 * its way or waiting then: of a download nearly each. What is not here is as it was in that record, so that
 * neither the fields of a sender are read for it nor three cache lines go from one CPU to another. */
struct tcpstat_receipt {
	__u64 at_ns;
	__u64 bytes_received;
	__u32 rcv_rtt_us;
	__u32 snd_wnd_bytes;
	__u32 rcv_wnd_bytes;
	__u32 ooo_segments;
};
_Static_assert(sizeof(struct tcpstat_receipt) == 32, "both sides agree on the layout");

#define TCPSTAT_RECEIPTS 16 /* a power of two */

/* A few of them in one record, which is as long as `count` says. */
struct tcpstat_receipts {
	__u64 cookie;
	__u64 whole_ns; /* at_ns of the record that they go on from, which is an ACK's, too */
	__u32 count;
	__u8 state; /* of them all, as in that record */
	__u8 ca_state;
	__u8 reserved[10];
	struct tcpstat_receipt receipt[TCPSTAT_RECEIPTS];
};
_Static_assert(sizeof(struct tcpstat_receipts) == 32 + 32 * TCPSTAT_RECEIPTS,
               "both sides agree; no other record is a multiple of 32 bytes");

/* A receipt's whole record is not older than that: options that the socket's owner sets move what no segment does. */
#define TCPSTAT_WHOLE_NS 1000000ULL

#define TCPSTAT_NAME_BYTES 16 /* TASK_COMM_LEN, TCP_CA_NAME_MAX */

enum tcpstat_role {
	TCPSTAT_ROLE_UNKNOWN, /* established before it was looked at */
	TCPSTAT_CONNECTED,
	TCPSTAT_ACCEPTED,
};

/* Whose connection, and where to. */
struct tcpstat_identity {
	__u8 local[16]; /* IPv4 in the first four */
	__u8 remote[16];
	char comm[TCPSTAT_NAME_BYTES];       /* of that process; empty: not known */
	char congestion[TCPSTAT_NAME_BYTES]; /* congestion control; empty: not known */
	__u32 pid;    /* of the process that connected, or closed what was accepted; 0: not known */
	__u16 family; /* AF_INET, AF_INET6; 0: not connected */
	__u16 local_port; /* in host order */
	__u16 remote_port;
	__u8 role; /* enum tcpstat_role */
	__u8 reserved[5];
};
_Static_assert(sizeof(struct tcpstat_identity) == 80, "both sides agree on the layout");

struct tcpstat_begin {
	struct tcpstat_event event;
	struct tcpstat_identity who;
};
_Static_assert(sizeof(struct tcpstat_begin) == 232, "both sides agree on the layout");

/* The RTT histogram: log-linear, exact below 256 us, from there on 128 buckets to each power of two,
 * so that a bucket is never wider than 1 % of what falls into it. The last takes all above. */
#define TCPSTAT_RTT_SUB_BITS 7
#define TCPSTAT_RTT_SUB      (1U << TCPSTAT_RTT_SUB_BITS)
#define TCPSTAT_RTT_MAX_BITS 26 /* 67 s */
#define TCPSTAT_RTT_BUCKETS  ((TCPSTAT_RTT_MAX_BITS - TCPSTAT_RTT_SUB_BITS + 1) * TCPSTAT_RTT_SUB)

#define TCPSTAT_CA_STATES 5

#define TCPSTAT_ERROR_UNKNOWN 255 /* the source cannot tell; the kernel's end at 133 */

/* What holds of a flow whatever the interval of its samples. Each member is whole when it is read
 * from a living socket; two of them may be one segment apart. Of what event.present lacks nothing is
 * known here either: TCPSTAT_HAS_LATEST_RTT stands for rtt_*, _APP_LIMITED for app_limited_ns,
 * _CA_STATE for ca_state_ns. */
struct tcpstat_flow {
	struct tcpstat_event
		event; /* the last; of a living socket only `cookie`, `present` count */
	struct tcpstat_identity who;
	__u64 began_ns;            /* first look */
	__u64 seen[TCPSTAT_KINDS]; /* events by kind, emitted or not */
	__u64 emitted;             /* records that the ring took */
	__u64 lost;                /* records that it could not take */
	__u64 rtt_sum_us;          /* of every sample that the kernel's estimator took */
	__u64 rtt_count;
	__u64 app_limited_ns; /* time in which the sender's application was the limit */
	__u64 ca_state_ns[TCPSTAT_CA_STATES]; /* time in each enum tcp_ca_state */
	__u32 rtt_min_us;                     /* 0: no sample */
	__u32 rtt_max_us;

	/* The programs' own between two looks. */
	__u64 looked_ns;   /* the last look; 0: none yet */
	__u64 due_ns;      /* no sample before */
	__u32 srtt_scaled; /* tcp_sock.srtt_us, mdev_us, delivered, total_retrans as they were */
	__u32 mdev_scaled;
	__u32 delivered;
	__u32 latest_rtt_us;
	__u32 latest_bucket;
	__u32 whole_seq; /* tcp_sock.snd_nxt and .write_seq in the record that receipts go on from */
	__u32 reserved;
	__u8 state;
	__u8 ca_state;
	__u8 app_limited;
	__u8 error; /* sk_err when it closed, an errno: 0: none; TCPSTAT_ERROR_UNKNOWN */

	__u32 rtt_histogram[TCPSTAT_RTT_BUCKETS];

	struct tcpstat_receipts
		receipts; /* that the ring has not been given yet; whole_ns 0: none may follow */
};
_Static_assert(sizeof(struct tcpstat_flow) == 152 + 80 + 26 * 8 + 4 * TCPSTAT_RTT_BUCKETS +
                                                      sizeof(struct tcpstat_receipts),
               "both sides agree on the layout");

struct tcpstat_counters {
	__u64 emitted;  /* records that the ring took on this CPU */
	__u64 lost;     /* records that it could not take */
	__u64 untraced; /* connections of the cgroup for which the kernel had no room in `flows` */
};
_Static_assert(sizeof(struct tcpstat_counters) == 24, "both sides agree on the layout");

/* Set before the programs are loaded: the verifier sees constants. */
struct tcpstat_knobs {
	__u64 interval_ns;       /* at most one ACK's record per flow and interval; 0: each */
	__u32 us_per_jiffy;      /* 1000000 / HZ */
	__u8 tags_whole_cgroup;  /* sockops: each connection of the cgroup is looked at */
	__u8 sockops_knows_pid;  /* sockops: the kernel tells it the process */
	__u8 sockops_knows_comm; /* sockops: and its name, which needs CAP_PERFMON */
	__u8 samples_by_sockops; /* sockops: it is the only source */
	__u8 receipts_together; /* few sockets, whose reader bears a millisecond's wait, or an idle one's */
	__u8 reserved[7];
};
_Static_assert(sizeof(struct tcpstat_knobs) == 24, "both sides agree on the layout");

/* The sample that moved the kernel's estimate (tcp_rtt_estimator(), RFC 6298) from one eightfold srtt to the next one.
 * Negative: it was moved more than once in between. */
static inline __s32 tcpstat_rtt_sample(__u32 before_scaled, __u32 after_scaled)
{
	return (__s32)(after_scaled - before_scaled + (before_scaled >> 3));
}

/* Which power of two v is at least; v is not 0. BPF has no instruction for it, and each branch would be one more
 * path for the verifier: below 2^step, adding 2^step - 1 carries into bit `step` from 1 on. */
static inline __u32 tcpstat_log2(__u32 v)
{
	__u32 bits = 0;

	for (__u32 step = 16; step; step >>= 1) {
		__u32 above = v >> step;
		__u32 more = ((above + (1U << step) - 1) >> step) * step;

		v >>= more;
		bits += more;
	}
	return bits;
}

static inline __u32 tcpstat_rtt_bucket(__u32 rtt_us)
{
	__u32 bits, bucket;

	if (rtt_us < TCPSTAT_RTT_SUB)
		return rtt_us;
	bits = tcpstat_log2(rtt_us) - TCPSTAT_RTT_SUB_BITS;
	bucket = (bits << TCPSTAT_RTT_SUB_BITS) + (rtt_us >> bits);
	return bucket < TCPSTAT_RTT_BUCKETS ? bucket : TCPSTAT_RTT_BUCKETS - 1;
}

/* The least value that falls into it. */
static inline __u32 tcpstat_rtt_bucket_us(__u32 bucket)
{
	__u32 bits = bucket >> TCPSTAT_RTT_SUB_BITS;

	if (bits < 2)
		return bucket;
	return (TCPSTAT_RTT_SUB + (bucket & (TCPSTAT_RTT_SUB - 1))) << (bits - 1);
}
