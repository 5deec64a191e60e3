/* One test in one process: locate a server, download, upload, and the result.
 *
 *   run_test(&options, &result, &err)    blocks until it is over
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/live.h"
#include "measure/result.h"
#include "transport/loop/loop.h"

struct err;
struct sockstat;

/* Locating, connecting and measuring both directions, with every target tried: never longer. */
#define RUN_DEADLINE_NS (90 * 1000000000ULL)

enum run_scheme { RUN_SCHEME_AUTO, RUN_SCHEME_WS, RUN_SCHEME_WSS };

enum run_event_kind { /* the order of ndt7-client-go's JSON format */
	              RUN_STARTING,
	              RUN_CONNECTED,
	              RUN_MEASUREMENT,
	              RUN_PROGRESS, /* ten times a second while a direction runs */
	              RUN_ERROR,
	              RUN_COMPLETE,
};

struct run_event {
	enum run_event_kind kind;
	enum ndt7_test test;
	const struct direction_result *direction; /* as far as it is known */
	const struct measurement *measurement;    /* RUN_MEASUREMENT, with Origin and Test */
	const char *failure;                      /* RUN_ERROR */
	struct live_figures live;                 /* RUN_PROGRESS */
};

struct run_source {
	struct sockstat *sockstat;
	uint64_t interval_ns; /* at which the records are thinned */
	bool each_segment;    /* the programs see each, else each round trip */
};

/* Who has the kernel's own records (measure/sockstat.h), where they are to be had. */
struct run_stats {
	/* Called once, right before the first connection. False: there are none, and TCP_INFO is polled.
	 * What it opens stays so until run_test() returns, and is the caller's. `open` may be NULL. */
	bool (*open)(void *self, struct run_source *ret);
	void *self;
};

struct run_options {
	/* which server */
	const char *server; /* HOST[:PORT] or an URL; NULL: locate one */
	const char *locate_url;
	const char *country, *site, *org;
	const char *locate_bearer;

	/* what to measure */
	bool download, upload;
	bool early_exit;
	uint64_t max_bytes;

	/* how */
	enum run_scheme scheme;
	enum loop_body io;
	struct loop *loop; /* one that stands, the caller's still; NULL: one of its own, of `io` */
	int family;
	const char *interface;
	const char *ca_file;
	bool insecure;

	/* who asks: query parameters and User-Agent */
	const char *client_name; /* "radar-pod" */
	const char *client_version;

	struct run_stats stats;

	/* where the kernel's figures of each of our sockets go, beside the result; NULL: nowhere */
	const struct sample_sink *trace;
	uint64_t trace_interval_ns; /* at most one sample of a flow in so much */

	/* who listens; NULL for nobody */
	void (*hear)(void *owner, const struct run_event *event);
	void *owner;
	int stop_fd; /* readable: end now and keep what was measured; -1: none */
};

/* 0: the result says what was measured, which may be nothing. Negative: it could not even begin
 * (out of memory, an unusable option, no loop of the kind asked for).
 *   -EINVAL  the server's or locate's URL;  -ENOENT, -EACCES  the CA file */
int run_test(const struct run_options *options, struct test_result *ret, struct err *err);
