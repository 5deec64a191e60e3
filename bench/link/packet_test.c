/* Packets as they should be, and as nobody should have sent them. */
#include "bench/link/packet.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/bytes.h"

#define EDITS_MAX 4

/* 198.18.0.1:1234 to 198.18.0.2:443, ECT(0), PSH and ACK, four bytes of payload. */
static const uint8_t v4_tcp[] = {
	0x45, 0x02, 0x00, 0x2c, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00, 198, 18,  0,
	1,    198,  18,   0,    2,    0x04, 0xd2, 0x01, 0xbb, 1,    2,    3,    4,   0,   0,
	0,    0,    0x50, 0x18, 0xff, 0xff, 0,    0,    0,    0,    'a',  'b',  'c', 'd',
};

/* The same with four bytes of IP options, twelve of TCP's, and three of payload. */
static const uint8_t v4_options[] = {
	0x46, 0x00, 0x00, 0x3b, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00, 198,  18,  0,
	1,    198,  18,   0,    2,    1,    1,    1,    0,    0x04, 0xd2, 0x01, 0xbb, 1,   2,
	3,    4,    0,    0,    0,    0,    0x80, 0x10, 0xff, 0xff, 0,    0,    0,    0,   1,
	1,    8,    10,   0,    0,    0,    1,    0,    0,    0,    2,    'a',  'b',  'c',
};

/* 2001:2::1 to 2001:2::2, ECT(1), SYN, no payload. */
#define V6_ADDRESSES                                                                               \
	0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0,  \
		0, 0, 0, 0, 0, 2
#define TCP_SYN 0x04, 0xd2, 0x01, 0xbb, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0

static const uint8_t v6_tcp[] = {
	0x60, 0x10, 0, 0, 0, 20, 6, 64, V6_ADDRESSES, TCP_SYN,
};

/* Hop-by-hop options of 8 bytes, destination options of 16, an authentication header of 24. */
static const uint8_t v6_extensions[] = { 0x60, 0, 0, 0, 0, 68, 0, 64, V6_ADDRESSES,
	                                 /* hop by hop */
	                                 60, 0, 1, 4, 0, 0, 0, 0,
	                                 /* destination */
	                                 51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	                                 /* authentication */
	                                 6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
	                                 0, 0, 0, 0, TCP_SYN };

/* More fragments follow. */
static const uint8_t v6_fragment[] = {
	0x60, 0, 0, 0, 0, 28, 44, 64, V6_ADDRESSES, 6, 0, 0, 1, 0, 0, 0, 9, TCP_SYN,
};

/* Nine destination options: one more than is walked. */
static const uint8_t v6_long_chain[] = {
	0x60,    0, 0,  0,  0,  92, 60, 64, V6_ADDRESSES,
	60,      0, 1,  4,  0,  0,  0,  0,  60,
	0,       1, 4,  0,  0,  0,  0,  60, 0,
	1,       4, 0,  0,  0,  0,  60, 0,  1,
	4,       0, 0,  0,  0,  60, 0,  1,  4,
	0,       0, 0,  0,  60, 0,  1,  4,  0,
	0,       0, 0,  60, 0,  1,  4,  0,  0,
	0,       0, 60, 0,  1,  4,  0,  0,  0,
	0,       6, 0,  1,  4,  0,  0,  0,  0,
	TCP_SYN,
};

struct edit {
	size_t at;
	uint8_t value;
};

#define WHOLE(array) array, sizeof(array)

struct packet_case {
	const char *name;
	const uint8_t *data;
	size_t n;
	struct edit edits[EDITS_MAX]; /* at 0 with value 0: none */
	enum packet_kind want;
	uint8_t want_version;
	uint16_t want_ip_bytes, want_payload_bytes;
	bool want_ports;
};

#define NOT_IP                             PACKET_NOT_IP, 0, 0, 0, false
#define OTHER(version, bytes)              PACKET_OTHER, version, bytes, 0, false
#define FRAGMENT(version, bytes)           PACKET_FRAGMENT, version, bytes, 0, true
#define TCP(version, bytes, payload_bytes) PACKET_TCP, version, bytes, payload_bytes, true

static const struct packet_case packet_cases[] = {
	{ "v4, TCP", WHOLE(v4_tcp), {}, TCP(4, 44, 4) },
	{ "v4, options of IP and TCP", WHOLE(v4_options), {}, TCP(4, 59, 3) },
	{ "v4, bytes behind the packet", v4_tcp, 44, { { 3, 42 } }, TCP(4, 42, 2) },
	{ "v4, says more than was read", v4_tcp, 44, { { 3, 80 } }, TCP(4, 44, 4) },
	{ "v4, says less than its header", v4_tcp, 44, { { 3, 19 } }, NOT_IP },
	{ "v4, a length of 0", v4_tcp, 44, { { 3, 0 }, { 2, 0 } }, NOT_IP },
	{ "v4, IHL 4", v4_tcp, 44, { { 0, 0x44 } }, NOT_IP },
	{ "v4, IHL 15 is past the length", v4_tcp, 44, { { 0, 0x4f } }, NOT_IP },
	{ "v4, IHL takes in the ports", v4_tcp, 44, { { 0, 0x47 } }, OTHER(4, 44) },
	{ "v4, cut inside the header", v4_tcp, 19, {}, NOT_IP },
	{ "v4, cut inside TCP", v4_tcp, 39, {}, OTHER(4, 39) },
	{ "v4, header only", v4_tcp, 20, {}, OTHER(4, 20) },
	{ "v4, UDP", v4_tcp, 44, { { 9, 17 } }, OTHER(4, 44) },
	{ "v4, data offset 4", v4_tcp, 44, { { 32, 0x40 } }, OTHER(4, 44) },
	{ "v4, data offset past the end", v4_tcp, 44, { { 32, 0x70 } }, OTHER(4, 44) },
	{ "v4, data offset to the end", v4_tcp, 44, { { 32, 0x60 } }, TCP(4, 44, 0) },
	{ "v4, first fragment", v4_tcp, 44, { { 6, 0x20 } }, FRAGMENT(4, 44) },
	{ "v4, first fragment of eight bytes", v4_tcp, 28, { { 6, 0x20 } }, FRAGMENT(4, 28) },
	{ "v4, first fragment without ports", v4_tcp, 23, { { 6, 0x20 } }, OTHER(4, 23) },
	{ "v4, a later fragment", v4_tcp, 44, { { 6, 0x20 }, { 7, 1 } }, OTHER(4, 44) },
	{ "v4, the last fragment", v4_tcp, 44, { { 6, 0 }, { 7, 1 } }, OTHER(4, 44) },
	{ "v6, TCP", WHOLE(v6_tcp), {}, TCP(6, 60, 0) },
	{ "v6, extension headers", WHOLE(v6_extensions), {}, TCP(6, 108, 0) },
	{ "v6, first fragment", WHOLE(v6_fragment), {}, FRAGMENT(6, 68) },
	{ "v6, atomic fragment", WHOLE(v6_fragment), { { 43, 0 } }, TCP(6, 68, 0) },
	{ "v6, a later fragment", WHOLE(v6_fragment), { { 43, 8 } }, OTHER(6, 68) },
	{ "v6, nine extension headers", WHOLE(v6_long_chain), {}, OTHER(6, 132) },
	{ "v6, an extension past the end", WHOLE(v6_extensions), { { 41, 200 } }, OTHER(6, 108) },
	{ "v6, cut inside an extension", v6_extensions, 44, {}, OTHER(6, 44) },
	{ "v6, no next header", WHOLE(v6_tcp), { { 6, 59 } }, OTHER(6, 60) },
	{ "v6, encrypted", WHOLE(v6_tcp), { { 6, 50 } }, OTHER(6, 60) },
	{ "v6, a payload of 0", WHOLE(v6_tcp), { { 5, 0 } }, OTHER(6, 40) },
	{ "v6, says more than was read", WHOLE(v6_tcp), { { 4, 9 } }, TCP(6, 60, 0) },
	{ "v6, cut inside the header", v6_tcp, 39, {}, NOT_IP },
	{ "version 5", v4_tcp, 44, { { 0, 0x55 } }, NOT_IP },
	{ "nothing", v4_tcp, 0, {}, NOT_IP },
};

/* In memory of exactly its size, so that a sanitizer sees a step past it. */
static uint8_t *edited(const struct packet_case *c)
{
	uint8_t *data = malloc(c->n + !c->n);

	assert_non_null(data);
	memcpy(data, c->data, c->n);
	for (size_t i = 0; i < EDITS_MAX; i++)
		if (c->edits[i].at > 0 || c->edits[i].value > 0)
			data[c->edits[i].at] = c->edits[i].value;
	return data;
}

static void parses(void **state)
{
	const struct packet_case *c = *state;
	uint8_t *data = edited(c);
	struct packet_info info;

	packet_parse(data, c->n, &info);
	free(data);
	assert_int_equal(info.kind, c->want);
	assert_int_equal(info.version, c->want_version);
	assert_int_equal(info.ip_bytes, c->want_ip_bytes);
	assert_int_equal(info.payload_bytes, c->want_payload_bytes);
	assert_int_equal(info.tuple.source_port, c->want_ports ? 1234 : 0);
	assert_int_equal(info.tuple.destination_port, c->want_ports ? 443 : 0);
	assert_int_equal(info.seq, info.kind == PACKET_TCP ? 0x01020304 : 0);
}

/* Cut anywhere: nothing is read that is not there, nothing said of more than was read. */
static void believes_no_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(packet_cases) / sizeof(*packet_cases); i++) {
		const struct packet_case *c = &packet_cases[i];
		uint8_t *whole = edited(c);

		for (size_t n = 0; n < c->n; n++) {
			uint8_t *cut = malloc(n + !n);
			struct packet_info info;

			memcpy(cut, whole, n);
			packet_parse(cut, n, &info);
			packet_mark_ce(cut, n);
			free(cut);
			assert_true(info.ip_bytes <= n && info.payload_bytes <= info.ip_bytes);
			assert_true(n >= 20 || info.kind == PACKET_NOT_IP);
		}
		free(whole);
	}
}

static void says_addresses_flags_and_ecn(void **state)
{
	static const uint8_t v4_mapped[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };
	struct packet_info info;

	(void)state;
	packet_parse(v4_tcp, sizeof(v4_tcp), &info);
	assert_memory_equal(&info.tuple.source, v4_mapped, 16);
	assert_int_equal(info.tuple.destination.s6_addr[15], 2);
	assert_int_equal(info.tcp_flags, 0x18);
	assert_int_equal(info.ecn, 2);

	packet_parse(v6_tcp, sizeof(v6_tcp), &info);
	assert_memory_equal(&info.tuple.source, v6_tcp + 8, 16);
	assert_memory_equal(&info.tuple.destination, v6_tcp + 24, 16);
	assert_int_equal(info.tcp_flags, 2);
	assert_int_equal(info.ecn, 1);
}

/* --- congestion marks ------------------------------------------------------------------------- */

/* RFC 791's sum over the header: 0xffff where the checksum is right. */
static uint16_t header_sum(const uint8_t *data)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < (size_t)(data[0] & 0xf) * 4; i += 2)
		sum += bytes_load_be16(data + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void seal(uint8_t *data)
{
	bytes_store_be16(data + 10, 0);
	bytes_store_be16(data + 10, (uint16_t)~header_sum(data));
}

struct mark_case {
	const char *name;
	uint8_t ecn;
	bool want;
};

static const struct mark_case mark_cases[] = {
	{ "not ECN-capable", 0, false },
	{ "ECT(1)", 1, true },
	{ "ECT(0)", 2, true },
	{ "CE already", 3, true },
};

/* Every identification, so that every checksum there is is mended once. */
static void marks_v4_and_mends_its_checksum(void **state)
{
	const struct mark_case *c = *state;
	uint8_t data[sizeof(v4_options)], before[sizeof(v4_options)];
	struct packet_info info;

	memcpy(data, v4_options, sizeof(data));
	for (unsigned int id = 0; id <= UINT16_MAX; id++) {
		data[1] = (uint8_t)(0xb8 | c->ecn); /* a code point of RFC 2474 stays */
		bytes_store_be16(data + 4, (uint16_t)id);
		seal(data);
		memcpy(before, data, sizeof(data));
		assert_int_equal(packet_mark_ce(data, sizeof(data)), c->want);
		assert_int_equal(header_sum(data), 0xffff);
		packet_parse(data, sizeof(data), &info);
		assert_int_equal(info.ecn, c->want ? 3 : 0);
		assert_int_equal(data[1] & 0xfc, 0xb8);
		memcpy(data + 10, before + 10, 2);
		data[1] = before[1];
		assert_memory_equal(data, before, sizeof(data));
	}
}

static void marks_v6(void **state)
{
	const struct mark_case *c = *state;
	uint8_t data[sizeof(v6_tcp)];
	struct packet_info info;

	memcpy(data, v6_tcp, sizeof(data));
	data[1] = (uint8_t)(0x8f | c->ecn << 4);
	assert_int_equal(packet_mark_ce(data, sizeof(data)), c->want);
	packet_parse(data, sizeof(data), &info);
	assert_int_equal(info.ecn, c->want ? 3 : 0);
	assert_int_equal(data[1] & 0xcf, 0x8f);
	assert_memory_equal(data + 2, v6_tcp + 2, sizeof(data) - 2);
}

static void marks_nothing_that_is_no_ip(void **state)
{
	uint8_t data[sizeof(v4_tcp)];

	(void)state;
	memcpy(data, v4_tcp, sizeof(data));
	data[0] = 0x44;
	assert_false(packet_mark_ce(data, sizeof(data)));
	assert_false(packet_mark_ce(data, 0));
	assert_int_equal(data[1], v4_tcp[1]);
}

/* --- packets ---------------------------------------------------------------------------------- */

static void a_copy_is_told_from_its_original(void **state)
{
	struct packet *p = packet_new(3), *copy;

	(void)state;
	assert_non_null(p);
	memcpy(p->data, "abc", 3);
	p->order = 7;
	p->arrived_ns = 8;
	p->next = p;
	copy = packet_copy(p);
	assert_non_null(copy);
	assert_true(copy->duplicate && !p->duplicate);
	assert_null(copy->next);
	assert_int_equal(copy->order, 7);
	assert_int_equal(copy->arrived_ns, 8);
	assert_int_equal(copy->bytes, 3);
	assert_memory_equal(copy->data, "abc", 3);
	packet_free(p);
	packet_free(copy);
	assert_null(packet_free(NULL));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(believes_no_length),
		cmocka_unit_test(says_addresses_flags_and_ecn),
		cmocka_unit_test(marks_nothing_that_is_no_ip),
		cmocka_unit_test(a_copy_is_told_from_its_original),
	};
	int failed = CASES_RUN(parses, packet_cases);

	failed += CASES_RUN(marks_v4_and_mends_its_checksum, mark_cases);
	failed += CASES_RUN(marks_v6, mark_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
