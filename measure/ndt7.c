#include "measure/ndt7.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define CLOSE_NORMAL     1000 /* RFC 6455 7.4.1 */
#define CLOSE_GOING_AWAY 1001
#define CLOSE_TOO_BIG    1009

enum phase {
	PHASE_RUNNING,  /* the test itself */
	PHASE_DRAINING, /* upload client: bulk is over, the server's last text and Close are to come
			 */
	PHASE_CLOSING,  /* our Close is due, under way or sent */
	PHASE_FINISHED,
};

static const char *const ending_names[] = {
	[NDT7_ENDING_NONE] = "none",
	[NDT7_ENDING_CLOSE] = "close",
	[NDT7_ENDING_TIME] = "time",
	[NDT7_ENDING_END] = "eof",
	[NDT7_ENDING_ERROR] = "error",
	[NDT7_ENDING_STALL] = "stall",
	[NDT7_ENDING_CAP] = "cap",
	[NDT7_ENDING_MAX_BYTES] = "max_bytes",
	[NDT7_ENDING_VIOLATION] = "violation",
	[NDT7_ENDING_STOP] = "stop",
	[NDT7_ENDING_EARLY] = "early_exit",
};

const char *ndt7_ending_name(enum ndt7_ending e)
{
	return ending_names[e];
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_client(const struct ndt7 *t)
{
	return t->options.role == NDT7_CLIENT;
}

/* Whether the bulk goes out from here. */
static bool is_sender(const struct ndt7 *t)
{
	return is_client(t) == (t->options.test == NDT7_UPLOAD);
}

/* --- the count -------------------------------------------------------------------------------- */

static void sample(struct ndt7 *t, uint64_t now_ns)
{
	if (!is_client(t) || t->sampled_bytes == t->report.num_bytes)
		return;
	t->sample_due = true;
	t->sampled_ns = now_ns;
	t->sampled_bytes = t->report.num_bytes;
}

static void count(struct ndt7 *t, uint64_t bytes, uint64_t now_ns)
{
	if (bytes == 0)
		return;
	t->report.num_bytes += bytes;
	t->report.last_data_ns = now_ns;
	t->report.measured_ns = now_ns - t->report.started_ns;
	if (now_ns - t->sampled_ns > NDT7_CLIENT_SAMPLE_NS || t->report.ending != NDT7_ENDING_NONE)
		sample(t, now_ns);
}

/* See measured_ns in ndt7.h. */
static bool ends_with_the_stream(enum ndt7_ending ending)
{
	return ending == NDT7_ENDING_CLOSE || ending == NDT7_ENDING_END ||
	       ending == NDT7_ENDING_TIME;
}

/* The first reason to end is the one that counts. */
static void end_count(struct ndt7 *t, enum ndt7_ending ending, uint64_t now_ns)
{
	if (t->report.ending != NDT7_ENDING_NONE)
		return;
	t->report.ending = ending;
	t->report.count_ended_ns = now_ns;
	if (is_sender(t) || ends_with_the_stream(ending))
		t->report.measured_ns = now_ns - t->report.started_ns;
	sample(t, now_ns);
}

/* Payload that came, and that this side counts or only discards. */
static void count_received(struct ndt7 *t, uint64_t bytes, uint64_t now_ns)
{
	if (t->report.ending != NDT7_ENDING_NONE)
		t->report.late_bytes += bytes;
	else
		count(t, bytes, now_ns);
}

/* --- ways to end ------------------------------------------------------------------------------ */

static void finish(struct ndt7 *t, uint64_t now_ns)
{
	t->phase = PHASE_FINISHED;
	t->report.ended_ns = now_ns;
	t->report.close_exchanged = t->close_sent && t->close_received;
}

/* The instant by which this side is gone, whatever the peer does or leaves undone. */
static uint64_t gone_by_ns(const struct ndt7 *t)
{
	uint64_t after_ns = NDT7_SERVER_CAP_NS;

	if (is_client(t))
		after_ns =
			is_sender(t) ? NDT7_UPLOAD_END_NS : NDT7_CLIENT_CAP_NS + NDT7_ABORT_WAIT_NS;
	return t->report.started_ns + after_ns;
}

/* A later reason may shorten the wait, never extend it. */
static void wait_closing(struct ndt7 *t, uint64_t until_ns)
{
	until_ns = min_u64(until_ns, gone_by_ns(t));
	t->close_by_ns = t->phase == PHASE_CLOSING ? min_u64(t->close_by_ns, until_ns) : until_ns;
	t->phase = PHASE_CLOSING;
}

static void close_with(struct ndt7 *t, uint16_t code, const char *reason, uint64_t until_ns)
{
	bool under_way = t->asked_pending && t->asked == NDT7_SEND_CLOSE;

	if (!t->close_sent && !under_way) {
		t->close_due = true;
		t->close_code = code;
		t->close_reason = reason;
	}
	wait_closing(t, until_ns);
}

/* We end it: what else was to be said stays unsaid. */
static void break_off(struct ndt7 *t, enum ndt7_ending ending, uint16_t code, const char *reason,
                      uint64_t now_ns)
{
	end_count(t, ending, now_ns);
	t->text_due = false;
	t->ping_due = false;
	close_with(t, code, reason, now_ns + NDT7_ABORT_WAIT_NS);
}

/* --- what comes ------------------------------------------------------------------------------- */

static void on_wake(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	(void)t, (void)in, (void)now_ns;
}

static void on_binary(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	t->heard_ns = now_ns;
	if (is_sender(t)) {
		t->report.unexpected_bytes += in->bytes;
		return;
	}
	if (t->report.ending == NDT7_ENDING_NONE) {
		t->report.binary_bytes += in->bytes;
		t->report.messages += in->last;
	}
	count_received(t, in->bytes, now_ns);
}

/* A client's text is the client's own affair: whatever is in it, the upload goes on. */
static void on_text(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	t->heard_ns = now_ns;
	t->report.texts++;
	if (is_client(t) && !is_sender(t))
		count_received(t, in->bytes, now_ns);
}

static void on_ping(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	uint8_t slot;

	t->heard_ns = now_ns;
	t->report.pings++;
	if (t->phase == PHASE_CLOSING) {
		t->report.pings_late++;
		return;
	}
	if (in->payload_bytes > NDT7_PING_BYTES_MAX) {
		t->report.pongs_dropped++;
		return;
	}
	if (t->pong_count == NDT7_PONGS_MAX) {
		t->pong_first = (uint8_t)((t->pong_first + 1) % NDT7_PONGS_MAX);
		t->pong_count--;
		t->report.pongs_dropped++;
	}
	slot = (uint8_t)((t->pong_first + t->pong_count++) % NDT7_PONGS_MAX);
	t->pongs[slot].bytes = (uint8_t)in->payload_bytes;
	if (in->payload_bytes)
		memcpy(t->pongs[slot].payload, in->payload, in->payload_bytes);
}

static void on_pong(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	(void)in;
	t->heard_ns = now_ns;
}

static void on_close(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	t->report.peer_code = in->code;
	t->close_received = true;
	end_count(t, NDT7_ENDING_CLOSE, now_ns);
	t->text_due = false;
	t->ping_due = false;
	close_with(t, in->code, "", now_ns + NDT7_CLOSE_WAIT_NS);
}

static void on_violation(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	break_off(t, NDT7_ENDING_VIOLATION, in->code,
	          in->code == CLOSE_TOO_BIG ? "message too big" : "protocol violation", now_ns);
}

/* It is read only so that our Close is not lost in a reset; see ndt7.h. */
static void on_ignored(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	t->report.ignored_bytes += in->bytes;
	if (t->report.ignored_bytes > NDT7_IGNORED_BYTES_MAX)
		finish(t, now_ns);
}

/* The reference server looks at its early exit here too, only when a sample is taken. */
static void on_sampled(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	uint64_t enough_bytes = t->options.early_exit_bytes;

	if (!is_sender(t) || t->phase != PHASE_RUNNING || !enough_bytes || in->bytes < enough_bytes)
		return;
	end_count(t, NDT7_ENDING_EARLY, now_ns);
	close_with(t, CLOSE_NORMAL, "Done sending", gone_by_ns(t));
}

static void on_end(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	if (t->report.ending == NDT7_ENDING_NONE)
		t->report.error = in->error;
	end_count(t, in->error ? NDT7_ENDING_ERROR : NDT7_ENDING_END, now_ns);
	finish(t, now_ns);
}

static void on_fin(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	if (is_client(t) || is_sender(t) || t->close_sent) {
		on_end(t, in, now_ns);
		return;
	}
	end_count(t, NDT7_ENDING_END, now_ns);
	t->leave_when_sent = true; /* nothing can answer our Close */
}

static void on_stop(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	(void)in;
	if (is_client(t))
		break_off(t, NDT7_ENDING_STOP, CLOSE_NORMAL, "stopped", now_ns);
	else
		break_off(t, NDT7_ENDING_STOP, CLOSE_GOING_AWAY, "shutting down", now_ns);
}

static void (*const handlers[])(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns) = {
	[NDT7_IN_WAKE] = on_wake,       [NDT7_IN_BINARY] = on_binary,
	[NDT7_IN_TEXT] = on_text,       [NDT7_IN_PING] = on_ping,
	[NDT7_IN_PONG] = on_pong,       [NDT7_IN_CLOSE] = on_close,
	[NDT7_IN_SAMPLED] = on_sampled, [NDT7_IN_VIOLATION] = on_violation,
	[NDT7_IN_IGNORED] = on_ignored, [NDT7_IN_FIN] = on_fin,
	[NDT7_IN_END] = on_end,         [NDT7_IN_STOP] = on_stop,
};

/* The frame that was asked for is with the kernel. */
static void on_handed_over(struct ndt7 *t, uint64_t now_ns)
{
	if (!t->asked_pending)
		return;
	t->asked_pending = false;
	if (t->asked == NDT7_SEND_CLOSE)
		t->close_sent = true;
	if (t->asked != NDT7_SEND_BINARY)
		return;
	t->report.binary_bytes += t->asked_bytes;
	t->report.messages++;
	count(t, t->asked_bytes, now_ns);
}

/* --- the clock -------------------------------------------------------------------------------- */

/* Memoryless, so that no periodic behaviour of the path can hide between the samples; clamped as
 * the protocol's reference does, which moves the mean from 250 to 231 ms. */
static uint64_t sample_gap_ns(struct ndt7 *t)
{
	double gap_ns = draw_exponential(&t->random) * (double)NDT7_SERVER_SAMPLE_MEAN_NS;

	if (gap_ns < (double)NDT7_SERVER_SAMPLE_MIN_NS)
		return NDT7_SERVER_SAMPLE_MIN_NS;
	if (gap_ns > (double)NDT7_SERVER_SAMPLE_MAX_NS)
		return NDT7_SERVER_SAMPLE_MAX_NS;
	return (uint64_t)gap_ns;
}

static uint64_t stalls_at_ns(const struct ndt7 *t)
{
	return t->heard_ns + NDT7_STALL_NS;
}

static uint64_t phase_ends_ns(const struct ndt7 *t)
{
	uint64_t started_ns = t->report.started_ns;

	if (t->phase == PHASE_CLOSING)
		return t->close_by_ns;
	if (t->phase == PHASE_DRAINING)
		return started_ns + NDT7_DURATION_NS + NDT7_CLOSE_WAIT_NS;
	if (is_client(t) && !is_sender(t))
		return min_u64(stalls_at_ns(t), started_ns + NDT7_CLIENT_CAP_NS);
	return started_ns + NDT7_DURATION_NS;
}

static void running_is_over(struct ndt7 *t, uint64_t now_ns)
{
	if (!is_client(t)) {
		end_count(t, NDT7_ENDING_TIME, now_ns);
		t->text_due = true; /* the summary; a ping and the Close follow it */
		close_with(t, CLOSE_NORMAL, "Done sending", gone_by_ns(t));
	} else if (is_sender(t)) {
		end_count(t, NDT7_ENDING_TIME, now_ns);
		t->phase = PHASE_DRAINING;
	} else if (now_ns >= stalls_at_ns(t)) {
		t->leave_when_sent = true; /* nobody seems to be there to answer */
		break_off(t, NDT7_ENDING_STALL, CLOSE_NORMAL, "nothing was heard", now_ns);
	} else {
		break_off(t, NDT7_ENDING_CAP, CLOSE_NORMAL, "time limit", now_ns);
	}
}

static void phase_is_over(struct ndt7 *t, uint64_t now_ns)
{
	switch ((enum phase)t->phase) {
	case PHASE_RUNNING:
		running_is_over(t, now_ns);
		break;
	case PHASE_DRAINING:
		close_with(t, CLOSE_NORMAL, "time limit", now_ns + NDT7_ABORT_WAIT_NS);
		break;
	default:
		finish(t, now_ns);
	}
}

static void look_at_clock(struct ndt7 *t, uint64_t now_ns)
{
	while (t->phase != PHASE_FINISHED && now_ns >= phase_ends_ns(t))
		phase_is_over(t, now_ns);
	/* The reference drops a sample that falls due while its writer is blocked. Here it waits
	 * for the next free moment, where the figures are read, so it is never stale and a slow
	 * path has no fewer samples than it has messages; the next gap is drawn from there, which
	 * keeps the schedule memoryless. */
	if (!is_client(t) && t->phase == PHASE_RUNNING && now_ns >= t->next_sample_ns)
		t->text_due = true;
}

/* The Close has done its work; who waits on is a client, for the server's FIN (RFC 6455 7.1.1). */
static bool is_closed(const struct ndt7 *t)
{
	return t->close_sent && (t->leave_when_sent || (t->close_received && !is_client(t)));
}

static uint64_t wake_at_ns(const struct ndt7 *t)
{
	if (!is_client(t) && t->phase == PHASE_RUNNING && !t->text_due)
		return min_u64(t->next_sample_ns, phase_ends_ns(t));
	return phase_ends_ns(t);
}

/* --- what goes -------------------------------------------------------------------------------- */

/* Of the scaling, or less where our ceiling leaves room for less only; 0: it leaves none. */
static uint64_t next_message_bytes(const struct ndt7 *t)
{
	uint64_t bytes = t->message_bytes;

	if (!t->options.max_bytes)
		return bytes;
	while (bytes >= NDT7_MESSAGE_BYTES_LEAST &&
	       bytes > t->options.max_bytes - t->total_sent_bytes)
		bytes /= 2;
	return bytes >= NDT7_MESSAGE_BYTES_LEAST ? bytes : 0;
}

static bool wants_bulk(const struct ndt7 *t)
{
	return is_sender(t) && t->phase == PHASE_RUNNING;
}

static void keep_ceiling(struct ndt7 *t, bool writable, uint64_t now_ns)
{
	if (!t->options.max_bytes || t->phase != PHASE_RUNNING)
		return;
	if (!is_sender(t)) {
		if (t->report.num_bytes >= t->options.max_bytes)
			break_off(t, NDT7_ENDING_MAX_BYTES, CLOSE_NORMAL, "byte limit", now_ns);
	} else if (writable && next_message_bytes(t) == 0) {
		/* What socket buffers hold has yet to arrive before the Close can: a longer wait.
		 */
		end_count(t, NDT7_ENDING_MAX_BYTES, now_ns);
		close_with(t, CLOSE_NORMAL, "byte limit", now_ns + NDT7_CLOSE_WAIT_NS);
	}
}

static void ask_pong(struct ndt7 *t, struct ndt7_step *step)
{
	step->send = NDT7_SEND_PONG;
	step->payload = t->pongs[t->pong_first].payload;
	step->payload_bytes = t->pongs[t->pong_first].bytes;
	t->pong_first = (uint8_t)((t->pong_first + 1) % NDT7_PONGS_MAX);
	t->pong_count--;
	t->report.pongs_sent++;
}

static void ask_text(struct ndt7 *t, struct ndt7_step *step, uint64_t now_ns)
{
	step->send = NDT7_SEND_TEXT;
	t->text_due = false;
	t->ping_due = true;
	t->next_sample_ns = now_ns + sample_gap_ns(t);
	t->report.texts_sent++;
}

static void ask_ping(struct ndt7 *t, struct ndt7_step *step, uint64_t now_ns)
{
	step->send = NDT7_SEND_PING;
	step->payload = (const uint8_t *)t->ping;
	step->payload_bytes = (size_t)snprintf(t->ping, sizeof(t->ping), "%" PRIu64,
	                                       t->options.utc_ns + (now_ns - t->report.started_ns));
	t->ping_due = false;
	t->report.pings_sent++;
}

static void ask_close(struct ndt7 *t, struct ndt7_step *step)
{
	step->send = NDT7_SEND_CLOSE;
	step->close_code = t->close_code;
	step->reason = t->close_reason;
	t->close_due = false;
}

static void ask_bulk(struct ndt7 *t, struct ndt7_step *step)
{
	step->send = NDT7_SEND_BINARY;
	step->bytes = next_message_bytes(t);
	t->asked_bytes = step->bytes;
	t->total_sent_bytes += step->bytes;
	if (t->message_bytes < NDT7_MESSAGE_BYTES_MAX &&
	    t->message_bytes <= t->total_sent_bytes / NDT7_SCALING_FRACTION)
		t->message_bytes *= 2;
}

static void ask(struct ndt7 *t, struct ndt7_step *step, uint64_t now_ns)
{
	bool pong_turn = t->close_due || t->asked != NDT7_SEND_PONG;

	if (t->pong_count && pong_turn)
		ask_pong(t, step);
	else if (t->ping_due)
		ask_ping(t, step, now_ns);
	else if (t->text_due)
		ask_text(t, step, now_ns);
	else if (t->close_due)
		ask_close(t, step);
	else if (wants_bulk(t))
		ask_bulk(t, step);
	else if (t->pong_count)
		ask_pong(t, step);
	t->asked = (uint8_t)step->send;
	t->asked_pending = step->send != NDT7_SEND_NOTHING;
}

/* --- the whole -------------------------------------------------------------------------------- */

void ndt7_start(struct ndt7 *t, const struct ndt7_options *options, uint64_t now_ns)
{
	*t = (struct ndt7){
		.options = *options,
		.report = { .started_ns = now_ns, .last_data_ns = now_ns },
		.message_bytes = NDT7_MESSAGE_BYTES_MIN,
		.sampled_ns = now_ns,
		.heard_ns = now_ns,
		.random = options->seed,
		.close_reason = "",
	};
	t->next_sample_ns = now_ns + sample_gap_ns(t);
}

struct ndt7_step ndt7_advance(struct ndt7 *t, const struct ndt7_input *in, uint64_t now_ns)
{
	struct ndt7_step step = { .finished = true, .wake_at_ns = CLOCK_NEVER_NS };

	if (t->phase == PHASE_FINISHED)
		return step;

	t->sample_due = false;
	if (in->writable)
		on_handed_over(t, now_ns);
	handlers[in->kind](t, in, now_ns);
	keep_ceiling(t, in->writable, now_ns);
	look_at_clock(t, now_ns);
	if (t->phase != PHASE_FINISHED && is_closed(t))
		finish(t, now_ns);

	step.sample = t->sample_due;
	if (t->phase == PHASE_FINISHED)
		return step;
	if (in->writable)
		ask(t, &step, now_ns);
	step.finished = false;
	step.wake_at_ns = wake_at_ns(t);
	return step;
}

const struct ndt7_report *ndt7_report(const struct ndt7 *t)
{
	return &t->report;
}
