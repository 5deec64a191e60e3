/* What counting a packet costs the emulator's thread.
 *
 *   truth_bench [FLOWS]       nanoseconds a packet, of FLOWS (1) whose segments alternate
 *
 * Instructions, of a release build:
 *   valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=counted_work truth_bench
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/link/segment.h"
#include "bench/link/truth.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define PACKETS       200000U
#define PACKET_NS     20000U /* 600 Mbit/s */
#define PAYLOAD_BYTES 1448

struct bench {
	struct truth *t;
	uint64_t now_ns;
	uint32_t flows, sent;
};

/* A packet offered, delivered, and a tick; the bins that end, two in 500 packets, are in it. */
__attribute__((noinline)) static void counted_work(struct bench *b)
{
	struct packet p = segment_packet((struct segment){
		.port = (uint16_t)(b->sent % b->flows),
		.seq = b->sent / b->flows * PAYLOAD_BYTES,
		.payload_bytes = PAYLOAD_BYTES,
		.arrived_ns = b->now_ns,
	});

	truth_offered(b->t, LINK_DOWN, &p);
	truth_delivered(b->t, LINK_DOWN, &p, b->now_ns + 1000);
	truth_tick(b->t, b->now_ns + 1000);
	b->sent++;
	b->now_ns += PACKET_NS;
}

static void run(struct bench *b, uint32_t packets)
{
	struct truth_bin bin;

	for (uint32_t i = 0; i < packets; i++) {
		counted_work(b);
		while (truth_take_bin(b->t, &bin))
			;
	}
}

int main(int argc, char **argv)
{
	struct scenario_direction line = { .rate_bps = UINT64_MAX };
	struct direction *d[LINK_DIRECTIONS] = {};
	struct bench b = { .flows = argc > 1 ? (uint32_t)atoi(argv[1]) : 1 };
	uint64_t begin_ns;

	if (b.flows < 1 || b.flows > UINT16_MAX)
		return 2;
	for (enum link_direction i = 0; i < LINK_DIRECTIONS; i++)
		if (direction_open(&line, i, 1, 0, NULL, NULL, &d[i], NULL) < 0)
			return 1;
	if (truth_open(0, (const struct direction *const *)d, &b.t, NULL) < 0)
		return 1;
	run(&b, b.flows); /* every flow is known then */
	begin_ns = clock_now_ns();
	run(&b, PACKETS);
	printf("%u flows: %.0f ns a packet, offered and delivered; %u packets\n", b.flows,
	       (double)(clock_now_ns() - begin_ns) / PACKETS, PACKETS + b.flows);
	truth_close(b.t);
	for (enum link_direction i = 0; i < LINK_DIRECTIONS; i++)
		direction_close(d[i]);
	return 0;
}
