#include "bench/link/scenario_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/units.h"

#define MTU_DEFAULT         1500
#define CODEL_TARGET_NS     (5 * NS_PER_MS)     /* RFC 8289 4.3 */
#define CODEL_INTERVAL_NS   (100 * NS_PER_MS)   /* RFC 8289 4.2 */
#define TRACE_DEFAULT_BYTES 1500                /* as mahimahi's mm-link */
#define QUEUE_MAX_BYTES     (1024 * 1024 * MIB) /* more than any machine holds */
#define QUEUE_MAX_PACKETS   1000000000ULL
#define AGGREGATE_MAX       65535

/* No folder, nothing that a line of ours or a shell would take for something else. */
#define TRACE_NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static const struct scenario_direction direction_default = {
	.rate_bps = UINT64_MAX,
	.queue_bytes = UINT64_MAX,
	.queue_packets = UINT64_MAX,
	.queue_ns = UINT64_MAX,
	.codel_target_ns = CODEL_TARGET_NS,
	.codel_interval_ns = CODEL_INTERVAL_NS,
};

void scenario_set_defaults(struct scenario *s)
{
	*s = (struct scenario){ .seed = 1, .mtu = MTU_DEFAULT, .family = SCENARIO_BOTH };
	for (int i = 0; i < LINK_DIRECTIONS; i++)
		s->direction[i] = direction_default;
}

/* The index of the next word in `names`, which it takes; -EINVAL where it is none of them. */
static int take_one_of(struct words *w, const char *const names[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (words_take(w, names[i]))
			return (int)i;
	return words_refuse(w, "\"%.40s\" is not known", words_peek(w));
}

#define TAKE_ONE_OF(w, names) take_one_of((w), (names), sizeof(names) / sizeof(*(names)))

/* --- of the link ----------------------------------------------------------------------------------- */

static int read_mtu(struct words *w, struct scenario *s)
{
	uint64_t bytes = 0;
	int r = words_size(w, SCENARIO_MTU_MIN, SCENARIO_MTU_MAX, &bytes);

	if (r == -EINVAL) /* people leave the unit of this one out */
		r = words_number(w, SCENARIO_MTU_MIN, SCENARIO_MTU_MAX, &bytes);
	s->mtu = (uint32_t)bytes;
	return r;
}

static int read_family(struct words *w, struct scenario *s)
{
	static const char *const names[] = {
		[SCENARIO_BOTH] = "both",
		[SCENARIO_V4] = "v4",
		[SCENARIO_V6] = "v6",
	};
	int r = TAKE_ONE_OF(w, names);

	if (r < 0)
		return r;
	s->family = (enum scenario_family)r;
	return 0;
}

static int read_seed(struct words *w, struct scenario *s)
{
	return words_number(w, 0, UINT64_MAX, &s->seed);
}

/* --- the line and the way ---------------------------------------------------------------------------- */

static int read_rate_or_unlimited(struct words *w, uint64_t *ret_bps)
{
	if (!words_take(w, "unlimited"))
		return words_rate(w, ret_bps);
	*ret_bps = UINT64_MAX;
	return 0;
}

static int read_rate(struct words *w, struct scenario_direction *d)
{
	return read_rate_or_unlimited(w, &d->rate_bps);
}

static int read_overhead(struct words *w, struct scenario_direction *d)
{
	uint64_t bytes = 0;
	int r = words_size(w, 0, UINT16_MAX, &bytes);

	d->overhead_bytes = (uint32_t)bytes;
	return r;
}

static int read_delay(struct words *w, struct scenario_direction *d)
{
	return words_duration(w, 0, &d->delay_ns);
}

static int read_jitter(struct words *w, struct scenario_direction *d)
{
	static const char *const names[] = { "uniform", "normal", "exponential" };
	static const enum jitter_distribution distributions[] = {
		JITTER_UNIFORM,
		JITTER_NORMAL,
		JITTER_EXPONENTIAL,
	};
	int r;

	d->jitter = JITTER_NONE;
	d->jitter_ns = 0;
	d->jitter_reorders = false;
	if (words_take(w, "none"))
		return 0;
	r = words_duration(w, 1, &d->jitter_ns);
	if (r == 0)
		r = TAKE_ONE_OF(w, names);
	if (r < 0)
		return r;
	d->jitter = distributions[r];
	d->jitter_reorders = words_take(w, "reorder");
	return 0;
}

static int read_reorder(struct words *w, struct scenario_direction *d)
{
	int r;

	d->reorder_p = 0;
	d->reorder_ns = 0;
	if (words_take(w, "none"))
		return 0;
	r = words_share(w, &d->reorder_p);
	if (r == 0)
		r = words_expect(w, "by");
	if (r == 0)
		r = words_duration(w, 1, &d->reorder_ns);
	return r;
}

static int read_duplicate(struct words *w, struct scenario_direction *d)
{
	return words_share(w, &d->duplicate_p);
}

static int read_aggregate(struct words *w, struct scenario_direction *d)
{
	uint64_t packets = 0;
	int r;

	d->aggregate_packets = 0;
	d->aggregate_gap_ns = 0;
	if (words_take(w, "none"))
		return 0;
	r = words_packets(w, AGGREGATE_MAX, &packets);
	if (r == 0)
		r = words_expect(w, "gap");
	if (r == 0)
		r = words_duration(w, 1, &d->aggregate_gap_ns);
	d->aggregate_packets = (uint32_t)packets;
	return r;
}

/* --- the queue ------------------------------------------------------------------------------------- */

/* One of three kinds, told apart by the unit. */
static int read_queue_limit(struct words *w, struct scenario_direction *d)
{
	const char *word = words_peek(w);
	uint64_t *limit = &d->queue_packets, value = 0;
	int r = words_packets(w, QUEUE_MAX_PACKETS, &value);

	if (r == -EINVAL) {
		limit = &d->queue_ns;
		r = words_duration(w, 1, &value);
	}
	if (r == -EINVAL) {
		limit = &d->queue_bytes;
		r = words_size(w, 1, QUEUE_MAX_BYTES, &value);
	}
	if (r == -EINVAL)
		return words_refuse(w, "\"%.40s\" is no length of a queue", word);
	if (r < 0)
		return r;
	if (*limit != UINT64_MAX)
		return words_refuse(w, "\"%.40s\" is a second limit of its kind", word);
	*limit = value;
	return 0;
}

static int read_queue(struct words *w, struct scenario_direction *d)
{
	int r;

	d->queue_bytes = d->queue_packets = d->queue_ns = UINT64_MAX;
	if (words_take(w, "unlimited"))
		return 0;
	do
		r = read_queue_limit(w, d);
	while (r == 0 && words_take(w, ","));
	return r;
}

static int read_codel(struct words *w, struct scenario_direction *d)
{
	int r = 0;

	if (words_take(w, "target"))
		r = words_duration(w, 1, &d->codel_target_ns);
	if (r == 0 && words_take(w, "interval"))
		r = words_duration(w, 1, &d->codel_interval_ns);
	if (r < 0)
		return r;
	if (d->codel_target_ns > d->codel_interval_ns)
		return words_refuse(w, "the target is longer than the interval");
	d->codel_ecn = words_take(w, "ecn");
	return 0;
}

static int read_aqm(struct words *w, struct scenario_direction *d)
{
	static const char *const names[] = {
		[QUEUE_DROP_TAIL] = "droptail",
		[QUEUE_CODEL] = "codel",
	};
	int r = TAKE_ONE_OF(w, names);

	if (r < 0)
		return r;
	d->aqm = (enum queue_aqm)r;
	d->codel_target_ns = CODEL_TARGET_NS;
	d->codel_interval_ns = CODEL_INTERVAL_NS;
	d->codel_ecn = false;
	return d->aqm == QUEUE_CODEL ? read_codel(w, d) : 0;
}

/* --- what goes missing ------------------------------------------------------------------------------- */

static int read_gilbert_elliott(struct words *w, struct scenario_direction *d)
{
	int r = words_expect(w, "enter");

	d->loss = LOSS_GILBERT_ELLIOTT;
	d->loss_bad_p = 1;
	if (r == 0)
		r = words_share(w, &d->enter_bad_p);
	if (r == 0)
		r = words_expect(w, "leave");
	if (r == 0)
		r = words_share(w, &d->leave_bad_p);
	if (r == 0 && words_take(w, "good"))
		r = words_share(w, &d->loss_good_p);
	if (r == 0 && words_take(w, "bad"))
		r = words_share(w, &d->loss_bad_p);
	return r;
}

static int read_loss(struct words *w, struct scenario_direction *d)
{
	d->loss = LOSS_NONE;
	d->loss_p = d->enter_bad_p = d->leave_bad_p = d->loss_good_p = d->loss_bad_p = 0;
	if (words_take(w, "none"))
		return 0;
	if (words_take(w, "gilbert-elliott"))
		return read_gilbert_elliott(w, d);
	d->loss = LOSS_BERNOULLI;
	return words_share(w, &d->loss_p);
}

static int read_policer(struct words *w, struct scenario_direction *d)
{
	int r;

	d->policer_bps = d->policer_bytes = 0;
	if (words_take(w, "none"))
		return 0;
	r = words_rate(w, &d->policer_bps);
	if (r == 0)
		r = words_expect(w, "burst");
	if (r == 0)
		r = words_size(w, 1, QUEUE_MAX_BYTES, &d->policer_bytes);
	return r;
}

static int read_black_hole(struct words *w, struct scenario_direction *d)
{
	uint64_t bytes = 0;
	int r;

	d->black_hole_bytes = 0;
	if (words_take(w, "none"))
		return 0;
	r = words_expect(w, "above");
	if (r == 0)
		r = words_size(w, SCENARIO_MTU_MIN, SCENARIO_MTU_MAX, &bytes);
	d->black_hole_bytes = (uint32_t)bytes;
	return r;
}

/* --- what changes ---------------------------------------------------------------------------------- */

static int read_change_item(struct words *w, struct scenario_change *c)
{
	if (!c->has_rate && words_take(w, "outage")) {
		c->has_rate = true;
		c->rate_bps = 0;
		return 0;
	}
	if (!c->has_rate && words_take(w, "rate")) {
		c->has_rate = true;
		return read_rate_or_unlimited(w, &c->rate_bps);
	}
	if (!c->has_delay && words_take(w, "delay")) {
		c->has_delay = true;
		return words_duration(w, 0, &c->delay_ns);
	}
	if (!c->has_loss && words_take(w, "loss")) {
		c->has_loss = true;
		return words_share(w, &c->loss);
	}
	if (*words_peek(w) == '\0')
		return words_refuse(w, "what changes then is missing");
	return words_refuse(w, "\"%.40s\" is nothing that changes, or changes twice",
	                    words_peek(w));
}

/* The array grows at powers of two. */
static int append_change(struct scenario_direction *d, const struct scenario_change *c)
{
	size_t n = d->change_count;

	if (n == SCENARIO_CHANGES_MAX)
		return -E2BIG;
	if ((n & (n - 1)) == 0) {
		struct scenario_change *grown =
			reallocarray(d->changes, n ? 2 * n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		d->changes = grown;
	}
	d->changes[d->change_count++] = *c;
	return 0;
}

static int read_at(struct words *w, struct scenario_direction *d)
{
	const char *when = words_peek(w);
	struct scenario_change c = {};
	int r = words_duration(w, 0, &c.at_ns);

	if (r == 0 && d->change_count > 0 && c.at_ns <= d->changes[d->change_count - 1].at_ns)
		return words_refuse(w, "%.40s is not later than the one before", when);
	if (r == 0)
		do
			r = read_change_item(w, &c);
		while (r == 0 && *words_peek(w) != '\0');
	if (r < 0)
		return r;
	r = append_change(d, &c);
	if (r == -E2BIG)
		words_refuse(w, "more than %d changes", SCENARIO_CHANGES_MAX);
	return r;
}

/* A name in the .link file's own folder. The instants come later: to read them is the caller's. */
static int read_trace(struct words *w, struct scenario_direction *d)
{
	uint64_t bytes = TRACE_DEFAULT_BYTES;
	const char *name;
	int r = 0;

	d->trace_name[0] = '\0';
	d->trace_bytes = 0;
	if (words_take(w, "none"))
		return 0;
	name = words_next(w);
	if (*name == '\0')
		return words_refuse(w, "a file's name is missing");
	if (*name == '.' || name[strspn(name, TRACE_NAME_CHARACTERS)] != '\0')
		return words_refuse(w, "\"%.40s\" is no name of a file beside this one", name);
	if (!bytes_copy_text(d->trace_name, sizeof(d->trace_name), name))
		return words_refuse(w, "\"%.40s…\" is too long a name", name);
	if (*words_peek(w) != '\0')
		r = words_size(w, 1, UINT16_MAX, &bytes);
	d->trace_bytes = (uint32_t)bytes;
	return r;
}

/* --- the table ------------------------------------------------------------------------------------- */

#define SIZES "2MB, 1000packets, 200ms"

const struct scenario_key scenario_keys[KEYS] = {
	[KEY_MTU] = { "mtu", "68 to 65535", .read_link = read_mtu },
	[KEY_FAMILY] = { "family", "both, v4 or v6", .read_link = read_family },
	[KEY_SEED] = { "seed", "a whole number", .read_link = read_seed },
	[KEY_RATE] = { "rate", "such as 300Mbit/s, 10kbit/s or unlimited",
	               .read_direction = read_rate },
	[KEY_OVERHEAD] = { "overhead", "such as 38B", .read_direction = read_overhead },
	[KEY_DELAY] = { "delay", "such as 9ms", .read_direction = read_delay },
	[KEY_JITTER] = { "jitter", "such as 2ms normal (uniform, exponential) [reorder], or none",
	                 .read_direction = read_jitter },
	[KEY_QUEUE] = { "queue", "such as " SIZES " or unlimited", .read_direction = read_queue },
	[KEY_AQM] = { "aqm", "droptail or codel [target 5ms] [interval 100ms] [ecn]",
	              .read_direction = read_aqm },
	[KEY_LOSS] = { "loss",
	               "such as 0.1%, gilbert-elliott enter 0.1% leave 20% [good 0%] [bad 100%], "
	               "none",
	               .read_direction = read_loss },
	[KEY_DUPLICATE] = { "duplicate", "such as 0.01%", .read_direction = read_duplicate },
	[KEY_REORDER] = { "reorder", "such as 0.5% by 3ms, or none",
	                  .read_direction = read_reorder },
	[KEY_POLICER] = { "policer", "such as 20Mbit/s burst 64kB, or none",
	                  .read_direction = read_policer },
	[KEY_AGGREGATE] = { "aggregate", "such as 32packets gap 2ms, or none",
	                    .read_direction = read_aggregate },
	[KEY_BLACK_HOLE] = { "black_hole", "such as above 1280B, or none",
	                     .read_direction = read_black_hole },
	[KEY_AT] = { "at", "such as 5s rate 10Mbit/s delay 50ms loss 1%, or 9s outage",
	             .repeats = true, .read_direction = read_at },
	[KEY_TRACE] = { "trace", "such as lte-down.trace [1500B], or none",
	                .read_direction = read_trace },
};

const struct scenario_key *scenario_key_find(const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(scenario_keys[i].name, name) == 0)
			return &scenario_keys[i];
	return NULL;
}
