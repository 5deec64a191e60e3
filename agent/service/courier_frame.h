/* What the daemon and its courier say to each other, pure: both are the same executable, so numbers are as this
 * machine has them; but the courier reads the network's bytes, and what it says is judged as theirs.
 *
 *   daemon -> courier   struct courier_notice; of COURIER_ASK with the descriptor of a file: first the request's
 *                       head (courier_head_write()), then its contents one behind the other
 *   courier -> daemon   COURIER_ANSWER and as many COURIER_BODY as the body takes, or COURIER_FAILED
 *
 * Each is one message of a SOCK_SEQPACKET socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/http.h"

struct err;

#define COURIER_HEAD_BYTES_MAX    (64 * 1024)        /* of a request, without contents */
#define COURIER_ANSWER_BYTES_MAX  (4 * 1024 * 1024)  /* of an answer's body */
#define COURIER_CONTENT_BYTES_MAX (64 * 1024 * 1024) /* of a request's body, of each part */
#define COURIER_TIMEOUT_NS_MAX    3600000000000ULL   /* an hour */
#define COURIER_SAID_BYTES_MAX    (16 * 1024)        /* of one message of the courier's */
#define COURIER_FIELD_BYTES_MAX   1024 /* of a header's value in an answer; longer is cut */

enum courier_notice_kind { COURIER_ASK = 1, COURIER_CANCEL };

struct courier_notice {
	uint32_t kind;
	uint32_t id;
	uint32_t head_bytes; /* of COURIER_ASK */
	uint32_t reserved;
};

/* Writes the head of `request`, whose contents are in memory or of files.
 *   -EMSGSIZE  more than out_bytes;  -EINVAL  beyond a ceiling above */
int courier_head_write(const struct http_request *request, uint8_t *out, size_t out_bytes,
                       size_t *ret_bytes, struct err *err);

/* Reads it again: texts lie inside `head`, contents in `fd` behind the head. -EPROTO */
int courier_head_read(const uint8_t *head, size_t n, int fd, struct http_request *ret,
                      struct err *err);

enum courier_said_kind { COURIER_ANSWER = 1, COURIER_BODY, COURIER_FAILED };

struct courier_said {
	enum courier_said_kind kind;
	uint32_t id;
	/* of COURIER_ANSWER; .body is NULL, .body_bytes what is to come */
	struct http_answer answer;
	/* of COURIER_BODY, inside the message */
	const uint8_t *data;
	size_t data_bytes;
	/* of COURIER_FAILED */
	int code; /* negative errno */
	int domain;
	int64_t detail;
	const char *text;
	/* of COURIER_ANSWER and COURIER_FAILED: http_was_sent() */
	bool was_sent;
};

/* Writes one message into COURIER_SAID_BYTES_MAX at out; answers its length. What is too long of a text is cut; data
 * are at most COURIER_DATA_BYTES_MAX. */
#define COURIER_DATA_BYTES_MAX (COURIER_SAID_BYTES_MAX - 64)
size_t courier_said_write(const struct courier_said *said, uint8_t out[COURIER_SAID_BYTES_MAX]);

/* Reads it again; texts lie inside `message`. -EPROTO */
int courier_said_read(const uint8_t *message, size_t n, struct courier_said *ret, struct err *err);
