#include "bench/link/line.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "transport/base/clock.h"
#include "transport/base/err.h"

#define NO_LIMIT UINT64_MAX

/* line.h: work is bits × 10^9. */
#define WORK_PER_BYTE (8 * NS_PER_S)

static_assert(LINE_SEND_MAX_BYTES <= UINT64_MAX / WORK_PER_BYTE,
              "the work of a send is a uint64_t");

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* In parts none of which can overflow before the whole does. */
uint64_t line_bits(uint64_t rate_bps, uint64_t duration_ns)
{
	uint64_t seconds = duration_ns / NS_PER_S, rest_ns = duration_ns % NS_PER_S;
	uint64_t bits = multiply(seconds, rate_bps);

	bits = add(bits, multiply(rest_ns, rate_bps / NS_PER_S));
	return add(bits, rest_ns * (rate_bps % NS_PER_S) / NS_PER_S);
}

/* --- the schedule ----------------------------------------------------------------------------- */

/* The last stretch that begins at or before at_ns; the first where none does. */
static size_t stretch_at(const struct line *l, uint64_t at_ns)
{
	size_t low = 0, high = l->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (l->stretches[middle].from_ns <= at_ns)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static uint64_t stretch_end_ns(const struct line *l, size_t i)
{
	return i + 1 < l->count ? l->stretches[i + 1].from_ns : CLOCK_NEVER_NS;
}

static void add_stretch(struct line *l, uint64_t from_ns, uint64_t rate_bps)
{
	if (l->count > 0 && l->stretches[l->count - 1].from_ns == from_ns)
		l->count--;
	if (l->count > 0 && l->stretches[l->count - 1].rate_bps == rate_bps)
		return;
	l->stretches[l->count++] =
		(struct line_stretch){ .from_ns = from_ns, .rate_bps = rate_bps };
}

static uint64_t trace_mean_bps(const struct scenario_direction *s)
{
	double bits = 8.0 * s->trace_bytes * (double)s->trace_count;

	return (uint64_t)(bits * (double)NS_PER_S / (double)s->trace_ns[s->trace_count - 1]);
}

static void set_buffer_rates(struct line *l)
{
	uint64_t before = NO_LIMIT;

	if (l->s->trace_count > 0)
		before = trace_mean_bps(l->s);
	else if (l->stretches[0].rate_bps == 0 && l->count > 1)
		before = l->stretches[1].rate_bps;
	for (size_t i = 0; i < l->count; i++) {
		if (l->s->trace_count == 0 && l->stretches[i].rate_bps > 0)
			before = l->stretches[i].rate_bps;
		l->stretches[i].buffer_bps = before;
	}
}

int line_open(struct line *l, const struct scenario_direction *s, uint64_t start_ns,
              struct err *err)
{
	struct line_stretch *stretches;

	if (s->trace_count > 0 && (s->trace_ns[s->trace_count - 1] == 0 || s->trace_bytes == 0))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "follow a trace that lets nothing pass");
	stretches = calloc(s->change_count + 1, sizeof(*stretches));
	if (!stretches)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a line of %zu changes",
		               s->change_count);
	*l = (struct line){ .s = s, .stretches = stretches, .start_ns = start_ns };
	l->left_bytes = s->trace_bytes;
	add_stretch(l, start_ns, s->rate_bps);
	for (size_t i = 0; i < s->change_count; i++)
		if (s->changes[i].has_rate)
			add_stretch(l, add(start_ns, s->changes[i].at_ns), s->changes[i].rate_bps);
	set_buffer_rates(l);
	return 0;
}

void line_close(struct line *l)
{
	free(l->stretches);
	*l = (struct line){};
}

/* at_ns, or the end of the outage that it lies in. */
static uint64_t after_outage_ns(const struct line *l, uint64_t at_ns)
{
	size_t i = stretch_at(l, at_ns);

	return l->stretches[i].rate_bps > 0 ? at_ns : stretch_end_ns(l, i);
}

uint64_t line_buffer_bps(const struct line *l, uint64_t at_ns)
{
	return l->stretches[stretch_at(l, at_ns)].buffer_bps;
}

/* --- a trace ---------------------------------------------------------------------------------- */

static uint64_t trace_period_ns(const struct line *l)
{
	return l->s->trace_ns[l->s->trace_count - 1];
}

static uint64_t opportunity_ns(const struct line *l)
{
	return l->start_ns + l->round * trace_period_ns(l) + l->s->trace_ns[l->index];
}

/* How many instants of one round are before offset_ns. */
static size_t count_before(const struct line *l, uint64_t offset_ns)
{
	size_t low = 0, high = l->s->trace_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->s->trace_ns[middle] < offset_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void trace_step(struct line *l)
{
	l->left_bytes = l->s->trace_bytes;
	if (++l->index < l->s->trace_count)
		return;
	l->index = 0;
	l->round++;
}

/* To the first opportunity from at_ns on. An instant at which one round ends belongs to that
 * round: the next one's instants of offset 0 come after it. */
static void trace_seek(struct line *l, uint64_t at_ns)
{
	uint64_t since_ns = at_ns > l->start_ns ? at_ns - l->start_ns : 0;

	l->left_bytes = l->s->trace_bytes;
	l->round = since_ns > 0 ? (since_ns - 1) / trace_period_ns(l) : 0;
	l->index = count_before(l, since_ns - l->round * trace_period_ns(l));
}

static uint64_t trace_ready_ns(struct line *l, uint64_t at_ns)
{
	for (;;) {
		uint64_t opportunity, resume;

		if (l->left_bytes == 0 || opportunity_ns(l) < at_ns)
			trace_step(l);
		if (opportunity_ns(l) < at_ns)
			trace_seek(l, at_ns);
		opportunity = opportunity_ns(l);
		resume = after_outage_ns(l, opportunity);
		if (resume == opportunity || resume == CLOCK_NEVER_NS)
			return resume;
		at_ns = resume;
	}
}

static uint64_t send_by_trace(struct line *l, uint64_t at_ns, uint64_t bytes)
{
	while (bytes > l->left_bytes) {
		bytes -= l->left_bytes;
		l->left_bytes = 0;
		at_ns = trace_ready_ns(l, at_ns);
		if (at_ns == CLOCK_NEVER_NS)
			return CLOCK_NEVER_NS;
	}
	l->left_bytes -= bytes;
	return at_ns;
}

/* Opportunities before at_ns, since the start. */
static uint64_t opportunities_before(const struct line *l, uint64_t at_ns)
{
	uint64_t since_ns = at_ns > l->start_ns ? at_ns - l->start_ns : 0;
	uint64_t rounds = since_ns > 0 ? (since_ns - 1) / trace_period_ns(l) : 0;

	return rounds * l->s->trace_count + count_before(l, since_ns - rounds * trace_period_ns(l));
}

/* --- a rate ----------------------------------------------------------------------------------- */

/* What the nanosecond before at_ns has left over goes towards `work`; answers the rest of it. */
static uint64_t use_surplus(struct line *l, uint64_t at_ns, uint64_t work)
{
	uint64_t used;

	if (at_ns != l->free_ns)
		l->surplus = 0;
	used = work < l->surplus ? work : l->surplus;
	l->surplus -= used;
	return work - used;
}

static uint64_t send_at_rate(struct line *l, uint64_t at_ns, uint64_t bytes)
{
	uint64_t work = use_surplus(l, at_ns, bytes * WORK_PER_BYTE);

	for (size_t i = stretch_at(l, at_ns); work > 0; i++) {
		uint64_t rate_bps = l->stretches[i].rate_bps, end_ns = stretch_end_ns(l, i);

		if (rate_bps == NO_LIMIT)
			return at_ns;
		if (rate_bps > 0) {
			uint64_t whole_ns = work / rate_bps, rest = work % rate_bps;
			uint64_t needed_ns = whole_ns + (rest > 0);

			if (needed_ns <= end_ns - at_ns) {
				l->surplus = rest > 0 ? rate_bps - rest : 0;
				return at_ns + needed_ns;
			}
			work -= rate_bps * (end_ns - at_ns);
		}
		if (end_ns == CLOCK_NEVER_NS)
			return CLOCK_NEVER_NS;
		at_ns = end_ns;
	}
	return at_ns;
}

/* --- both ------------------------------------------------------------------------------------- */

uint64_t line_ready_ns(struct line *l, uint64_t at_ns)
{
	if (at_ns < l->free_ns)
		at_ns = l->free_ns;
	if (at_ns == CLOCK_NEVER_NS)
		return CLOCK_NEVER_NS;
	return l->s->trace_count > 0 ? trace_ready_ns(l, at_ns) : after_outage_ns(l, at_ns);
}

uint64_t line_send(struct line *l, uint64_t begin_ns, uint64_t bytes)
{
	uint64_t left_ns;

	if (bytes > LINE_SEND_MAX_BYTES)
		bytes = LINE_SEND_MAX_BYTES;
	left_ns = l->s->trace_count > 0 ? send_by_trace(l, begin_ns, bytes)
	                                : send_at_rate(l, begin_ns, bytes);
	l->free_ns = l->s->aggregate_packets > 0 ? add(left_ns, l->s->aggregate_gap_ns) : left_ns;
	return left_ns;
}

/* Within one stretch, whose fractions of a byte are counted from its beginning. */
static uint64_t stretch_capacity_bytes(const struct line *l, const struct line_stretch *s,
                                       uint64_t from_ns, uint64_t to_ns)
{
	if (s->rate_bps == 0)
		return 0;
	if (l->s->trace_count > 0)
		return (opportunities_before(l, to_ns) - opportunities_before(l, from_ns)) *
		       l->s->trace_bytes;
	return line_bits(s->rate_bps, to_ns - s->from_ns) / 8 -
	       line_bits(s->rate_bps, from_ns - s->from_ns) / 8;
}

uint64_t line_capacity_bytes(const struct line *l, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t bytes = 0;

	for (size_t i = stretch_at(l, from_ns); i < l->count; i++) {
		const struct line_stretch *s = &l->stretches[i];
		uint64_t end_ns = stretch_end_ns(l, i);
		uint64_t begin = from_ns > s->from_ns ? from_ns : s->from_ns;
		uint64_t end = to_ns < end_ns ? to_ns : end_ns;

		if (begin >= end)
			break;
		if (s->rate_bps == NO_LIMIT && l->s->trace_count == 0)
			return NO_LIMIT;
		bytes += stretch_capacity_bytes(l, s, begin, end);
	}
	return bytes;
}
