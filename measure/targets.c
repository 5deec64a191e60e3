#include "measure/targets.h"

#include "measure/locate.h"

void targets_take(struct targets *t, struct locate_answer *answer, uint64_t asked_ns)
{
	targets_end(t);
	*t = (struct targets){ .located = answer, .asked_ns = asked_ns };
}

bool targets_are_stale(const struct targets *t, uint64_t now_ns)
{
	return t->located && now_ns - t->asked_ns > LOCATE_TOKEN_LIFE_NS;
}

void targets_begin_direction(struct targets *t)
{
	t->tried = 0;
}

static const char *url_of(const struct targets *t, size_t i, enum ndt7_test test, bool wss)
{
	const struct locate_target *target = &t->located->targets[i];

	return test == NDT7_DOWNLOAD ? target->download[wss] : target->upload[wss];
}

const struct locate_target *targets_next(struct targets *t, enum ndt7_test test, bool wss,
                                         const char **ret_url)
{
	size_t count = t->located->count;

	/* One round more than there are: the first is for the one that served. */
	for (size_t turn = t->served_by ? 0 : 1; turn <= count; turn++) {
		size_t i = turn ? turn - 1 : t->served_by - 1;
		const char *url = t->tried >> i & 1 ? NULL : url_of(t, i, test, wss);

		if (!url)
			continue;
		t->tried |= 1U << i;
		t->served_by = i + 1; /* until it refuses, then the next one takes its place */
		*ret_url = url;
		return &t->located->targets[i];
	}
	return NULL;
}

int targets_tried(const struct targets *t)
{
	return __builtin_popcount(t->tried);
}

void targets_end(struct targets *t)
{
	locate_answer_free(t->located);
	t->located = NULL;
}
