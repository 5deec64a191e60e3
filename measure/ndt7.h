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
 * `writable` is a level: every input says whether the writer is free, and the first that says so
 * after a frame was asked for means that this frame is with the kernel. At most one frame is asked
 * for in a step, and only when the input said .writable; with nothing to send the writer stays free
 * and a later input may ask. A step never asks to be woken in the past.
 *
 * Frames go between messages, in this order: pongs, a text's ping, text, Close, bulk; a flood of
 * pings takes turns with the rest. Pings are answered with their own payload; when more than
 * NDT7_PONGS_MAX wait, the oldest goes unanswered (RFC 6455 5.5.3). A pong is never sent unasked.
 *
 * How it ends; t = 0 is the handshake:
 *
 * - Download client: at the peer's Close, with the same code back and up to NDT7_CLOSE_WAIT_NS for
 *   its FIN. When nothing was heard for NDT7_STALL_NS, with a Close, and gone once that is sent. At
 *   NDT7_CLIENT_CAP_NS or max_bytes, with a Close and up to NDT7_ABORT_WAIT_NS for the peer's end.
 *   So it is gone by 13.5 s.
 * - Upload client: bulk stops at NDT7_DURATION_NS. The peer's Close is waited for until 12 s and
 *   answered; then a Close of its own; at NDT7_UPLOAD_END_NS (12.5 s) it is gone, writable or not.
 * - Server: at NDT7_DURATION_NS or an early exit: the last text, its ping, Close 1000. It reads on
 *   until the client's Close, at most until NDT7_SERVER_CAP_NS. A client's Close at any time: the
 *   same code back, and gone. The FIN of an uploading client ends the count but not the test: it
 *   hears measurements until NDT7_DURATION_NS and the Close, then it is gone. (The reference server
 *   does so; a FIN of any other peer is its end.)
 * - Both: at a violation, with a Close of that code; what still comes is thrown away for up to
 *   NDT7_ABORT_WAIT_NS and NDT7_IGNORED_BYTES_MAX, as a close(2) with bytes unread resets the
 *   connection, and the reset can overtake the Close. At NDT7_IN_STOP, with a Close and up to
 *   NDT7_ABORT_WAIT_NS for the peer's; at NDT7_IN_END, at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NDT7_PROTOCOL      "net.measurementlab.ndt.v7"
#define NDT7_DOWNLOAD_PATH "/ndt/v7/download"
#define NDT7_UPLOAD_PATH   "/ndt/v7/upload"

#define NDT7_MESSAGE_BYTES_LEAST (1ULL << 10) /* the protocol's smallest */
#define NDT7_MESSAGE_BYTES_MIN   (1ULL << 13) /* the first size of the scaling */
#define NDT7_MESSAGE_BYTES_MAX   (1ULL << 20) /* of what is sent */
#define NDT7_RECEIVE_BYTES_MAX   (1ULL << 24) /* of what is taken */
#define NDT7_IGNORED_BYTES_MAX   (1ULL << 26) /* of what is read behind a violation */
#define NDT7_SCALING_FRACTION    16
#define NDT7_PONGS_MAX           32 /* a turn of the loop reads some MiB, and one pong goes in each */
#define NDT7_PING_BYTES_MAX      125 /* RFC 6455 5.5 */
#define NDT7_EARLY_EXIT_BYTES    250000000ULL

#define NDT7_DURATION_NS           (10 * 1000000000ULL) /* the nominal test */
#define NDT7_CLIENT_CAP_NS         (13 * 1000000000ULL) /* download: our client stops here */
#define NDT7_SERVER_CAP_NS         (15 * 1000000000ULL) /* our server's, as the reference's */
#define NDT7_STALL_NS              (7 * 1000000000ULL)  /* download: nothing came for so long */
#define NDT7_CLOSE_WAIT_NS         (2 * 1000000000ULL)  /* for the peer's Close, and for its FIN */
#define NDT7_ABORT_WAIT_NS         (500 * 1000000ULL)   /* likewise, when we break off */
#define NDT7_UPLOAD_END_NS         (NDT7_DURATION_NS + NDT7_CLOSE_WAIT_NS + NDT7_ABORT_WAIT_NS)
#define NDT7_CLIENT_SAMPLE_NS      (250 * 1000000ULL)
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
	/* Client: its own ceiling, then it closes; 0: none. An upload stays below it: its last
	 * messages are halved until they fit, down to NDT7_MESSAGE_BYTES_LEAST. */
	uint64_t max_bytes;
	uint64_t early_exit_bytes; /* server, download: ends at the first sample with so many bytes
				    * acknowledged; 0: none */
	uint64_t seed;             /* server: of its memoryless schedule */
	uint64_t utc_ns;           /* server: wall time at the start, for the pings' payload */
};

enum ndt7_input_kind {
	NDT7_IN_WAKE,   /* nothing but the time, or that the writer is free */
	NDT7_IN_BINARY, /* `bytes` of payload passed; `last`: that ended a message */
	NDT7_IN_TEXT,   /* a text message of `bytes` */
	NDT7_IN_PING,   /* payload, payload_bytes */
	NDT7_IN_PONG,
	NDT7_IN_CLOSE,     /* code (1005: none was in it) */
	NDT7_IN_VIOLATION, /* the peer broke RFC 6455: close with `code` */
	NDT7_IN_IGNORED,   /* `bytes` came behind a violation, where nothing can be decoded */
	NDT7_IN_SAMPLED,   /* server: the kernel's figures of the text being sent: `bytes` acked */
	NDT7_IN_FIN,       /* the peer sends nothing more; it may read on */
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
	/* Client: something was counted more than NDT7_CLIENT_SAMPLE_NS after the last sample, or
	 * since it and now the count has ended: report num_bytes over measured_ns. */
	bool sample;
	bool finished;       /* close the connection; final */
	uint64_t wake_at_ns; /* CLOCK_NEVER_NS never happens before `finished` */
};

enum ndt7_ending {
	NDT7_ENDING_NONE,  /* it has not ended */
	NDT7_ENDING_CLOSE, /* Close handshake, the peer's first: the normal end of both */
	NDT7_ENDING_TIME,  /* our own 10 s were over: upload client, server; close_exchanged says
			    * whether the peer took part */
	NDT7_ENDING_END,   /* FIN without Close */
	NDT7_ENDING_ERROR, /* reset and the like: error */
	NDT7_ENDING_STALL, /* nothing came for NDT7_STALL_NS */
	NDT7_ENDING_CAP,   /* the upper bound in time */
	NDT7_ENDING_MAX_BYTES, /* our own ceiling */
	NDT7_ENDING_VIOLATION, /* the peer broke RFC 6455 */
	NDT7_ENDING_STOP,      /* NDT7_IN_STOP */
	NDT7_ENDING_EARLY,     /* server: early exit reached */
};

const char *ndt7_ending_name(enum ndt7_ending e); /* "close", "time", "eof", "error", … */

/* What the state knows; figures of this side only. "The count" is of num_bytes: of payload that
 * came (client download, server upload) or that was handed to the kernel (the other two). It ends
 * with the first reason to end, `ending`. */
struct ndt7_report {
	uint64_t started_ns; /* t = 0: the handshake was complete */

	/* When the last counted byte came or the last counted message was with the kernel;
	 * started_ns where none. */
	uint64_t last_data_ns;

	/* What to divide num_bytes by: the time from t = 0 to the last counted byte while the count
	 * runs, and to the end of the count where that end is the peer's word: a Close or FIN
	 * stands in the stream right behind the last byte, so the time until it came is time the
	 * transfer took (and 10 s is never assumed). A stall, a reset, our cap or a stop by us says
	 * nothing of the stream: there it stays at the last counted byte, or a silent server would
	 * dilute the rate by 7 s. Who sends counts until its bulk ended, blocked or not, and a
	 * message that was under way then is counted, with its time, when it is taken. */
	uint64_t measured_ns;
	uint64_t count_ended_ns; /* when the count ended; 0 before */
	uint64_t ended_ns;       /* when `finished` was said; 0 before */

	/* AppInfo.NumBytes: binary payload, and texts in a client's download. In a client's upload
	 * with what socket buffers still hold, so that on a slow path it is not what arrived. */
	uint64_t num_bytes;
	uint64_t binary_bytes;     /* of num_bytes, without texts */
	uint64_t messages;         /* whole binary messages */
	uint64_t texts;            /* that came */
	uint64_t texts_sent;       /* asked for: server */
	uint64_t pings;            /* that came: answered, dropped, late, or waiting still */
	uint64_t pings_late;       /* behind the end of the test: our Close is all the answer */
	uint64_t pings_sent;       /* asked for: server */
	uint64_t pongs_sent;       /* asked for */
	uint64_t pongs_dropped;    /* pings that will not be answered */
	uint64_t unexpected_bytes; /* binary from the side that should send none; discarded */
	uint64_t late_bytes;       /* payload that came after the count had ended; discarded */
	uint64_t ignored_bytes;    /* that came behind a violation: of the wire, not of a payload */
	enum ndt7_ending ending;
	int error;            /* of NDT7_ENDING_ERROR */
	uint16_t peer_code;   /* of the peer's Close; 0: none came, 1005: an empty one */
	bool close_exchanged; /* both sent a Close */
};

struct ndt7 { /* the state's own; here so that its owner can hold it */
	struct ndt7_options options;
	struct ndt7_report report;
	uint64_t message_bytes;    /* scaling: the next size */
	uint64_t total_sent_bytes; /* scaling: asked for so far */
	uint64_t asked_bytes;      /* of the bulk message the owner is sending */
	uint64_t next_sample_ns;   /* server */
	uint64_t sampled_ns;       /* client: the last sample */
	uint64_t sampled_bytes;    /* client: num_bytes at the last sample */
	uint64_t heard_ns;
	uint64_t close_by_ns;
	uint64_t random;
	const char *close_reason;
	uint16_t close_code;
	uint8_t phase;
	uint8_t asked; /* enum ndt7_send: the last frame asked for */
	bool asked_pending;
	bool sample_due;
	bool text_due;
	bool ping_due;
	bool close_due;
	bool close_sent;
	bool close_received;
	bool leave_when_sent; /* the Close's answer is not waited for */
	char ping[sizeof("18446744073709551615")];
	uint8_t pong_first, pong_count;
	struct {
		uint8_t bytes;
		uint8_t payload[NDT7_PING_BYTES_MAX];
	} pongs[NDT7_PONGS_MAX];
};

/* now_ns is t = 0: the handshake is complete. */
void ndt7_start(struct ndt7 *t, const struct ndt7_options *options, uint64_t now_ns);

struct ndt7_step ndt7_advance(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns);

const struct ndt7_report *ndt7_report(const struct ndt7 *t);
