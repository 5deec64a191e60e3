/* Where a test has the kernel's figures from: the BPF loader is begun early and works while the test gets
 * ready; what it grants is taken right before the first connection.
 *
 *   test_stats_begin(&t, TEST_STATS_AUTO, trace_interval_ns, stop_fd);
 *   r = test_stats_demand(&t, &err);    only where a source was asked for by name
 *   options.stats = test_stats_source(&t);
 *   …                                   run_test()
 *   test_stats_tell(&t, &result);
 *   test_stats_end(&t);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/loader.h"
#include "measure/run.h"

struct sockstat;

enum test_stats_wish {
	TEST_STATS_AUTO, /* the best there is */
	TEST_STATS_EBPF,
	TEST_STATS_TCP_INFO,
	TEST_STATS_SOCKOPS,
};

struct test_stats {
	enum test_stats_wish wish;
	uint64_t interval_ns;
	struct loader_child child;
	int stop_fd;      /* where an interrupt is told; -1: nowhere */
	bool begun;       /* and not yet taken */
	bool interrupted; /* while it loaded */
	struct loader_grant grant;
	struct sockstat *sockstat; /* NULL: TCP_INFO is polled */
	char reason[256];          /* why it is no better one, "" */
	char remedy[160];          /* "": none is known */
};

/* Cannot fail: what stands in the way becomes the reason. From the moment stop_fd is readable nothing is waited
 * for. */
void test_stats_begin(struct test_stats *t, enum test_stats_wish wish, uint64_t trace_interval_ns,
                      int stop_fd);

/* Takes what was granted now. Negative where it is not what was asked for: err says why.
 *   -ECANCELED  it was not waited for: err says nothing, the run will */
int test_stats_demand(struct test_stats *t, struct err *err);

struct run_stats test_stats_source(struct test_stats *t);
void test_stats_tell(const struct test_stats *t, struct test_result *result);

/* Accepts one that was ended, or is all zero. */
void test_stats_end(struct test_stats *t);
