#include "measure/sample_codec.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/draw.h"

/* Compared byte by byte below. */
static_assert(sizeof(struct tcp_sample) == offsetof(struct tcp_sample, app_limited) + sizeof(bool),
              "a sample has no holes");

#define BEFORE_NS 123456789

static size_t assert_comes_back(const struct tcp_sample *before, const struct tcp_sample *s)
{
	uint8_t code[SAMPLE_CODE_BYTES_MAX + 8], *end;
	struct tcp_sample last = *before, back = *before;

	memset(code, 0xa5, sizeof(code));
	end = sample_encode(code, BEFORE_NS, &last, s);
	assert_in_range(end - code, 1, SAMPLE_CODE_BYTES_MAX);
	assert_memory_equal(code + SAMPLE_CODE_BYTES_MAX, "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5", 8);
	assert_memory_equal(&last, s, sizeof(*s));
	memset(end, 0x5a, (size_t)(code + sizeof(code) - end)); /* another code follows */
	assert_ptr_equal(sample_decode(code, BEFORE_NS, &back), end);
	assert_memory_equal(&back, s, sizeof(*s));
	return (size_t)(end - code);
}

static bool is_flag(size_t byte)
{
	return byte == offsetof(struct tcp_sample, app_limited) ||
	       byte == offsetof(struct tcp_sample, event);
}

static bool is_cookie(size_t byte)
{
	return byte / 8 == offsetof(struct tcp_sample, cookie) / 8;
}

/* What a kernel might say, and what it never does: each bit of each field. */
static void each_bit_comes_back(void **state)
{
	static const uint8_t grounds[] = { 0, 0xff, 0x80, 0x7f };

	(void)state;
	for (size_t i = 0; i < sizeof(grounds); i++) {
		struct tcp_sample before;

		memset(&before, grounds[i], sizeof(before));
		before.event = TCP_SAMPLE_ACK;
		before.app_limited = i & 1;
		for (size_t byte = 0; byte < sizeof(before); byte++)
			for (int bit = 0; bit < 8; bit++) {
				struct tcp_sample s = before;

				if (is_cookie(byte) || (is_flag(byte) && bit > 0))
					continue;
				((uint8_t *)&s)[byte] ^= (uint8_t)(1 << bit);
				assert_comes_back(&before, &s);
			}
	}
}

/* Each field is of its own length, up to the longest code there is. */
static void whatever_is_drawn_comes_back(void **state)
{
	struct tcp_sample before = {}, s = {};
	uint64_t seed = 20;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		for (size_t byte = 0; byte < sizeof(s); byte++) {
			uint64_t draw = draw_u64(&seed);

			if (!is_cookie(byte) && draw % 4)
				((uint8_t *)&s)[byte] = (uint8_t)(draw >> 8);
		}
		s.event %= TCP_SAMPLE_EVENTS;
		s.app_limited = draw_u64(&seed) & 1;
		assert_comes_back(&before, &s);
		before = s;
	}
}

/* A difference is written in so many bytes as it has. */
static void the_longest_code(void **state)
{
	struct tcp_sample before = {}, s;
	uint64_t most =
		1ULL << 63; /* its zigzag is all ones: of any other difference it has less */

	(void)state;
	memset(&s, 0x80, sizeof(s));
	s.cookie = 0;
	s.event = TCP_SAMPLE_CONGESTION;
	s.app_limited = true;
	s.at_ns = BEFORE_NS + most;
	s.bytes_acked = s.bytes_received = s.bytes_sent = s.bytes_retrans = most;
	s.delivery_rate_bps = s.pacing_rate_bps = most;
	s.busy_us = s.rwnd_limited_us = s.sndbuf_limited_us = most;
	assert_comes_back(&before, &s);
}

/* A receiver's and a sender's ACK, as they follow each other at full speed. */
static struct length_case {
	const char *name;
	struct tcp_sample before, s;
	size_t most_bytes;
} length_cases[] = {
	{ "nothing new but the time", { .at_ns = BEFORE_NS }, { .at_ns = BEFORE_NS + 30000 }, 11 },
	{ "a segment received",
	  { .bytes_received = 1 << 30, .rcv_rtt_us = 40, .rcv_wnd_bytes = 6291456 },
	  { .at_ns = BEFORE_NS + 5000,
	    .bytes_received = (1 << 30) + 65483,
	    .rcv_rtt_us = 42,
	    .rcv_wnd_bytes = 6225920 },
	  18 },
	{ "an acknowledgement",
	  { .bytes_acked = 1 << 30,
	    .bytes_sent = (1 << 30) + 500000,
	    .srtt_us = 30,
	    .rttvar_us = 9,
	    .latest_rtt_us = 33,
	    .inflight_segments = 20,
	    .notsent_bytes = 1000000,
	    .snd_wnd_bytes = 3000000,
	    .delivery_rate_bps = 100000000000 },
	  { .at_ns = BEFORE_NS + 6000,
	    .bytes_acked = (1 << 30) + 65483,
	    .bytes_sent = (1 << 30) + 565483,
	    .srtt_us = 31,
	    .rttvar_us = 8,
	    .latest_rtt_us = 41,
	    .inflight_segments = 19,
	    .notsent_bytes = 934517,
	    .snd_wnd_bytes = 3065483,
	    .delivery_rate_bps = 90000000000 },
	  36 },
};

static void a_code_is_short(void **state)
{
	const struct length_case *c = *state;

	assert_in_range(assert_comes_back(&c->before, &c->s), 1, c->most_bytes);
}

static void a_difference_is_seen(void **state)
{
	struct tcp_sample a = { .cookie = 1, .event = TCP_SAMPLE_ACK };

	(void)state;
	assert_true(sample_is_same(&a, &a));
	for (size_t byte = 0; byte < sizeof(a); byte++) {
		struct tcp_sample b = a;

		if (is_cookie(byte))
			continue;
		((uint8_t *)&b)[byte] ^= 1;
		assert_false(sample_is_same(&a, &b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_comes_back),
		cmocka_unit_test(whatever_is_drawn_comes_back),
		cmocka_unit_test(the_longest_code),
		cmocka_unit_test(a_difference_is_seen),
	};
	int failed = CASES_RUN(a_code_is_short, length_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
