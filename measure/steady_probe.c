#include "measure/steady_probe.h"

#include <string.h>

#include "transport/base/clock.h"

#define PROBE_NS       (200 * NS_PER_MS) /* bbr_probe_rtt_mode_ms: it is never shorter */
#define WINDOW_NS      (50 * NS_PER_MS) /* looked at together, or a round trip where that is longer */
#define IN_FLIGHT_MOST 6.0              /* segments a round trip: 4, and what the edges bring */
#define IN_FLIGHT_MIN  0.5              /* less is an outage */
#define SHARE_OF_MEAN  0.5              /* of the whole's rate: more is no probe */

struct search {
	const double *edges;
	uint32_t bins, window;
	double least_bytes, most_bytes; /* of a window in a probe */
};

static uint32_t bins_of(uint64_t ns, uint64_t bin_ns)
{
	return (uint32_t)((ns + bin_ns - 1) / bin_ns);
}

static struct search search_for(const double *edges, uint32_t bins, uint64_t bin_ns,
                                const struct steady_path *path)
{
	uint64_t rtt_ns = path->rtt_us * NS_PER_US;
	uint32_t window = bins_of(rtt_ns > WINDOW_NS ? rtt_ns : WINDOW_NS, bin_ns);
	double a_segment_each = path->segment_bytes * (double)(window * bin_ns) / (double)rtt_ns;
	double mean = (edges[bins] - edges[0]) / bins * window;
	double most = IN_FLIGHT_MOST * a_segment_each;

	return (struct search){ .edges = edges,
		                .bins = bins,
		                .window = window,
		                .least_bytes = IN_FLIGHT_MIN * a_segment_each,
		                .most_bytes =
		                        most < SHARE_OF_MEAN * mean ? most : SHARE_OF_MEAN * mean };
}

/* The first bin behind the run of thin windows that begins with the one at `first`; `first` where that is
 * none. */
static uint32_t end_of_run(const struct search *s, uint32_t first)
{
	uint32_t end = first;

	for (uint32_t i = first; i + s->window <= s->bins; i++) {
		double bytes = s->edges[i + s->window] - s->edges[i];

		if (bytes < s->least_bytes || bytes > s->most_bytes)
			break;
		end = i + s->window;
	}
	return end;
}

static void mark(bool *probed, uint32_t bins, uint32_t first, uint32_t end, uint32_t margin)
{
	first = first > margin ? first - margin : 0;
	end = bins - end > margin ? end + margin : bins;
	memset(probed + first, true, (end - first) * sizeof(*probed));
}

uint32_t steady_probe_find(const double *edges, uint32_t bins, uint64_t bin_ns,
                           const struct steady_path *path, bool *probed)
{
	uint32_t margin = bins_of(path->rtt_us * NS_PER_US, bin_ns) + 1, count = 0;
	struct search s;

	memset(probed, false, bins * sizeof(*probed));
	if (bins == 0 || path->rtt_us == 0 || path->segment_bytes == 0)
		return 0;
	s = search_for(edges, bins, bin_ns, path);
	for (uint32_t i = 0; i + s.window <= bins;) {
		uint32_t end = end_of_run(&s, i);
		bool cut_off = end == bins; /* the transfer's end may come first */

		if (end > i && (end - i >= bins_of(PROBE_NS * 3 / 4, bin_ns) || cut_off))
			mark(probed, bins, i, end, margin);
		i = end > i ? end : i + 1;
	}
	for (uint32_t i = 0; i < bins; i++)
		count += probed[i];
	if (count <= bins / 4)
		return count;
	memset(probed, false, bins * sizeof(*probed));
	return 0;
}
