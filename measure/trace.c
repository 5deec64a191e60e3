#include "measure/trace.h"

#include <string.h>

#include "transport/base/clock.h"

#define ANCHOR_TRIES 3

static bool ends_with(const char *text, size_t n, const char *suffix)
{
	size_t suffix_bytes = strlen(suffix);

	return n > suffix_bytes && memcmp(text + n - suffix_bytes, suffix, suffix_bytes) == 0;
}

bool trace_form_of(const char *path, struct trace_form *ret)
{
	static const char compressed[] = ".zst";
	size_t n = strlen(path);
	struct trace_form form = { .zstd = ends_with(path, n, compressed) };

	if (form.zstd)
		n -= strlen(compressed);
	form.syntax = ends_with(path, n, ".csv") ? TRACE_CSV : TRACE_JSONL;
	if (form.syntax == TRACE_JSONL && !ends_with(path, n, ".jsonl"))
		return false;
	*ret = form;
	return true;
}

/* Wall time is read between two readings of the other clock; the narrowest of a few such pairs is the
 * least disturbed. */
struct trace_anchor trace_anchor_now(void)
{
	struct trace_anchor best = { .error_ns = UINT64_MAX };

	for (int i = 0; i < ANCHOR_TRIES; i++) {
		uint64_t before_ns = clock_now_ns();
		uint64_t utc_ns = clock_utc_ns();
		uint64_t error_ns = (clock_now_ns() - before_ns + 1) / 2;

		if (error_ns < best.error_ns)
			best = (struct trace_anchor){ before_ns + error_ns, utc_ns, error_ns };
	}
	return best;
}
