#include "measure/limits.h"

const char *limit_name(enum limit l)
{
	static const char *const names[LIMITS] = {
		[LIMIT_NETWORK] = "network", [LIMIT_RECEIVER] = "receiver",
		[LIMIT_SENDER] = "sender",   [LIMIT_APPLICATION] = "application",
		[LIMIT_CPU] = "cpu",
	};

	return names[l];
}

void limits_start(struct limits *l)
{
	*l = (struct limits){};
}

void limits_anchor(struct limits *l, uint64_t at_us)
{
	l->first_us = at_us;
	l->anchored = true;
}

static bool runs_backwards(const struct limits_look *from, const struct limits_look *to)
{
	return to->at_us < from->at_us || to->busy_us < from->busy_us ||
	       to->rwnd_limited_us < from->rwnd_limited_us ||
	       to->sndbuf_limited_us < from->sndbuf_limited_us ||
	       to->app_limited_us < from->app_limited_us || to->cpu_us < from->cpu_us ||
	       to->ours_us < from->ours_us;
}

static struct limits_sums stretch_between(const struct limits_look *from,
                                          const struct limits_look *to)
{
	uint64_t all_us = to->at_us - from->at_us, ours_us = to->ours_us - from->ours_us;
	uint64_t longer_us = ours_us > all_us ? ours_us : all_us;

	if ((double)(to->cpu_us - from->cpu_us) >= LIMITS_CPU_SHARE * (double)longer_us)
		return (struct limits_sums){ .cpu_us = all_us };
	return (struct limits_sums){
		.all_us = all_us,
		.busy_us = to->busy_us - from->busy_us,
		.rwnd_limited_us = to->rwnd_limited_us - from->rwnd_limited_us,
		.sndbuf_limited_us = to->sndbuf_limited_us - from->sndbuf_limited_us,
		.app_limited_us = to->app_limited_us - from->app_limited_us,
	};
}

/* Of a counter that may say anything: 2^64 - 1 as a double is 2^64. */
static uint64_t part_of(uint64_t us, double part)
{
	return part < 1 ? (uint64_t)((double)us * part) : us;
}

/* A part of a stretch, which is the same all along. */
static void add_part(struct limits_sums *s, const struct limits_sums *stretch, double part)
{
	s->cpu_us += part_of(stretch->cpu_us, part);
	s->all_us += part_of(stretch->all_us, part);
	s->busy_us += part_of(stretch->busy_us, part);
	s->rwnd_limited_us += part_of(stretch->rwnd_limited_us, part);
	s->sndbuf_limited_us += part_of(stretch->sndbuf_limited_us, part);
	s->app_limited_us += part_of(stretch->app_limited_us, part);
}

static void add_along(struct limits *l, const struct limits_sums *stretch, uint64_t from_us,
                      uint64_t to_us)
{
	double length_us = (double)(to_us - from_us);

	for (uint64_t bin = from_us / LIMITS_BIN_US;
	     bin < LIMITS_BINS_MAX && bin * LIMITS_BIN_US < to_us; bin++) {
		uint64_t bin_us = bin * LIMITS_BIN_US, end_us = bin_us + LIMITS_BIN_US;
		uint64_t first_us = from_us > bin_us ? from_us : bin_us;
		uint64_t last_us = to_us < end_us ? to_us : end_us;

		add_part(&l->along[bin], stretch, (double)(last_us - first_us) / length_us);
		l->bins = (uint32_t)bin + 1;
	}
}

void limits_add(struct limits *l, const struct limits_look *look)
{
	struct limits_sums stretch;

	if (l->begun && runs_backwards(&l->last, look))
		return;
	if (!l->begun && !l->anchored)
		l->first_us = look->at_us;
	if (l->begun && look->at_us > l->last.at_us) {
		stretch = stretch_between(&l->last, look);
		add_part(&l->whole, &stretch, 1);
		add_along(l, &stretch, l->last.at_us - l->first_us, look->at_us - l->first_us);
	}
	l->last = *look;
	l->begun = true;
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
	return value < max ? value : max;
}

/* The kernel's clocks run on between two looks at them and at ours: no part exceeds the whole. */
static void share_out(const struct limits_sums *s, uint64_t ret_us[LIMITS])
{
	uint64_t busy_us = at_most(s->busy_us, s->all_us), left_us = busy_us;

	ret_us[LIMIT_CPU] = s->cpu_us;
	left_us -= ret_us[LIMIT_RECEIVER] = at_most(s->rwnd_limited_us, left_us);
	left_us -= ret_us[LIMIT_SENDER] = at_most(s->sndbuf_limited_us, left_us);
	left_us -= ret_us[LIMIT_APPLICATION] = at_most(s->app_limited_us, left_us);
	ret_us[LIMIT_APPLICATION] += s->all_us - busy_us;
	ret_us[LIMIT_NETWORK] = left_us;
}

static bool percent(const struct limits_sums *s, double ret[LIMITS])
{
	double all_us = (double)(s->cpu_us + s->all_us);
	uint64_t us[LIMITS];

	if (all_us <= 0)
		return false;
	share_out(s, us);
	for (int i = 0; i < LIMITS; i++)
		ret[i] = 100 * (double)us[i] / all_us;
	return true;
}

bool limits_percent(const struct limits *l, double ret[LIMITS])
{
	return percent(&l->whole, ret);
}

bool limits_percent_along(const struct limits *l, uint32_t bin, double ret[LIMITS])
{
	return bin < l->bins && percent(&l->along[bin], ret);
}

enum limit limits_most(const struct limits *l)
{
	uint64_t us[LIMITS];
	enum limit most = 0;

	share_out(&l->whole, us);
	for (enum limit i = 1; i < LIMITS; i++)
		if (us[i] > us[most])
			most = i;
	return most;
}
