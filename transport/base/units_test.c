#include "transport/base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define NINES     "99999999999999999999999999999999999999999999999999999999999999999999999999999999999"
#define UNTOUCHED 0xdeadbeefULL /* what an output holds before the call, and after a failure */

struct parse_case {
	const char *name;
	const char *text;
	int want;
	uint64_t want_value;
};

static struct parse_case duration_cases[] = {
	{ "milliseconds", "250ms", 0, 250 * NS_PER_MS },
	{ "seconds", "10s", 0, 10 * NS_PER_S },
	{ "minutes", "10m", 0, 600 * NS_PER_S },
	{ "hours", "6h", 0, 6 * 3600 * NS_PER_S },
	{ "days", "30d", 0, 30 * (86400 * NS_PER_S) },
	{ "microseconds", "7us", 0, 7000 },
	{ "nanoseconds", "7ns", 0, 7 },
	{ "fraction", "1.5h", 0, 5400 * NS_PER_S },
	{ "fraction rounds to the nanosecond", "0.0000000016s", 0, 2 },
	{ "zero needs no unit", "0", 0, 0 },
	{ "zero with a unit", "0s", 0, 0 },
	{ "half of the range", "106751d", 0, 106751 * (86400 * NS_PER_S) },
	{ "beyond the range", "106752d", -ERANGE, UNTOUCHED },
	{ "a number beyond double", "9" NINES NINES NINES NINES "s", -ERANGE, UNTOUCHED },
	{ "no unit", "10", -EINVAL, UNTOUCHED },
	{ "no number", "ms", -EINVAL, UNTOUCHED },
	{ "nothing", "", -EINVAL, UNTOUCHED },
	{ "negative", "-1s", -EINVAL, UNTOUCHED },
	{ "plus sign", "+1s", -EINVAL, UNTOUCHED },
	{ "space before", " 1s", -EINVAL, UNTOUCHED },
	{ "space between", "1 s", -EINVAL, UNTOUCHED },
	{ "two units", "1h30m", -EINVAL, UNTOUCHED },
	{ "exponent", "1e3s", -EINVAL, UNTOUCHED },
	{ "hexadecimal", "0x10s", -EINVAL, UNTOUCHED },
	{ "point without digits", "1.s", -EINVAL, UNTOUCHED },
	{ "point first", ".5s", -EINVAL, UNTOUCHED },
	{ "comma", "1,5s", -EINVAL, UNTOUCHED },
	{ "upper case", "1S", -EINVAL, UNTOUCHED },
	{ "infinity", "inf", -EINVAL, UNTOUCHED },
};

static void duration_parses(void **state)
{
	const struct parse_case *c = *state;
	uint64_t value = UNTOUCHED;
	struct err err = {};

	assert_int_equal(units_parse_duration(c->text, &value, &err), c->want);
	assert_int_equal(value, c->want_value);
	assert_int_equal(err.code, c->want);
}

static struct parse_case size_cases[] = {
	{ "bytes without a unit", "1000", 0, 1000 },
	{ "bytes", "1000B", 0, 1000 },
	{ "kB is decimal", "3kB", 0, 3000 },
	{ "KiB is binary", "3KiB", 0, 3072 },
	{ "MB", "250MB", 0, 250 * MB },
	{ "MiB", "256MiB", 0, 256 * MIB },
	{ "GB", "2GB", 0, 2000 * MB },
	{ "GiB", "2GiB", 0, 2048 * MIB },
	{ "zero", "0", 0, 0 },
	{ "the largest", "18446744073709551615", 0, UINT64_MAX },
	{ "one more", "18446744073709551616", -ERANGE, UNTOUCHED },
	{ "too large by its unit", "17179869184GiB", -ERANGE, UNTOUCHED },
	{ "fraction", "1.5MB", -EINVAL, UNTOUCHED },
	{ "negative", "-1", -EINVAL, UNTOUCHED },
	{ "bits", "1Mbit", -EINVAL, UNTOUCHED },
	{ "lower case", "1mb", -EINVAL, UNTOUCHED },
	{ "unit only", "MB", -EINVAL, UNTOUCHED },
	{ "nothing", "", -EINVAL, UNTOUCHED },
};

static void size_parses(void **state)
{
	const struct parse_case *c = *state;
	uint64_t value = UNTOUCHED;
	struct err err = {};

	assert_int_equal(units_parse_size(c->text, &value, &err), c->want);
	assert_int_equal(value, c->want_value);
	assert_int_equal(err.code, c->want);
}

static struct parse_case rate_cases[] = {
	{ "bits", "56000bit/s", 0, 56000 },
	{ "kbit/s", "10kbit/s", 0, 10000 },
	{ "Mbit/s", "300Mbit/s", 0, 300000000 },
	{ "Gbit/s", "1Gbit/s", 0, 1000000000 },
	{ "fraction", "1.544Mbit/s", 0, 1544000 },
	{ "fraction rounds to the bit", "0.0015kbit/s", 0, 2 },
	{ "zero", "0bit/s", 0, 0 },
	{ "beyond the range", "9223372037Gbit/s", -ERANGE, UNTOUCHED },
	{ "a number beyond double", "9" NINES NINES NINES NINES "bit/s", -ERANGE, UNTOUCHED },
	{ "no unit", "300", -EINVAL, UNTOUCHED },
	{ "not per second", "300Mbit", -EINVAL, UNTOUCHED },
	{ "half a unit", "300Mb", -EINVAL, UNTOUCHED },
	{ "bytes", "300MB/s", -EINVAL, UNTOUCHED },
	{ "binary", "300Mibit/s", -EINVAL, UNTOUCHED },
	{ "lower case", "300mbit/s", -EINVAL, UNTOUCHED },
	{ "unit only", "Mbit/s", -EINVAL, UNTOUCHED },
	{ "space between", "300 Mbit/s", -EINVAL, UNTOUCHED },
	{ "negative", "-1Mbit/s", -EINVAL, UNTOUCHED },
	{ "nothing", "", -EINVAL, UNTOUCHED },
};

static void rate_parses(void **state)
{
	const struct parse_case *c = *state;
	uint64_t value = UNTOUCHED;
	struct err err = {};

	assert_int_equal(units_parse_rate(c->text, &value, &err), c->want);
	assert_int_equal(value, c->want_value);
	assert_int_equal(err.code, c->want);
}

static struct parse_case port_cases[] = {
	/* of 1 to 65535 */
	{ "smallest", "1", 0, 1 },
	{ "largest", "65535", 0, 65535 },
	{ "leading zeros", "0080", 0, 80 },
	{ "below", "0", -ERANGE, UNTOUCHED },
	{ "above", "65536", -ERANGE, UNTOUCHED },
	{ "beyond 64 bits", "99999999999999999999", -ERANGE, UNTOUCHED },
	{ "negative", "-80", -EINVAL, UNTOUCHED },
	{ "a letter behind", "80x", -EINVAL, UNTOUCHED },
	{ "a space behind", "80 ", -EINVAL, UNTOUCHED },
	{ "fraction", "80.0", -EINVAL, UNTOUCHED },
	{ "nothing", "", -EINVAL, UNTOUCHED },
};

static void number_parses(void **state)
{
	const struct parse_case *c = *state;
	uint64_t value = UNTOUCHED;
	struct err err = {};

	assert_int_equal(units_parse_u64(c->text, 1, 65535, &value, &err), c->want);
	assert_int_equal(value, c->want_value);
	assert_int_equal(err.code, c->want);
}

static void mbps_is_decimal(void **state)
{
	(void)state;
	assert_true(units_mbps(125000, 1 * NS_PER_S) == 1.0);
	assert_true(units_mbps(125000000, 10 * NS_PER_S) == 100.0);
	assert_true(units_mbps(1, 0) == 0.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mbps_is_decimal) };
	int failed = CASES_RUN(duration_parses, duration_cases);

	failed += CASES_RUN(size_parses, size_cases);
	failed += CASES_RUN(rate_parses, rate_cases);
	failed += CASES_RUN(number_parses, port_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
