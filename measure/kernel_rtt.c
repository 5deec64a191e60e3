#include "measure/kernel_rtt.h"

#include <string.h>

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

	k->count = now->rtt_count;
	memcpy(k->histogram, now->rtt_histogram, sizeof(k->histogram));
	for (uint32_t i = 0; i < TCPSTAT_RTT_BUCKETS; i++)
		summary_rtt_add_many(&all, middle_us(i), k->histogram[i]);
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
	for (uint32_t i = 0; i < TCPSTAT_RTT_BUCKETS; i++)
		if (now->rtt_histogram[i] > k->histogram[i])
			summary_rtt_add_many(ret, middle_us(i),
			                     now->rtt_histogram[i] - k->histogram[i]);
	return true;
}
