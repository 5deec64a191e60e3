/* A connection's bytes, in clear or under TLS: what stands between tcp and ws, for both roles.
 *
 * Everything is heard from loop_run() only, and nothing after stream_close().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct err;
struct loop;
struct stream;
struct tls;
struct tls_context;

#define STREAM_IOV_MAX 32

struct stream_events {
	/* The TLS handshake is done (in clear: at the first turn of the loop). */
	void (*opened)(void *owner);

	/* Plaintext, valid until this returns. */
	void (*received)(void *owner, const uint8_t *data, size_t n);

	/* Of what stream_discard() announced, n more bytes came and were dropped. */
	void (*discarded)(void *owner, size_t n);

	/* stream_send() is done: every byte is in the kernel's hands. */
	void (*sent)(void *owner);

	/* The peer sends nothing more (FIN or close_notify) and may read on: sending goes on as
	 * before, and ended() then tells of a failure only. NULL: that is ended(), with code 0. */
	void (*half_closed)(void *owner);

	/* Nothing more will come or go. err->code 0: the peer's orderly end (FIN, with or without
	 * close_notify); else what failed: -ECONNRESET, -EPIPE, -EPROTO and -EACCES of TLS, … */
	void (*ended)(void *owner, const struct err *err);
};

/* Takes fd, also where it fails. `tls` is NULL for cleartext; `host` is for SNI and the
 * certificate. */
int stream_open_client(struct loop *l, int fd, struct tls_context *tls, const char *host,
                       const struct stream_events *events, void *owner, struct stream **ret,
                       struct err *err);

/* Takes fd, the accepted side. */
int stream_open_server(struct loop *l, int fd, struct tls_context *tls,
                       const struct stream_events *events, void *owner, struct stream **ret,
                       struct err *err);

/* Closes the connection; under TLS a close_notify is tried first, without waiting. May be called
 * from any of the callbacks. Accepts NULL; always returns NULL. */
struct stream *stream_close(struct stream *s);

/* Sends all of `iov` in order, at least one byte, then calls sent(). One at a time: false is
 * answered, and nothing done, while one is under way, before opened() and after ended(). `iov` is
 * copied, what it points to must stay until sent(). */
bool stream_send(struct stream *s, const struct iovec *iov, size_t n_iov);

/* As stream_send(), of memory that is never written to again, but for the first piece: see
 * loop_send_kept(). Under TLS there is no difference. */
bool stream_send_kept(struct stream *s, const struct iovec *iov, size_t n_iov);

bool stream_sending(const struct stream *s);

/* See loop_discard(). Answers false, and does nothing, under TLS: there every byte must be
 * decrypted. May be called from received(), for bytes behind those just handed over. */
bool stream_discard(struct stream *s, uint64_t n);

/* See loop_may_wait(). */
void stream_may_wait(struct stream *s, uint64_t ns);

/* Shuts down the sending side (close_notify, FIN) once what was sent is out. After opened(). */
void stream_end_sending(struct stream *s);

int stream_fd(const struct stream *s);
const struct tls *stream_tls(const struct stream *s); /* NULL in clear */
