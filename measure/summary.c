#include "measure/summary.h"

#include <stddef.h>

#define BUCKETS (SUMMARY_RTT_OCTAVES * SUMMARY_RTT_STEPS)

/* --- the distribution of round-trip times ----------------------------------------------------- */

static size_t bucket_of(uint32_t rtt_us)
{
	uint32_t octave = rtt_us ? 31 - (uint32_t)__builtin_clz(rtt_us) : 0;
	uint64_t step = ((uint64_t)rtt_us * SUMMARY_RTT_STEPS >> octave) % SUMMARY_RTT_STEPS;

	return octave * SUMMARY_RTT_STEPS + step;
}

/* Of buckets 0 to BUCKETS, whose lower end is the upper end of the last one. */
static double lower_end_us(size_t bucket)
{
	double steps = SUMMARY_RTT_STEPS + (double)(bucket % SUMMARY_RTT_STEPS);

	return steps / SUMMARY_RTT_STEPS * (double)(1ULL << bucket / SUMMARY_RTT_STEPS);
}

void summary_rtt_add_many(struct summary_rtt *r, uint32_t rtt_us, uint32_t times)
{
	if (times == 0)
		return;
	if (r->count == 0 || rtt_us < r->min_us)
		r->min_us = rtt_us;
	if (rtt_us > r->max_us)
		r->max_us = rtt_us;
	r->count += times;
	r->buckets[bucket_of(rtt_us)] += times;
}

void summary_rtt_add(struct summary_rtt *r, uint32_t rtt_us)
{
	summary_rtt_add_many(r, rtt_us, 1);
}

/* A value that is no number counts as the least. */
static double clamp(double value, double min, double max)
{
	if (!(value > min))
		return min;
	return value < max ? value : max;
}

bool summary_rtt_percentile(const struct summary_rtt *r, double p, double *ret_us)
{
	double rank = clamp(p, 0, 1) * (double)r->count;
	double below = 0;
	size_t bucket = bucket_of(r->min_us);
	double low_us, value_us;

	if (r->count == 0)
		return false;
	while (bucket < bucket_of(r->max_us) && below + r->buckets[bucket] < rank)
		below += r->buckets[bucket++];
	low_us = lower_end_us(bucket);
	value_us =
		low_us + (rank - below) / r->buckets[bucket] * (lower_end_us(bucket + 1) - low_us);
	*ret_us = clamp(value_us, r->min_us, r->max_us);
	return true;
}

/* --- the sink ----------------------------------------------------------------------------------- */

/* Whether a counter that both samples have is smaller in the later one: a source gone mad, whose
 * difference to the first sample would be a negative amount. */
static bool runs_backwards(const struct tcp_sample *from, const struct tcp_sample *to)
{
	uint32_t both = from->present & to->present;

	if (both & TCP_SAMPLE_BYTES &&
	    (to->bytes_acked < from->bytes_acked || to->bytes_received < from->bytes_received))
		return true;
	return both & TCP_SAMPLE_BYTES_SENT &&
	       (to->bytes_sent < from->bytes_sent || to->bytes_retrans < from->bytes_retrans);
}

static void take_rtt(struct summary *s, const struct tcp_sample *sample)
{
	uint32_t rtt_us = s->receives ? sample->rcv_rtt_us : sample->srtt_us;
	bool known = sample->present & (s->receives ? TCP_SAMPLE_RCV_RTT : TCP_SAMPLE_RTT);
	bool has_min = sample->present & TCP_SAMPLE_MIN_RTT && sample->min_rtt_us > 0;

	if (has_min && (s->min_rtt_us == 0 || sample->min_rtt_us < s->min_rtt_us))
		s->min_rtt_us = sample->min_rtt_us;

	/* Polls are more frequent than estimates: one that did not change is not another one. */
	if (!known || rtt_us == 0 || rtt_us == s->last_rtt_us)
		return;
	s->last_rtt_us = rtt_us;
	summary_rtt_add(&s->rtt, rtt_us);
}

static void take(void *self, const struct tcp_sample *sample)
{
	struct summary *s = self;

	take_rtt(s, sample);
	if (s->samples++ == 0) {
		s->first = *sample;
		s->last = *sample;
	} else if (!runs_backwards(&s->last, sample)) {
		s->last = *sample;
	}
}

void summary_start(struct summary *s, bool receives)
{
	*s = (struct summary){ .receives = receives };
}

struct sample_sink summary_sink(struct summary *s)
{
	return (struct sample_sink){ .take = take, .self = s };
}

bool summary_retransmit_percent(uint64_t bytes_sent, uint64_t bytes_retrans, double *ret)
{
	if (bytes_sent == 0 || bytes_retrans > bytes_sent)
		return false;
	*ret = 100 * (double)bytes_retrans / (double)bytes_sent;
	return true;
}
