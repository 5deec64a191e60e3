/* One direction against one URL, client's side: dial, TLS, upgrade, ndt7, and the kernel's figures
 * of our socket.
 *
 *   subtest_start() ─▶ connected() ─▶ measured() … ─▶ ended(), once
 *
 * A target that never came to t = 0 has refused: the next one can be tried. What ends later is a
 * result, whole or partial.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/ndt7.h"
#include "measure/result.h"

struct err;
struct feed;
struct loop;
struct subtest;
struct tls_context;

/* For name, TCP, TLS and upgrade together. */
#define SUBTEST_CONNECT_NS (7 * 1000000000ULL)

struct subtest_events {
	/* t = 0: result has its server, connection and TLS. */
	void (*connected)(void *owner);

	/* A measurement: ours (Origin "client", every 250 ms) or the server's ("server"). */
	void (*measured)(void *owner, const struct measurement *m);

	/* May be NULL. The figures of our socket are up to now. */
	void (*looked)(void *owner);

	/* The last call. false: the target refused, result->err says why; else the state is
	 * DIRECTION_PARTIAL or DIRECTION_COMPLETE, or _FAILED where nothing at all was measured. */
	void (*ended)(void *owner, bool served);
};

struct subtest_options {
	struct loop *loop;
	enum ndt7_test test;
	const struct url *url; /* whole, with its query; copied */
	const char *user_agent;
	struct tls_context *tls; /* used where the URL is wss */
	bool insecure;           /* said in the result */
	struct tcp_options tcp;
	uint64_t max_bytes; /* 0: none */
	struct feed *feed;  /* stays until subtest_free() */
	const struct subtest_events *events;
	void *owner;
	struct direction_result *result; /* filled as it goes; stays until subtest_free() */
};

int subtest_start(const struct subtest_options *options, struct subtest **ret, struct err *err);

/* Ends it early; ended() follows within a second. */
void subtest_stop(struct subtest *s);

/* Accepts NULL; always returns NULL. */
struct subtest *subtest_free(struct subtest *s);

/* While it runs, for a progress display. */
const struct ndt7_report *subtest_report(const struct subtest *s); /* NULL before t = 0 */
