#include "transport/loop/loop_coalesce.h"

#include <sys/socket.h>

#include "tests/cases.h"
#include "tests/tcp_pair.h"
#include "transport/base/clock.h"

#define STEPS_MAX 6

/* What comes, when; 0 bytes: the stream falters. */
struct step {
	uint64_t at_us;
	uint64_t bytes;
};

struct coalesce_case {
	const char *name;
	struct step steps[STEPS_MAX];
	bool waits; /* after the last step */
	uint64_t period_us;
};

static const struct coalesce_case coalesce_cases[] = {
	{ "nothing known: no wait", { { 1, 1000000 } }, false },
	{ "8 Gbit/s: waits", { { 1, 1000 }, { 2500, 2500000 } }, true },
	{ "100 Mbit/s: no wait", { { 1, 1000 }, { 2500, 31250 } }, false },
	{ "too early to know", { { 1, 1000 }, { 1000, 1000000 } }, false },
	{ "a falter ends it", { { 1, 1000 }, { 2500, 2500000 }, { 7500, 0 } }, false },
	{ "what waited is no speed",
	  { { 1, 1000 }, { 2500, 2500000 }, { 7500, 0 }, { 7510, 500000 } },
	  false },
	{ "the stream goes on fast: learnt again",
	  { { 1, 1000 }, { 2500, 2500000 }, { 7500, 0 }, { 7510, 5000 }, { 9600, 2100000 } },
	  true },
	{ "it slows down", { { 1, 1000 }, { 2500, 2500000 }, { 50000, 400000 } }, false },
	{ "100 Mbit/s, 5 ms may wait", { { 1, 1000 }, { 12500, 156250 } }, true, 5000 },
	{ "10 Mbit/s, 5 ms may wait: too little", { { 1, 1000 }, { 12500, 15625 } }, false, 5000 },
	{ "5 ms may wait: too early to know", { { 1, 1000 }, { 9000, 1000000 } }, false, 5000 },
};

static void rate_decides(void **state)
{
	const struct coalesce_case *c = *state;
	struct loop_coalesce coalesce = { .period_ns = c->period_us * NS_PER_US };
	int pair[2], buffer_bytes = 4 * 1024 * 1024, mark = 0;
	socklen_t size = sizeof(mark);

	tcp_pair(pair);
	if (setsockopt(pair[0], SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, size) < 0) {
		print_message("no right to enlarge a receive buffer (CAP_NET_ADMIN)\n");
		skip();
	}
	for (const struct step *s = c->steps; s < c->steps + STEPS_MAX && s->at_us; s++) {
		if (s->bytes)
			loop_coalesce_learn(&coalesce, pair[0], s->bytes, s->at_us * NS_PER_US);
		else
			loop_coalesce_falter(&coalesce, pair[0], s->at_us * NS_PER_US);
	}
	assert_int_equal(loop_coalesce_set(&coalesce, pair[0], 256 * 1024), c->waits);
	assert_int_equal(getsockopt(pair[0], SOL_SOCKET, SO_RCVLOWAT, &mark, &size), 0);
	assert_int_equal(mark > 1, c->waits);
	loop_coalesce_unset(&coalesce, pair[0]);
	assert_int_equal(getsockopt(pair[0], SOL_SOCKET, SO_RCVLOWAT, &mark, &size), 0);
	assert_int_equal(mark, 1);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	return CASES_RUN(rate_decides, coalesce_cases) != 0;
}
