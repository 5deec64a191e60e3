#include "measure/kernel_rtt.h"

#include "tests/cases.h"

static void add(struct tcpstat_flow *f, uint32_t rtt_us, uint32_t times)
{
	f->rtt_histogram[tcpstat_rtt_bucket(rtt_us)] += times;
	if (f->rtt_count == 0 || rtt_us < f->rtt_min_us)
		f->rtt_min_us = rtt_us;
	if (rtt_us > f->rtt_max_us)
		f->rtt_max_us = rtt_us;
	f->rtt_count += times;
}

static bool near(double got, double want)
{
	return got > want * 0.985 && got < want * 1.015;
}

/* Three exchanges before the load, of which one waited for a delayed ACK, and a queue behind them. */
static void what_was_before_the_load_is_apart(void **state)
{
	struct tcpstat_flow flow = {};
	struct kernel_rtt before;
	struct summary_rtt loaded = {};
	struct idle_rtt idle = {};
	double us;

	(void)state;
	add(&flow, 20053, 1);
	add(&flow, 20110, 1);
	add(&flow, 60000, 1);
	kernel_rtt_begin(&before, &flow, &idle);
	assert_int_equal(idle.samples, 3);
	assert_int_equal(idle.min_us, 20053);
	assert_int_equal(idle.max_us, 60000);
	assert_true(near(idle.p50_us, 20100));
	assert_false(kernel_rtt_loaded(&before, &flow, &loaded));
	add(&flow, 90000, 900);
	add(&flow, 120000, 99);
	add(&flow, 60000, 1);
	assert_true(kernel_rtt_loaded(&before, &flow, &loaded));
	assert_int_equal(loaded.count, 1000);
	assert_true(summary_rtt_percentile(&loaded, 0.5, &us) && near(us, 90000));
	assert_true(summary_rtt_percentile(&loaded, 0.99, &us) && near(us, 120000));
	assert_true(near(loaded.min_us, 60000) && near(loaded.max_us, 120000));
}

static void no_sample_is_no_idle_time(void **state)
{
	struct tcpstat_flow flow = {};
	struct kernel_rtt before;
	struct idle_rtt idle = {};

	(void)state;
	kernel_rtt_begin(&before, &flow, &idle);
	assert_int_equal(idle.samples, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_before_the_load_is_apart),
		cmocka_unit_test(no_sample_is_no_idle_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
