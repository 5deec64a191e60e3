/* What the kernel tells of one socket of ours while a test runs, from whichever source there is: the
 * only place that knows of more than one.
 *
 *   watch_open(&w, &options);
 *   watch_socket(&w, fd);           a fresh socket, before it connects
 *   watch_begin(&w, fd);            it stands; a trace has its samples from here on
 *   watch_start(&w, now_ns);        t = 0: so have the figures
 *   …                               looked() in turn, with all samples up to then handed on
 *   watch_end(&w, "close");         before it is closed: the last samples
 *
 * Sources: records of the BPF programs, drained in turn (each has the kernel's own time), and TCP_INFO,
 * polled. Of a socket with records TCP_INFO is still read at each turn: it has what the programs'
 * lesser tier does not see, and what the last segment brought.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/sample.h"
#include "transport/loop/loop.h"

struct feed;
struct tcpstat_flow;
struct watch_source;

/* TCP_INFO is polled so often. */
#define WATCH_POLL_NS (10 * 1000000ULL)

/* See watch_patience_ns(): one wake-up for what comes in so much. */
#define WATCH_PATIENCE_NS (5 * 1000000ULL)

/* For a trace it is polled on a timer of its own, which changes neither when the figures are taken nor
 * what they see; more often than that it is not: a look costs a few microseconds and a wake-up. */
#define WATCH_TRACE_NS_MIN (1000000ULL)

struct watch_options {
	struct loop *loop;
	struct feed *feed;          /* stays until watch_end() */
	struct sample_sink figures; /* from t = 0 */
	const char *test;           /* what the socket is for */
	void (*looked)(void *owner);
	void *owner;
};

struct watch {
	struct watch_options o;
	const struct watch_source *source; /* NULL: no socket stands */
	int fd;
	struct tcp_flow flow;
	bool started;
	uint64_t looked_at_ns;
	uint64_t due_ns;    /* the next look */
	uint64_t unseen_ns; /* the longest time between two turns */
	struct loop_timer turn;
	struct loop_timer trace_turn; /* polled: the trace's */
};

void watch_open(struct watch *w, const struct watch_options *options);
void watch_socket(struct watch *w, int fd);
void watch_begin(struct watch *w, int fd);
void watch_start(struct watch *w, uint64_t now_ns);

/* Whether it is polled although there are programs: the kernel had no room for its record. */
bool watch_fell_back(const struct watch *w);

/* So late may this process hear of what came, since the instants are the kernel's; 0: as soon as may be. */
uint64_t watch_patience_ns(const struct watch *w);

/* When the last segment came in, by the kernel. 0: the source does not know. */
uint64_t watch_last_segment_ns(const struct watch *w);

/* What holds of all segments until now, thinned away or not. False: the source has no such thing. */
bool watch_aggregates(const struct watch *w, struct tcpstat_flow *ret);

/* `ending` is what ended the flow. Does nothing where no socket stands, or it has ended. */
void watch_end(struct watch *w, const char *ending);
