/* ndt7 as pure state: one subtest over one WebSocket that stands, client's or server's side.
 *
 * Time and messages come in, what to send and when to wake goes out. No socket, no clock read, no
 * allocation: a test plays ten seconds in a microsecond. Protocol text: M-Lab ndt7 0.11.
 *
 *   step = ndt7_advance(&t, &(struct ndt7_input){ .kind = NDT7_IN_WAKE, .writable = true }, now);
 *   send what step.send says; when that is with the kernel, advance again with .writable = true;
 *   set a timer to step.wake_at_ns, advance with NDT7_IN_WAKE when it fires;
 *   when step.finished: close the connection, read ndt7_report().
 *
 * At most one frame is asked for in a step, and only when the input said .writable. Control frames
 * and texts go before bulk, between messages. Pings are answered with their own payload, the latest
 * first dropped when more than NDT7_PONGS_MAX wait; a pong is never sent unasked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NDT7_PROTOCOL      "net.measurementlab.ndt.v7"
#define NDT7_DOWNLOAD_PATH "/ndt/v7/download"
#define NDT7_UPLOAD_PATH   "/ndt/v7/upload"

#define NDT7_MESSAGE_BYTES_MIN  (1ULL << 13) /* the first size of the scaling */
#define NDT7_MESSAGE_BYTES_MAX  (1ULL << 20) /* of what is sent */
#define NDT7_RECEIVE_BYTES_MAX  (1ULL << 24) /* of what is taken */
#define NDT7_SCALING_FRACTION   16
#define NDT7_PONGS_MAX          8
#define NDT7_EARLY_EXIT_BYTES   250000000ULL

#define NDT7_DURATION_NS        (10 * 1000000000ULL) /* the nominal test */
#define NDT7_CLIENT_CAP_NS      (13 * 1000000000ULL) /* our client's upper bound, everything in */
#define NDT7_SERVER_CAP_NS      (15 * 1000000000ULL) /* our server's, as the reference's */
#define NDT7_STALL_NS           (7 * 1000000000ULL)  /* download: nothing came for so long */
#define NDT7_CLOSE_WAIT_NS      (2 * 1000000000ULL)  /* for the peer's Close, and for its FIN */
#define NDT7_CLIENT_SAMPLE_NS   (250 * 1000000ULL)
#define NDT7_SERVER_SAMPLE_MEAN_NS (250 * 1000000ULL)
#define NDT7_SERVER_SAMPLE_MIN_NS  (25 * 1000000ULL)
#define NDT7_SERVER_SAMPLE_MAX_NS  (625 * 1000000ULL)

enum ndt7_role { NDT7_CLIENT, NDT7_SERVER };
enum ndt7_test { NDT7_DOWNLOAD, NDT7_UPLOAD };

static inline const char *ndt7_test_name(enum ndt7_test t)
{
	return t == NDT7_DOWNLOAD ? "download" : "upload";
}

struct ndt7_options {
	enum ndt7_role role;
	enum ndt7_test test;
	uint64_t max_bytes;        /* client: its own ceiling, then it closes; 0: none */
	uint64_t early_exit_bytes; /* server, download: ends at the first sample with so many bytes
	                            * acknowledged; 0: none */
	uint64_t seed;             /* server: of its memoryless schedule */
	uint64_t utc_ns;           /* server: wall time at the start, for the pings' payload */
};

enum ndt7_input_kind {
	NDT7_IN_WAKE,      /* nothing but the time, or that the writer is free */
	NDT7_IN_BINARY,    /* `bytes` of payload passed; `last`: that ended a message */
	NDT7_IN_TEXT,      /* a text message of `bytes` */
	NDT7_IN_PING,      /* payload, payload_bytes */
	NDT7_IN_PONG,
	NDT7_IN_CLOSE,     /* code (1005: none was in it) */
	NDT7_IN_VIOLATION, /* the peer broke RFC 6455: close with `code` */
	NDT7_IN_SAMPLED,   /* server: the kernel's figures of the text being sent: `bytes` acked */
	NDT7_IN_END,       /* the connection is gone; error: 0 (FIN) or negative errno */
	NDT7_IN_STOP,      /* somebody here wants it ended: Ctrl-C, shutdown */
};

struct ndt7_input {
	enum ndt7_input_kind kind;
	bool writable; /* no send is under way: a frame may be asked for */
	bool last;
	uint16_t code;
	int error;
	uint64_t bytes;
	const uint8_t *payload; /* of a ping, at most 125 bytes */
	size_t payload_bytes;
};

enum ndt7_send {
	NDT7_SEND_NOTHING,
	NDT7_SEND_BINARY, /* one message of `bytes` of random payload, in one frame */
	NDT7_SEND_TEXT,   /* a measurement: the caller reads TCP_INFO now and writes it, then gives
	                   * NDT7_IN_SAMPLED */
	NDT7_SEND_PING,   /* payload */
	NDT7_SEND_PONG,   /* payload */
	NDT7_SEND_CLOSE,  /* close_code and reason */
};

struct ndt7_step {
	enum ndt7_send send;
	uint64_t bytes;
	const uint8_t *payload; /* in the state, valid until the next call */
	size_t payload_bytes;
	uint16_t close_code; /* 1005: an empty Close */
	const char *reason;
	bool sample;         /* client: more than 250 ms since the last one: report num_bytes now */
	bool finished;       /* close the connection; final */
	uint64_t wake_at_ns; /* CLOCK_NEVER_NS never happens before `finished` */
};

enum ndt7_ending {
	NDT7_ENDING_NONE,      /* it has not ended */
	NDT7_ENDING_CLOSE,     /* Close handshake, the peer's first: the normal end of both */
	NDT7_ENDING_TIME,      /* upload client: its 10 s were over (with or without the peer's Close) */
	NDT7_ENDING_END,       /* FIN without Close */
	NDT7_ENDING_ERROR,     /* reset and the like: error */
	NDT7_ENDING_STALL,     /* nothing came for NDT7_STALL_NS */
	NDT7_ENDING_CAP,       /* the upper bound in time */
	NDT7_ENDING_MAX_BYTES, /* our own ceiling */
	NDT7_ENDING_VIOLATION, /* the peer broke RFC 6455 */
	NDT7_ENDING_STOP,      /* NDT7_IN_STOP */
	NDT7_ENDING_EARLY,     /* server: early exit reached */
};

const char *ndt7_ending_name(enum ndt7_ending e); /* "close", "time", "eof", "error", … */

/* What the state knows; figures of this side only. */
struct ndt7_report {
	uint64_t started_ns;      /* t = 0: the handshake was complete */
	uint64_t last_data_ns;    /* client download: when the last counted byte came, else of the
	                           * last message handed to the kernel; started_ns where none */
	uint64_t ended_ns;        /* when `finished` was said; 0 before */
	uint64_t num_bytes;       /* AppInfo.NumBytes: download client: binary and text payload that
	                           * came; upload client: binary payload handed to the kernel */
	uint64_t binary_bytes;    /* of num_bytes, without texts */
	uint64_t messages;        /* whole binary messages */
	uint64_t texts;
	uint64_t pings;
	uint64_t pongs_sent;
	uint64_t pongs_dropped;
	uint64_t unexpected_bytes; /* binary that should not have come (upload) */
	enum ndt7_ending ending;
	int error;            /* of NDT7_ENDING_ERROR */
	uint16_t peer_code;   /* of the peer's Close; 0: none came, 1005: an empty one */
	bool close_exchanged; /* both sent a Close */
};

struct ndt7 { /* the state's own; here so that its owner can hold it */
	struct ndt7_options options;
	struct ndt7_report report;
	uint64_t sending_bytes;    /* of the message the owner is sending */
	uint64_t total_sent_bytes; /* for the scaling */
	uint64_t message_bytes;    /* next size */
	uint64_t next_sample_ns;
	uint64_t last_heard_ns;
	uint64_t close_deadline_ns;
	uint64_t random;
	uint8_t phase;
	bool text_due;
	bool ping_due;
	bool last_text_sent;
	bool close_due;
	bool close_sent;
	bool close_received;
	bool stop_bulk;
	uint16_t close_code;
	const char *close_reason;
	uint8_t ping[32];
	uint8_t ping_bytes;
	uint8_t pong_head, pong_count;
	struct {
		uint8_t bytes;
		uint8_t payload[125];
	} pongs[NDT7_PONGS_MAX];
	uint8_t answering[125];
};

/* now_ns is t = 0: the handshake is complete. */
void ndt7_start(struct ndt7 *t, const struct ndt7_options *options, uint64_t now_ns);

struct ndt7_step ndt7_advance(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns);

const struct ndt7_report *ndt7_report(const struct ndt7 *t);
