/* A bin is filled in place and copied to a ring when it is over; one thread fills, another takes, and
 * neither waits for the other. A flow's bytes of the open bin stand in a dense list, so that ending a
 * bin reads what was active in it and nothing else. */
#include "bench/link/truth.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/flow_table.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define CACHE_LINE_BYTES 64

_Static_assert((TRUTH_BINS_HELD & (TRUTH_BINS_HELD - 1)) == 0, "counters wrap with the ring");

/* What one direction is doing. */
struct side {
	const struct direction *direction;
	struct truth_bin bin; /* the open one */
	struct truth_flow_bin
		*active; /* flows with payload in it, TRUTH_FLOWS_MAX of them at most */
	uint32_t active_count;

	/* Of the whole run. */
	struct direction_amount delivered, refused_by_device;
	uint64_t late_packets, late_max_ns, rate_missed_bins, rate_missed_first_ns;
	struct histogram delay, lateness;
};

struct truth {
	uint64_t start_ns;
	uint64_t bin_at_ns, bin_end_ns; /* of the open bin, CLOCK_MONOTONIC */
	uint32_t bin_number;            /* from 1, so that a new flow's 0 is no bin */
	struct flow_table *flows;
	struct side side[LINK_DIRECTIONS];
	uint64_t not_ip_packets, flows_not_told_apart, bins_lost;

	struct truth_bin *ring;
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t put; /* bins ever; the filling thread's */
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t taken;
};

CLEANUP_DEFINE(truth_closep, struct truth *, truth_close)

static inline void amount_add(struct direction_amount *a, uint64_t bytes)
{
	a->packets++;
	a->bytes += bytes;
}

/* --- the ring ----------------------------------------------------------------------------------- */

static void put_bin(struct truth *t, const struct truth_bin *bin)
{
	uint64_t put = atomic_load_explicit(&t->put, memory_order_relaxed);

	if (put - atomic_load_explicit(&t->taken, memory_order_acquire) == TRUTH_BINS_HELD) {
		t->bins_lost++;
		return;
	}
	t->ring[put % TRUTH_BINS_HELD] = *bin;
	atomic_store_explicit(&t->put, put + 1, memory_order_release);
}

bool truth_take_bin(struct truth *t, struct truth_bin *ret)
{
	uint64_t taken = atomic_load_explicit(&t->taken, memory_order_relaxed);

	if (atomic_load_explicit(&t->put, memory_order_acquire) == taken)
		return false;
	*ret = t->ring[taken % TRUTH_BINS_HELD];
	atomic_store_explicit(&t->taken, taken + 1, memory_order_release);
	return true;
}

/* --- bins that end ------------------------------------------------------------------------------ */

/* Moves `f` up to where it belongs among the busiest, and drops the last where they are too many. */
static void place_flow(struct truth_bin *bin, const struct truth_flow_bin *f)
{
	uint32_t at = bin->flow_bin_count < TRUTH_FLOW_BINS_MAX ? bin->flow_bin_count++
	                                                        : TRUTH_FLOW_BINS_MAX - 1;

	while (at > 0 && bin->flow_bin[at - 1].payload_bytes < f->payload_bytes) {
		bin->flow_bin[at] = bin->flow_bin[at - 1];
		at--;
	}
	bin->flow_bin[at] = *f;
}

static void sum_to_other(struct truth_bin *bin, const struct truth_flow_bin *f)
{
	bin->other_flows++;
	bin->other.unique_payload_bytes += f->unique_payload_bytes;
	bin->other.payload_bytes += f->payload_bytes;
}

static void tell_flows_apart(struct side *s)
{
	struct truth_bin *bin = &s->bin;
	const struct truth_flow_bin *last = &bin->flow_bin[TRUTH_FLOW_BINS_MAX - 1];

	for (uint32_t i = 0; i < s->active_count; i++) {
		const struct truth_flow_bin *f = &s->active[i];
		bool full = bin->flow_bin_count == TRUTH_FLOW_BINS_MAX;

		if (full && f->payload_bytes <= last->payload_bytes) {
			sum_to_other(bin, f);
			continue;
		}
		if (full)
			sum_to_other(bin, last);
		place_flow(bin, f);
	}
	s->active_count = 0;
}

static void look_for_missed_rate(struct side *s)
{
	const struct truth_bin *bin = &s->bin;

	if (bin->overdue_bytes * 100 <= bin->delivered.bytes)
		return;
	if (s->rate_missed_bins++ == 0)
		s->rate_missed_first_ns = bin->at_ns;
}

static void begin_bin(struct truth *t, enum link_direction d)
{
	struct truth_bin *bin = &t->side[d].bin;

	*bin = (struct truth_bin){ .at_ns = t->bin_at_ns - t->start_ns, .direction = d };
}

static void end_bin(struct truth *t, enum link_direction d, uint64_t end_ns)
{
	struct side *s = &t->side[d];

	s->bin.length_ns = end_ns - t->bin_at_ns;
	s->bin.queued = direction_counts(s->direction)->queued;
	s->bin.capacity_bytes = direction_capacity_bytes(s->direction, t->bin_at_ns, end_ns);
	tell_flows_apart(s);
	look_for_missed_rate(s);
	put_bin(t, &s->bin);
}

static void end_bins(struct truth *t, uint64_t end_ns)
{
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		end_bin(t, d, end_ns);
	t->bin_number++;
	t->bin_at_ns = end_ns;
	t->bin_end_ns = end_ns + TRUTH_BIN_NS;
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		begin_bin(t, d);
}

static inline void pass_time(struct truth *t, uint64_t now_ns)
{
	while (__builtin_expect(now_ns >= t->bin_end_ns, 0))
		end_bins(t, t->bin_end_ns);
}

void truth_tick(struct truth *t, uint64_t now_ns)
{
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++) {
		struct side *s = &t->side[d];
		uint64_t queued_bytes = direction_counts(s->direction)->queued.bytes;

		if (queued_bytes > s->bin.queued_max_bytes)
			s->bin.queued_max_bytes = queued_bytes;
	}
	pass_time(t, now_ns);
}

/* --- packets ------------------------------------------------------------------------------------ */

void truth_offered(struct truth *t, enum link_direction d, const struct packet *p)
{
	pass_time(t, p->arrived_ns);
	amount_add(&t->side[d].bin.offered, p->bytes);
	if (p->info.kind == PACKET_NOT_IP)
		t->not_ip_packets++;
	if (p->info.kind != PACKET_TCP && p->info.kind != PACKET_FRAGMENT)
		return;
	if (!flow_table_offered(t->flows, d, p))
		t->flows_not_told_apart++;
}

void truth_dropped(struct truth *t, enum link_direction d, const struct packet *p,
                   enum drop_reason why)
{
	struct flow *f = p->info.payload_bytes ? flow_table_find(t->flows, d, p) : NULL;

	amount_add(&t->side[d].bin.dropped[why], p->bytes);
	if (why == DROP_DEVICE)
		amount_add(&t->side[d].refused_by_device, p->bytes);
	if (f)
		f->told.dropped_segments++;
}

static inline void count_delay(struct side *s, uint64_t delay_ns)
{
	struct truth_bin *bin = &s->bin;

	if (delay_ns < bin->delay_min_ns || bin->delivered.packets == 0)
		bin->delay_min_ns = delay_ns;
	if (delay_ns > bin->delay_max_ns)
		bin->delay_max_ns = delay_ns;
	bin->delay_sum_ns += delay_ns;
	histogram_add(&s->delay, delay_ns);
}

static inline void count_lateness(struct side *s, const struct packet *p, uint64_t late_ns,
                                  uint64_t bin_at_ns)
{
	histogram_add(&s->lateness, late_ns);
	if (late_ns > s->late_max_ns)
		s->late_max_ns = late_ns;
	if (late_ns <= TRUTH_LATE_NS)
		return;
	s->late_packets++;
	s->bin.late_packets++;
	if (p->due_ns < bin_at_ns)
		s->bin.overdue_bytes += p->bytes;
}

static inline void count_in_bin(struct truth *t, struct side *s, struct flow *f,
                                uint32_t payload_bytes, uint32_t unique_bytes)
{
	struct truth_flow_bin *b;

	if (f->bin != t->bin_number) {
		f->bin = t->bin_number;
		f->bin_slot = s->active_count;
		s->active[s->active_count++] = (struct truth_flow_bin){ .flow = f->index };
	}
	b = &s->active[f->bin_slot];
	b->payload_bytes += payload_bytes;
	b->unique_payload_bytes += unique_bytes;
}

void truth_delivered(struct truth *t, enum link_direction d, const struct packet *p,
                     uint64_t now_ns)
{
	struct side *s = &t->side[d];
	struct flow *f = flow_table_find(t->flows, d, p);
	uint32_t unique_bytes;

	pass_time(t, now_ns);
	count_delay(s, now_ns - p->arrived_ns);
	count_lateness(s, p, now_ns > p->due_ns ? now_ns - p->due_ns : 0, t->bin_at_ns);
	amount_add(&s->bin.delivered, p->bytes);
	amount_add(&s->delivered, p->bytes);
	if (p->info.kind == PACKET_TCP)
		s->bin.tcp_payload_bytes += p->info.payload_bytes;
	if (!f)
		return;
	unique_bytes = flow_delivered(t->flows, f, p, now_ns - t->start_ns);
	if (p->info.kind == PACKET_TCP && p->info.payload_bytes)
		count_in_bin(t, s, f, p->info.payload_bytes, unique_bytes);
}

/* --- begin and end ------------------------------------------------------------------------------ */

int truth_open(uint64_t start_ns, const struct direction *const directions[LINK_DIRECTIONS],
               struct truth **ret, struct err *err)
{
	CLEANUP(truth_closep) struct truth *t = aligned_alloc(CACHE_LINE_BYTES, sizeof(*t));
	int r;

	if (!t)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the truth");
	*t = (struct truth){ .start_ns = start_ns };
	t->bin_at_ns = start_ns;
	t->bin_end_ns = start_ns + TRUTH_BIN_NS;
	t->bin_number = 1;
	t->ring = calloc(TRUTH_BINS_HELD, sizeof(*t->ring));
	if (!t->ring)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate %d bins", TRUTH_BINS_HELD);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++) {
		t->side[d].direction = directions[d];
		t->side[d].active = calloc(TRUTH_FLOWS_MAX, sizeof(*t->side[d].active));
		if (!t->side[d].active)
			return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a bin's flows");
		begin_bin(t, d);
	}
	r = flow_table_open(&t->flows, err);
	if (r < 0)
		return r;
	*ret = TAKE(t, NULL);
	return 0;
}

struct truth *truth_close(struct truth *t)
{
	if (!t)
		return NULL;
	flow_table_close(t->flows);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		free(t->side[d].active);
	free(t->ring);
	free(t);
	return NULL;
}

static void finish_side(const struct side *s, enum link_direction d, struct truth_end *ret)
{
	ret->counts[d] = *direction_counts(s->direction);
	ret->counts[d].dropped[DROP_DEVICE] = s->refused_by_device;
	ret->delivered[d] = s->delivered;
	ret->late_packets[d] = s->late_packets;
	ret->late_max_ns[d] = s->late_max_ns;
	ret->rate_missed_bins[d] = s->rate_missed_bins;
	ret->rate_missed_first_ns[d] = s->rate_missed_first_ns;
}

void truth_finish(struct truth *t, uint64_t now_ns, struct truth_end *ret)
{
	truth_tick(t, now_ns);
	if (now_ns > t->bin_at_ns)
		end_bins(t, now_ns);
	ret->start_ns = t->start_ns;
	ret->duration_ns = t->bin_at_ns - t->start_ns;
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		finish_side(&t->side[d], d, ret);
	ret->not_ip_packets = t->not_ip_packets;
	ret->flows_not_told_apart = t->flows_not_told_apart;
	ret->bins_lost = t->bins_lost;
}

size_t truth_flow_count(const struct truth *t)
{
	return flow_table_count(t->flows);
}

const struct truth_flow *truth_flow(const struct truth *t, size_t i)
{
	return &flow_table_at(t->flows, i)->told;
}

const struct histogram *truth_delay(const struct truth *t, enum link_direction d)
{
	return &t->side[d].delay;
}

const struct histogram *truth_lateness(const struct truth *t, enum link_direction d)
{
	return &t->side[d].lateness;
}
