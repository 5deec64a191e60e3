#include "agent/cli/test_stats.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/obstacle.h"
#include "measure/result.h"
#include "measure/sockstat.h"
#include "measure/tally.h"
#include "transport/base/err.h"

/* Resident in full, and a test has 8 MB: 400 records, eight times what an interval of 1 ms makes between
 * two drains. */
#define RING_BYTES (64U << 10)

static unsigned int tiers_of(enum test_stats_wish wish)
{
	static const unsigned int tiers[] = {
		[TEST_STATS_AUTO] = TIER_ANY,
		[TEST_STATS_EBPF] = TIER_BIT(TIER_EBPF),
		[TEST_STATS_TCP_INFO] = TIER_BIT(TIER_TCP_INFO),
		[TEST_STATS_SOCKOPS] = TIER_BIT(TIER_SOCKOPS),
	};

	return tiers[wish];
}

/* Of the best tier that was wished for. */
static void keep_refusal(struct test_stats *t, const struct tier_refusal *refusals)
{
	enum tier tier = tiers_of(t->wish) & TIER_BIT(TIER_EBPF) ? TIER_EBPF : TIER_SOCKOPS;

	snprintf(t->reason, sizeof(t->reason), "%s", refusals[tier].reason);
	snprintf(t->remedy, sizeof(t->remedy), "%s", refusals[tier].remedy);
}

static void give_up(struct test_stats *t, const struct err *why)
{
	snprintf(t->reason, sizeof(t->reason), "could not %s", why->text);
	t->sockstat = sockstat_close(t->sockstat);
	loader_release(&t->grant);
}

/* What can be seen from here needs no child to see it. */
static bool is_hopeless(struct test_stats *t)
{
	uint64_t capabilities = obstacle_capabilities();
	struct tier_refusal refusals[TIERS] = {};

	if (loader_is_served())
		return false;
	for (enum tier tier = TIER_EBPF; tier < TIER_TCP_INFO; tier++)
		if (tiers_of(t->wish) & TIER_BIT(tier) &&
		    !obstacle_find(tier, false, capabilities, &obstacle_here, &refusals[tier]))
			return false;
	keep_refusal(t, refusals);
	return true;
}

void test_stats_begin(struct test_stats *t, enum test_stats_wish wish, uint64_t trace_interval_ns,
                      int stop_fd)
{
	bool finer = trace_interval_ns <
	             TALLY_INTERVAL_NS; /* a trace that asks for less is thinned from this */
	struct loader_wish what = LOADER_WISH;
	struct err err = {};

	*t = (struct test_stats){ .wish = wish,
		                  .stop_fd = stop_fd,
		                  .interval_ns = finer ? trace_interval_ns : TALLY_INTERVAL_NS,
		                  .child = { .fd = -1 },
		                  .grant = { .tier = TIER_TCP_INFO,
		                             .flows_fd = -1,
		                             .records_fd = -1,
		                             .counters_fd = -1,
		                             .probe_fd = -1 } };
	if (wish == TEST_STATS_TCP_INFO || is_hopeless(t))
		return;
	what.tiers = tiers_of(wish);
	what.interval_ns = t->interval_ns;
	what.ring_bytes = finer ? LOADER_RING_BYTES_EACH : RING_BYTES;
	t->begun = loader_begin(&what, &t->child, &err) == 0;
	if (!t->begun)
		give_up(t, &err);
}

static void take_nothing(void *self, const struct tcp_sample *sample)
{
	(void)self;
	(void)sample;
}

/* An old kernel refuses an unprivileged process' map calls, a full one has no room: found out by a socket
 * that goes nowhere, of which the trace need not know. */
static int try_tagging(struct sockstat *s, struct err *err)
{
	static const struct sockstat_sink nobody = { .samples = { .take = take_nothing } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tcpstat_flow flow;
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a socket");
	r = sockstat_tag(s, fd, err);
	if (r == 0)
		r = sockstat_flow(s, fd, &flow, err);
	close(fd);
	sockstat_drain(s, &nobody);
	return r;
}

static void take_grant(struct test_stats *t)
{
	struct err err = {};
	int r;

	t->begun = false;
	r = loader_finish(&t->child, t->stop_fd, &t->grant, &err);
	if (r == 0 && t->grant.tier != TIER_EBPF)
		keep_refusal(t, t->grant.refusals);
	t->interrupted = r == -ECANCELED;
	if (r < 0 || t->grant.tier == TIER_TCP_INFO) {
		if (r < 0)
			give_up(t, &err);
		return;
	}
	r = sockstat_open(&(struct sockstat_maps){ t->grant.flows_fd, t->grant.records_fd,
	                                           t->grant.counters_fd, t->grant.probe_fd,
	                                           t->grant.ring_bytes, t->grant.cpus },
	                  &t->sockstat, &err);
	if (r == 0)
		r = try_tagging(t->sockstat, &err);
	if (r < 0)
		give_up(t, &err);
}

static bool open_source(void *self, struct run_source *ret)
{
	struct test_stats *t = self;

	if (t->begun)
		take_grant(t);
	*ret = (struct run_source){ .sockstat = t->sockstat,
		                    .interval_ns = t->interval_ns,
		                    .each_segment = t->grant.tier == TIER_EBPF };
	return t->sockstat != NULL;
}

int test_stats_demand(struct test_stats *t, struct err *err)
{
	if (t->begun)
		take_grant(t);
	if (t->sockstat)
		return 0;
	if (t->interrupted)
		return -ECANCELED;
	return ERR_SET(err, -EOPNOTSUPP, ERR_BPF, 0, "read TCP statistics by %s: %s",
	               tier_name(t->wish == TEST_STATS_EBPF ? TIER_EBPF : TIER_SOCKOPS), t->reason);
}

struct run_stats test_stats_source(struct test_stats *t)
{
	return (struct run_stats){ .open = open_source, .self = t };
}

void test_stats_tell(const struct test_stats *t, struct test_result *result)
{
	result->stats = tier_name(t->sockstat ? t->grant.tier : TIER_TCP_INFO);
	snprintf(result->stats_reason, sizeof(result->stats_reason), "%s", t->reason);
	if (t->sockstat)
		result->trace.missed = sockstat_missed(t->sockstat);
}

void test_stats_end(struct test_stats *t)
{
	struct loader_grant nothing;

	if (t->begun && loader_finish(&t->child, t->stop_fd, &nothing, NULL) == 0)
		loader_release(&nothing);
	t->begun = false;
	if (!t->sockstat)
		return;
	t->sockstat = sockstat_close(t->sockstat);
	loader_release(&t->grant);
}
