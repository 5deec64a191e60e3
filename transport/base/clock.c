#include "transport/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_utc_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_cpu_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int clock_cpu_delay_open(void)
{
	return open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
}

/* Two counts stand there first: of nanoseconds on a CPU, and of those waited. */
uint64_t clock_cpu_delay_ns(int fd)
{
	char text[64], *behind;
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	strtoull(text, &behind, 10);
	return strtoull(behind, NULL, 10);
}

char *clock_utc_text(uint64_t utc_ns, int decimals, char out[CLOCK_UTC_TEXT_BYTES])
{
	time_t seconds = (time_t)(utc_ns / NS_PER_S);
	uint64_t fraction = utc_ns % NS_PER_S;
	struct tm tm;
	size_t n;

	if (!gmtime_r(&seconds, &tm))
		tm = (struct tm){ .tm_year = 70, .tm_mday = 1 };
	n = strftime(out, CLOCK_UTC_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	for (int digits = 9; digits > decimals; digits--)
		fraction /= 10;
	if (decimals > 0)
		n += (size_t)snprintf(out + n, CLOCK_UTC_TEXT_BYTES - n, ".%0*llu", decimals,
		                      (unsigned long long)fraction);
	snprintf(out + n, CLOCK_UTC_TEXT_BYTES - n, "Z");
	return out;
}

/* "Z", "+01:00" */
static bool read_offset(const char *text, long *ret_s)
{
	int hours, minutes, n = 0;

	*ret_s = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if (sscanf(text, "%*1[+-]%2d:%2d%n", &hours, &minutes, &n) != 2 || n != 6 || text[n])
		return false;
	*ret_s = (hours * 60L + minutes) * 60 * (*text == '-' ? -1 : 1);
	return true;
}

int clock_utc_read(const char *text, uint64_t *ret_utc_ns)
{
	struct tm tm = {};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	long offset_s;
	time_t seconds;

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!rest || !read_offset(rest, &offset_s))
		return -EINVAL;
	seconds = timegm(&tm) - offset_s;
	if (seconds < 0 || (uint64_t)seconds > UINT64_MAX / NS_PER_S)
		return -EINVAL;
	*ret_utc_ns = (uint64_t)seconds * NS_PER_S;
	return 0;
}
