/* A server of canned answers: a child on 127.0.0.1 that reads a request's head, looks its path up
 * in a table, and sends what stands there, as slowly as it says. For tests of what speaks HTTP; the
 * parent sees every head that came.
 *
 *   struct canned_server s = canned_start(table, rows, NULL);
 *   … http://127.0.0.1:s.port/path …
 *   assert_non_null(strstr(canned_head(&s, 0), "User-Agent: "));
 *   canned_stop(&s);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CANNED_HEADS_MAX 8 /* that are kept, the latest */
#define CANNED_HEAD_MAX  4096
#define CANNED_BODY_MAX  (64 * 1024) /* of a request, that is kept; more is read and dropped */

struct certificate;

struct canned {
	const char *path;      /* of the request, without its query */
	const char *answer;    /* head and all; NULL: nothing at all */
	size_t answer_bytes;   /* 0: up to its NUL */
	size_t pad_bytes;      /* so many spaces after it; SIZE_MAX: without end */
	size_t chunk_bytes;    /* sent at a time; 0: all */
	unsigned int pause_ms; /* between chunks */
	bool stays;            /* silent at the end, instead of closing */
	bool body_unread; /* the request's body is left where it is; a second later it is over */
};

struct canned_seen;

struct canned_server {
	pid_t pid;
	uint16_t port;
	struct canned_seen *seen; /* shared with the child */
};

/* Over TLS where `leaf` is given. The child ends with this process. A failure is a failed test. */
struct canned_server canned_start(const struct canned *table, size_t rows,
                                  const struct certificate *leaf);
void canned_stop(struct canned_server *s);

/* How many requests came so far, and the head of the i-th of them, from 0. */
unsigned int canned_requests(const struct canned_server *s);
const char *canned_head(const struct canned_server *s, unsigned int i);

/* Its body, as far as it was kept; *ret_bytes is how long it was altogether. */
const char *canned_body(const struct canned_server *s, unsigned int i, size_t *ret_bytes);
