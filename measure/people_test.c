#include "measure/people.h"

#include <math.h>
#include <string.h>

#include "tests/cases.h"

struct people_case {
	const char *name;
	const char *(*print)(struct figure f, char out[PEOPLE_BYTES]);
	struct figure f;
	const char *want;
};

static const char *bytes(struct figure f, char out[PEOPLE_BYTES])
{
	return people_bytes((uint64_t)f.value, out);
}

static const char *samples(struct figure f, char out[PEOPLE_BYTES])
{
	return people_count((uint64_t)f.value, "sample", out);
}

static const char *processes(struct figure f, char out[PEOPLE_BYTES])
{
	return people_count((uint64_t)f.value, "process", out);
}

static const char *all_there_can_be(struct figure f, char out[PEOPLE_BYTES])
{
	(void)f;
	return people_count(UINT64_MAX, "a word too long for it", out);
}

static struct people_case people_cases[] = {
	{ "a usual line", people_rate, { true, 187.42 }, "187.4 Mbit/s" },
	{ "a slow one", people_rate, { true, 0.312 }, "312.0 kbit/s" },
	{ "slower by far", people_rate, { true, 0.01234 }, "12.3 kbit/s" },
	{ "a modem of old", people_rate, { true, 0.001444 }, "1.44 kbit/s" },
	{ "less than a kilobit", people_rate, { true, 0.000416 }, "416.0 bit/s" },
	{ "next to nothing", people_rate, { true, 0.00001664 }, "16.6 bit/s" },
	{ "nothing", people_rate, { true, 0 }, "0.00 kbit/s" },
	{ "below ten", people_rate, { true, 7.456 }, "7.46 Mbit/s" },
	{ "ten by rounding", people_rate, { true, 9.996 }, "10.0 Mbit/s" },
	{ "just below a gigabit", people_rate, { true, 999.9 }, "999.9 Mbit/s" },
	{ "a gigabit by rounding", people_rate, { true, 999.96 }, "1.00 Gbit/s" },
	{ "a loopback", people_rate, { true, 33421 }, "33.4 Gbit/s" },
	{ "unknown is no 0", people_rate, { false, 0 }, "-" },
	{ "N43 not a number", people_rate, { true, NAN }, "-" },
	{ "N43 negative", people_rate, { true, -1 }, "-" },
	{ "a loopback's time", people_ms, { true, 0.031 }, "0.03 ms" },
	{ "the kernel's least", people_ms, { true, 0.001 }, "0.001 ms" },
	{ "a time", people_ms, { true, 11.84 }, "11.8 ms" },
	{ "a long time", people_ms, { true, 340.2 }, "340 ms" },
	{ "a half, as measured", people_ms, { true, 2.27496 }, "2.28 ms" },
	{ "the same from the result", people_ms, { true, 2.275 }, "2.28 ms" },
	{ "half a hundredth of a gigabit", people_rate, { true, 1014.9999999 }, "1.02 Gbit/s" },
	{ "the same rate from the result", people_rate, { true, 1015.0 }, "1.02 Gbit/s" },
	{ "no loss", people_percent, { true, 0 }, "0 %" },
	{ "next to none", people_percent, { true, 0.0004 }, "< 0.01 %" },
	{ "some", people_percent, { true, 3.456 }, "3.46 %" },
	{ "half a hundredth, as measured", people_percent, { true, 0.02499996 }, "0.03 %" },
	{ "the same from the result", people_percent, { true, 0.025 }, "0.03 %" },
	{ "a test", people_seconds, { true, 10.002 }, "10.0 s" },
	{ "half a tenth of a second, as measured", people_seconds, { true, 9.9499997 }, "10.0 s" },
	{ "a part of a second", people_seconds, { true, 0.254 }, "0.25 s" },
	{ "a short time", people_seconds, { true, 0.00204 }, "2.04 ms" },
	{ "no time known", people_seconds, { false, 0 }, "-" },
	{ "none", samples, { true, 0 }, "0 samples" },
	{ "one", samples, { true, 1 }, "1 sample" },
	{ "two", samples, { true, 2 }, "2 samples" },
	{ "one ends in s", processes, { true, 1 }, "1 process" },
	{ "two end in es", processes, { true, 2 }, "2 processes" },
	{ "the most", all_there_can_be, { true, 0 }, "18446744073709551615 a word too long s" },
	{ "a byte", bytes, { true, 1 }, "1 byte" },
	{ "a few bytes", bytes, { true, 999 }, "999 bytes" },
	{ "MB", bytes, { true, 234275000 }, "234.3 MB" },
	{ "more than 4 GiB", bytes, { true, 5e9 }, "5.00 GB" },
};

static void reads_well(void **state)
{
	const struct people_case *c = *state;
	char out[PEOPLE_BYTES];

	assert_string_equal(c->print(c->f, out), c->want);
}

/* Each is { rate, low, high }; NAN stands for what is not known. */
static struct half_case {
	const char *name;
	double figures[3], want_percent;
} half_cases[] = {
	{ "a usual interval", { 191, 190, 192 }, 100 / 191.0 },
	{ "one that reaches to nothing", { 4, 0, 8 }, 100 },
	{ "one that reaches farther up", { 100, 99.9, 101.2 }, 1.2 },
	{ "one that reaches farther down", { 100, 98, 100.5 }, 2 },
	{ "no rate", { NAN, 1, 2 }, NAN },
	{ "no lower end", { 1, NAN, 2 }, NAN },
	{ "no upper end", { 1, 1, NAN }, NAN },
	{ "a rate of 0", { 0, 0, 1 }, NAN },
};

static struct figure figure_of(double value)
{
	return (struct figure){ !isnan(value), value };
}

static void half_is_a_share(void **state)
{
	const struct half_case *c = *state;
	struct figure half = people_half_percent(figure_of(c->figures[0]), figure_of(c->figures[1]),
	                                         figure_of(c->figures[2]));

	assert_int_equal(half.known, !isnan(c->want_percent));
	if (half.known)
		assert_true(fabs(half.value - c->want_percent) < 1e-9);
}

int main(void)
{
	int failed = CASES_RUN(reads_well, people_cases);

	failed += CASES_RUN(half_is_a_share, half_cases);
	return failed != 0;
}
