/* Any bytes as a ring of the kernel's, and as a record: what is handed on is printable, within its
 * bounds, and no more than there was room for. Input: where the reader and the writer are, one byte
 * each, then what the ring holds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ring.h"
#include "measure/sockstat.h"
#include "measure/wholes.h"
#include "transport/base/bytes.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define PAGE 4096
#define DATA 32768

static void check_name(const char *name, size_t room)
{
	char copy[64];

	CHECK(strnlen(name, room) < room);
	strcpy(copy, name);
	bytes_make_printable(copy);
	CHECK(strcmp(copy, name) == 0);
}

static void take(void *self, const struct tcp_sample *sample)
{
	(void)self;
	CHECK(sample->event < TCP_SAMPLE_EVENTS);
	CHECK(sample->present < 2 * TCP_SAMPLE_LATEST_RTT);
}

static void meet(void *self, const struct tcp_flow *flow)
{
	(void)self;
	check_name(flow->comm, sizeof(flow->comm));
	check_name(flow->congestion, sizeof(flow->congestion));
	check_name(flow->ending, sizeof(flow->ending));
}

static void lose(void *self, uint64_t cookie, uint64_t samples)
{
	(void)self;
	(void)cookie;
	CHECK(samples > 0);
}

static void end(void *self, const struct tcpstat_flow *flow)
{
	(void)self;
	CHECK(flow->event.kind == TCPSTAT_END);
}

static const struct sockstat_sink sink = { { take, meet, lose, NULL }, end };

static struct wholes wholes;

static void take_record(void *self, const void *record, size_t bytes)
{
	(void)self;
	CHECK(bytes <= sizeof(struct tcpstat_flow));
	sockstat_record(record, bytes, &wholes, &sink);
}

static void drain_ring(const uint8_t *data, size_t n)
{
	static _Alignas(8) unsigned char mapped[PAGE + DATA];
	static struct tcpstat_flow room;
	uint64_t consumer = data[0] * 8ULL, producer = consumer + data[1] * 128ULL;
	struct ring ring = { &consumer, mapped, PAGE, DATA };

	n -= 2;
	memset(mapped, 0, sizeof(mapped));
	memcpy(mapped, &producer, sizeof(producer));
	memcpy(mapped + PAGE, data + 2, n < DATA ? n : DATA);
	CHECK(ring_drain(&ring, &room, sizeof(room), SIZE_MAX, take_record, NULL) <= DATA / 8);
	CHECK(consumer <= producer + 8);
}

static void read_record(const uint8_t *data, size_t n)
{
	static struct tcpstat_flow record;

	memset(&record, 0, sizeof(record));
	memcpy(&record, data, n < sizeof(record) ? n : sizeof(record));
	sockstat_record(&record, sizeof(struct tcpstat_event), &wholes, &sink);
	sockstat_record(&record, sizeof(struct tcpstat_receipts), &wholes, &sink);
	sockstat_record(&record, sizeof(struct tcpstat_begin), &wholes, &sink);
	sockstat_record(&record, sizeof(struct tcpstat_flow), &wholes, &sink);
	sockstat_record(&record, n < sizeof(record) ? n : sizeof(record), &wholes, &sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	drain_ring(data, n);
	read_record(data, n);
	wholes_free(&wholes);
	return 0;
}
