/* The far side of a client's test, in virtual time: servers that do what a script says, on the client's
 * own scripted loop.
 *
 *   static const struct far_act acts[] = { { 100, FAR_TEXT, "{…}" }, { 10000, FAR_CLOSE }, { 10050, FAR_END } };
 *   static const struct far_script good = { FAR_UPGRADE, .acts = acts, .acts_count = 3 };
 *
 *   far_open(&far, loop)                  the loop's play is its from here on
 *   far_add(&far, &good)                  answers the port on 127.0.0.1 where a server of that script is
 *   … what dials there on that loop is served; far.visits says in which order …
 *   far_close(&far)
 *
 * The TCP handshake is the kernel's (so that sockets have names), every byte behind it is the loop's. What
 * else waits for descriptors on the loop, such as libcurl, waits for the real ones, without virtual time
 * going by.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/ndt7.h"

struct loop;

#define FAR_SERVERS_MAX 8
#define FAR_VISITS_MAX  32
#define FAR_TARGET_MAX  512

enum far_manner {
	FAR_UPGRADE, /* 101, then the acts */
	FAR_ANSWER,  /* `answer`, and the end */
	FAR_MUTE,    /* takes the connection and says nothing */
	FAR_REFUSE,  /* no connection: ECONNREFUSED */
	FAR_NOWHERE, /* no connection: no answer either */
};

enum far_what {
	FAR_TEXT,
	FAR_PING,
	FAR_BINARY, /* of `bytes` zeros */
	FAR_MASKED, /* a frame that no server may send */
	FAR_CLOSE,  /* 1000, or `code` */
	FAR_END,    /* TCP ends */
};

struct far_act {
	uint64_t at_ms; /* since the 101 */
	enum far_what what;
	const char *text;
	size_t bytes;
	uint16_t code;
};

struct far_script {
	enum far_manner manner;
	const char *answer;
	const struct far_act *acts;
	size_t acts_count;
};

/* One connection that came, or was tried. */
struct far_visit {
	uint16_t port;
	uint64_t at_ns;
	char target[FAR_TARGET_MAX]; /* of the request, "" before it came */
	uint64_t received_bytes;     /* behind the request */
};

struct far_server {
	uint16_t port;
	int listener;
	struct far_script script;
};

struct far_connection;

struct far {
	struct loop *loop;
	struct far_server servers[FAR_SERVERS_MAX];
	size_t servers_count;
	struct far_visit visits[FAR_VISITS_MAX];
	size_t visits_count;
	struct far_connection *connections;
	uint64_t rate_bps, delay_ns; /* of every connection; 100 Mbit/s, 10 ms */
	bool stop_watched;           /* one of the descriptors waited for is the run's stop_fd */
	uint64_t nowhere;            /* tag of the dial that is left without an answer */
};

/* Failures are failed tests. */
void far_open(struct far *f, struct loop *l);
uint16_t far_add(struct far *f, const struct far_script *script);
void far_close(struct far *f); /* before the loop */
