#include "transport/base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/base/err.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{ "ns", 1 },
	{ "us", NS_PER_US },
	{ "ms", NS_PER_MS },
	{ "s", NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "d", 86400 * NS_PER_S },
	{ NULL, 0 },
};

static const struct unit sizes[] = {
	{ "", 1 },      { "B", 1 },          { "kB", 1000 },        { "KiB", KIB }, { "MB", MB },
	{ "MiB", MIB }, { "GB", 1000 * MB }, { "GiB", 1024 * MIB }, { NULL, 0 },
};

static const struct unit rates[] = {
	{ "bit/s", 1 },
	{ "kbit/s", 1000 },
	{ "Mbit/s", 1000 * 1000 },
	{ "Gbit/s", 1000 * 1000 * 1000 },
	{ NULL, 0 },
};

static const struct unit *find_unit(const struct unit *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

/* Digits, with at most one point where `fraction` is allowed; answers what stands behind them. */
static const char *number_end(const char *text, bool fraction)
{
	size_t whole = strspn(text, "0123456789");
	const char *end = text + whole;

	if (whole == 0)
		return text;
	if (fraction && *end == '.' && strspn(end + 1, "0123456789") > 0)
		end += 1 + strspn(end + 1, "0123456789");
	return end;
}

int units_parse_duration(const char *text, uint64_t *ret_ns, struct err *err)
{
	const char *end = number_end(text, true);
	const struct unit *unit = find_unit(durations, end);
	double value = strtod(text, NULL);

	if (end == text)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "read a duration in '%s' (such as 250ms, 10s, 6h)", text);
	if (!unit && !(*end == '\0' && value == 0))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "read the unit of '%s' (one of ns us ms s m h d)", text);
	if (!unit) {
		*ret_ns = 0;
		return 0;
	}
	value *= (double)unit->factor;
	if (value >= 0x1p63)
		return ERR_SET(err, -ERANGE, ERR_SYS, 0, "take '%s' (more than 292 years)", text);
	*ret_ns = (uint64_t)(value + 0.5);
	return 0;
}

int units_parse_size(const char *text, uint64_t *ret_bytes, struct err *err)
{
	const char *end = number_end(text, false);
	const struct unit *unit = find_unit(sizes, end);
	uint64_t value;

	if (end == text || !unit)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "read a size in '%s' (such as 1000, 250MB, 256MiB)", text);
	errno = 0;
	value = strtoull(text, NULL, 10);
	if (errno == ERANGE || value > UINT64_MAX / unit->factor)
		return ERR_SET(err, -ERANGE, ERR_SYS, 0, "take '%s' (more than 16 EiB)", text);
	*ret_bytes = value * unit->factor;
	return 0;
}

int units_parse_rate(const char *text, uint64_t *ret_bps, struct err *err)
{
	const char *end = number_end(text, true);
	const struct unit *unit = find_unit(rates, end);
	double value;

	if (end == text || !unit)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "read a rate in '%s' (such as 300Mbit/s, 10kbit/s)", text);
	value = strtod(text, NULL) * (double)unit->factor;
	if (value >= 0x1p63)
		return ERR_SET(err, -ERANGE, ERR_SYS, 0, "take '%s' (2^63 bit/s or more)", text);
	*ret_bps = (uint64_t)(value + 0.5);
	return 0;
}

int units_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
	const char *end = number_end(text, false);
	uint64_t value;

	if (end == text || *end != '\0')
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "read '%s' as a whole number", text);
	errno = 0;
	value = strtoull(text, NULL, 10);
	if (errno == ERANGE || value < min || value > max)
		return ERR_SET(err, -ERANGE, ERR_SYS, 0, "take '%s' (%llu to %llu)", text,
		               (unsigned long long)min, (unsigned long long)max);
	*ret = value;
	return 0;
}
