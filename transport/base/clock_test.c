#include "transport/base/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/cases.h"

struct text_case {
	const char *name;
	uint64_t utc_ns;
	int decimals;
	const char *want;
};

static struct text_case text_cases[] = {
	{ "the epoch", 0, 0, "1970-01-01T00:00:00Z" },
	{ "milliseconds", 1767225600000000000, 3, "2026-01-01T00:00:00.000Z" },
	{ "nanoseconds", 1767225600123456789, 9, "2026-01-01T00:00:00.123456789Z" },
	{ "leading zeros of the fraction", 1000, 6, "1970-01-01T00:00:00.000001Z" },
	{ "cut, not rounded", NS_PER_S - 1, 3, "1970-01-01T00:00:00.999Z" },
	{ "no decimals cut too", 2 * NS_PER_S - 1, 0, "1970-01-01T00:00:01Z" },
	{ "leap day", 1709164800 * NS_PER_S, 0, "2024-02-29T00:00:00Z" },
	{ "after 2038", 2147483648 * NS_PER_S, 0, "2038-01-19T03:14:08Z" },
	{ "the last instant", UINT64_MAX, 9, "2554-07-21T23:34:33.709551615Z" },
};

static void text_is_rfc3339(void **state)
{
	const struct text_case *c = *state;
	char out[CLOCK_UTC_TEXT_BYTES];

	assert_ptr_equal(clock_utc_text(c->utc_ns, c->decimals, out), out);
	assert_string_equal(out, c->want);
}

static struct read_case {
	const char *name;
	const char *text;
	uint64_t want_s; /* 0: it is refused */
} read_cases[] = {
	{ "in UTC", "2026-01-01T00:00:00Z", 1767225600 },
	{ "with a fraction", "2026-01-01T00:00:00.999999999Z", 1767225600 },
	{ "ahead of UTC", "2026-01-01T02:30:00+02:30", 1767225600 },
	{ "behind UTC", "2025-12-31T16:00:00.5-08:00", 1767225600 },
	{ "nothing", "", 0 },
	{ "a day alone", "2026-01-01", 0 },
	{ "without an offset", "2026-01-01T00:00:00", 0 },
	{ "an offset that is none", "2026-01-01T00:00:00+2", 0 },
	{ "more behind it", "2026-01-01T00:00:00Zz", 0 },
	{ "a month that is none", "2026-13-01T00:00:00Z", 0 },
	{ "before 1970", "1969-12-31T23:59:59Z", 0 },
	{ "beyond what a count of ns holds", "9999-01-01T00:00:00Z", 0 },
};

static void text_is_read(void **state)
{
	const struct read_case *c = *state;
	uint64_t utc_ns = 7;

	assert_int_equal(clock_utc_read(c->text, &utc_ns), c->want_s ? 0 : -EINVAL);
	assert_true(utc_ns == (c->want_s ? c->want_s * NS_PER_S : 7));
}

static void clocks_run(void **state)
{
	uint64_t before_ns = clock_now_ns();
	uint64_t utc_s = clock_utc_ns() / NS_PER_S;
	uint64_t cpu_ns = clock_cpu_ns();

	(void)state;
	assert_in_range((uint64_t)time(NULL), utc_s, utc_s + 60);
	while (clock_cpu_ns() == cpu_ns)
		;
	assert_true(clock_now_ns() > before_ns);
	assert_true(clock_cpu_ns() > cpu_ns);
}

/* Two that want the same CPU: one of them waits. */
static void waiting_for_a_cpu_is_counted(void **state)
{
	int fd = clock_cpu_delay_open();
	uint64_t until_ns = clock_now_ns() + 10 * NS_PER_S, before_ns = clock_cpu_delay_ns(fd);
	cpu_set_t before, one;
	pid_t rival;

	(void)state;
	if (fd < 0)
		skip();
	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	rival = fork();
	if (rival == 0)
		for (;;)
			if (getppid() == 1)
				_exit(0);
	while (clock_cpu_delay_ns(fd) == before_ns && clock_now_ns() < until_ns)
		;
	kill(rival, SIGKILL);
	waitpid(rival, NULL, 0);
	sched_setaffinity(0, sizeof(before), &before);
	assert_true(clock_cpu_delay_ns(fd) > before_ns);
	close(fd);
	assert_int_equal(clock_cpu_delay_ns(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_run),
		cmocka_unit_test(waiting_for_a_cpu_is_counted),
	};
	int failed = CASES_RUN(text_is_rfc3339, text_cases);

	failed += CASES_RUN(text_is_read, read_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
