#include "measure/steady_probe.h"

#include <string.h>

#include "transport/base/clock.h"

#define PROBE_NS       (200 * NS_PER_MS) /* bbr_probe_rtt_mode_ms: it is never shorter */
#define WINDOW_NS      (50 * NS_PER_MS) /* looked at together, or a round trip where that is longer */
#define IN_FLIGHT_MOST 6.0              /* segments a round trip: 4, and what the edges bring */
#define IN_FLIGHT_MIN  0.5              /* less is an outage */
#define SHARE_OF_MEAN  0.5              /* of the whole's rate: more is no probe … */

/* … but where the path holds hardly more than a probe leaves it. Then a probe is no deep dip, and must be as
 * rare and as short as probes are. */
#define SHARE_OF_FEW 0.8
#define APART_NS     (5 * NS_PER_S) /* BBR v1's are ten seconds apart, those of later versions five */
#define LONGEST_NS   (2 * PROBE_NS) /* and a round trip */

struct search {
	const double *edges;
	uint32_t bins, window, margin;
	uint32_t shortest, longest, apart; /* bins; between beginnings */
	double least_bytes, most_bytes;    /* of a window in a probe */
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
		                .margin = bins_of(rtt_ns, bin_ns) + 1,
		                .shortest = bins_of(PROBE_NS * 3 / 4, bin_ns),
		                .longest = bins,
		                .least_bytes = IN_FLIGHT_MIN * a_segment_each,
		                .most_bytes =
		                        most < SHARE_OF_MEAN * mean ? most : SHARE_OF_MEAN * mean };
}

/* For a path of so few segments that four are more than half of them. False: it has more. */
static bool search_among_few(struct search *s, uint64_t bin_ns, const struct steady_path *path)
{
	double mean = (s->edges[s->bins] - s->edges[0]) / s->bins * s->window;

	if (s->most_bytes < SHARE_OF_MEAN * mean)
		return false;
	s->most_bytes = SHARE_OF_FEW * mean;
	s->longest = bins_of(LONGEST_NS + path->rtt_us * NS_PER_US, bin_ns);
	s->apart = bins_of(APART_NS, bin_ns);
	return true;
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

/* Marks what it finds; answers how many bins. More than a quarter is no probing, nor are runs that are too long or
 * too near: then none is marked. */
static uint32_t find(const struct search *s, bool *probed)
{
	uint32_t count = 0, before = 0;
	bool found = false, like_probes = true;

	memset(probed, false, s->bins * sizeof(*probed));
	for (uint32_t i = 0; i + s->window <= s->bins;) {
		uint32_t end = end_of_run(s, i);
		bool cut_off = end == s->bins; /* the transfer's end may come first */

		if (end > i && (end - i >= s->shortest || cut_off)) {
			like_probes &= end - i <= s->longest && (!found || i - before >= s->apart);
			mark(probed, s->bins, i, end, s->margin);
			before = i;
			found = true;
		}
		i = end > i ? end : i + 1;
	}
	for (uint32_t i = 0; i < s->bins; i++)
		count += probed[i];
	if (like_probes && count <= s->bins / 4)
		return count;
	memset(probed, false, s->bins * sizeof(*probed));
	return 0;
}

uint32_t steady_probe_find(const double *edges, uint32_t bins, uint64_t bin_ns,
                           const struct steady_path *path, bool *probed)
{
	struct search s;
	uint32_t count;

	memset(probed, false, bins * sizeof(*probed));
	if (bins == 0 || path->rtt_us == 0 || path->segment_bytes == 0)
		return 0;
	s = search_for(edges, bins, bin_ns, path);
	count = find(&s, probed);
	if (count == 0 && search_among_few(&s, bin_ns, path))
		count = find(&s, probed);
	return count;
}
