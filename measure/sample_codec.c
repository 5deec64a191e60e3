#include "measure/sample_codec.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "measure/varint.h"

#define EVENT_APP_LIMITED 0x80
#define EVENT_SELDOM      0x40
static_assert(TCP_SAMPLE_EVENTS <= EVENT_SELDOM, "the two high bits are free");

/* Written out and not in a loop, so that places are constants. Those that change with nearly each segment that is received,
 * or acknowledged; which of them do, nobody could foretell: they are written without a branch, those that do not change as no
 * byte. */
#define RECEIVED(X)                                                                                \
	X(bytes_received)                                                                          \
	X(rcv_rtt_us)                                                                              \
	X(rcv_wnd_bytes)

#define ACKNOWLEDGED(X)                                                                            \
	X(bytes_acked)                                                                             \
	X(bytes_sent)                                                                              \
	X(srtt_us)                                                                                 \
	X(rttvar_us)                                                                               \
	X(latest_rtt_us)                                                                           \
	X(inflight_segments)                                                                       \
	X(notsent_bytes)                                                                           \
	X(snd_cwnd_segments)                                                                       \
	X(snd_wnd_bytes)                                                                           \
	X(delivery_rate_bps)                                                                       \
	X(pacing_rate_bps)                                                                         \
	X(busy_us)

#define OFTEN(X) RECEIVED(X) ACKNOWLEDGED(X)

/* By the kernel's timer, by losses, by a state: of most samples none. */
#define SELDOM(X)                                                                                  \
	X(min_rtt_us)                                                                              \
	X(rwnd_limited_us)                                                                         \
	X(sndbuf_limited_us)                                                                       \
	X(bytes_retrans)                                                                           \
	X(lost_segments)                                                                           \
	X(sacked_segments)                                                                         \
	X(ssthresh_segments)                                                                       \
	X(ooo_segments)                                                                            \
	X(ca_state)                                                                                \
	X(state)                                                                                   \
	X(present)

#define ONE(member) +1

enum often {
	OFTEN_at_ns,
#define NUMBER(member) OFTEN_##member,
	OFTEN(NUMBER)
#undef NUMBER
		OFTEN_COUNT,
};
static_assert(OFTEN_COUNT * 4 <= 64, "their lengths are a word");

enum seldom {
#define NUMBER(member) SELDOM_##member,
	SELDOM(NUMBER)
#undef NUMBER
		SELDOM_COUNT,
};
static_assert(SAMPLE_CODE_BYTES_MAX >=
                      1 + 8 + 8 * OFTEN_COUNT + VARINT_BYTES_MAX * (1 + SELDOM_COUNT) + 8,
              "the longest code fits, and a word");

/* 0 to 8; 0 has none. By the highest bit of twice as much and one; where twice as much has lost it, of half as much. */
static uint64_t bytes_of(uint64_t value)
{
	uint64_t bits = 63 ^ (uint64_t)__builtin_clzll(value << 1 | value >> 1 | 1);

	return (bits + 7) / 8;
}

/* Writes 8 bytes, however few of them count. */
static uint8_t *put_often(uint8_t *at, uint64_t difference, uint64_t *lengths)
{
	uint64_t value = zigzag(difference), bytes = bytes_of(value), word = htole64(value);

	memcpy(at, &word, sizeof(word));
	*lengths = *lengths << 4 | bytes;
	return at + bytes;
}

static const uint8_t *get_often(const uint8_t *at, uint64_t lengths, enum often which,
                                uint64_t *ret_difference)
{
	static const uint64_t masks[16] = {
		0,          0xff,         0xffff,         0xffffff,
		0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
		UINT64_MAX,
	};
	uint64_t bytes = lengths >> 4 * (OFTEN_COUNT - 1 - which) & 15, word;

	memcpy(&word, at, sizeof(word));
	*ret_difference = unzigzag(le64toh(word) & masks[bytes]);
	return at + bytes;
}

__attribute__((noinline)) static uint8_t *put_seldom(uint8_t *at, const struct tcp_sample *last,
                                                     const struct tcp_sample *s)
{
	uint64_t changed = 0;

#define COMPARE(member) changed |= (uint64_t)(s->member != last->member) << SELDOM_##member;
	SELDOM(COMPARE)
#undef COMPARE
	at = put_varint(at, changed);
#define PUT(member)                                                                                \
	if (changed >> SELDOM_##member & 1)                                                        \
		at = put_varint(at, zigzag((uint64_t)s->member - (uint64_t)last->member));
	SELDOM(PUT)
#undef PUT
	return at;
}

static const uint8_t *get_seldom(const uint8_t *at, struct tcp_sample *s)
{
	uint64_t value, changed;

	at = get_varint(at, &changed);
#define GET(member)                                                                                \
	if (changed >> SELDOM_##member & 1) {                                                      \
		at = get_varint(at, &value);                                                       \
		s->member = (__typeof__(s->member))(s->member + unzigzag(value));                  \
	}
	SELDOM(GET)
#undef GET
	return at;
}

/* Without a branch: a difference of any is one of all. */
#define DIFFER(member) | ((uint64_t)a->member ^ (uint64_t)b->member)

static bool differs_received(const struct tcp_sample *a, const struct tcp_sample *b)
{
	return (0 RECEIVED(DIFFER)) != 0;
}

static bool differs_acknowledged(const struct tcp_sample *a, const struct tcp_sample *b)
{
	return (0 ACKNOWLEDGED(DIFFER)) != 0;
}

static bool differs_seldom(const struct tcp_sample *a, const struct tcp_sample *b)
{
	return (0 SELDOM(DIFFER)) != 0;
}

bool sample_is_same(const struct tcp_sample *a, const struct tcp_sample *b)
{
	return a->at_ns == b->at_ns && a->event == b->event && a->app_limited == b->app_limited &&
	       !differs_received(a, b) && !differs_acknowledged(a, b) && !differs_seldom(a, b);
}

#define PUT(member) at = put_often(at, (uint64_t)s->member - (uint64_t)last->member, &lengths);

/* A connection that sends receives little, and the other way round: of each sample one of the two groups is passed over. */
static uint8_t *put_all_often(uint8_t *at, uint64_t passed_ns, const struct tcp_sample *last,
                              const struct tcp_sample *s, uint64_t *ret_lengths)
{
	uint64_t lengths = 0;

	at = put_often(at, passed_ns, &lengths);
	if (differs_received(last, s)) {
		RECEIVED(PUT)
	} else {
		lengths <<= 4 * (0 RECEIVED(ONE));
	}
	if (differs_acknowledged(last, s)) {
		ACKNOWLEDGED(PUT)
	} else {
		lengths <<= 4 * (0 ACKNOWLEDGED(ONE));
	}
	*ret_lengths = lengths;
	return at;
}
#undef PUT

uint8_t *sample_encode(uint8_t *at, uint64_t before_ns, struct tcp_sample *last,
                       const struct tcp_sample *s)
{
	bool seldom = differs_seldom(last, s);
	uint8_t *head = at;
	uint64_t lengths;

	*at++ = (uint8_t)(s->event | (s->app_limited ? EVENT_APP_LIMITED : 0) |
	                  (seldom ? EVENT_SELDOM : 0));
	at = put_all_often(at + sizeof(lengths), s->at_ns - before_ns, last, s, &lengths);
	lengths = htole64(lengths);
	memcpy(head + 1, &lengths, sizeof(lengths));
	if (seldom)
		at = put_seldom(at, last, s);
	*last = *s;
	return at;
}

const uint8_t *sample_decode(const uint8_t *at, uint64_t before_ns, struct tcp_sample *s)
{
	uint64_t lengths, difference;
	uint8_t event = *at++;

	memcpy(&lengths, at, sizeof(lengths));
	lengths = le64toh(lengths);
	at += sizeof(lengths);
	at = get_often(at, lengths, OFTEN_at_ns, &difference);
	s->at_ns = before_ns + difference;
#define GET(member)                                                                                \
	at = get_often(at, lengths, OFTEN_##member, &difference);                                  \
	s->member = (__typeof__(s->member))(s->member + difference);
	OFTEN(GET)
#undef GET
	if (event & EVENT_SELDOM)
		at = get_seldom(at, s);
	s->event = event & ~(EVENT_APP_LIMITED | EVENT_SELDOM);
	s->app_limited = event & EVENT_APP_LIMITED;
	return at;
}
