#include "measure/trace_summary.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

static const struct figure unknown = { .known = false };

static struct figure known(double value)
{
	return (struct figure){ .known = true, .value = value };
}

/* --- taking ------------------------------------------------------------------------------------- */

void trace_summary_start(struct trace_summary *s)
{
	*s = (struct trace_summary){ .first_ns = UINT64_MAX };
}

void trace_summary_free(struct trace_summary *s)
{
	for (uint32_t i = 0; i < s->room; i++)
		free(s->flows[i].samples);
	free(s->flows);
	trace_summary_start(s);
}

static struct trace_flow_summary *flow_of(struct trace_summary *s, uint32_t number)
{
	if (number > s->room) {
		uint32_t room = 2 * number;
		struct trace_flow_summary *flows = realloc(s->flows, room * sizeof(*flows));

		if (!flows)
			return NULL;
		memset(flows + s->room, 0, (room - s->room) * sizeof(*flows));
		s->flows = flows;
		s->room = room;
	}
	return &s->flows[number - 1];
}

static bool take_sample(struct trace_flow_summary *f, const struct tcp_sample *sample)
{
	struct sample_sink sink;

	if (!f->samples) {
		f->samples = malloc(sizeof(*f->samples));
		if (!f->samples)
			return false;
		summary_start(f->samples, false);
		f->first_ns = sample->at_ns;
	}
	sink = summary_sink(f->samples);
	sink.take(sink.self, sample);
	f->last_ns = sample->at_ns;
	f->retransmits += sample->event == TCP_SAMPLE_RETRANSMIT;
	if (sample->present & TCP_SAMPLE_CWND && sample->snd_cwnd_segments > f->max_cwnd_segments)
		f->max_cwnd_segments = sample->snd_cwnd_segments;
	return true;
}

int trace_summary_take(struct trace_summary *s, const struct trace_record *r, struct err *err)
{
	struct trace_flow_summary *f;

	if (r->kind == TRACE_END) {
		s->ended = true;
		s->end = r->end;
		return 0;
	}
	f = flow_of(s, r->flow);
	if (!f)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "sum up the flows");
	if (r->kind == TRACE_FLOW) {
		s->flows_count += !f->met;
		f->met = true;
		f->flow = r->met;
		return 0;
	}
	if (!take_sample(f, &r->sample))
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "sum up the flows");
	s->samples++;
	s->events[r->sample.event]++;
	if (r->sample.at_ns < s->first_ns)
		s->first_ns = r->sample.at_ns;
	if (r->sample.at_ns > s->last_ns)
		s->last_ns = r->sample.at_ns;
	return 0;
}

/* --- figures -------------------------------------------------------------------------------------- */

static bool has_bytes(const struct trace_flow_summary *f)
{
	return f->samples && f->samples->last.present & TCP_SAMPLE_BYTES;
}

static bool received_more(const struct trace_flow_summary *f)
{
	return f->samples->last.bytes_received > f->samples->last.bytes_acked;
}

struct figure trace_flow_bytes(const struct trace_flow_summary *f, bool *ret_received)
{
	*ret_received = false;
	if (!has_bytes(f))
		return unknown;
	*ret_received = received_more(f);
	return known((double)(*ret_received ? f->samples->last.bytes_received
	                                    : f->samples->last.bytes_acked));
}

struct figure trace_flow_goodput_mbps(const struct trace_flow_summary *f)
{
	uint64_t bytes;

	if (!has_bytes(f) || !(f->samples->first.present & TCP_SAMPLE_BYTES) ||
	    f->last_ns <= f->first_ns)
		return unknown;
	bytes = received_more(f)
	                ? f->samples->last.bytes_received - f->samples->first.bytes_received
	                : f->samples->last.bytes_acked - f->samples->first.bytes_acked;
	return known(units_mbps(bytes, f->last_ns - f->first_ns));
}

struct figure trace_flow_duration_s(const struct trace_flow_summary *f)
{
	if (!f->samples || f->last_ns < f->first_ns)
		return unknown;
	return known((double)(f->last_ns - f->first_ns) / (double)NS_PER_S);
}

struct figure trace_flow_min_rtt_ms(const struct trace_flow_summary *f)
{
	if (!f->samples || f->samples->min_rtt_us == 0)
		return unknown;
	return known(f->samples->min_rtt_us / 1e3);
}

struct figure trace_flow_rtt_ms(const struct trace_flow_summary *f, double p)
{
	double us;

	if (!f->samples || !summary_rtt_percentile(&f->samples->rtt, p, &us))
		return unknown;
	return known(us / 1e3);
}

struct figure trace_flow_retransmit_percent(const struct trace_flow_summary *f)
{
	const struct tcp_sample *last = f->samples ? &f->samples->last : NULL;
	double percent;

	if (!last || !(last->present & TCP_SAMPLE_BYTES_SENT) ||
	    !summary_retransmit_percent(last->bytes_sent, last->bytes_retrans, &percent))
		return unknown;
	return known(percent);
}

const char *trace_flow_ending(const struct trace_flow_summary *f)
{
	static const char *const words[] = {
		[TCP_ESTABLISHED] = "open", [TCP_SYN_SENT] = "opening", [TCP_SYN_RECV] = "opening",
		[TCP_FIN_WAIT1] = "fin",    [TCP_FIN_WAIT2] = "fin",    [TCP_TIME_WAIT] = "fin",
		[TCP_CLOSE] = "closed",     [TCP_CLOSE_WAIT] = "fin",   [TCP_LAST_ACK] = "fin",
		[TCP_LISTEN] = "",          [TCP_CLOSING] = "fin",
	};
	const struct tcp_sample *last = f->samples ? &f->samples->last : NULL;

	if (f->flow.ending[0])
		return f->flow.ending;
	if (!last || !(last->present & TCP_SAMPLE_TCP_STATE) ||
	    last->state >= sizeof(words) / sizeof(*words) || !words[last->state])
		return "";
	return words[last->state];
}
