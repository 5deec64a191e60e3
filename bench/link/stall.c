#include "bench/link/stall.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"

/* --- judging ------------------------------------------------------------------------------------- */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* The greater half of it decides. */
enum stall_cause stall_judge(const struct stall_clocks *before, const struct stall_clocks *after,
                             uint64_t stall_ns, uint64_t slept_ns)
{
	uint64_t passed_ns = less(after->at_ns, before->at_ns);
	uint64_t away_ns = less(passed_ns, less(after->ran_ns, before->ran_ns));
	uint64_t waited_ns = less(after->waited_ns, before->waited_ns);

	if (2 * less(away_ns, slept_ns) < stall_ns)
		return STALL_BUSY;
	if (2 * waited_ns >= stall_ns)
		return STALL_WAITED;
	return slept_ns > 0 ? STALL_OVERSLEPT : STALL_STOLEN;
}

/* --- the thread ---------------------------------------------------------------------------------- */

/* "ran waited slices", in ns; the first is no use, it is brought up to date by a tick only. */
static uint64_t waited_ns(const struct stall *s)
{
	char text[96], *end;
	ssize_t n = s->waited_fd < 0 ? -1 : pread(s->waited_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10);
}

static struct stall_clocks clocks_of(const struct stall *s, uint64_t now_ns)
{
	struct timespec ran;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran);
	return (struct stall_clocks){ .at_ns = now_ns,
		                      .ran_ns = (uint64_t)ran.tv_sec * NS_PER_S +
		                                (uint64_t)ran.tv_nsec,
		                      .waited_ns = waited_ns(s) };
}

void stall_begin(struct stall *s, uint64_t now_ns)
{
	*s = (struct stall){ .there_ns = now_ns };
	s->waited_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	s->seen = clocks_of(s, now_ns);
}

void stall_end(struct stall *s)
{
	fd_closep(&s->waited_fd);
}

static void count(struct stall *s, uint64_t from_ns, uint64_t to_ns, enum stall_cause cause)
{
	struct stall_sum *sum = &s->of[cause];
	uint64_t ns = to_ns - from_ns;

	sum->times++;
	sum->sum_ns += ns;
	sum->max_ns = ns > sum->max_ns ? ns : sum->max_ns;
	if (cause == STALL_BUSY && from_ns <= s->to_ns + STALL_NS)
		return; /* with what the last one left to do */
	s->from_ns = from_ns;
	s->to_ns = to_ns;
	s->cause = cause;
}

void stall_look(struct stall *s, uint64_t now_ns)
{
	struct stall_clocks now = clocks_of(s, now_ns);

	count(s, s->there_ns, now_ns, stall_judge(&s->seen, &now, now_ns - s->there_ns, 0));
	s->seen = now;
	s->there_ns = now_ns;
}

void stall_woken(struct stall *s, uint64_t now_ns, uint64_t asked_ns)
{
	uint64_t due_ns = s->there_ns + asked_ns;
	struct stall_clocks now = clocks_of(s, now_ns);

	if (now_ns > due_ns + STALL_NS)
		count(s, due_ns, now_ns, stall_judge(&s->seen, &now, now_ns - due_ns, asked_ns));
	s->seen = now;
	s->there_ns = now_ns;
}

void stall_late_packet(struct stall *s, uint64_t due_ns, uint64_t now_ns)
{
	stall_there(s, now_ns);
	if (due_ns >= s->from_ns && due_ns <= s->to_ns)
		s->of[s->cause].late_packets++;
	else
		s->of[STALL_BUSY].late_packets++;
}
