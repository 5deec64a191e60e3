/* What the lab server answers to a request: pure, from a parsed head to bytes.
 *
 * The order of refusals is the reference server's (contract 2.6): no room, early_exit, subprotocol,
 * upgrade, method; other paths are 404.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/ndt7.h"
#include "transport/head.h"

#define SERVE_ANSWER_MAX 16384

struct serve_answer {
	int status;
	size_t bytes;      /* of the answer in `out` */
	const char *asked; /* "download", "upload", "locate", "other" */
	/* with status 101: */
	enum ndt7_test test;
	uint64_t early_exit_bytes;
};

/* The ports are what the locate service for itself names; 0: not served. */
void serve_answer_request(const struct head *request, bool full, uint16_t ws_port,
                          uint16_t wss_port, char out[SERVE_ANSWER_MAX], struct serve_answer *ret);

/* To what could not be read: 400 or 431. */
void serve_answer_malformed(int status, char out[SERVE_ANSWER_MAX], struct serve_answer *ret);
