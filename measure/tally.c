#include "measure/tally.h"

#include "transport/base/clock.h"

static void take_bytes(struct tally *t, const struct tcp_sample *s)
{
	bool receives = t->result->test == NDT7_DOWNLOAD;

	if (!(s->present & TCP_SAMPLE_BYTES))
		return;
	if (!t->begun)
		t->acked_before = t->acked_bytes = s->bytes_acked;
	steady_add(&t->steady, s->at_ns, receives ? s->bytes_received : s->bytes_acked);
	if (s->bytes_acked > t->acked_bytes) {
		t->acked_bytes = s->bytes_acked;
		t->acked_at_ns = s->at_ns;
	}
}

/* What is no ACK's is told when it happens. */
static bool is_due(struct tally *t, const struct tcp_sample *s)
{
	if (s->event != TCP_SAMPLE_ACK)
		return true;
	if (s->at_ns < t->due_ns)
		return false;
	t->due_ns = s->at_ns + TALLY_INTERVAL_NS;
	return true;
}

static void take(void *self, const struct tcp_sample *s)
{
	struct tally *t = self;
	struct sample_sink summary = summary_sink(&t->result->local);

	if (!is_due(t, s)) {
		t->result->local.samples++;
		return;
	}
	summary.take(summary.self, s);
	take_bytes(t, s);
	if (t->result->test != NDT7_DOWNLOAD && s->present & TCP_SAMPLE_LIMITS) {
		t->has_limits = true;
		t->limits = (struct limits_look){ .at_us = s->at_ns / NS_PER_US,
			                          .busy_us = s->busy_us,
			                          .rwnd_limited_us = s->rwnd_limited_us,
			                          .sndbuf_limited_us = s->sndbuf_limited_us };
	}
	if (s->present & TCP_SAMPLE_DELIVERY_RATE && s->app_limited && t->begun &&
	    s->at_ns > t->at_ns)
		t->app_limited_ns += s->at_ns - t->at_ns;
	t->at_ns = s->at_ns;
	t->begun = true;
}

void tally_start(struct tally *t, struct direction_result *result)
{
	*t = (struct tally){ .result = result };
	steady_start(&t->steady);
	summary_start(&result->local, result->test == NDT7_DOWNLOAD);
}

struct sample_sink tally_sink(struct tally *t)
{
	return (struct sample_sink){ .take = take, .self = t };
}

/* Of a download the kernel that limits is the server's. */
void tally_settle(struct tally *t, uint64_t cpu_us)
{
	if (!t->has_limits)
		return;
	t->limits.app_limited_us = t->app_limited_ns / NS_PER_US;
	t->limits.cpu_us = cpu_us;
	limits_add(&t->result->limits, &t->limits);
}

void tally_finish(struct tally *t, uint64_t until_ns, const struct steady_path *path)
{
	steady_estimate(&t->steady, until_ns, path, &t->result->steady);
}
