/* Any text as a .link file and as a trace: what is taken keeps within the ceilings and is printed to a
 * text that is taken too and printed the same; what is refused names a line of the text. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/scenario.h"
#include "transport/base/err.h"

#define TEXT_MAX 8192

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static int read_trace(void *owner, const char *name, uint64_t **ret, size_t *ret_count,
                      struct err *err)
{
	(void)owner;
	CHECK(*name && !strchr(name, '/') && strlen(name) < SCENARIO_NAME_BYTES);
	return scenario_parse_trace(name, "1\n2\n", 4, ret, ret_count, err);
}

/* Every failure is of a line that is there, and none of memory or of files. */
static void check_refusal(int r, const char *text, size_t n, const struct err *err)
{
	long lines = 1;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	CHECK(r == -EINVAL || r == -E2BIG);
	CHECK(err->code == r && err->detail >= 1 && err->detail <= lines);
}

static void check_share(double p)
{
	CHECK(p >= 0 && p <= 1);
}

static void check_direction(const struct scenario_direction *d)
{
	CHECK(d->rate_bps > 0);
	CHECK(d->rate_bps <= SCENARIO_RATE_MAX_BPS || d->rate_bps == UINT64_MAX);
	CHECK(d->queue_bytes > 0 && d->queue_packets > 0 && d->queue_ns > 0);
	CHECK(d->delay_ns <= SCENARIO_TIME_MAX_NS && d->jitter_ns <= SCENARIO_TIME_MAX_NS);
	CHECK((d->jitter == JITTER_NONE) == (d->jitter_ns == 0));
	CHECK(d->codel_target_ns > 0 && d->codel_target_ns <= d->codel_interval_ns);
	CHECK((d->policer_bps == 0) == (d->policer_bytes == 0));
	CHECK((d->aggregate_packets == 0) == (d->aggregate_gap_ns == 0));
	CHECK((*d->trace_name == '\0') == (d->trace_count == 0));
	CHECK((d->trace_count == 0) == (d->trace_bytes == 0));
	check_share(d->loss_p);
	check_share(d->enter_bad_p);
	check_share(d->leave_bad_p);
	check_share(d->loss_good_p);
	check_share(d->loss_bad_p);
	check_share(d->duplicate_p);
	check_share(d->reorder_p);
	CHECK(d->change_count <= SCENARIO_CHANGES_MAX);
	for (size_t i = 0; i < d->change_count; i++) {
		CHECK(i == 0 || d->changes[i].at_ns > d->changes[i - 1].at_ns);
		CHECK(d->changes[i].has_rate || d->changes[i].has_delay || d->changes[i].has_loss);
	}
}

static char *printed(const struct scenario *s, size_t *ret_bytes)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_bytes);

	CHECK(out);
	CHECK(scenario_print(s, out) == 0);
	CHECK(fclose(out) == 0);
	return text;
}

static void check_print(const struct scenario *s)
{
	struct scenario again;
	size_t first_bytes, second_bytes;
	char *first = printed(s, &first_bytes), *second;

	CHECK(scenario_parse(s->name, first, first_bytes, read_trace, NULL, &again, NULL) == 0);
	second = printed(&again, &second_bytes);
	CHECK(first_bytes == second_bytes && memcmp(first, second, first_bytes) == 0);
	free(first);
	free(second);
	scenario_clear(&again);
}

static void check_scenario(const char *text, size_t n)
{
	struct scenario s;
	struct err err = {};
	int r = scenario_parse("fuzz.link", text, n, read_trace, NULL, &s, &err);

	if (r < 0) {
		check_refusal(r, text, n, &err);
		return;
	}
	CHECK(s.mtu >= SCENARIO_MTU_MIN && s.mtu <= SCENARIO_MTU_MAX);
	CHECK(s.family == SCENARIO_V4 || s.mtu >= 1280);
	for (int i = 0; i < LINK_DIRECTIONS; i++)
		check_direction(&s.direction[i]);
	check_print(&s);
	scenario_clear(&s);
}

static void check_trace(const char *text, size_t n)
{
	uint64_t *instants;
	size_t count;
	struct err err = {};
	int r = scenario_parse_trace("fuzz.trace", text, n, &instants, &count, &err);

	if (r < 0) {
		check_refusal(r, text, n, &err);
		return;
	}
	CHECK(count > 0 && instants[count - 1] > 0);
	CHECK(instants[count - 1] <= SCENARIO_TIME_MAX_NS);
	for (size_t i = 1; i < count; i++)
		CHECK(instants[i] >= instants[i - 1]);
	free(instants);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > TEXT_MAX)
		return 0;
	check_scenario((const char *)data, n);
	check_trace((const char *)data, n);
	return 0;
}
