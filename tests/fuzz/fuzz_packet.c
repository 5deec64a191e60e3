/* Any bytes as an IP packet: what is said of them lies within them, and a congestion mark changes
 * nothing but what it has to. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/packet.h"
#include "transport/base/bytes.h"

#define ECN_CE 3

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_info(const struct packet_info *info, size_t n)
{
	static const struct packet_tuple nobody;

	CHECK(info->ip_bytes <= n && info->payload_bytes <= info->ip_bytes);
	switch (info->kind) {
	case PACKET_NOT_IP:
		CHECK(info->version == 0 && info->ip_bytes == 0);
		CHECK(memcmp(&info->tuple, &nobody, sizeof(nobody)) == 0);
		break;
	case PACKET_TCP:
		CHECK(info->ip_bytes >= (info->version == 4 ? 40 : 60) + info->payload_bytes);
		break;
	case PACKET_OTHER:
	case PACKET_FRAGMENT:
		CHECK(info->ip_bytes >= (info->version == 4 ? 20 : 40));
		CHECK(info->payload_bytes == 0 && info->seq == 0 && info->tcp_flags == 0);
		break;
	}
	CHECK(info->kind == PACKET_NOT_IP || info->version == 4 || info->version == 6);
}

/* RFC 791's sum over a v4 header: 0xffff where the checksum is right. */
static uint16_t header_sum(const uint8_t *data)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < (size_t)(data[0] & 0xf) * 4; i += 2)
		sum += bytes_load_be16(data + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void check_mark(uint8_t *data, size_t n, const struct packet_info *before)
{
	struct packet_info after = {};
	uint16_t sum = before->version == 4 ? header_sum(data) : 0;
	bool marked = packet_mark_ce(data, n);

	CHECK(marked == (before->ecn != 0));
	packet_parse(data, n, &after);
	CHECK(after.ecn == (marked ? ECN_CE : before->ecn));
	after.ecn = before->ecn;
	CHECK(memcmp(&after, before, sizeof(after)) == 0);
	if (before->version == 4 && sum == 0xffff)
		CHECK(header_sum(data) == 0xffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + !n);
	struct packet_info info;

	CHECK(copy);
	memcpy(copy, data, n);
	memset(&info, 0, sizeof(info));
	packet_parse(copy, n, &info);
	check_info(&info, n);
	check_mark(copy, n, &info);
	free(copy);
	return 0;
}
