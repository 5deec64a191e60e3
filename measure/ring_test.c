#include "measure/ring.h"

#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"

#define PAGE 64
#define DATA 128
#define ROOM 32

/* A ring in memory of the test's, and what came out of it. */
struct fake {
	struct ring ring;
	uint64_t consumer;
	_Alignas(8) unsigned char mapped[PAGE + DATA];
	unsigned char got[16][ROOM];
	size_t got_bytes[16], count;
};

static void fake_begin(struct fake *f, uint64_t at)
{
	*f = (struct fake){ .consumer = at };
	f->ring = (struct ring){ &f->consumer, f->mapped, PAGE, DATA };
	memcpy(f->mapped, &at, sizeof(at));
}

/* As a writer does it: a header, and bytes that may go on at the beginning. */
static void fake_write(struct fake *f, size_t bytes, uint32_t flags, unsigned char first)
{
	uint32_t header = (uint32_t)bytes | flags;
	uint64_t at;

	memcpy(&at, f->mapped, sizeof(at));
	memcpy(f->mapped + PAGE + at % DATA, &header, sizeof(header));
	for (size_t i = 0; i < bytes; i++)
		f->mapped[PAGE + (at + 8 + i) % DATA] = (unsigned char)(first + i);
	at += (8 + bytes + 7) / 8 * 8;
	memcpy(f->mapped, &at, sizeof(at));
}

static void keep(void *self, const void *record, size_t bytes)
{
	struct fake *f = self;

	memcpy(f->got[f->count], record, bytes);
	f->got_bytes[f->count++] = bytes;
}

static size_t drain_some(struct fake *f, size_t most)
{
	unsigned char room[ROOM];

	return ring_drain(&f->ring, room, sizeof(room), most, keep, f);
}

static size_t drain(struct fake *f)
{
	return drain_some(f, SIZE_MAX);
}

static void nothing_is_nothing(void **state)
{
	struct fake f;

	(void)state;
	fake_begin(&f, 0);
	assert_int_equal(drain(&f), 0);
}

static void records_come_in_order(void **state)
{
	struct fake f;

	(void)state;
	fake_begin(&f, 0);
	fake_write(&f, 5, 0, 1);
	fake_write(&f, 24, 0, 50);
	assert_int_equal(drain(&f), 2);
	assert_int_equal(f.got_bytes[0], 5);
	assert_int_equal(f.got[0][4], 5);
	assert_int_equal(f.got_bytes[1], 24);
	assert_int_equal(f.got[1][23], 73);
	assert_int_equal(f.consumer, 48); /* whole words, headers too */
	assert_int_equal(drain(&f), 0);
}

static void a_few_at_a_time(void **state)
{
	struct fake f;

	(void)state;
	fake_begin(&f, 0);
	for (unsigned char i = 0; i < 5; i++)
		fake_write(&f, 8, i == 1 ? BPF_RINGBUF_DISCARD_BIT : 0, i);
	assert_int_equal(drain_some(&f, 2), 2);
	assert_int_equal(f.got[1][0], 2); /* one was thrown away */
	assert_int_equal(f.consumer, 48);
	assert_int_equal(drain_some(&f, 2), 2);
	assert_int_equal(drain_some(&f, 2), 0);
	assert_int_equal(f.got[3][0], 4);
}

/* So that the writers go on while a full ring is read. */
static size_t consumed_when_the_last_came;

static void keep_and_look(void *self, const void *record, size_t bytes)
{
	struct fake *f = self;

	keep(self, record, bytes);
	consumed_when_the_last_came = f->consumer;
}

static void room_is_told_on_the_way(void **state)
{
	unsigned char room[ROOM];
	struct fake f;

	(void)state;
	fake_begin(&f, 0);
	for (unsigned char i = 0; i < 8; i++)
		fake_write(&f, 8, 0, i);
	assert_int_equal(ring_drain(&f.ring, room, sizeof(room), SIZE_MAX, keep_and_look, &f), 8);
	assert_in_range(consumed_when_the_last_came, DATA / 2, DATA - 16);
	assert_int_equal(f.consumer, DATA);
}

static void a_record_goes_on_at_the_beginning(void **state)
{
	struct fake f;

	(void)state;
	for (uint64_t at = 0; at < 4 * DATA; at += 8) {
		fake_begin(&f, at);
		fake_write(&f, 31, 0, 7);
		assert_int_equal(drain(&f), 1);
		for (int i = 0; i < 31; i++)
			assert_int_equal(f.got[0][i], 7 + i);
	}
}

static void what_is_being_written_waits(void **state)
{
	struct fake f;
	uint32_t done = 8;

	(void)state;
	fake_begin(&f, 0);
	fake_write(&f, 8, 0, 1);
	fake_write(&f, 8, BPF_RINGBUF_BUSY_BIT, 2);
	fake_write(&f, 8, 0, 3);
	assert_int_equal(drain(&f), 1);
	memcpy(f.mapped + PAGE + 16, &done, sizeof(done));
	assert_int_equal(drain(&f), 2);
	assert_int_equal(f.got[2][0], 3);
}

static void what_was_thrown_away_is_passed_over(void **state)
{
	struct fake f;

	(void)state;
	fake_begin(&f, 0);
	fake_write(&f, 8, BPF_RINGBUF_DISCARD_BIT, 1);
	fake_write(&f, 8, 0, 2);
	assert_int_equal(drain(&f), 1);
	assert_int_equal(f.got[0][0], 2);
}

static void what_is_too_long_is_passed_over(void **state)
{
	struct fake f;

	(void)state;
	fake_begin(&f, 0);
	fake_write(&f, ROOM + 1, 0, 1);
	fake_write(&f, ROOM, 0, 2);
	assert_int_equal(drain(&f), 1);
	assert_int_equal(f.got_bytes[0], ROOM);
}

static void a_length_beyond_the_end_stops(void **state)
{
	uint32_t lie = 4000;
	struct fake f;

	(void)state;
	fake_begin(&f, 0);
	fake_write(&f, 8, 0, 1);
	memcpy(f.mapped + PAGE, &lie, sizeof(lie));
	assert_int_equal(drain(&f), 0);
	assert_int_equal(f.consumer, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(records_come_in_order),
		cmocka_unit_test(a_few_at_a_time),
		cmocka_unit_test(room_is_told_on_the_way),
		cmocka_unit_test(a_record_goes_on_at_the_beginning),
		cmocka_unit_test(what_is_being_written_waits),
		cmocka_unit_test(what_was_thrown_away_is_passed_over),
		cmocka_unit_test(what_is_too_long_is_passed_over),
		cmocka_unit_test(a_length_beyond_the_end_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
