/* A socket of ours into a trace, by TCP_INFO, on a timer of its own: a trace changes neither when the
 * measurement looks at its socket nor what it sees.
 */
#pragma once

#include <stdint.h>

#include "measure/sample.h"
#include "transport/loop/loop.h"

/* More often than that TCP_INFO is not asked: a look costs a few microseconds and a wake-up. */
#define SOCKET_TRACE_NS_MIN (1000000ULL)

struct socket_trace {
	const struct sample_sink *sink; /* NULL: none, and then nothing here does anything */
	struct loop *loop;
	int fd;
	uint64_t interval_ns;
	struct tcp_flow flow;
	struct loop_timer timer;
};

/* Tells the sink of the flow, takes the first sample, and from then on one every interval_ns (at least
 * SOCKET_TRACE_NS_MIN). `test` is what the flow is for. */
void socket_trace_begin(struct socket_trace *t, const struct sample_sink *sink, struct loop *loop,
                        int fd, uint64_t interval_ns, const char *test);

/* Before the socket is closed: the last sample, and what ended the flow. Does nothing where it did not
 * begin, or has ended. */
void socket_trace_end(struct socket_trace *t, const char *ending);
