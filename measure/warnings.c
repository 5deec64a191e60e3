#include "measure/warnings.h"

#include <stdbool.h>

#include "measure/people.h"
#include "measure/result.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/ws.h"

/* A look at our socket is due every 10 ms: so late, this machine had no time for us. */
#define PAUSE_NS_MIN (500 * NS_PER_MS)

/* M-Lab's views keep no shorter test but one that was asked to end early (contract 13). */
#define USUAL_NS_MIN (9 * NS_PER_S)

static bool is_short(const struct direction_result *d)
{
	return d->report.measured_ns < USUAL_NS_MIN && !d->early_exit;
}

static void warn_of_ending(struct test_result *t, const struct direction_result *d)
{
	const char *name = ndt7_test_name(d->test);
	double seconds = (double)(d->report.ended_ns - d->report.started_ns) / 1e9;
	char sentence[256];

	switch (d->report.ending) {
	case NDT7_ENDING_CLOSE:
		if (d->report.peer_code != WS_CLOSE_NORMAL && d->report.peer_code != WS_CLOSE_NONE)
			result_warn(t, "%s: the server closed with code %u after %.1f s", name,
			            d->report.peer_code, (double)d->report.measured_ns / 1e9);
		else if (is_short(d))
			result_warn(t, "%s: the server ended it after %.*f s of some ten", name,
			            d->report.measured_ns < NS_PER_S ? 4 : 1,
			            (double)d->report.measured_ns / 1e9);
		break;
	case NDT7_ENDING_END:
		result_warn(t, "%s: the server closed the connection without a Close after %.1f s",
		            name, seconds);
		break;
	case NDT7_ENDING_ERROR:
		result_warn(t, "%s: the connection broke after %.1f s: %s", name, seconds,
		            err_sentence(&d->broke, sentence, sizeof(sentence)));
		break;
	case NDT7_ENDING_STALL:
		result_warn(t, "%s: nothing came for 7 s, ended after %.1f s", name, seconds);
		break;
	case NDT7_ENDING_CAP:
		result_warn(t, "%s: the server did not end the test, ended after %.1f s", name,
		            seconds);
		break;
	case NDT7_ENDING_VIOLATION:
		result_warn(t, "%s: the server broke the protocol: %s", name, d->violation);
		break;
	case NDT7_ENDING_STOP:
		result_warn(t, "%s: %s after %.1f s", name,
		            t->interrupted ? "interrupted" : "out of time", seconds);
		break;
	default:
		break;
	}
}

static const char *why_short(const struct direction_result *d)
{
	if (d->source == GOODPUT_CLIENT_RECEIVED)
		return "nothing came after that";
	if (d->source == GOODPUT_CLIENT_ACKED)
		return "nothing more was acknowledged";
	return "the server told no more";
}

static void warn_of_time(struct test_result *t, const struct direction_result *d)
{
	const char *name = ndt7_test_name(d->test);
	double seconds = (double)d->elapsed_ns / 1e9;

	if (direction_falls_short(d))
		result_warn(t, "%s: goodput is of its first %.*f s: %s", name,
		            seconds < 0.1 ? 6 : 1, seconds, why_short(d));
	if (d->unseen_ns > PAUSE_NS_MIN)
		result_warn(t, "%s: this machine kept us from running for %.1f s of it", name,
		            (double)d->unseen_ns / 1e9);
}

static void warn_of_figures(struct test_result *t, const struct direction_result *d)
{
	const char *name = ndt7_test_name(d->test);
	struct figure cpu = direction_cpu_percent(d);
	struct figure limited = direction_cpu_limited_percent(d);
	char count[PEOPLE_BYTES];

	if (cpu.known && cpu.value > 90)
		result_warn(t, "%s: cpu was at %.0f %%: a lower bound", name, cpu.value);
	else if (limited.known && limited.value > 10)
		result_warn(t,
		            "%s: limited by this machine's cpu %.0f %% of the time: a lower bound",
		            name, limited.value);
	if (d->test == NDT7_UPLOAD && d->source != GOODPUT_SERVER_TCP_INFO)
		result_warn(t,
		            "upload: the server reported no last count of bytes received; goodput "
		            "is from %s",
		            goodput_source_name(d->source));
	if (d->unreadable_texts > 0)
		result_warn(t, "%s: %s of the server could not be read as a measurement: not used",
		            name, people_count(d->unreadable_texts, "message", count));
	if (d->unbelieved_texts > 0)
		result_warn(
			t,
			"%s: %s of the server told of more than was sent, or of a time to come: "
			"not used",
			name, people_count(d->unbelieved_texts, "message", count));
	if (d->report.unexpected_bytes > 0)
		result_warn(t, "%s: the server sent %s of data that should not have come", name,
		            people_count(d->report.unexpected_bytes, "byte", count));
	if (d->report.pongs_dropped > 0)
		result_warn(t, "%s: %s of a flood went unanswered", name,
		            people_count(d->report.pongs_dropped, "ping", count));
	if (d->polled)
		result_warn(
			t,
			"%s: the kernel had no room for its statistics by BPF; TCP_INFO was polled",
			name);
	if (d->connection.bind.how != TCP_BIND_NONE && !d->connection.bind.effective)
		result_warn(t, "%s: the bind to %s could not be confirmed", name,
		            d->connection.bind.interface);
}

void warnings_add(struct test_result *t)
{
	const struct direction_result *const directions[] = { &t->download, &t->upload };
	bool insecure = false;

	for (int i = 0; i < 2; i++) {
		if (directions[i]->state != DIRECTION_PARTIAL &&
		    directions[i]->state != DIRECTION_COMPLETE)
			continue;
		insecure |= directions[i]->insecure;
		warn_of_ending(t, directions[i]);
		warn_of_time(t, directions[i]);
		warn_of_figures(t, directions[i]);
	}
	if (insecure)
		result_warn(t, "the server's certificate was not verified (--insecure)");
}
