#include "measure/people.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three significant digits, or four where the fourth stands right behind the point. */
static int decimals_of(double value)
{
	return value < 9.995 ? 2 : value < 999.95 ? 1 : 0;
}

static const char *print(char *out, double value, const char *unit)
{
	snprintf(out, PEOPLE_BYTES, "%.*f %s", decimals_of(value), value, unit);
	return out;
}

static const char *print_unknown(char *out)
{
	snprintf(out, PEOPLE_BYTES, "-");
	return out;
}

static bool is_printable(struct figure f)
{
	return f.known && isfinite(f.value) && f.value >= 0;
}

/* As the result has it, and a half of what is shown is rounded up: whoever shows the result later shows what was
 * shown at once. */
static double in_result(double value, int decimals)
{
	double steps = 1;

	for (int i = 0; i < decimals; i++)
		steps *= 10;
	if (value * steps >= 1e18)
		return value;
	return (double)(uint64_t)(value * steps + 0.5) / steps * (1 + 1e-12);
}

/* Likewise of what has more digits where it is small. */
static double small_in_result(double value, int decimals)
{
	return in_result(value, decimals + (value < RESULT_SMALL ? RESULT_SMALL_DECIMALS : 0));
}

struct figure people_half_percent(struct figure rate, struct figure low, struct figure high)
{
	double up = high.value - rate.value, down = rate.value - low.value;
	double percent = 100 * (up > down ? up : down) / rate.value;

	if (!rate.known || !low.known || !high.known || !isfinite(percent))
		return (struct figure){ false, 0 };
	return (struct figure){ true, percent };
}

const char *people_rate(struct figure mbps, char out[PEOPLE_BYTES])
{
	if (!is_printable(mbps))
		return print_unknown(out);
	mbps.value = small_in_result(mbps.value, RESULT_MBPS_DECIMALS);
	if (mbps.value >= 999.95)
		return print(out, mbps.value / 1e3, "Gbit/s");
	if (mbps.value > 0 && mbps.value < 1e-3)
		return print(out, mbps.value * 1e6, "bit/s");
	if (mbps.value < 1)
		return print(out, mbps.value * 1e3, "kbit/s");
	return print(out, mbps.value, "Mbit/s");
}

const char *people_ms(struct figure ms, char out[PEOPLE_BYTES])
{
	if (!is_printable(ms))
		return print_unknown(out);
	ms.value = in_result(ms.value, RESULT_MS_DECIMALS);
	if (ms.value >= 99.95)
		snprintf(out, PEOPLE_BYTES, "%.0f ms", ms.value);
	else if (ms.value < 0.01)
		snprintf(out, PEOPLE_BYTES, "%.3f ms", ms.value);
	else
		print(out, ms.value, "ms");
	return out;
}

const char *people_seconds(struct figure seconds, char out[PEOPLE_BYTES])
{
	if (!is_printable(seconds))
		return print_unknown(out);
	seconds.value = in_result(seconds.value, RESULT_SECONDS_DECIMALS);
	if (seconds.value < 0.01)
		return people_ms((struct figure){ true, seconds.value * 1e3 }, out);
	snprintf(out, PEOPLE_BYTES, "%.*f s", seconds.value < 1 ? 2 : 1, seconds.value);
	return out;
}

const char *people_count(uint64_t count, const char *one, char out[PEOPLE_BYTES])
{
	const char *more = count == 1 ? "" : one[strlen(one) - 1] == 's' ? "es" : "s";

	snprintf(out, PEOPLE_BYTES, "%llu %.16s%s", (unsigned long long)count, one, more);
	return out;
}

const char *people_bytes(uint64_t bytes, char out[PEOPLE_BYTES])
{
	if (bytes < 1000)
		people_count(bytes, "byte", out);
	else if (bytes < 999950)
		print(out, (double)bytes / 1e3, "kB");
	else if (bytes < 999950000)
		print(out, (double)bytes / 1e6, "MB");
	else
		print(out, (double)bytes / 1e9, "GB");
	return out;
}

const char *people_percent(struct figure percent, char out[PEOPLE_BYTES])
{
	if (!is_printable(percent))
		return print_unknown(out);
	percent.value = small_in_result(percent.value, RESULT_PERCENT_DECIMALS);
	if (percent.value == 0)
		snprintf(out, PEOPLE_BYTES, "0 %%");
	else if (percent.value < 0.01)
		snprintf(out, PEOPLE_BYTES, "< 0.01 %%");
	else
		print(out, percent.value, "%");
	return out;
}
