/* A TLS 1.3 connection behind its handshake (RFC 8446 4.6, 5, 6): the peer's bytes in, plaintext out; and what is to be
 * sent, sealed. No I/O, no buffer of output: the caller has that. Both roles.
 *
 * What it takes over from OpenSSL, and when it must not, is tls.c's; why at all is in docs/decisions/0025.
 */
#pragma once

#include "transport/tls_record.h"
#include "transport/tls_secrets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_traffic;

struct tls_traffic_options {
	bool client;              /* which end we are: only a client is sent tickets */
	uint64_t records_per_key; /* that are sent; 0: what RFC 8446 5.5 allows */
};

/* `secrets` are whole. 0, or as tls_record_keys_new(). */
int tls_traffic_new(const SSL_CIPHER *suite, const struct tls_secrets *secrets,
                    const struct tls_traffic_options *options, struct tls_traffic **ret);

/* Accepts NULL; always returns NULL. */
struct tls_traffic *tls_traffic_free(struct tls_traffic *t);

/* Reads from *in, which is moved on, into out; at most one record's content, of which the rest is kept where `cap` is
 * less. An enum tls_outcome of tls.h:
 *   TLS_OK           with *ret_n > 0
 *   TLS_NEED_INPUT   all of *in is used
 *   TLS_NEED_OUTPUT  the peer wants a KeyUpdate: tls_traffic_answer() first
 *   TLS_END          its close_notify
 *   -EPROTO          what came is refused, now and from now on: tls_traffic_failure() */
int tls_traffic_read(struct tls_traffic *t, const uint8_t **in, size_t *in_bytes, uint8_t *out,
                     size_t cap, size_t *ret_n);

struct tls_traffic_failure {
	int reason;    /* SSL_R_*, or SSL_AD_REASON_OFFSET and the alert that the peer has sent */
	uint8_t alert; /* what the peer is to be told (RFC 8446 6); 0: nothing */
};

struct tls_traffic_failure tls_traffic_failure(const struct tls_traffic *t);

/* Each seals a record into `out` and answers its length; 0: OpenSSL could not, or tls_traffic_is_over().
 *
 * Application data, n at most 16384. Before the keys have sealed more than they may (RFC 8446 5.5) a KeyUpdate goes first,
 * in the same bytes: room for TLS_TRAFFIC_ADDED_BYTES more than n is needed. */
#define TLS_TRAFFIC_KEY_UPDATE_BYTES (5 + TLS_RECORD_ADDED_BYTES)
#define TLS_TRAFFIC_ADDED_BYTES      (TLS_TRAFFIC_KEY_UPDATE_BYTES + TLS_RECORD_ADDED_BYTES)
size_t tls_traffic_write(struct tls_traffic *t, const uint8_t *data, size_t n, uint8_t *out);

/* The KeyUpdate that TLS_NEED_OUTPUT asks for: TLS_TRAFFIC_KEY_UPDATE_BYTES. */
size_t tls_traffic_answer(struct tls_traffic *t, uint8_t *out);

/* The last that we say, TLS_TRAFFIC_ALERT_BYTES: the alert of a refusal, else close_notify. What the peer says is read as
 * before. */
#define TLS_TRAFFIC_ALERT_BYTES (2 + TLS_RECORD_ADDED_BYTES)
size_t tls_traffic_alert(struct tls_traffic *t, uint8_t *out);

/* Nothing more may be said, no KeyUpdate either: behind an alert of ours or one by which the peer refuses us, RFC 8446 6. */
bool tls_traffic_is_over(const struct tls_traffic *t);
