/* For tests: a TCP segment by its headers alone, as packet_parse() would tell of it. */
#pragma once

#include <string.h>

#include "bench/link/packet.h"

enum { SEGMENT_FIN = 1, SEGMENT_SYN = 2, SEGMENT_ACK = 16 };

#define SEGMENT_HEADER_BYTES 40

struct segment {
	uint16_t port; /* of the source; with it, the connection */
	uint32_t seq;
	uint16_t payload_bytes;
	uint8_t flags;
	uint64_t arrived_ns;
};

/* A packet without data, good for whoever looks at its headers and length alone. */
static inline struct packet segment_packet(struct segment s)
{
	struct packet p = {
		.arrived_ns = s.arrived_ns,
		.due_ns = s.arrived_ns,
		.bytes = (uint16_t)(SEGMENT_HEADER_BYTES + s.payload_bytes),
		.info = {
			.kind = PACKET_TCP,
			.version = 4,
			.ip_bytes = (uint16_t)(SEGMENT_HEADER_BYTES + s.payload_bytes),
			.seq = s.seq,
			.payload_bytes = s.payload_bytes,
			.tcp_flags = s.flags,
		},
	};

	/* memcmp() compares tuples: no byte of it may be left to chance. */
	memset(&p.info.tuple, 0, sizeof(p.info.tuple));
	memcpy(&p.info.tuple.source, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\0\x01", 16);
	memcpy(&p.info.tuple.destination, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\0\x02", 16);
	p.info.tuple.source_port = s.port;
	p.info.tuple.destination_port = 443;
	return p;
}
