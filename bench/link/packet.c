#include "bench/link/packet.h"

#include <stdlib.h>
#include <string.h>

#include "transport/base/bytes.h"

#define V4_BYTES_MIN   20
#define V6_BYTES       40
#define TCP_BYTES_MIN  20
#define TCP_PORT_BYTES 4
#define FRAGMENT_BYTES 8

/* RFC 8200 4.1 knows seven headers at most; a walk that meets more is somebody's joke. */
#define EXTENSIONS_MAX 8

#define ECN_MASK 3
#define ECN_CE   3

/* What follows the IP header, or what is left of it. */
struct content {
	const uint8_t *at;
	size_t n;
	uint8_t protocol; /* IPPROTO_* */
	bool later_fragment, first_fragment;
};

static uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)bytes_load_be16(p) << 16 | bytes_load_be16(p + 2);
}

static struct in6_addr v4_mapped(const uint8_t *v4)
{
	struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.s6_addr + 12, v4, 4);
	return a;
}

/* RFC 791 3.1: the length of a v4 header that can be one, else 0. */
static size_t v4_header_bytes(const uint8_t *data, size_t n)
{
	size_t header_bytes;

	if (n < V4_BYTES_MIN || data[0] >> 4 != 4)
		return 0;
	header_bytes = (size_t)(data[0] & 0xf) * 4;
	if (header_bytes < V4_BYTES_MIN || header_bytes > n ||
	    header_bytes > bytes_load_be16(data + 2))
		return 0;
	return header_bytes;
}

static bool is_v6(const uint8_t *data, size_t n)
{
	return n >= V6_BYTES && data[0] >> 4 == 6;
}

static struct content parse_v4(const uint8_t *data, size_t n, struct packet_info *ret)
{
	size_t header_bytes = v4_header_bytes(data, n), total_bytes = bytes_load_be16(data + 2);
	uint16_t fragment = bytes_load_be16(data + 6);

	ret->version = 4;
	ret->ip_bytes = (uint16_t)(total_bytes < n ? total_bytes : n);
	ret->ecn = data[1] & ECN_MASK;
	ret->tuple.source = v4_mapped(data + 12);
	ret->tuple.destination = v4_mapped(data + 16);
	return (struct content){
		.at = data + header_bytes,
		.n = ret->ip_bytes - header_bytes,
		.protocol = data[9],
		.later_fragment = (fragment & 0x1fff) != 0,
		.first_fragment = (fragment & 0x3fff) == 0x2000,
	};
}

/* The length of the extension header `c` begins with; 0: it is none, or cut short. RFC 8200 4.3 to
 * 4.6, RFC 4302 2.2 (which counts in words of four bytes), RFC 6275 6.1, RFC 7401 5.1, RFC 5533
 * 5.1. */
static size_t extension_bytes(const struct content *c)
{
	size_t bytes;

	if (c->n < FRAGMENT_BYTES)
		return 0;
	switch (c->protocol) {
	case IPPROTO_FRAGMENT:
		return FRAGMENT_BYTES;
	case IPPROTO_AH:
		bytes = (size_t)(c->at[1] + 2) * 4;
		break;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case 139: /* HIP */
	case 140: /* shim6 */
		bytes = (size_t)(c->at[1] + 1) * 8;
		break;
	default:
		return 0;
	}
	return bytes <= c->n ? bytes : 0;
}

static void walk_extensions(struct content *c)
{
	for (int i = 0; i < EXTENSIONS_MAX && !c->later_fragment; i++) {
		size_t bytes = extension_bytes(c);
		uint8_t next;

		if (bytes == 0)
			return;
		next = c->at[0];
		if (c->protocol == IPPROTO_FRAGMENT) {
			uint16_t fragment = bytes_load_be16(c->at + 2);

			/* Neither: an atomic fragment (RFC 6946), which is whole. */
			c->later_fragment = fragment >> 3 != 0;
			c->first_fragment = fragment >> 3 == 0 && (fragment & 1);
		}
		c->protocol = next;
		c->at += bytes;
		c->n -= bytes;
	}
}

static struct content parse_v6(const uint8_t *data, size_t n, struct packet_info *ret)
{
	size_t total_bytes = V6_BYTES + (size_t)bytes_load_be16(data + 4);
	struct content c;

	total_bytes = total_bytes < n ? total_bytes : n;
	ret->version = 6;
	ret->ip_bytes = (uint16_t)total_bytes;
	ret->ecn = data[1] >> 4 & ECN_MASK;
	memcpy(&ret->tuple.source, data + 8, sizeof(ret->tuple.source));
	memcpy(&ret->tuple.destination, data + 24, sizeof(ret->tuple.destination));
	c = (struct content){
		.at = data + V6_BYTES,
		.n = total_bytes - V6_BYTES,
		.protocol = data[6],
	};
	walk_extensions(&c);
	return c;
}

static void parse_ports(const struct content *c, struct packet_info *ret)
{
	ret->tuple.source_port = bytes_load_be16(c->at);
	ret->tuple.destination_port = bytes_load_be16(c->at + 2);
}

/* RFC 9293 3.1. */
static void parse_tcp(const struct content *c, struct packet_info *ret)
{
	size_t header_bytes;

	if (c->n < TCP_BYTES_MIN)
		return;
	header_bytes = (size_t)(c->at[12] >> 4) * 4;
	if (header_bytes < TCP_BYTES_MIN || header_bytes > c->n)
		return;
	parse_ports(c, ret);
	ret->kind = PACKET_TCP;
	ret->seq = load_be32(c->at + 4);
	ret->tcp_flags = c->at[13];
	ret->payload_bytes = (uint16_t)(c->n - header_bytes);
}

void packet_parse(const uint8_t *data, size_t n, struct packet_info *ret)
{
	struct content c;

	memset(ret, 0, sizeof(*ret));
	ret->kind = PACKET_NOT_IP;
	n = n < PACKET_MAX_BYTES ? n : PACKET_MAX_BYTES;
	if (v4_header_bytes(data, n) > 0)
		c = parse_v4(data, n, ret);
	else if (is_v6(data, n))
		c = parse_v6(data, n, ret);
	else
		return;

	ret->kind = PACKET_OTHER;
	if (c.protocol != IPPROTO_TCP || c.later_fragment)
		return;
	if (!c.first_fragment) {
		parse_tcp(&c, ret);
	} else if (c.n >= TCP_PORT_BYTES) {
		ret->kind = PACKET_FRAGMENT;
		parse_ports(&c, ret);
	}
}

/* RFC 1624 3: HC' = ~(~HC + ~m + m'), in ones' complement. */
static void mend_checksum(uint8_t *checksum, uint16_t old_word, uint16_t new_word)
{
	uint32_t sum = (uint16_t)~bytes_load_be16(checksum);

	sum += (uint16_t)~old_word;
	sum += new_word;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	bytes_store_be16(checksum, (uint16_t)~sum);
}

static bool mark_v4(uint8_t *data)
{
	uint16_t old_word = bytes_load_be16(data);

	if ((data[1] & ECN_MASK) == 0)
		return false;
	data[1] |= ECN_CE;
	mend_checksum(data + 10, old_word, bytes_load_be16(data));
	return true;
}

static bool mark_v6(uint8_t *data)
{
	if ((data[1] >> 4 & ECN_MASK) == 0)
		return false;
	data[1] |= ECN_CE << 4;
	return true;
}

bool packet_mark_ce(uint8_t *data, size_t n)
{
	if (v4_header_bytes(data, n) > 0)
		return mark_v4(data);
	return is_v6(data, n) && mark_v6(data);
}

struct packet *packet_new(uint16_t bytes)
{
	struct packet *p = malloc(sizeof(*p) + bytes);

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->bytes = bytes;
	return p;
}

struct packet *packet_copy(const struct packet *p)
{
	struct packet *copy = malloc(sizeof(*p) + p->bytes);

	if (!copy)
		return NULL;
	memcpy(copy, p, sizeof(*p) + p->bytes);
	copy->next = NULL;
	copy->duplicate = true;
	return copy;
}

struct packet *packet_free(struct packet *p)
{
	free(p);
	return NULL;
}
