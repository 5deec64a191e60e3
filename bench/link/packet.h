/* An IP packet on its way through the emulator: its bytes, and what of its headers the truth needs.
 *
 * packet_parse() is pure and believes no length in a header: RFC 791, RFC 8200, RFC 9293.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* What a TUN device can hand over at most. */
#define PACKET_MAX_BYTES 65535

enum packet_kind {
	PACKET_OTHER,    /* IP, but not TCP; or a later fragment, whose ports are not in it */
	PACKET_TCP,      /* a TCP header, whole; the fields below are set */
	PACKET_FRAGMENT, /* the first fragment of TCP: ports are known, the payload is not whole */
	PACKET_NOT_IP,   /* neither version, or a header that contradicts itself */
};

/* Both ends of a TCP connection as a packet names them; v4 addresses are v4-mapped (RFC 4291
 * 2.5.5.2). All bytes are set, so that memcmp() compares. */
struct packet_tuple {
	struct in6_addr source, destination;
	uint16_t source_port, destination_port; /* host order */
};

struct packet_info {
	enum packet_kind kind;
	uint8_t version;   /* 4, 6; 0 where it is not IP */
	uint16_t ip_bytes; /* as the IP header says, at most what was read */
	struct packet_tuple tuple;
	uint32_t seq;           /* as the header has it: a SYN's own, its payload is one behind */
	uint16_t payload_bytes; /* of TCP */
	uint8_t tcp_flags;      /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
	uint8_t ecn;            /* RFC 3168: 0 not-ECT, 1 ECT(1), 2 ECT(0), 3 CE */
};

/* Never fails: what cannot be read is PACKET_NOT_IP. */
void packet_parse(const uint8_t *data, size_t n, struct packet_info *ret);

/* Sets CE (RFC 3168) in a packet that is ECN-capable, with the v4 checksum mended (RFC 1624).
 * false: it is not. */
bool packet_mark_ce(uint8_t *data, size_t n);

/* One packet. Owned by exactly one place: the direction it was pushed to, or who popped it. */
struct packet {
	struct packet *next; /* of the list that holds it */
	uint64_t arrived_ns; /* at the emulator */
	uint64_t due_ns;     /* at the far end; what direction_pop() goes by */
	uint64_t order;      /* 1, 2, …: the order of arrival in its direction */
	bool duplicate;      /* a copy that the link made */
	struct packet_info info;
	uint16_t bytes;
	uint8_t data[];
};

/* A packet of `bytes` whose data the caller fills and whose info it parses. NULL: no memory. */
struct packet *packet_new(uint16_t bytes);
struct packet *packet_copy(const struct packet *p);
struct packet *packet_free(struct packet *p); /* accepts NULL; always NULL */
