#include "agent/cli/record_source.h"

#include "agent/host/sysinfo.h"
#include "transport/base/bytes.h"
#include "transport/base/err.h"

/* A flow's end takes 11 KB, and a program may end thousands in an instant: 1,500 of them, or 100,000
 * samples, between two looks. */
#define RING_BYTES (16U << 20)

/* --- on the way ----------------------------------------------------------------------------------- */

static void take(void *self, const struct tcp_sample *sample)
{
	const struct sample_sink *to = &((struct record_source *)self)->to;

	to->take(to->self, sample);
}

/* The process's name is looked up where the program in the kernel may not ask for it, as long as there is
 * such a process. */
static void meet(void *self, const struct tcp_flow *flow)
{
	const struct sample_sink *to = &((struct record_source *)self)->to;
	struct tcp_flow named = *flow;

	if (flow->pid > 0 && !flow->comm[0])
		sysinfo_process_name(flow->pid, named.comm);
	to->meet(to->self, &named);
}

static void lose(void *self, uint64_t cookie, uint64_t samples)
{
	const struct sample_sink *to = &((struct record_source *)self)->to;

	to->lose(to->self, cookie, samples);
}

/* --- open and close ------------------------------------------------------------------------------- */

int record_source_open(struct record_source *s, int group_fd, uint64_t interval_ns, unsigned tiers,
                       const struct sample_sink *to, struct err *err)
{
	const struct loader_wish wish = { .interval_ns = interval_ns,
		                          .ring_bytes = RING_BYTES,
		                          .tiers = tiers,
		                          .cgroup_fd = group_fd,
		                          .whole_cgroup = true };
	int r = loader_start(&wish, &s->grant, err);

	if (r < 0 || s->grant.tier == TIER_TCP_INFO)
		return r;
	s->to = *to;
	s->sink = (struct sockstat_sink){ .samples = { take, meet, lose, s } };
	return sockstat_open(&(struct sockstat_maps){ s->grant.flows_fd, s->grant.records_fd,
	                                              s->grant.counters_fd, s->grant.probe_fd,
	                                              s->grant.ring_bytes, s->grant.cpus },
	                     &s->stat, err);
}

void record_source_close(struct record_source *s)
{
	s->stat = sockstat_close(s->stat);
	loader_release(&s->grant);
}

size_t record_source_drain(struct record_source *s)
{
	return sockstat_drain(s->stat, &s->sink);
}

int record_source_finish(struct record_source *s, struct record_losses *ret, struct err *err)
{
	struct text t = text_on(ret->where, sizeof(ret->where));
	const struct tcpstat_counters *counters;
	uint32_t cpus;
	int r = sockstat_finish(s->stat, &s->sink, err);

	if (r < 0)
		return r;
	ret->missed = sockstat_missed(s->stat);
	counters = sockstat_cpu_counters(s->stat, &cpus);
	for (uint32_t i = 0; i < cpus; i++) {
		ret->untraced += counters[i].untraced;
		if (counters[i].lost > 0)
			text_append(&t, "%s%llu on CPU %u", t.bytes ? ", " : "",
			            (unsigned long long)counters[i].lost, i);
	}
	if (ret->untraced > 0)
		lose(s, 0, ret->untraced);
	return 0;
}
