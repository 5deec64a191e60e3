#include "measure/feed.h"

#include "measure/sockstat.h"

void feed_open(struct feed *f, const struct sample_sink *trace, uint64_t trace_interval_ns)
{
	*f = (struct feed){ .trace = trace, .trace_interval_ns = trace_interval_ns };
}

void feed_connect(struct feed *f, struct sockstat *sockstat, uint64_t interval_ns,
                  bool each_segment)
{
	f->sockstat = sockstat;
	f->interval_ns = interval_ns;
	f->each_segment = each_segment;
}

uint64_t feed_period_ns(const struct feed *f)
{
	return f->interval_ns == 0 ? FEED_DRAIN_EACH_NS : FEED_DRAIN_NS;
}

static struct feed_flow *find(struct feed *f, uint64_t cookie)
{
	for (size_t i = 0; i < f->ours_count; i++)
		if (f->ours[i].cookie == cookie)
			return &f->ours[i];
	return NULL;
}

void feed_announce(struct feed *f, const struct tcp_flow *flow)
{
	if (!find(f, flow->cookie) && f->ours_count < FEED_FLOWS_MAX)
		f->ours[f->ours_count++] = (struct feed_flow){ .cookie = flow->cookie };
	if (f->trace && f->trace->meet)
		f->trace->meet(f->trace->self, flow);
}

void feed_listen(struct feed *f, uint64_t cookie, struct sample_sink figures)
{
	f->cookie = cookie;
	f->figures = figures;
}

/* --- from the ring -------------------------------------------------------------------------------- */

/* The figures need a finer grain than a trace may have been asked for. */
static bool is_due_for_trace(struct feed *f, const struct tcp_sample *s)
{
	if (f->trace_interval_ns <= f->interval_ns || s->event != TCP_SAMPLE_ACK)
		return true;
	if (s->at_ns < f->trace_due_ns)
		return false;
	f->trace_due_ns = s->at_ns + f->trace_interval_ns;
	return true;
}

static void take(void *self, const struct tcp_sample *s)
{
	struct feed *f = self;

	if (f->figures.take && s->cookie == f->cookie)
		f->figures.take(f->figures.self, s);
	if (f->trace && is_due_for_trace(f, s))
		f->trace->take(f->trace->self, s);
}

static void meet(void *self, const struct tcp_flow *flow)
{
	struct feed *f = self;

	if (f->trace && f->trace->meet && !find(f, flow->cookie))
		f->trace->meet(f->trace->self, flow);
}

static void tell_lost(struct feed *f, uint64_t cookie, uint64_t records)
{
	if (records && f->trace && f->trace->lose)
		f->trace->lose(f->trace->self, cookie, records);
}

/* At a flow's end, or of none when all is over: less what was told before. */
static void lose(void *self, uint64_t cookie, uint64_t records)
{
	struct feed *f = self;
	struct feed_flow *flow = find(f, cookie);
	uint64_t *told = flow ? &flow->lost : &f->told_early;
	uint64_t before = flow || cookie == 0 ? *told : 0;

	if (records > before)
		tell_lost(f, cookie, records - before);
	if (!flow)
		return;
	f->told_early -= before;
	flow->lost = records;
}

static struct sockstat_sink sink_of(struct feed *f)
{
	return (struct sockstat_sink){ .samples = { take, meet, lose, f } };
}

void feed_drain(struct feed *f)
{
	struct sockstat_sink sink = sink_of(f);

	if (f->sockstat)
		sockstat_drain(f->sockstat, &sink);
}

bool feed_drain_some(struct feed *f)
{
	struct sockstat_sink sink = sink_of(f);

	return f->sockstat && sockstat_drain_some(f->sockstat, &sink, FEED_SLICE_SAMPLES);
}

void feed_lost(struct feed *f, uint64_t cookie, uint64_t records)
{
	struct feed_flow *flow = find(f, cookie);

	if (!flow || records <= flow->lost)
		return;
	tell_lost(f, cookie, records - flow->lost);
	f->told_early += records - flow->lost;
	flow->lost = records;
}

/* A counter that cannot be read leaves a loss untold; the records are there all the same. */
void feed_finish(struct feed *f)
{
	struct sockstat_sink sink = sink_of(f);

	if (f->sockstat)
		sockstat_finish(f->sockstat, &sink, NULL);
}
