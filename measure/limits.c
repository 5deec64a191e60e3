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

static bool runs_backwards(const struct limits_look *from, const struct limits_look *to)
{
	return to->at_us < from->at_us || to->busy_us < from->busy_us ||
	       to->rwnd_limited_us < from->rwnd_limited_us ||
	       to->sndbuf_limited_us < from->sndbuf_limited_us || to->cpu_us < from->cpu_us;
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
	return value < max ? value : max;
}

/* The kernel's clocks run on between two looks at them and at ours: no part exceeds the whole. */
static void share_out(struct limits *l, const struct limits_look *from,
                      const struct limits_look *to)
{
	uint64_t all_us = to->at_us - from->at_us;
	uint64_t busy_us = at_most(to->busy_us - from->busy_us, all_us);
	uint64_t rwnd_us = at_most(to->rwnd_limited_us - from->rwnd_limited_us, busy_us);
	uint64_t sndbuf_us =
		at_most(to->sndbuf_limited_us - from->sndbuf_limited_us, busy_us - rwnd_us);

	if ((double)(to->cpu_us - from->cpu_us) >= LIMITS_CPU_SHARE * (double)all_us) {
		l->us[LIMIT_CPU] += all_us;
		return;
	}
	l->us[LIMIT_RECEIVER] += rwnd_us;
	l->us[LIMIT_SENDER] += sndbuf_us;
	l->us[LIMIT_APPLICATION] += all_us - busy_us;
	l->us[to->app_limited ? LIMIT_APPLICATION : LIMIT_NETWORK] += busy_us - rwnd_us - sndbuf_us;
}

void limits_add(struct limits *l, const struct limits_look *look)
{
	if (l->begun && runs_backwards(&l->last, look))
		return;
	if (l->begun && look->at_us > l->last.at_us)
		share_out(l, &l->last, look);
	l->last = *look;
	l->begun = true;
}

bool limits_percent(const struct limits *l, double ret[LIMITS])
{
	double all_us = 0;

	for (int i = 0; i < LIMITS; i++)
		all_us += (double)l->us[i];
	if (all_us <= 0)
		return false;
	for (int i = 0; i < LIMITS; i++)
		ret[i] = 100 * (double)l->us[i] / all_us;
	return true;
}

enum limit limits_most(const struct limits *l)
{
	enum limit most = 0;

	for (enum limit i = 1; i < LIMITS; i++)
		if (l->us[i] > l->us[most])
			most = i;
	return most;
}
