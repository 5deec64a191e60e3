#include "agent/cli/progress.h"

#include <string.h>

#include "agent/cli/output.h"
#include "measure/people.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"

#define BAR_COLUMNS_MAX 30
#define BAR_COLUMNS_MIN 8

static const char *title(enum ndt7_test test)
{
	return test == NDT7_DOWNLOAD ? "Download" : "Upload";
}

/* Eighths of a cell, so that the bar moves with every redrawing. */
static void append_bar_utf8(struct text *t, int columns, double fraction)
{
	static const char *const eighths[] = { " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	int filled = (int)(fraction * columns * 8);

	text_append(t, "▕");
	for (int i = 0; i < columns; i++, filled -= 8)
		text_append(t, "%s", filled >= 8 ? "█" : filled > 0 ? eighths[filled] : " ");
	text_append(t, "▏");
}

static void append_bar_ascii(struct text *t, int columns, double fraction)
{
	int filled = (int)(fraction * columns);

	text_append(t, "[");
	for (int i = 0; i < columns; i++)
		text_append(t, "%s", i < filled ? "=" : i == filled ? ">" : " ");
	text_append(t, "]");
}

/* The parts in the order in which a narrow terminal loses them from the right; the bar goes first. */
static const char *compose(const struct terminal *t, enum ndt7_test test, double fraction,
                           const char *const parts[3], char out[PROGRESS_BYTES])
{
	/* Behind "Download  ", and before the "^C" that a terminal echoes behind the cursor. */
	int room = t->columns - 10 - 3;
	int bar = room - 3 - 15 - 10 - 13;
	struct text line = text_on(out, PROGRESS_BYTES);

	text_append(&line, "%-10s", title(test));
	if (bar > BAR_COLUMNS_MAX)
		bar = BAR_COLUMNS_MAX;
	if (bar >= BAR_COLUMNS_MIN) {
		(t->utf8 ? append_bar_utf8 : append_bar_ascii)(&line, bar, fraction);
		room -= bar + 2;
	}
	for (int i = 0; i < 3; i++) {
		static const int widths[] = { 15, 10, 13 };

		if (room < widths[i])
			break;
		text_append(&line, "%*s", widths[i], parts[i]);
		room -= widths[i];
	}
	return out;
}

static const char *waiting_line(const struct terminal *t, const struct run_event *e,
                                char out[PROGRESS_BYTES])
{
	const char *doing = e->kind == RUN_CONNECTED ? "measuring" : "connecting";
	struct text line = text_on(out, PROGRESS_BYTES);

	text_append(&line, "%-10s", title(e->test));
	if (t->columns > 10 + (int)strlen(doing))
		text_append(&line, "%s", doing);
	return out;
}

const char *progress_line(const struct terminal *t, const struct run_event *e,
                          char out[PROGRESS_BYTES])
{
	uint64_t left_ns =
		e->live.elapsed_ns < NDT7_DURATION_NS ? NDT7_DURATION_NS - e->live.elapsed_ns : 0;
	double fraction = 1 - (double)left_ns / (double)NDT7_DURATION_NS;
	char rate[PEOPLE_BYTES], rtt[PEOPLE_BYTES], left[PEOPLE_BYTES];
	const char *const parts[] = { people_rate(e->live.mean_mbps, rate), rtt, left };

	if (e->kind != RUN_PROGRESS)
		return waiting_line(t, e, out);
	if (e->live.rtt_ms.known)
		people_ms(e->live.rtt_ms, rtt);
	else
		*rtt = '\0';
	if (left_ns > 0)
		snprintf(left, sizeof(left), "%llu s left",
		         (unsigned long long)((left_ns + NS_PER_S - 1) / NS_PER_S));
	else
		snprintf(left, sizeof(left), "finishing");
	return compose(t, e->test, fraction, parts, out);
}

const char *progress_last_line(const struct terminal *t, const struct direction_result *d,
                               char out[PROGRESS_BYTES])
{
	uint64_t ran_ns = d->report.ended_ns - d->report.started_ns;
	double fraction = ran_ns < NDT7_DURATION_NS ? (double)ran_ns / (double)NDT7_DURATION_NS : 1;
	char rate[PEOPLE_BYTES], rtt[PEOPLE_BYTES];
	const char *ending = d->state == DIRECTION_COMPLETE ? "done" : "ended early";
	const char *const parts[] = { people_rate(direction_goodput_mbps(d), rate),
		                      people_ms(direction_min_rtt_ms(d), rtt), ending };
	struct text line = text_on(out, PROGRESS_BYTES);

	if (output_measured(d))
		return compose(t, d->test, d->state == DIRECTION_COMPLETE ? 1 : fraction, parts,
		               out);
	text_append(&line, "%-10sfailed", title(d->test));
	return out;
}
