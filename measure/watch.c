#include "measure/watch.h"

#include "measure/feed.h"
#include "measure/own_flow.h"
#include "measure/sockstat.h"
#include "measure/tcpinfo.h"
#include "transport/base/bytes.h"

struct watch_source {
	void (*begin)(struct watch *w);
	void (*start)(struct watch *w);
	bool (*more)(struct watch *w); /* prepares a look; true: there is more to do before it */
	void (*look)(struct watch *w);
	void (*end)(struct watch *w);
	uint64_t (*period_ns)(const struct watch *w);
};

/* False: the socket is gone, and what was seen stays. */
static bool read_socket(const struct watch *w, struct tcp_sample *ret)
{
	struct tcpinfo_raw raw;

	if (tcpinfo_read(w->fd, &raw, NULL) < 0)
		return false;
	tcpinfo_to_sample(&raw, loop_now_ns(w->o.loop), w->flow.cookie, ret);
	return true;
}

static void take_figures(const struct watch *w, const struct tcp_sample *s)
{
	if (w->started)
		w->o.figures.take(w->o.figures.self, s);
}

static void take_trace(const struct watch *w, const struct tcp_sample *s)
{
	const struct sample_sink *trace = w->o.feed->trace;

	if (trace)
		trace->take(trace->self, s);
}

/* --- polled TCP_INFO ------------------------------------------------------------------------------ */

static void look_for_trace(struct watch *w)
{
	struct tcp_sample s;

	if (w->o.feed->trace && read_socket(w, &s))
		take_trace(w, &s);
}

static uint64_t trace_period_ns(const struct watch *w)
{
	uint64_t asked_ns = w->o.feed->trace_interval_ns;

	return asked_ns > WATCH_TRACE_NS_MIN ? asked_ns : WATCH_TRACE_NS_MIN;
}

/* Counted from the look, not from when it was due: at most one in an interval, also behind a late one. */
static void on_trace_turn(void *owner)
{
	struct watch *w = owner;

	look_for_trace(w);
	loop_timer_set(w->o.loop, &w->trace_turn, loop_now_ns(w->o.loop) + trace_period_ns(w));
}

static void polled_begin(struct watch *w)
{
	look_for_trace(w);
	if (w->o.feed->trace)
		loop_timer_set(w->o.loop, &w->trace_turn,
		               loop_now_ns(w->o.loop) + trace_period_ns(w));
}

static bool nothing_more(struct watch *w)
{
	(void)w;
	return false;
}

static void polled_look(struct watch *w)
{
	struct tcp_sample s;

	if (read_socket(w, &s))
		take_figures(w, &s);
}

static void polled_end(struct watch *w)
{
	loop_timer_cancel(w->o.loop, &w->trace_turn);
	polled_look(w);
	look_for_trace(w);
}

static uint64_t polled_period_ns(const struct watch *w)
{
	(void)w;
	return WATCH_POLL_NS;
}

static const struct watch_source polled = { .begin = polled_begin,
	                                    .start = polled_look,
	                                    .more = nothing_more,
	                                    .look = polled_look,
	                                    .end = polled_end,
	                                    .period_ns = polled_period_ns };

/* --- records --------------------------------------------------------------------------------------- */

static bool more_records(struct watch *w)
{
	return feed_drain_some(w->o.feed);
}

static void recorded_look(struct watch *w)
{
	struct tcp_sample s;

	feed_drain(w->o.feed);
	if (!read_socket(w, &s))
		return;
	take_figures(w, &s);
	take_trace(w, &s);
}

/* Records of the handshakes are the trace's alone. */
static void recorded_start(struct watch *w)
{
	feed_drain(w->o.feed);
	feed_listen(w->o.feed, w->flow.cookie, w->o.figures);
	recorded_look(w);
}

static void recorded_end(struct watch *w)
{
	struct tcpstat_flow flow;

	recorded_look(w);
	feed_listen(w->o.feed, 0, (struct sample_sink){});
	if (watch_aggregates(w, &flow))
		feed_lost(w->o.feed, w->flow.cookie, flow.lost);
}

static uint64_t recorded_period_ns(const struct watch *w)
{
	return feed_period_ns(w->o.feed);
}

static const struct watch_source recorded = { .begin = recorded_look,
	                                      .start = recorded_start,
	                                      .more = more_records,
	                                      .look = recorded_look,
	                                      .end = recorded_end,
	                                      .period_ns = recorded_period_ns };

/* --- a watch ----------------------------------------------------------------------------------------- */

/* What is to be done before a look may take several turns, in between which what came on the socket is read. Where they
 * last until the next look is due, records come faster than they go, and are taken all at once. */
static void on_turn(void *owner)
{
	struct watch *w = owner;
	uint64_t period_ns = w->source->period_ns(w), now_ns = loop_now_ns(w->o.loop);

	if (now_ns < w->due_ns + period_ns && w->source->more(w)) {
		loop_timer_set(w->o.loop, &w->turn, loop_now_ns(w->o.loop));
		return;
	}
	if (now_ns - w->looked_at_ns > w->unseen_ns)
		w->unseen_ns = now_ns - w->looked_at_ns;
	w->looked_at_ns = now_ns;
	w->source->look(w);
	w->o.looked(w->o.owner);
	w->due_ns += period_ns;
	loop_timer_set(w->o.loop, &w->turn, w->due_ns);
}

void watch_open(struct watch *w, const struct watch_options *options)
{
	*w = (struct watch){ .o = *options,
		             .fd = -1,
		             .turn = { .fire = on_turn, .owner = w },
		             .trace_turn = { .fire = on_trace_turn, .owner = w } };
}

/* One that cannot be tagged is polled. */
void watch_socket(struct watch *w, int fd)
{
	if (w->o.feed->sockstat)
		sockstat_tag(w->o.feed->sockstat, fd, NULL);
}

bool watch_aggregates(const struct watch *w, struct tcpstat_flow *ret)
{
	return w->o.feed->sockstat && w->fd >= 0 &&
	       sockstat_flow(w->o.feed->sockstat, w->fd, ret, NULL) == 0;
}

uint64_t watch_patience_ns(const struct watch *w)
{
	return w->source == &recorded ? WATCH_PATIENCE_NS : 0;
}

/* Of the lesser tier that is the last round trip's. */
uint64_t watch_last_segment_ns(const struct watch *w)
{
	struct tcpstat_flow flow;

	if (!w->o.feed->each_segment || !watch_aggregates(w, &flow))
		return 0;
	return flow.looked_ns;
}

void watch_begin(struct watch *w, int fd)
{
	struct tcpstat_flow flow;

	w->fd = fd;
	w->source = watch_aggregates(w, &flow) ? &recorded : &polled;
	own_flow_describe(fd, loop_now_ns(w->o.loop), w->o.test, &w->flow);
	feed_announce(w->o.feed, &w->flow);
	w->source->begin(w);
}

bool watch_fell_back(const struct watch *w)
{
	return w->o.feed->sockstat && w->source == &polled;
}

void watch_start(struct watch *w, uint64_t now_ns)
{
	w->started = true;
	w->looked_at_ns = now_ns;
	w->source->start(w);
	w->due_ns = now_ns + w->source->period_ns(w);
	loop_timer_set(w->o.loop, &w->turn, w->due_ns);
}

void watch_end(struct watch *w, const char *ending)
{
	if (!w->source)
		return;
	loop_timer_cancel(w->o.loop, &w->turn);
	w->source->end(w);
	bytes_copy_text(w->flow.ending, sizeof(w->flow.ending), ending);
	feed_announce(w->o.feed, &w->flow);
	w->source = NULL;
}
