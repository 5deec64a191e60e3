#include "measure/steady.h"

#include <assert.h>

#include "transport/base/clock.h"

#define MSER_BINS       5
#define BATCHES_MIN     10
#define CORRELATION_MAX 0.9

/* BBR paces at 99 % of the bandwidth that it believes in (tcp_bbr.c, bbr_pacing_margin_percent). Once in eight
 * round trips it fills the queue, which then stands for three bursts of 1 ms (bbr_quantization_budget) while it
 * cruises six round trips: these take 6 % of a round trip from it, more than the 3 ms where that is longer than
 * 50 ms. */
#define BBR_PACING_MARGIN 0.01
#define BBR_DRY_RTT_US    50000

/* --- the timeline ------------------------------------------------------------------------------- */

void steady_start(struct steady *s)
{
	s->begun = false;
	s->bins = 0;
}

void steady_add(struct steady *s, uint64_t at_ns, uint64_t bytes)
{
	uint64_t edge_ns;

	if (!s->begun) {
		s->start_ns = s->last_ns = at_ns;
		s->first_bytes = s->last_bytes = bytes;
		s->edge_bytes[0] = 0;
		s->begun = true;
		return;
	}
	if (at_ns <= s->last_ns || bytes < s->last_bytes)
		return;
	while (s->bins < STEADY_BINS_MAX) {
		edge_ns = s->start_ns + (s->bins + 1) * STEADY_BIN_NS;
		if (edge_ns > at_ns)
			break;
		s->edge_bytes[++s->bins] = (double)(s->last_bytes - s->first_bytes) +
		                           (double)(bytes - s->last_bytes) *
		                                   (double)(edge_ns - s->last_ns) /
		                                   (double)(at_ns - s->last_ns);
	}
	s->last_ns = at_ns;
	s->last_bytes = bytes;
}

static uint32_t bins_before(const struct steady *s, uint64_t until_ns)
{
	uint64_t bins = until_ns > s->start_ns ? (until_ns - s->start_ns) / STEADY_BIN_NS : 0;

	return bins < s->bins ? (uint32_t)bins : s->bins;
}

/* The bins that no probe has touched, joined. */
struct joined {
	uint32_t bins;
	double edge_bytes[STEADY_BINS_MAX + 1];
	uint16_t origin[STEADY_BINS_MAX + 1]; /* where each bin was, and where the last one ended */
};

static_assert(STEADY_BINS_MAX <= UINT16_MAX, "a bin's place fits");

static void join(const struct steady *s, uint32_t bins, const struct steady_path *path,
                 struct joined *ret)
{
	bool probed[STEADY_BINS_MAX];
	uint32_t n = 0;

	steady_probe_find(s->edge_bytes, bins, STEADY_BIN_NS, path, probed);
	ret->edge_bytes[0] = 0;
	for (uint32_t i = 0; i < bins; i++) {
		if (probed[i])
			continue;
		ret->origin[n] = (uint16_t)i;
		ret->edge_bytes[n + 1] =
			ret->edge_bytes[n] + s->edge_bytes[i + 1] - s->edge_bytes[i];
		n++;
	}
	ret->origin[n] = (uint16_t)(n > 0 ? ret->origin[n - 1] + 1 : 0);
	ret->bins = n;
}

/* Bytes of `n` bins from `first` on. */
static double between(const struct joined *j, uint32_t first, uint32_t n)
{
	return j->edge_bytes[first + n] - j->edge_bytes[first];
}

/* --- where the start ends ----------------------------------------------------------------------- */

/* The bins to cut: a multiple of MSER_BINS in the first half. From the end to the front, so that sums are
 * kept: marginal standard error squared = sum of squared deviations / count². */
static uint32_t mser_cut(const struct joined *j)
{
	uint32_t groups = j->bins / MSER_BINS, best = 0, n = 0;
	double mean = 0, squares = 0, least = 0;

	for (uint32_t group = groups; group-- > 0;) {
		double x = between(j, group * MSER_BINS, MSER_BINS), step = x - mean, error;

		mean += step / ++n; /* Welford 1962 */
		squares += step * (x - mean);
		error = squares / ((double)n * n);
		if (group * 2 <= groups && (best == 0 || error <= least)) {
			least = error;
			best = n;
		}
	}
	return (groups - best) * MSER_BINS;
}

/* --- the interval ------------------------------------------------------------------------------- */

struct batches {
	uint32_t count;
	double mean, variance, correlation; /* of the batches' bytes */
	double bins;                        /* in each */
};

/* Bins left over at the front, fewer than one batch has, are left out of the interval's width alone. */
static struct batches cut_batches(const struct joined *j, uint32_t cut, uint32_t count)
{
	uint32_t length = (j->bins - cut) / count, first = j->bins - count * length;
	struct batches b = { .count = count, .bins = length };
	double products = 0, squares = 0, before = 0;

	for (uint32_t i = 0; i < count; i++)
		b.mean += between(j, first + i * length, length) / count;
	for (uint32_t i = 0; i < count; i++) {
		double x = between(j, first + i * length, length) - b.mean;

		squares += x * x;
		products += i > 0 ? x * before : 0;
		before = x;
	}
	b.variance = squares / (count - 1);
	b.correlation = squares > 0 ? products / squares : 0;
	return b;
}

static struct batches independent_batches(const struct joined *j, uint32_t cut)
{
	static const uint32_t counts[] = { 40, 30, 20, 15, BATCHES_MIN };
	struct batches b = {};

	for (unsigned int i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		b = cut_batches(j, cut, counts[i]);
		if (b.correlation <= 1.28 / __builtin_sqrt(counts[i]))
			return b;
	}
	return b;
}

/* Student's t, two-sided 95 %, for 9 to 39 degrees of freedom: the Cornish-Fisher expansion in 1/n
 * (Abramowitz and Stegun 26.7.5), exact to three decimals there. */
static double student_t95(uint32_t degrees)
{
	double z = 1.959964, n = degrees, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;

	return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
	       (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

/* What is left of correlation between the batches. An estimate of it from so few is too small by (1 + 4r) / n
 * (Kendall 1954). */
static double correlation_left(const struct batches *b)
{
	double r = b->correlation + (1 + 4 * b->correlation) / b->count;

	if (r < 0)
		return 0;
	return r < CORRELATION_MAX ? r : CORRELATION_MAX;
}

/* Half of the interval, in bytes per bin. */
static double half_width(const struct batches *b)
{
	double error = __builtin_sqrt(b->variance / b->count) / b->bins;
	double r = correlation_left(b);

	return student_t95(b->count - 1) * error * __builtin_sqrt((1 + r) / (1 - r));
}

/* What the path may carry where `bytes` are what the sender let it: in which of its round trips a queue stood cannot be
 * seen at the receiver. */
static double carried_at_most(double bytes, const struct steady_path *path)
{
	return path->rtt_us > BBR_DRY_RTT_US ? bytes / (1 - BBR_PACING_MARGIN) : bytes;
}

void steady_estimate(const struct steady *s, uint64_t until_ns, const struct steady_path *path,
                     struct steady_rate *ret)
{
	double bits_per_bin = 8.0 * NS_PER_S / STEADY_BIN_NS;
	uint32_t cut, bins;
	struct batches b;
	struct joined j;
	double rate, half, grain;

	*ret = (struct steady_rate){};
	join(s, s->begun ? bins_before(s, until_ns) : 0, path, &j);
	if (j.bins * STEADY_BIN_NS < STEADY_MIN_NS)
		return;
	cut = mser_cut(&j);
	bins = j.bins - cut;
	rate = between(&j, cut, bins) / bins;
	if (bins * STEADY_BIN_NS < STEADY_MIN_NS || rate <= 0)
		return;
	b = independent_batches(&j, cut);
	half = half_width(&b);
	grain = 2.0 * path->segment_bytes / bins; /* one at either end */
	if (half < grain)
		half = grain;
	*ret = (struct steady_rate){
		.known = true,
		.from_ns = j.origin[cut] * STEADY_BIN_NS,
		.until_ns = j.origin[j.bins] * STEADY_BIN_NS,
		.probed_ns = (j.origin[j.bins] - j.origin[cut] - bins) * STEADY_BIN_NS,
		.bps = rate * bits_per_bin,
		.ci95_low_bps = (rate > half ? rate - half : 0) * bits_per_bin,
		.ci95_high_bps = carried_at_most(rate + half, path) * bits_per_bin,
		.batches = b.count,
		.correlation = b.correlation,
	};
}
