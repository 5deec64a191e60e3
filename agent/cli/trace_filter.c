#include "agent/cli/trace_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/trace_line.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

/* 16 digits are a cookie, as a result and a flow's record write it. */
static int take_flow(const char *text, struct trace_filter *ret, struct err *err)
{
	char *end;
	uint64_t number;

	if (strlen(text) == 16) {
		ret->by_cookie = true;
		ret->cookie = strtoull(text, &end, 16);
		if (*end == '\0' && text[0] != '-' && text[0] != '+')
			return 0;
	} else if (units_parse_u64(text, 1, TRACE_FLOWS_MAX, &number, NULL) == 0) {
		ret->flow = (uint32_t)number;
		return 0;
	}
	return ERR_SET(err, -EINVAL, ERR_SYS, 0,
	               "--flow takes a flow's number or its cookie of 16 digits, not \"%s\"", text);
}

static int take_events(const char *text, uint32_t *ret, struct err *err)
{
	for (const char *at = text;; at++) {
		size_t n = strcspn(at, ",");
		enum tcp_sample_event event = trace_event_named(at, n);

		if (event == TCP_SAMPLE_EVENTS)
			return ERR_SET(err, -EINVAL, ERR_SYS, 0,
			               "--event takes info, ack, retransmit, state and congestion, "
			               "not \"%.*s\"",
			               (int)n, at);
		*ret |= 1U << event;
		at += n;
		if (*at == '\0')
			return 0;
	}
}

int trace_filter_of(const char *flow, const char *events, uint64_t from_ns, uint64_t to_ns,
                    struct trace_filter *ret, struct err *err)
{
	int r = 0;

	*ret = (struct trace_filter){ .from_ns = from_ns, .to_ns = to_ns };
	if (flow)
		r = take_flow(flow, ret, err);
	if (r == 0 && events)
		r = take_events(events, &ret->events, err);
	if (!events)
		ret->events = UINT32_MAX;
	if (r == 0 && to_ns < from_ns)
		r = ERR_SET(err, -EINVAL, ERR_SYS, 0, "--to is before --from");
	return r;
}

static bool wants_flow(const struct trace_filter *f, const struct trace_record *r)
{
	if (f->by_cookie)
		return f->cookie == (r->kind == TRACE_FLOW ? r->met.cookie : r->sample.cookie);
	return f->flow == 0 || f->flow == r->flow;
}

bool trace_filter_passes(const struct trace_filter *f, const struct trace_record *r)
{
	uint64_t at_ns;

	if (r->kind == TRACE_FLOW)
		return wants_flow(f, r);
	if (r->kind != TRACE_SAMPLE)
		return true;
	at_ns = r->sample.at_ns > f->began_ns ? r->sample.at_ns - f->began_ns : 0;
	return f->events >> r->sample.event & 1 && at_ns >= f->from_ns && at_ns <= f->to_ns &&
	       wants_flow(f, r);
}
