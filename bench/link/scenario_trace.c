#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/lines.h"
#include "bench/link/scenario.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

/* "lte.trace:12: " and what is wrong there. */
#define REFUSE(name, l, err, ...) REFUSE_WITH(-EINVAL, name, l, err, __VA_ARGS__)
#define REFUSE_WITH(code, name, l, err, format, ...)                                               \
	ERR_SET((err), (code), ERR_SYS, (l)->number, "%.60s:%u: " format, (name), (l)->number,     \
	        __VA_ARGS__)

struct instants {
	uint64_t *at;
	size_t count;
};

static void instants_end(struct instants *i)
{
	free(i->at);
}

/* The array grows at powers of two. */
static int append(struct instants *i, uint64_t at_ns)
{
	size_t n = i->count;

	if ((n & (n - 1)) == 0) {
		uint64_t *grown = reallocarray(i->at, n ? 2 * n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		i->at = grown;
	}
	i->at[i->count++] = at_ns;
	return 0;
}

static int take_instant(const char *name, const struct lines *l, const char *line,
                        struct instants *all, struct err *err)
{
	uint64_t last_ms = all->count ? all->at[all->count - 1] / NS_PER_MS : 0;
	uint64_t ms;
	int r = units_parse_u64(line, 0, SCENARIO_TIME_MAX_NS / NS_PER_MS, &ms, NULL);

	if (r == -EINVAL)
		return REFUSE(name, l, err,
		              "\"%.40s\" is no instant; whole milliseconds, one a line", line);
	if (r < 0)
		return REFUSE(name, l, err, "%.40s ms is more than a day", line);
	if (ms < last_ms)
		return REFUSE(name, l, err, "%s ms lies before the line above it, %llu ms", line,
		              (unsigned long long)last_ms);
	if (all->count == SCENARIO_TRACE_MAX)
		return REFUSE_WITH(-E2BIG, name, l, err, "more than %d instants",
		                   SCENARIO_TRACE_MAX);
	if (append(all, ms * NS_PER_MS) < 0)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the trace %s", name);
	return 0;
}

int scenario_parse_trace(const char *name, const char *text, size_t n, uint64_t **ret,
                         size_t *ret_count, struct err *err)
{
	CLEANUP(instants_end) struct instants all = {};
	const char *slash = strrchr(name, '/');
	struct lines l = lines_of(text, n);
	char line[LINES_MAX_BYTES + 1];
	int r;

	if (slash)
		name = slash + 1;
	for (;;) {
		r = lines_next(&l, line);
		if (r == 0)
			break;
		if (r < 0)
			return REFUSE_WITH(r, name, &l, err, "%s", l.problem);
		r = take_instant(name, &l, line, &all, err);
		if (r < 0)
			return r;
	}
	/* It begins again after its last instant; at 0 that would never be later. */
	if (all.count == 0 || all.at[all.count - 1] == 0) {
		l.number += l.number == 0;
		return REFUSE(name, &l, err, "%s", "a trace ends later than at 0 ms");
	}
	*ret = TAKE(all.at, NULL);
	*ret_count = all.count;
	return 0;
}
