#include "agent/schedule/memoryless.h"

#include <errno.h>

#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"

struct memoryless memoryless_of(uint64_t mean_ns)
{
	return (struct memoryless){ .mean_ns = mean_ns,
		                    .least_ns = mean_ns / 10,
		                    .most_ns = mean_ns / 2 * 5 };
}

int memoryless_check(const struct memoryless *m, struct err *err)
{
	if (m->mean_ns > 0 && m->least_ns <= m->mean_ns &&
	    (m->most_ns == 0 || m->most_ns >= m->mean_ns))
		return 0;
	return ERR_SET(err, -EINVAL, ERR_SYS, 0,
	               "draw gaps of %llu s on average, between %llu and %llu s",
	               m->mean_ns / NS_PER_S, m->least_ns / NS_PER_S, m->most_ns / NS_PER_S);
}

uint64_t memoryless_draw_ns(const struct memoryless *m, uint64_t *random)
{
	double ns = (double)m->mean_ns * draw_exponential(random);

	if (ns < (double)m->least_ns)
		return m->least_ns;
	if (m->most_ns && ns > (double)m->most_ns)
		return m->most_ns;
	return (uint64_t)ns;
}
