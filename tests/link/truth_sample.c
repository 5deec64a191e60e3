/* Writes the truth of a made-up run, and prints what was in it by counts of its own:
 *
 *   truth_sample SEED FLOWS FILE…      e.g. truth_sample 1 3 run.jsonl run.csv
 *
 * Virtual time, two real directions: FLOWS senders of segments at random towards the client, what is
 * dropped is sent again, at times in another cut; an acknowledgement for each towards the server.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/truth.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"

#define START_NS         (5000 * NS_PER_S)
#define END_NS           (START_NS + 3 * NS_PER_S + 123456)
#define SENDING_ENDS_NS  (START_NS + 2 * NS_PER_S)
#define STEP_NS          (50 * NS_PER_US)
#define AGAIN_AFTER_NS   (30 * NS_PER_MS)
#define WINDOW_NS        (100 * NS_PER_MS)
#define WINDOWS          32
#define SENDERS_MAX      64
#define STREAM_MAX_BYTES (1 << 21)
#define AGAIN_MAX        4096
#define HEADER_BYTES     52
#define SEGMENT_MAX      1448

/* A segment to be sent at an instant. */
struct task {
	uint64_t at_ns;
	unsigned int sender;
	uint32_t offset, bytes;
};

struct sender {
	uint32_t isn, sent_bytes;
	uint64_t next_ns, mean_gap_ns;
	uint8_t *seen_at_entrance, *delivered; /* a byte for each of the stream */

	uint64_t delivered_bytes, unique_bytes, retransmitted, dropped;
	uint64_t window_bytes[WINDOWS]; /* unique */
};

struct run {
	struct scenario scenario;
	struct direction *d[LINK_DIRECTIONS];
	struct truth *t;
	uint64_t random;
	unsigned int sender_count;
	struct sender senders[SENDERS_MAX];
	struct task again[AGAIN_MAX];
	unsigned int again_count;
};

_Noreturn static void give_up(const char *what, const struct err *err)
{
	fprintf(stderr, "truth_sample: %s: %s\n", what, err ? err->text : "");
	exit(1);
}

/* --- packets ------------------------------------------------------------------------------------ */

/* Every second one is v6. */
static struct packet_tuple tuple_of(unsigned int sender, enum link_direction d)
{
	struct packet_tuple t;
	struct in6_addr server, client;

	inet_pton(AF_INET6, sender % 2 ? "2001:2::2" : "::ffff:198.18.0.2", &server);
	inet_pton(AF_INET6, sender % 2 ? "2001:2::1" : "::ffff:198.18.0.1", &client);
	memset(&t, 0, sizeof(t));
	t.source = d == LINK_DOWN ? server : client;
	t.destination = d == LINK_DOWN ? client : server;
	t.source_port = d == LINK_DOWN ? 443 : (uint16_t)(40000 + sender);
	t.destination_port = d == LINK_DOWN ? (uint16_t)(40000 + sender) : 443;
	return t;
}

static unsigned int sender_of(const struct packet *p, enum link_direction d)
{
	const struct packet_tuple *t = &p->info.tuple;

	return (d == LINK_DOWN ? t->destination_port : t->source_port) - 40000U;
}

static uint32_t offset_of(const struct run *r, const struct packet *p)
{
	return p->info.seq - r->senders[sender_of(p, LINK_DOWN)].isn - 1;
}

static void send_packet(struct run *r, enum link_direction d, unsigned int sender, uint32_t seq,
                        uint32_t payload_bytes, uint8_t flags, uint64_t now_ns)
{
	uint16_t bytes = (uint16_t)(HEADER_BYTES + payload_bytes);
	struct packet *p = packet_new(bytes);

	if (!p)
		give_up("no memory", NULL);
	p->arrived_ns = now_ns;
	p->info = (struct packet_info){
		.kind = PACKET_TCP,
		.version = sender % 2 ? 6 : 4,
		.ip_bytes = bytes,
		.tuple = tuple_of(sender, d),
		.seq = seq,
		.payload_bytes = (uint16_t)payload_bytes,
		.tcp_flags = flags,
	};
	truth_offered(r->t, d, p);
	direction_push(r->d[d], p);
}

/* How many of them had not been there, marking them. */
static uint32_t mark(uint8_t *map, uint32_t offset, uint32_t bytes)
{
	uint32_t added = 0;

	for (uint32_t i = offset; i < offset + bytes; i++) {
		added += !map[i];
		map[i] = 1;
	}
	return added;
}

static void send_segment(struct run *r, const struct task *task, uint64_t now_ns)
{
	struct sender *s = &r->senders[task->sender];

	if (mark(s->seen_at_entrance, task->offset, task->bytes) < task->bytes)
		s->retransmitted++;
	send_packet(r, LINK_DOWN, task->sender, s->isn + 1 + task->offset, task->bytes, 16, now_ns);
}

/* --- what becomes of them ----------------------------------------------------------------------- */

static void on_dropped(void *owner, const struct packet *p, enum drop_reason why, uint64_t now_ns)
{
	struct run *r = owner;
	uint32_t offset = offset_of(r, p), earlier;

	truth_dropped(r->t, LINK_DOWN, p, why);
	if (p->info.payload_bytes == 0)
		return;
	r->senders[sender_of(p, LINK_DOWN)].dropped++;
	if (p->duplicate || r->again_count == AGAIN_MAX)
		return;

	/* At times with some of the bytes before it, which may have arrived. */
	earlier = draw_u64(&r->random) % 4 == 0 ? (uint32_t)(draw_u64(&r->random) % 200) : 0;
	if (earlier > offset || p->info.payload_bytes + earlier > SEGMENT_MAX)
		earlier = 0;
	r->again[r->again_count++] = (struct task){
		.at_ns = now_ns + AGAIN_AFTER_NS,
		.sender = sender_of(p, LINK_DOWN),
		.offset = offset - earlier,
		.bytes = p->info.payload_bytes + earlier,
	};
}

static void on_ack_dropped(void *owner, const struct packet *p, enum drop_reason why,
                           uint64_t now_ns)
{
	struct run *r = owner;

	(void)now_ns;
	truth_dropped(r->t, LINK_UP, p, why);
}

static void on_delivered(struct run *r, const struct packet *p, uint64_t now_ns)
{
	struct sender *s = &r->senders[sender_of(p, LINK_DOWN)];
	uint32_t unique;

	if (p->info.payload_bytes > 0) {
		unique = mark(s->delivered, offset_of(r, p), p->info.payload_bytes);
		s->delivered_bytes += p->info.payload_bytes;
		s->unique_bytes += unique;
		s->window_bytes[(now_ns - START_NS) / WINDOW_NS] += unique;
	}
	send_packet(r, LINK_UP, sender_of(p, LINK_DOWN), 1, 0, 16, now_ns);
}

/* --- the run ------------------------------------------------------------------------------------ */

static void send_what_is_due(struct run *r, uint64_t now_ns)
{
	for (unsigned int i = 0; i < r->again_count; i++) {
		struct task task = r->again[i];

		if (task.at_ns > now_ns)
			continue;
		r->again[i--] = r->again[--r->again_count];
		send_segment(r, &task, now_ns);
	}
	for (unsigned int i = 0; i < r->sender_count; i++) {
		struct sender *s = &r->senders[i];
		struct task task = { .sender = i, .offset = s->sent_bytes };

		if (s->next_ns > now_ns || now_ns >= SENDING_ENDS_NS)
			continue;
		task.bytes = 1 + (uint32_t)(draw_u64(&r->random) % SEGMENT_MAX);
		s->sent_bytes += task.bytes;
		s->next_ns =
			now_ns + (uint64_t)((double)s->mean_gap_ns * draw_exponential(&r->random));
		send_segment(r, &task, now_ns);
	}
}

static void advance(struct run *r, enum link_direction d, uint64_t now_ns)
{
	struct packet *p;

	direction_advance(r->d[d], now_ns);
	while ((p = direction_pop(r->d[d], now_ns)) != NULL) {
		truth_delivered(r->t, d, p, now_ns);
		if (d == LINK_DOWN)
			on_delivered(r, p, now_ns);
		packet_free(p);
	}
}

/* Many senders have many packets in a bin, so that it cannot tell them all apart. */
static uint64_t rate_of(const struct run *r)
{
	return r->sender_count > TRUTH_FLOW_BINS_MAX ? 64000000 : 8000000;
}

static void begin_senders(struct run *r)
{
	for (unsigned int i = 0; i < r->sender_count; i++) {
		struct sender *s = &r->senders[i];

		s->isn = (uint32_t)draw_u64(&r->random) | 0xff000000; /* most will wrap */
		s->mean_gap_ns = r->sender_count * 5600000000000 / rate_of(r);
		s->next_ns = START_NS + draw_u64(&r->random) % (500 * NS_PER_MS);
		s->seen_at_entrance = calloc(2, STREAM_MAX_BYTES);
		if (!s->seen_at_entrance)
			give_up("no memory", NULL);
		s->delivered = s->seen_at_entrance + STREAM_MAX_BYTES;
		send_packet(r, LINK_DOWN, i, s->isn, 0, 2, START_NS);
	}
}

static void open_run(struct run *r, uint64_t seed)
{
	struct scenario_direction down = {
		.rate_bps = rate_of(r),
		.overhead_bytes = 18,
		.delay_ns = 10 * NS_PER_MS,
		.queue_bytes = rate_of(r) / 400,
		.queue_packets = UINT64_MAX,
		.queue_ns = UINT64_MAX,
		.loss = LOSS_BERNOULLI,
		.loss_p = 0.01,
		.duplicate_p = 0.01,
	};
	struct err err = {};

	r->random = seed;
	r->scenario = (struct scenario){ .name = "sample", .seed = seed, .mtu = 1500 };
	r->scenario.direction[LINK_DOWN] = down;
	r->scenario.direction[LINK_UP] = down;
	r->scenario.direction[LINK_UP].rate_bps = UINT64_MAX;
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		if (direction_open(&r->scenario.direction[d], d, seed, START_NS,
		                   d == LINK_DOWN ? on_dropped : on_ack_dropped, r, &r->d[d],
		                   &err) < 0)
			give_up("a direction", &err);
	if (truth_open(START_NS, (const struct direction *const *)r->d, &r->t, &err) < 0)
		give_up("the truth", &err);
}

static void close_run(struct run *r)
{
	for (unsigned int i = 0; i < r->sender_count; i++)
		free(r->senders[i].seen_at_entrance);
	truth_close(r->t);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		direction_close(r->d[d]);
}

/* --- what is written and printed ---------------------------------------------------------------- */

static void write_files(struct run *r, char **paths)
{
	struct truth_writer *writers[4] = {};
	struct truth_end end = {};
	struct truth_bin bin;
	struct err err = {};

	truth_finish(r->t, END_NS, &end);
	truth_judge(&end);
	for (int i = 0; paths[i] && i < 4; i++)
		if (truth_writer_open(paths[i], &r->scenario, "sample.link", &writers[i], &err) < 0)
			give_up(paths[i], &err);
	while (truth_take_bin(r->t, &bin))
		for (int i = 0; i < 4 && writers[i]; i++)
			if (truth_writer_bin(writers[i], &bin, &err) < 0)
				give_up(paths[i], &err);
	for (int i = 0; i < 4 && writers[i]; i++) {
		if (truth_writer_end(writers[i], r->t, &end, &err) < 0)
			give_up(paths[i], &err);
		truth_writer_close(writers[i]);
	}
}

static void print_counts(const struct run *r)
{
	const struct direction_counts *c = direction_counts(r->d[LINK_DOWN]);

	printf("{\"offered_bytes\":%" PRIu64 ",\"delivered_bytes\":%" PRIu64 ",\"drops\":{",
	       c->offered.bytes, c->popped.bytes);
	printf("\"queue\":%" PRIu64 ",\"loss\":%" PRIu64 "},\"window_s\":%g,\"flows\":[",
	       c->dropped[DROP_QUEUE].bytes, c->dropped[DROP_LOSS].bytes, (double)WINDOW_NS / 1e9);
	for (unsigned int i = 0; i < r->sender_count; i++) {
		const struct sender *s = &r->senders[i];

		printf("%s{\"port\":%u,\"sent\":%" PRIu32 ",\"delivered\":%" PRIu64
		       ",\"unique\":%" PRIu64 ",\"retransmitted\":%" PRIu64 ",\"dropped\":%" PRIu64
		       ",\"windows\":[",
		       i ? "," : "", 40000 + i, s->sent_bytes, s->delivered_bytes, s->unique_bytes,
		       s->retransmitted, s->dropped);
		for (int w = 0; w < WINDOWS; w++)
			printf("%s%" PRIu64, w ? "," : "", s->window_bytes[w]);
		printf("]}");
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static struct run r;

	if (argc < 4 || atoi(argv[2]) < 1 || atoi(argv[2]) > SENDERS_MAX) {
		fprintf(stderr, "usage: truth_sample SEED FLOWS FILE…\n");
		return 2;
	}
	r.sender_count = (unsigned int)atoi(argv[2]);
	open_run(&r, strtoull(argv[1], NULL, 10));
	begin_senders(&r);
	for (uint64_t now_ns = START_NS; now_ns < END_NS; now_ns += STEP_NS) {
		send_what_is_due(&r, now_ns);
		advance(&r, LINK_DOWN, now_ns);
		advance(&r, LINK_UP, now_ns);
		truth_tick(r.t, now_ns);
	}
	write_files(&r, argv + 3);
	print_counts(&r);
	close_run(&r);
	return 0;
}
