/* One ndt7 subtest over a stream whose WebSocket handshake is done: codec, protocol state and timers
 * tied together, for either role.
 *
 * It owns neither the stream nor the loop: whoever holds the stream passes on what the stream tells
 * (flow_received() and its siblings), and both stay until flow_free().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "measure/ndt7.h"

struct err;
struct flow;
struct loop;
struct stream;

/* The longest measurement message that is read; longer ones are counted and not looked at. */
#define FLOW_TEXT_BYTES (128 * 1024)

struct flow_events {
	/* Client: a measurement of the server's, `n` bytes of UTF-8. */
	void (*text)(void *owner, const char *text, size_t n);

	/* Client: a local sample is due (ndt7's 250 ms); its figures are in flow_report(). */
	void (*sample)(void *owner);

	/* Server: writes the measurement to send now into out and tells the bytes acknowledged in
	 * it. Answers its length, 0 where there is none to send. */
	size_t (*compose)(void *owner, char *out, size_t out_bytes, uint64_t *ret_bytes_acked);

	/* The subtest is over: the connection can be closed and the flow freed, here and now. */
	void (*finished)(void *owner);
};

struct flow_options {
	struct loop *loop;
	struct stream *stream;
	struct ndt7_options ndt7;
	const struct flow_events *events;
	void *owner;
};

/* Starts the subtest: t = 0 is now. */
int flow_start(const struct flow_options *options, struct flow **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct flow *flow_free(struct flow *f);

/* What the stream told. */
void flow_received(struct flow *f, const uint8_t *data, size_t n);
void flow_discarded(struct flow *f, size_t n);
void flow_sent(struct flow *f);
void flow_half_closed(struct flow *f);
void flow_ended(struct flow *f, const struct err *why);

/* Ends the subtest early; finished() follows within a second. */
void flow_stop(struct flow *f);

const struct ndt7_report *flow_report(const struct flow *f);

/* What the peer did against RFC 6455, "" where it did not. */
const char *flow_violation(const struct flow *f);
