#include "measure/kernel_rtt.h"

/* The middle of a bucket stands for all in it; it is not wider than 1 %. */
static uint32_t middle_us(uint32_t bucket)
{
	uint32_t from_us = tcpstat_rtt_bucket_us(bucket);
	uint32_t to_us =
		bucket + 1 < TCPSTAT_RTT_BUCKETS ? tcpstat_rtt_bucket_us(bucket + 1) : from_us + 1;

	return from_us + (to_us - from_us) / 2;
}

void kernel_rtt_begin(struct kernel_rtt *k, const struct tcpstat_flow *now, struct idle_rtt *ret)
{
	struct summary_rtt all = {};
	double p50_us;

	*k = (struct kernel_rtt){ .count = now->rtt_count };
	for (uint32_t i = 0; i < TCPSTAT_RTT_BUCKETS; i++) {
		uint32_t samples = now->rtt_histogram[i];

		summary_rtt_add_many(&all, middle_us(i), samples);
		if (samples && k->buckets < KERNEL_RTT_IDLE_MAX) {
			k->idle[k->buckets].bucket = i;
			k->idle[k->buckets++].samples = samples;
		}
	}
	if (!summary_rtt_percentile(&all, 0.5, &p50_us))
		return;
	*ret = (struct idle_rtt){ .samples = now->rtt_count,
		                  .min_us = now->rtt_min_us,
		                  .p50_us = p50_us,
		                  .max_us = now->rtt_max_us };
}

bool kernel_rtt_loaded(const struct kernel_rtt *k, const struct tcpstat_flow *now,
                       struct summary_rtt *ret)
{
	if (now->rtt_count <= k->count)
		return false;
	*ret = (struct summary_rtt){};
	for (uint32_t i = 0, at = 0; i < TCPSTAT_RTT_BUCKETS; i++) {
		bool had = at < k->buckets && k->idle[at].bucket == i;
		uint32_t before = had ? k->idle[at++].samples : 0;

		if (now->rtt_histogram[i] > before)
			summary_rtt_add_many(ret, middle_us(i), now->rtt_histogram[i] - before);
	}
	return true;
}
