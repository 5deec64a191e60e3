#include "bench/link/flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* Never more than half full, so that a search is short. */
#define INDEX_SLOTS (2 * TRUTH_FLOWS_MAX)

/* A step of growth: 90 kB, some 10 µs of the packet path where memory is locked. */
#define SLAB_FLOWS 256
#define SLABS      (TRUTH_FLOWS_MAX / SLAB_FLOWS)

#define TCP_SYN 2

_Static_assert((INDEX_SLOTS & (INDEX_SLOTS - 1)) == 0, "a mask finds the slot");
_Static_assert(sizeof(struct packet_tuple) == 36,
               "four words and the ports: hash_of() reads them all");

struct slot {
	uint32_t tag;  /* of the hash, what did not choose the slot */
	uint32_t flow; /* index + 1; 0: empty */
};

struct flow_table {
	uint64_t key[5];
	size_t count;
	struct coverage_memory memory;
	struct flow *slab[SLABS];
	struct slot slots[INDEX_SLOTS];
};

CLEANUP_DEFINE(flow_table_closep, struct flow_table *, flow_table_close)

static inline struct flow *flow_at(const struct flow_table *t, size_t i)
{
	return &t->slab[i / SLAB_FLOWS][i % SLAB_FLOWS];
}

static inline bool is_syn(const struct packet *p)
{
	return p->info.kind == PACKET_TCP && (p->info.tcp_flags & TCP_SYN);
}

/* RFC 9293 3.4: a SYN takes a sequence number before the payload, a FIN one behind it. */
static inline uint32_t payload_seq(const struct packet *p)
{
	return p->info.seq + is_syn(p);
}

/* --- finding ------------------------------------------------------------------------------------ */

/* Both halves of the product: each bit of either factor moves half of them. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_of(const struct flow_table *t, enum link_direction d,
                               const struct packet_tuple *tuple)
{
	uint64_t word[4];
	uint32_t ports;

	memcpy(word, tuple, sizeof(word));
	memcpy(&ports, &tuple->source_port, sizeof(ports));
	return fold(fold(word[0] ^ t->key[0], word[1] ^ t->key[1]) ^
	                    fold(word[2] ^ t->key[2], word[3] ^ t->key[3]) ^
	                    ((uint64_t)d << 32 | ports),
	            t->key[4]);
}

static inline bool is_of(const struct flow *f, enum link_direction d,
                         const struct packet_tuple *tuple)
{
	return f->told.direction == d && memcmp(&f->told.tuple, tuple, sizeof(*tuple)) == 0;
}

/* The slot of the tuple's newest flow, or the empty one where it belongs. */
static inline struct slot *slot_of(const struct flow_table *t, enum link_direction d,
                                   const struct packet_tuple *tuple, uint64_t hash)
{
	for (uint64_t i = hash % INDEX_SLOTS;; i = (i + 1) % INDEX_SLOTS) {
		const struct slot *s = &t->slots[i];

		if (s->flow == 0 ||
		    (s->tag == hash >> 32 && is_of(flow_at(t, s->flow - 1), d, tuple)))
			return (struct slot *)s;
	}
}

static inline bool has_ports(const struct packet *p)
{
	return p->info.kind == PACKET_TCP || p->info.kind == PACKET_FRAGMENT;
}

struct flow *flow_table_find(const struct flow_table *t, enum link_direction d,
                             const struct packet *p)
{
	const struct packet_tuple *tuple = &p->info.tuple;
	const struct slot *s;
	struct flow *f;

	if (!has_ports(p))
		return NULL;
	s = slot_of(t, d, tuple, hash_of(t, d, tuple));
	f = s->flow ? flow_at(t, s->flow - 1) : NULL;
	while (f && p->arrived_ns < f->appeared_ns)
		f = f->previous;
	return f;
}

/* --- flows that begin --------------------------------------------------------------------------- */

static struct flow *new_flow(struct flow_table *t)
{
	struct flow **slab = &t->slab[t->count / SLAB_FLOWS];

	if (t->count == TRUTH_FLOWS_MAX)
		return NULL;
	if (!*slab)
		*slab = calloc(SLAB_FLOWS, sizeof(**slab));
	return *slab ? flow_at(t, t->count) : NULL;
}

static struct flow *begin_flow(struct flow_table *t, struct slot *s, uint64_t hash,
                               enum link_direction d, const struct packet *p)
{
	struct flow *f = new_flow(t);

	if (!f)
		return NULL;
	*f = (struct flow){
		.told = { .tuple = p->info.tuple, .direction = d, .exact = true },
		.previous = s->flow ? flow_at(t, s->flow - 1) : NULL,
		.appeared_ns = p->arrived_ns,
		.index = (uint32_t)t->count,
		.syn_seen = is_syn(p),
		.syn_seq = p->info.seq,
	};
	coverage_begin(&f->offered, payload_seq(p), f->syn_seen);
	coverage_begin(&f->delivered, payload_seq(p), f->syn_seen);
	*s = (struct slot){ .tag = (uint32_t)(hash >> 32), .flow = (uint32_t)++t->count };
	return f;
}

/* A SYN that is not the repetition of the one before. */
static inline bool begins_another(const struct flow *f, const struct packet *p)
{
	return is_syn(p) && !(f->syn_seen && f->syn_seq == p->info.seq);
}

/* --- counting ----------------------------------------------------------------------------------- */

static inline bool payload_is_known(struct flow *f, const struct packet *p)
{
	if (p->info.kind == PACKET_TCP)
		return p->info.payload_bytes > 0;
	f->told.exact = false; /* the rest of a fragment's payload comes without ports */
	return false;
}

static inline uint32_t cover(struct flow_table *t, struct flow *f, struct coverage *c,
                             const struct packet *p)
{
	uint32_t added = coverage_add(c, &t->memory, coverage_position(c, payload_seq(p)),
	                              p->info.payload_bytes);

	if (!c->exact)
		f->told.exact = false;
	return added;
}

struct flow *flow_table_offered(struct flow_table *t, enum link_direction d, const struct packet *p)
{
	const struct packet_tuple *tuple = &p->info.tuple;
	uint64_t hash = hash_of(t, d, tuple);
	struct slot *s = slot_of(t, d, tuple, hash);
	struct flow *f = s->flow ? flow_at(t, s->flow - 1) : NULL;

	if (!f || begins_another(f, p)) {
		if (f)
			f->told.exact &=
				t->count < TRUTH_FLOWS_MAX; /* else what follows is taken for its */
		f = begin_flow(t, s, hash, d, p);
	}
	if (!f || !payload_is_known(f, p))
		return f;
	f->told.offered_payload_bytes += p->info.payload_bytes;
	if (cover(t, f, &f->offered, p) < p->info.payload_bytes)
		f->told.retransmitted_segments++;
	return f;
}

uint32_t flow_delivered(struct flow_table *t, struct flow *f, const struct packet *p,
                        uint64_t since_ns)
{
	struct truth_flow *told = &f->told;
	uint32_t added;

	if (told->packets++ == 0)
		told->first_ns = since_ns;
	told->last_ns = since_ns;
	told->delivered_ip_bytes += p->info.ip_bytes;
	if (!payload_is_known(f, p))
		return 0;
	if (p->info.payload_bytes > told->largest_payload_bytes) {
		told->largest_payload_bytes = p->info.payload_bytes;
		told->largest_ip_bytes = p->info.ip_bytes;
	}
	added = cover(t, f, &f->delivered, p);
	told->delivered_payload_bytes += p->info.payload_bytes;
	told->unique_payload_bytes += added;
	return added;
}

/* --- the table ---------------------------------------------------------------------------------- */

int flow_table_open(struct flow_table **ret, struct err *err)
{
	CLEANUP(flow_table_closep) struct flow_table *t = calloc(1, sizeof(*t));

	if (!t)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the table of flows");
	bytes_random(t->key, sizeof(t->key));
	t->key[4] |= 1; /* as a factor it must not be 0 */
	t->slab[0] = calloc(SLAB_FLOWS, sizeof(*t->slab[0]));
	if (!t->slab[0])
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the table of flows");
	*ret = TAKE(t, NULL);
	return 0;
}

struct flow_table *flow_table_close(struct flow_table *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->count; i++) {
		coverage_end(&flow_at(t, i)->offered, &t->memory);
		coverage_end(&flow_at(t, i)->delivered, &t->memory);
	}
	for (size_t i = 0; i < SLABS; i++)
		free(t->slab[i]);
	free(t);
	return NULL;
}

size_t flow_table_count(const struct flow_table *t)
{
	return t->count;
}

const struct flow *flow_table_at(const struct flow_table *t, size_t i)
{
	return flow_at(t, i);
}
