/* A sample is its flow's number, a varint, and what sample_codec.h makes of it.
 *
 * Sources are drained one after the other, so that samples come slightly out of order. By how much is
 * noted, and a replay sorts within that time: in order, without sorting the whole.
 */
#include "measure/trace_recorder.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/sample_codec.h"
#include "measure/varint.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define RECORD_BYTES_MAX (VARINT_BYTES_MAX + SAMPLE_CODE_BYTES_MAX)

/* Of samples that wait for earlier ones in a replay; further ones go out as they come. */
#define WAITING_MAX 16384

#define SLOTS_FIRST 8
#define NO_SLOT     UINT32_MAX

struct slot { /* a flow */
	struct tcp_flow met;
	struct tcp_sample last;
	uint64_t lost;
	bool begun; /* there is a last one */
	bool told;  /* in this replay */
};

struct chunk {
	uint32_t bytes;
	uint8_t data[TRACE_CHUNK_BYTES - sizeof(uint32_t)];
};
static_assert(sizeof(struct chunk) == TRACE_CHUNK_BYTES, "one write to the file");

struct trace_recorder {
	struct trace_recorder_options o;
	struct trace_end counts;
	bool full, replayed;
	uint64_t at_ns;     /* of the sample before */
	uint64_t newest_ns; /* of all samples */
	uint64_t late_ns;   /* a sample came so much behind the newest one, at most */

	struct slot *slots;
	uint32_t slots_used, slots_room, ended;
	uint32_t latest; /* slot of the sample before */
	uint32_t *index; /* slot + 1 by cookie, open addressing; 0: free */

	struct chunk **chunks; /* a ring: the oldest is at `oldest` */
	size_t chunks_room, chunks_used, oldest;
	uint64_t spilled; /* chunks that are in the file, all older */
};

CLEANUP_DEFINE(trace_recorder_closep, struct trace_recorder *, trace_recorder_close)

/* --- flows --------------------------------------------------------------------------------------- */

/* Where the index has the cookie, or would have it. */
static uint32_t *place_of(const struct trace_recorder *r, uint64_t cookie)
{
	uint32_t mask = 2 * r->slots_room - 1;
	uint32_t i = (uint32_t)(cookie * 0x9e3779b97f4a7c15ULL >> 32) & mask;

	while (r->index[i] && r->slots[r->index[i] - 1].met.cookie != cookie)
		i = (i + 1) & mask;
	return &r->index[i];
}

static bool grow_slots(struct trace_recorder *r)
{
	uint32_t room = r->slots_room ? 2 * r->slots_room : SLOTS_FIRST;
	struct slot *slots = realloc(r->slots, room * sizeof(*slots));
	uint32_t *index = slots ? calloc(2 * room, sizeof(*index)) : NULL;

	if (slots)
		r->slots = slots;
	if (!index)
		return false;
	free(r->index);
	r->index = index;
	r->slots_room = room;
	for (uint32_t i = 0; i < r->slots_used; i++)
		*place_of(r, r->slots[i].met.cookie) = i + 1;
	return true;
}

/* Mostly it is the one of the sample before. */
static uint32_t find_slot(const struct trace_recorder *r, uint64_t cookie)
{
	if (r->slots_used && r->slots[r->latest].met.cookie == cookie)
		return r->latest;
	return r->slots_room ? *place_of(r, cookie) - 1 : NO_SLOT;
}

/* The flow's slot, a new one where it is not known. NO_SLOT: there are too many. */
static uint32_t slot_of(struct trace_recorder *r, uint64_t cookie)
{
	uint32_t found = find_slot(r, cookie);

	if (found != NO_SLOT)
		return found;
	if (r->slots_used == TRACE_FLOWS_MAX || (r->slots_used == r->slots_room && !grow_slots(r)))
		return NO_SLOT;
	*place_of(r, cookie) = r->slots_used + 1;
	r->slots[r->slots_used] = (struct slot){ .met.cookie = cookie, .last.cookie = cookie };
	r->counts.flows++;
	return r->slots_used++;
}

/* --- chunks --------------------------------------------------------------------------------------- */

static bool write_chunk(int fd, const struct chunk *c, uint64_t place)
{
	const char *at = (const char *)c;
	size_t left = sizeof(*c);
	off_t offset = (off_t)(place * sizeof(*c));

	while (left > 0) {
		ssize_t n = pwrite(fd, at, left, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += n;
		left -= (size_t)n;
	}
	return true;
}

/* Moves the oldest chunk to the file; its memory becomes the newest. NULL: there is no room. */
static struct chunk *recycle(struct trace_recorder *r)
{
	struct chunk *c = r->chunks[r->oldest];

	if (r->o.spill_fd < 0 || (r->spilled + 1) * sizeof(*c) > r->o.spill_bytes ||
	    !write_chunk(r->o.spill_fd, c, r->spilled))
		return NULL;
	r->spilled++;
	r->oldest = (r->oldest + 1) % r->chunks_room;
	return c;
}

static struct chunk *newest(const struct trace_recorder *r)
{
	if (r->chunks_used == 0)
		return NULL;
	return r->chunks[(r->oldest + r->chunks_used - 1) % r->chunks_room];
}

/* A chunk with room for a record. NULL: there is none to be had. */
static struct chunk *room_for_record(struct trace_recorder *r)
{
	struct chunk *c = newest(r);

	if (c && sizeof(c->data) - c->bytes >= RECORD_BYTES_MAX)
		return c;
	if (r->chunks_used < r->chunks_room) {
		c = calloc(1,
		           sizeof(*c)); /* it is spilled whole: nothing of this process's besides */
		if (c)
			r->chunks[r->chunks_used++] = c; /* nothing was recycled yet */
	} else {
		c = recycle(r);
	}
	if (c)
		c->bytes = 0;
	return c;
}

/* --- the sink --------------------------------------------------------------------------------------- */

static void count_lost(struct trace_recorder *r, uint32_t slot, uint64_t samples)
{
	r->counts.lost += samples;
	if (slot != NO_SLOT)
		r->slots[slot].lost += samples;
}

static void note_time(struct trace_recorder *r, uint64_t at_ns)
{
	r->at_ns = at_ns;
	if (at_ns > r->newest_ns)
		r->newest_ns = at_ns;
	else if (r->newest_ns - at_ns > r->late_ns)
		r->late_ns = r->newest_ns - at_ns;
}

/* A connection's close is an event, and its end tells the same look once more, in case that was lost. */
static bool is_known(const struct slot *slot, const struct tcp_sample *s)
{
	return slot->begun && sample_is_same(&slot->last, s);
}

/* Once one did not fit, none does: a trace has no holes that nobody can see. */
static void take(void *self, const struct tcp_sample *sample)
{
	struct trace_recorder *r = self;
	uint32_t slot = slot_of(r, sample->cookie);
	struct chunk *c = NULL;
	uint8_t *at;

	assert(!r->replayed);
	if (slot != NO_SLOT && is_known(&r->slots[slot], sample))
		return;
	if (slot != NO_SLOT && !r->full) {
		c = room_for_record(r);
		r->full = !c;
	}
	if (!c) {
		count_lost(r, slot, 1);
		r->counts.lost_for_space++;
		return;
	}
	at = put_varint(c->data + c->bytes, slot);
	at = sample_encode(at, r->at_ns, &r->slots[slot].last, sample);
	c->bytes = (uint32_t)(at - c->data);
	r->slots[slot].begun = true;
	r->latest = slot;
	note_time(r, sample->at_ns);
	r->counts.samples++;
	r->counts.events[sample->event]++;
}

static void meet(void *self, const struct tcp_flow *flow)
{
	struct trace_recorder *r = self;
	uint32_t slot = slot_of(r, flow->cookie);
	char comm[sizeof(flow->comm)];
	struct tcp_flow *met;

	if (slot == NO_SLOT)
		return;
	met = &r->slots[slot].met;
	r->ended += flow->ending[0] && !met->ending[0];
	memcpy(comm, met->comm, sizeof(comm));
	*met = *flow;
	if (!met->comm[0]) /* at its end the process may be gone, and its name with it */
		memcpy(met->comm, comm, sizeof(comm));
}

static void lose(void *self, uint64_t cookie, uint64_t samples)
{
	struct trace_recorder *r = self;

	count_lost(r, cookie ? find_slot(r, cookie) : NO_SLOT, samples);
}

struct sample_sink trace_recorder_sink(struct trace_recorder *r)
{
	return (struct sample_sink){ .take = take, .meet = meet, .lose = lose, .self = r };
}

void trace_recorder_missed(struct trace_recorder *r, struct tcp_missed missed)
{
	r->counts.missed = missed;
}

const struct trace_end *trace_recorder_counts(const struct trace_recorder *r)
{
	return &r->counts;
}

uint32_t trace_recorder_open_flows(const struct trace_recorder *r)
{
	return r->slots_used - r->ended;
}

static uint64_t bytes_of(const struct trace_recorder *r, uint32_t number)
{
	const struct tcp_sample *last = &r->slots[number - 1].last;

	return last->bytes_acked + last->bytes_received;
}

size_t trace_recorder_largest(const struct trace_recorder *r, uint32_t *ret, size_t room)
{
	size_t count = 0;

	for (uint32_t number = 1; number <= r->slots_used; number++) {
		size_t at = count;

		while (at > 0 && bytes_of(r, number) > bytes_of(r, ret[at - 1]))
			at--;
		if (at == room)
			continue;
		count += count < room;
		memmove(ret + at + 1, ret + at, (count - at - 1) * sizeof(*ret));
		ret[at] = number;
	}
	return count;
}

uint64_t trace_recorder_lost(const struct trace_recorder *r, uint64_t cookie)
{
	uint32_t slot = find_slot(r, cookie);

	return slot == NO_SLOT ? 0 : r->slots[slot].lost;
}

/* --- the replay: samples that wait for earlier ones ---------------------------------------------------- */

struct waiting {
	uint64_t turn; /* samples of one instant stay in the order in which they came */
	uint32_t slot;
	struct tcp_sample sample;
};

struct replay {
	struct trace_recorder *r;
	struct trace_emitter to;
	struct waiting *heap; /* the earliest is at 0 */
	size_t count, room;
	uint64_t turn;
	uint64_t newest_ns;
};

static bool is_before(const struct waiting *a, const struct waiting *b)
{
	if (a->sample.at_ns != b->sample.at_ns)
		return a->sample.at_ns < b->sample.at_ns;
	return a->turn < b->turn;
}

static void swap(struct waiting *a, struct waiting *b)
{
	struct waiting held = *a;

	*a = *b;
	*b = held;
}

static int push(struct replay *p, uint32_t slot, const struct tcp_sample *s, struct err *err)
{
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 64;
		struct waiting *heap = realloc(p->heap, room * sizeof(*heap));

		if (!heap)
			return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "sort the samples");
		p->heap = heap;
		p->room = room;
	}
	p->heap[p->count] = (struct waiting){ p->turn++, slot, *s };
	for (size_t i = p->count++; i > 0 && is_before(&p->heap[i], &p->heap[(i - 1) / 2]);
	     i = (i - 1) / 2)
		swap(&p->heap[i], &p->heap[(i - 1) / 2]);
	return 0;
}

static struct waiting pop(struct replay *p)
{
	struct waiting first = p->heap[0];
	size_t i = 0;

	p->heap[0] = p->heap[--p->count];
	for (;;) {
		size_t least = i, left = 2 * i + 1;

		for (size_t child = left; child < left + 2 && child < p->count; child++)
			if (is_before(&p->heap[child], &p->heap[least]))
				least = child;
		if (least == i)
			return first;
		swap(&p->heap[i], &p->heap[least]);
		i = least;
	}
}

/* --- the replay ---------------------------------------------------------------------------------------- */

static int tell_flow(struct replay *p, uint32_t slot, struct err *err)
{
	struct slot *s = &p->r->slots[slot];
	struct trace_record record = { .kind = TRACE_FLOW, .flow = slot + 1, .met = s->met };

	if (s->told)
		return 0;
	s->told = true;
	return p->to.emit(p->to.self, &record, err);
}

static int tell_earliest(struct replay *p, struct err *err)
{
	struct waiting w = pop(p);
	struct trace_record record = { .kind = TRACE_SAMPLE, .flow = w.slot + 1 };
	int r = tell_flow(p, w.slot, err);

	record.sample = w.sample;
	return r < 0 ? r : p->to.emit(p->to.self, &record, err);
}

/* Nothing that comes can be earlier than late_ns before the newest. */
static bool may_go(const struct replay *p, const struct waiting *w)
{
	return p->newest_ns - w->sample.at_ns >= p->r->late_ns || p->count > WAITING_MAX;
}

static int replay_chunk(struct replay *p, const struct chunk *c, struct err *err)
{
	struct trace_recorder *r = p->r;
	const uint8_t *at = c->data;
	uint64_t slot;
	int bad = 0;

	while (bad == 0 && at < c->data + c->bytes) {
		at = get_varint(at, &slot);
		at = sample_decode(at, r->at_ns, &r->slots[slot].last);
		r->at_ns = r->slots[slot].last.at_ns;
		if (r->at_ns > p->newest_ns)
			p->newest_ns = r->at_ns;
		bad = push(p, (uint32_t)slot, &r->slots[slot].last, err);
		while (bad == 0 && p->count > 0 && may_go(p, &p->heap[0]))
			bad = tell_earliest(p, err);
	}
	return bad;
}

static int read_chunk(int fd, uint64_t place, struct chunk *ret, struct err *err)
{
	size_t done = 0;

	while (done < sizeof(*ret)) {
		ssize_t n = pread(fd, (char *)ret + done, sizeof(*ret) - done,
		                  (off_t)(place * sizeof(*ret) + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_SET(err, n < 0 ? -errno : -EIO, ERR_SYS, 0,
			               "read back the samples");
		done += (size_t)n;
	}
	return 0;
}

static int replay_file(struct replay *p, struct err *err)
{
	CLEANUP(freep) struct chunk *c = p->r->spilled ? malloc(sizeof(*c)) : NULL;
	int bad = 0;

	if (p->r->spilled && !c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "read back the samples");
	for (uint64_t i = 0; bad == 0 && i < p->r->spilled; i++) {
		bad = read_chunk(p->r->o.spill_fd, i, c, err);
		if (bad == 0)
			bad = replay_chunk(p, c, err);
	}
	return bad;
}

/* As it was before the first sample. */
static void rewind_flows(struct trace_recorder *r)
{
	r->replayed = true;
	r->at_ns = 0;
	for (uint32_t i = 0; i < r->slots_used; i++) {
		r->slots[i].told = false;
		r->slots[i].last = (struct tcp_sample){ .cookie = r->slots[i].met.cookie };
	}
}

static int replay_samples(struct replay *p, struct err *err)
{
	struct trace_recorder *r = p->r;
	int bad = replay_file(p, err);

	for (size_t i = 0; bad == 0 && i < r->chunks_used; i++)
		bad = replay_chunk(p, r->chunks[(r->oldest + i) % r->chunks_room], err);
	while (bad == 0 && p->count > 0)
		bad = tell_earliest(p, err);
	for (uint32_t i = 0; bad == 0 && i < r->slots_used; i++)
		bad = tell_flow(p, i, err); /* those without a sample */
	return bad;
}

int trace_recorder_replay(struct trace_recorder *r, const struct trace_header *header,
                          struct trace_emitter to, struct err *err)
{
	struct trace_record first = { .kind = TRACE_HEADER, .header = *header };
	struct trace_record last = { .kind = TRACE_END, .end = r->counts };
	struct replay p = { .r = r, .to = to };
	int bad;

	first.header.memory_bytes = r->o.memory_bytes;
	first.header.spill_bytes = r->o.spill_fd < 0 ? 0 : r->o.spill_bytes;
	rewind_flows(r);
	bad = to.emit(to.self, &first, err);
	if (bad == 0)
		bad = replay_samples(&p, err);
	free(p.heap);
	return bad < 0 ? bad : to.emit(to.self, &last, err);
}

/* --- begin and end --------------------------------------------------------------------------------------- */

int trace_recorder_open(const struct trace_recorder_options *options, struct trace_recorder **ret,
                        struct err *err)
{
	CLEANUP(trace_recorder_closep) struct trace_recorder *r = calloc(1, sizeof(*r));

	assert(options->memory_bytes >= 2 * TRACE_CHUNK_BYTES);
	if (r) {
		r->o = *options;
		r->chunks_room = options->memory_bytes / TRACE_CHUNK_BYTES;
		r->chunks = calloc(r->chunks_room, sizeof(*r->chunks));
	}
	if (!r || !r->chunks)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a trace");
	*ret = TAKE(r, NULL);
	return 0;
}

struct trace_recorder *trace_recorder_close(struct trace_recorder *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; r->chunks && i < r->chunks_used; i++)
		free(r->chunks[i]);
	free(r->chunks);
	free(r->slots);
	free(r->index);
	free(r);
	return NULL;
}
