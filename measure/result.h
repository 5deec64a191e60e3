/* What one test measured: a plain record, before anybody turns it into JSON, lines or a table.
 *
 * "known" beside a figure: without it the figure is not known, which is not 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/limits.h"
#include "measure/measurement.h"
#include "measure/ndt7.h"
#include "measure/steady.h"
#include "measure/summary.h"
#include "transport/base/err.h"
#include "transport/tcp.h"
#include "transport/url.h"

#define RESULT_WARNINGS_MAX 32 /* all that there are of both directions, and a few */
#define RESULT_ATTEMPTS_MAX 40

/* Digits behind the point in a result's JSON; people are shown fewer, rounded from these, so that a result says the
 * same at once and read back. What is above 0 and below RESULT_SMALL has RESULT_SMALL_DECIMALS more, so that it is
 * not 0. */
#define RESULT_MBPS_DECIMALS    6 /* bits per second */
#define RESULT_MS_DECIMALS      3 /* the kernel counts microseconds */
#define RESULT_SECONDS_DECIMALS 6
#define RESULT_PERCENT_DECIMALS 4
#define RESULT_SMALL            1e-2
#define RESULT_SMALL_DECIMALS   3

/* A server's time began with the request, ours with its answer: it may be ahead of us by a slow round
 * trip. A figure that needs more is none. */
#define RESULT_SERVER_AHEAD_NS (2 * 1000000000ULL)

/* Whose count of bytes the goodput is. In the order of trust for an upload (contract section 8). */
enum goodput_source {
	GOODPUT_NONE,
	GOODPUT_CLIENT_RECEIVED, /* download: payload that came, by our count */
	GOODPUT_SERVER_TCP_INFO, /* upload: the server's TCPInfo.BytesReceived */
	GOODPUT_SERVER_APP_INFO, /* upload: the server's AppInfo.NumBytes */
	GOODPUT_CLIENT_ACKED,    /* upload: our kernel's tcpi_bytes_acked */
	GOODPUT_CLIENT_WRITTEN,  /* upload: what was written less what waits in the socket */
};

const char *goodput_source_name(enum goodput_source s);

enum direction_state {
	DIRECTION_NOT_ASKED,
	DIRECTION_FAILED,   /* nothing was measured: err says why */
	DIRECTION_PARTIAL,  /* measured, but it ended before its time, by us or by a failure; or its
			     * figure does, see direction_falls_short() */
	DIRECTION_COMPLETE, /* ended as the protocol has it */
};

/* A figure that may be unknown. */
struct figure {
	bool known;
	double value;
};

/* Whose round-trip times a direction's distribution is of. */
enum rtt_source {
	RTT_NONE,
	RTT_SERVER,   /* download: TCPInfo.RTT, the server's smoothed estimate, in its texts */
	RTT_RECEIVER, /* download: our kernel's estimate as a receiver, each change of it */
	RTT_SAMPLES,  /* upload: each sample of our kernel's */
	RTT_SMOOTHED, /* upload: our kernel's smoothed estimate, each change of it */
};

const char *rtt_source_name(enum rtt_source s);

/* Our kernel's samples of the handshakes: TCP, TLS, the upgrade. */
struct idle_rtt {
	uint64_t samples; /* 0: not known */
	uint32_t min_us;
	double p50_us;
	uint32_t max_us;
};

struct direction_result {
	enum ndt7_test test;
	enum direction_state state;
	struct err err; /* of DIRECTION_FAILED */
	uint64_t
		again_ns; /* then: until the locate service may be asked again; 0: it has not said */

	/* where and how */
	char url[URL_BYTES_MAX]; /* without its query, which carries tokens */
	char host[URL_HOST_MAX];
	char machine[URL_HOST_MAX]; /* what the locate service says of it; "" */
	char city[64];
	char country[8];
	bool located; /* by the locate service */
	bool tls;
	bool insecure;
	char tls_version[16];
	char tls_cipher[64];
	struct tcp_connection connection; /* fd is -1 */
	char congestion[16];              /* ours */

	/* the figures; goodput is bytes * 8 / elapsed, both of `source` */
	enum goodput_source source;
	uint64_t bytes;
	uint64_t elapsed_ns;
	struct ndt7_report report;
	bool has_server; /* the last measurement of the server's; its members may be missing */
	struct measurement server;
	struct summary local; /* of our own socket */
	struct limits limits; /* of the side that sends: the server's texts, our kernel */
	struct limits ours;   /* by our clock alone: of it only the CPU's share says anything */
	struct steady_rate steady;     /* of our kernel's bytes_received or bytes_acked */
	struct summary_rtt server_rtt; /* of TCPInfo.RTT in the server's texts */
	struct figure idle_rtt_ms; /* the least before the transfer, or that of the TCP handshake */
	struct idle_rtt idle;
	bool rtt_samples;      /* local.rtt is of samples, not of an estimate */
	uint64_t unseen_ns;    /* the longest time between two looks at our socket */
	uint64_t cpu_ns;       /* of this process during the subtest */
	uint64_t wire_bytes;   /* TCP payload both ways, with retransmissions of ours */
	char flow[128];        /* the server's UUID, else our socket's cookie */
	uint64_t cookie;       /* our socket's, under which a trace has its samples; 0: none */
	uint64_t samples_lost; /* of this flow, that were made and have not come to us */
	bool polled;           /* although the run had a better source of the kernel's figures */
	uint64_t unreadable_texts; /* texts of the server's that were no measurement */
	uint64_t unbelieved_texts; /* that told of more than was sent, or of a time to come */
	struct err broke;          /* of NDT7_ENDING_ERROR */
	char violation[200];       /* what the server did against RFC 6455, "" */
	bool early_exit;           /* the server was asked to end at 250 MB (contract 2.4) */
};

/* Derived, so that no number is kept twice. */
struct figure direction_goodput_mbps(const struct direction_result *d);
struct figure direction_min_rtt_ms(const struct direction_result *d); /* of the side that sends */
struct figure direction_server_min_rtt_ms(const struct direction_result *d); /* as M-Lab has it */
struct figure direction_retransmit_percent(const struct direction_result *d);

/* The share of the time that this machine's CPU limited; by our clock alone where the side that sends does not tell. */
struct figure direction_cpu_limited_percent(const struct direction_result *d);

/* Of one CPU; not known of a test under 100 ms, in which what is before and after it weighs too much. */
struct figure direction_cpu_percent(const struct direction_result *d);

/* A download whose end is the peer's word, which stands in the stream right behind the last byte. */
bool direction_is_told(const struct direction_result *d);

/* The figure is of the beginning alone: of the last 1.5 s, or of the last half of a test under 3 s, nobody
 * has told what arrived. A server tells every 625 ms at the latest, so that this was not its last word, but
 * the last we heard; or our kernel counts, and nothing more was acknowledged; or nothing came. */
bool direction_falls_short(const struct direction_result *d);

/* RTT under load, by the best source there is; p from 0 to 1. */
enum rtt_source direction_rtt_source(const struct direction_result *d);
struct figure direction_rtt_ms(const struct direction_result *d, double p);

/* One target that was tried, whether it served or not. */
struct attempt {
	enum ndt7_test test;
	char url[256];  /* without its query; cut */
	struct err err; /* code 0: it served */
};

/* The file of samples that was asked for beside the result. */
struct result_trace {
	const char *path; /* NULL: none was */
	uint64_t samples;
	uint64_t lost; /* made, and not among them */
	struct tcp_missed missed;
	struct err err; /* code 0: the file is there, whole */
};

struct test_result {
	char id[37];        /* UUID version 7 (RFC 9562) */
	uint64_t utc_ns;    /* when it began */
	const char *scheme; /* of the first server used: "ws", "wss"; NULL: none was */
	const char *scheme_reason;
	const char *io; /* loop_body_name() */
	const char *
		stats; /* where the kernel's figures came from: tier_name(); NULL: polled TCP_INFO */
	char stats_reason[256]; /* why it is no better one, "" */
	char io_reason[160];
	char interface[IF_NAMESIZE]; /* as asked, "" */
	bool locate_failed;
	struct err locate_err;
	uint64_t
		next_request_ns; /* from when it was asked on until the locate service wants the next
	                           * automatic test (contract N79); 0: it has not said */
	struct direction_result download, upload;
	size_t attempts_count;
	struct attempt attempts[RESULT_ATTEMPTS_MAX];
	size_t warnings_count;
	char warnings[RESULT_WARNINGS_MAX][200];
	bool interrupted; /* by the user */
	struct result_trace trace;
};

/* Fills `id` from utc_ns and fresh random bits. */
void result_new_id(struct test_result *r);

void result_warn(struct test_result *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* 0 done, 1 nothing measured, 3 one direction of two or a part: the program's exit codes. */
int result_exit_code(const struct test_result *r);
