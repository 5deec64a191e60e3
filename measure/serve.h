/* The lab server: ndt7 over ws and wss, many clients at once, and a locate service for itself.
 *
 * As a reference server answers: contracts of handshake (400, 404, 405), schedule of measurements,
 * Close. It measures nothing but what it sends; nothing is archived.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct loop;
struct serve;

#define SERVE_CLIENTS_DEFAULT 100
#define SERVE_CLIENTS_MAX     500

/* Connections that are in no test: under TLS's handshake, their request on its way, or a short answer.
 * They take no client's place; beyond this many the door is shut. */
#define SERVE_ASKING_MAX 250

#define SERVE_LOCATE_PATH "/v2/nearest/ndt/ndt7"

/* For TLS and the request together; then the test itself is bounded by ndt7's 15 s. */
#define SERVE_REQUEST_NS (10 * 1000000000ULL)

struct serve_options {
	const char *listen;     /* a literal address; NULL: 127.0.0.1 */
	int ws_port;            /* 0 picks one; -1: no cleartext */
	int wss_port;           /* 0 picks one; -1: no TLS */
	const char *cert, *key; /* PEM; NULL: self-signed */
	const char *congestion; /* of each client's socket; NULL: bbr where the kernel has it, else
	                            * its default, as the reference server does */
	unsigned int max_clients; /* in a test at once; further ones get 503 */
};

/* What happened, for a log. */
struct serve_event {
	const char *client; /* address:port */
	const char *test;   /* "download", "upload", or what was asked for instead */
	int status;         /* of the HTTP answer: 101, 200, 400, 404, 405, 503 */
	bool ended;         /* false: it begins */
	double mbps;        /* of an ended test, by this side's kernel */
	double seconds;
	const char *ending; /* ndt7_ending_name(); NULL: it was no test, or refused */
};

struct serve_stats {
	unsigned int clients; /* in a test, now */
	unsigned int asking;  /* connected and in none, now */
	uint64_t accepted;    /* since the start */
	uint64_t refused;     /* for want of room */
	uint64_t tests;       /* that reached t = 0 */
};

/* Listens; clients are served while the loop runs. `congestion` that the kernel lacks is an error
 * where it was asked for.
 *   -EADDRINUSE, -EACCES, -ENOENT, -EINVAL, … */
int serve_open(struct loop *l, const struct serve_options *options,
               void (*hear)(void *owner, const struct serve_event *event), void *owner,
               struct serve **ret, struct err *err);

/* The ports that were picked; 0 where there is none. */
uint16_t serve_ws_port(const struct serve *s);
uint16_t serve_wss_port(const struct serve *s);

/* No new clients; those there are told (Close 1001) and gone within a second. `drained` is called
 * once, from loop_run(). */
void serve_stop(struct serve *s, void (*drained)(void *owner), void *owner);

struct serve_stats serve_stats(const struct serve *s);

/* At once. Accepts NULL; always returns NULL. */
struct serve *serve_close(struct serve *s);
