#include <errno.h>
#include <inttypes.h>

#include "bench/link/scenario.h"
#include "bench/link/scenario_keys.h"
#include "bench/link/words.h"
#include "transport/base/clock.h"
#include "transport/base/units.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* In the largest unit of which it is a whole number, so that nothing is rounded. */
static void put_in(FILE *out, uint64_t value, const struct unit *units)
{
	while (units->factor > 1 && (value == 0 || value % units->factor != 0))
		units++;
	fprintf(out, "%" PRIu64 "%s", value / units->factor, units->name);
}

static void put_duration(FILE *out, uint64_t ns)
{
	static const struct unit units[] = {
		{ "s", NS_PER_S }, { "ms", NS_PER_MS }, { "us", NS_PER_US }, { "ns", 1 }
	};

	put_in(out, ns, units);
}

static void put_size(FILE *out, uint64_t bytes)
{
	static const struct unit units[] = {
		{ "GB", 1000 * MB }, { "MB", MB }, { "kB", 1000 }, { "B", 1 }
	};

	put_in(out, bytes, units);
}

static void put_rate(FILE *out, uint64_t bps)
{
	static const struct unit units[] = {
		{ "Gbit/s", 1000000000 }, { "Mbit/s", 1000000 }, { "kbit/s", 1000 }, { "bit/s", 1 }
	};

	if (bps == UINT64_MAX)
		fputs("unlimited", out);
	else
		put_in(out, bps, units);
}

/* Exact: a share is a whole number of steps. */
static void put_share(FILE *out, double share)
{
	uint64_t per_cent = WORDS_SHARE_STEPS / 100;
	uint64_t steps = (uint64_t)(share * (double)WORDS_SHARE_STEPS + 0.5);

	fprintf(out, "%" PRIu64, steps / per_cent);
	steps %= per_cent;
	if (steps)
		fputc('.', out);
	for (; steps; steps = steps * 10 % per_cent)
		fputc((int)('0' + steps * 10 / per_cent), out);
	fputc('%', out);
}

static void put_key(FILE *out, enum scenario_key_id id)
{
	fprintf(out, "%s = ", scenario_keys[id].name);
}

static void put_line_and_way(FILE *out, const struct scenario_direction *d)
{
	static const char *const distributions[] = {
		[JITTER_UNIFORM] = "uniform",
		[JITTER_NORMAL] = "normal",
		[JITTER_EXPONENTIAL] = "exponential",
	};

	if (d->rate_bps != UINT64_MAX) {
		put_key(out, KEY_RATE);
		put_rate(out, d->rate_bps);
		fputc('\n', out);
	}
	if (d->overhead_bytes) {
		put_key(out, KEY_OVERHEAD);
		put_size(out, d->overhead_bytes);
		fputc('\n', out);
	}
	if (d->delay_ns) {
		put_key(out, KEY_DELAY);
		put_duration(out, d->delay_ns);
		fputc('\n', out);
	}
	if (d->jitter != JITTER_NONE) {
		put_key(out, KEY_JITTER);
		put_duration(out, d->jitter_ns);
		fprintf(out, " %s%s\n", distributions[d->jitter],
		        d->jitter_reorders ? " reorder" : "");
	}
}

static void put_queue(FILE *out, const struct scenario_direction *d)
{
	const char *comma = "";

	if (d->queue_bytes == UINT64_MAX && d->queue_packets == UINT64_MAX &&
	    d->queue_ns == UINT64_MAX)
		return;
	put_key(out, KEY_QUEUE);
	if (d->queue_bytes != UINT64_MAX) {
		put_size(out, d->queue_bytes);
		comma = ", ";
	}
	if (d->queue_packets != UINT64_MAX) {
		fprintf(out, "%s%" PRIu64 "packets", comma, d->queue_packets);
		comma = ", ";
	}
	if (d->queue_ns != UINT64_MAX) {
		fputs(comma, out);
		put_duration(out, d->queue_ns);
	}
	fputc('\n', out);
}

static void put_aqm(FILE *out, const struct scenario_direction *d)
{
	if (d->aqm != QUEUE_CODEL)
		return;
	put_key(out, KEY_AQM);
	fputs("codel target ", out);
	put_duration(out, d->codel_target_ns);
	fputs(" interval ", out);
	put_duration(out, d->codel_interval_ns);
	fputs(d->codel_ecn ? " ecn\n" : "\n", out);
}

static void put_loss(FILE *out, const struct scenario_direction *d)
{
	if (d->loss == LOSS_NONE)
		return;
	put_key(out, KEY_LOSS);
	if (d->loss == LOSS_BERNOULLI) {
		put_share(out, d->loss_p);
	} else {
		fputs("gilbert-elliott enter ", out);
		put_share(out, d->enter_bad_p);
		fputs(" leave ", out);
		put_share(out, d->leave_bad_p);
		fputs(" good ", out);
		put_share(out, d->loss_good_p);
		fputs(" bad ", out);
		put_share(out, d->loss_bad_p);
	}
	fputc('\n', out);
}

static void put_copies_and_order(FILE *out, const struct scenario_direction *d)
{
	if (d->duplicate_p > 0) {
		put_key(out, KEY_DUPLICATE);
		put_share(out, d->duplicate_p);
		fputc('\n', out);
	}
	if (d->reorder_ns) {
		put_key(out, KEY_REORDER);
		put_share(out, d->reorder_p);
		fputs(" by ", out);
		put_duration(out, d->reorder_ns);
		fputc('\n', out);
	}
}

static void put_limits(FILE *out, const struct scenario_direction *d)
{
	if (d->policer_bps) {
		put_key(out, KEY_POLICER);
		put_rate(out, d->policer_bps);
		fputs(" burst ", out);
		put_size(out, d->policer_bytes);
		fputc('\n', out);
	}
	if (d->aggregate_packets) {
		put_key(out, KEY_AGGREGATE);
		fprintf(out, "%" PRIu32 "packets gap ", d->aggregate_packets);
		put_duration(out, d->aggregate_gap_ns);
		fputc('\n', out);
	}
	if (d->black_hole_bytes) {
		put_key(out, KEY_BLACK_HOLE);
		fprintf(out, "above %" PRIu32 "B\n", d->black_hole_bytes);
	}
}

static void put_change(FILE *out, const struct scenario_change *c)
{
	put_key(out, KEY_AT);
	put_duration(out, c->at_ns);
	if (c->has_rate && c->rate_bps == 0) {
		fputs(" outage", out);
	} else if (c->has_rate) {
		fputs(" rate ", out);
		put_rate(out, c->rate_bps);
	}
	if (c->has_delay) {
		fputs(" delay ", out);
		put_duration(out, c->delay_ns);
	}
	if (c->has_loss) {
		fputs(" loss ", out);
		put_share(out, c->loss);
	}
	fputc('\n', out);
}

static void put_direction(FILE *out, const char *section, const struct scenario_direction *d)
{
	fprintf(out, "[%s]\n", section);
	put_line_and_way(out, d);
	put_queue(out, d);
	put_aqm(out, d);
	put_loss(out, d);
	put_copies_and_order(out, d);
	put_limits(out, d);
	for (size_t i = 0; i < d->change_count; i++)
		put_change(out, &d->changes[i]);
	if (*d->trace_name) {
		put_key(out, KEY_TRACE);
		fprintf(out, "%s %" PRIu32 "B\n", d->trace_name, d->trace_bytes);
	}
}

int scenario_print(const struct scenario *s, FILE *out)
{
	static const char *const families[] = {
		[SCENARIO_BOTH] = "both",
		[SCENARIO_V4] = "v4",
		[SCENARIO_V6] = "v6",
	};

	put_key(out, KEY_MTU);
	fprintf(out, "%" PRIu32 "\n", s->mtu);
	put_key(out, KEY_FAMILY);
	fprintf(out, "%s\n", families[s->family]);
	put_key(out, KEY_SEED);
	fprintf(out, "%" PRIu64 "\n", s->seed);
	put_direction(out, "down", &s->direction[LINK_DOWN]);
	put_direction(out, "up", &s->direction[LINK_UP]);
	return ferror(out) ? -EIO : 0;
}
