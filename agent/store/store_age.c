/* How old results are, on a machine whose wall clock may be wrong: what an earlier opening believed bounds what the next one
 * does. The fact "age_clock" is that, written with each result.
 */
#include <stdio.h>
#include <string.h>

#include "agent/store/store_internal.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define AGE_CLOCK "age_clock"
#define OFF_MOST_NS                                                                                \
	(7 * 86400 * NS_PER_S) /* of a machine that was off: what is more counts as that */

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
	if (value < least)
		return least;
	return value < most ? value : most;
}

static bool is_same_boot(const struct store_clock *last, const struct store_clock *now)
{
	return *now->boot_id && strcmp(last->boot_id, now->boot_id) == 0;
}

uint64_t store_age_believed(const struct store_clock *last, const struct store_clock *now)
{
	uint64_t passed_ns;

	if (!is_same_boot(last, now))
		return clamp(now->utc_ns, last->utc_ns, last->utc_ns + OFF_MOST_NS);
	passed_ns = now->boot_ns > last->boot_ns ? now->boot_ns - last->boot_ns : 0;
	return last->utc_ns + passed_ns;
}

uint64_t store_age_passed(const struct store_clock *last, const struct store_clock *now)
{
	if (!is_same_boot(last, now) && last->utc_ns < STORE_FIRST_RELEASE_NS)
		return 0;
	return store_age_believed(last, now) - last->utc_ns;
}

/* What cannot be read is not known, and the wall clock is believed. */
void store_age_begin(struct store *s)
{
	char text[96];
	unsigned long long utc_ns, boot_ns;
	struct store_clock last = {};

	if (store_fact_get(s, AGE_CLOCK, text, sizeof(text), NULL) != STORE_OK ||
	    sscanf(text, "%llu %llu %36s", &utc_ns, &boot_ns, last.boot_id) < 2 ||
	    utc_ns < STORE_FIRST_RELEASE_NS || utc_ns > INT64_MAX)
		return;
	last.utc_ns = utc_ns;
	last.boot_ns = boot_ns;
	s->opened.utc_ns = store_age_believed(&last, &s->opened);
}

uint64_t store_age_clock(const struct store *s, const struct store_clock *now)
{
	uint64_t passed_ns =
		now->boot_ns > s->opened.boot_ns ? now->boot_ns - s->opened.boot_ns : 0;
	uint64_t most_ns = s->opened.utc_ns + passed_ns;

	return now->utc_ns < most_ns ? now->utc_ns : most_ns;
}

int store_age_note(struct store *s, const struct store_clock *now, struct err *err)
{
	uint64_t utc_ns = store_age_clock(s, now);
	char text[96];

	if (utc_ns < STORE_FIRST_RELEASE_NS)
		return 0;
	snprintf(text, sizeof(text), "%llu %llu %s", (unsigned long long)utc_ns,
	         (unsigned long long)now->boot_ns, now->boot_id);
	return store_fact_write(s, AGE_CLOCK, text, err);
}
