/* Any bytes as a WebSocket's: wherever they are cut, and whether payload is seen or skipped, the same
 * events come out. Input: see tests/fuzz/make_ws_corpus.py. */
#include "tests/ws_log.h"

static struct ws_log whole, other;

/* FNV-1a: the same input is cut at the same places. */
static uint64_t seed_of(const uint8_t *data, size_t n)
{
	uint64_t hash = 0xCBF29CE484222325;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ data[i]) * 0x100000001B3;
	return hash | 1;
}

static void check_same(const struct ws_decoder_options *o, const uint8_t *in, size_t n,
                       struct ws_log_feed feed)
{
	ws_log_run(&other, o, in, n, feed);
	WS_LOG_CHECK(other.n == whole.n && memcmp(other.text, whole.text, whole.n) == 0);
	WS_LOG_CHECK(other.payload_bytes == whole.payload_bytes);
}

/* What parses is encoded to the bytes it came from. */
static void check_header(const uint8_t *in, size_t n)
{
	uint8_t out[WS_HEADER_MAX];
	struct ws_header h;

	if (ws_header_parse(in, n, &h, NULL) != WS_OK)
		return;
	WS_LOG_CHECK(ws_frame_encode(&h, out) == h.header_bytes);
	WS_LOG_CHECK(memcmp(in, out, h.header_bytes) == 0);
}

/* What we write the other role reads. */
static void check_writing(enum ws_role role, const uint8_t *in, size_t n)
{
	struct ws_decoder_options o = { .role = role == WS_CLIENT ? WS_SERVER : WS_CLIENT };
	size_t payload_bytes = n < WS_CONTROL_PAYLOAD_MAX ? n : WS_CONTROL_PAYLOAD_MAX;
	uint8_t frame[WS_HEADER_MAX + WS_CONTROL_PAYLOAD_MAX];
	const uint8_t *at = frame;
	struct ws_event event;
	struct ws_decoder d;
	size_t left = ws_small_frame(role, WS_PING, in, payload_bytes, frame, sizeof(frame));

	ws_decoder_init(&d, &o);
	WS_LOG_CHECK(ws_decoder_next(&d, &at, &left, &event, NULL) == WS_OK && left == 0);
	WS_LOG_CHECK(event.kind == WS_EVENT_PING && event.n == payload_bytes);
	WS_LOG_CHECK(memcmp(event.data, in, payload_bytes) == 0);
}

/* A Close of ours is one the peer takes: whatever the reason, it is cut between characters. */
static void check_close(const uint8_t *in, size_t n)
{
	uint8_t payload[WS_CONTROL_PAYLOAD_MAX];
	size_t reason_bytes = n < 300 ? n : 300;
	char reason[301];

	memcpy(reason, in, reason_bytes);
	reason[reason_bytes] = '\0';
	reason_bytes = strlen(reason);
	n = ws_close_payload(WS_CLOSE_NORMAL, reason, payload);
	WS_LOG_CHECK(n >= 2 && n <= sizeof(payload) && n - 2 <= reason_bytes);
	WS_LOG_CHECK(memcmp(payload + 2, reason, n - 2) == 0);
	if (utf8_check(UTF8_ACCEPT, (const uint8_t *)reason, reason_bytes) != UTF8_ACCEPT)
		return;
	WS_LOG_CHECK(utf8_check(UTF8_ACCEPT, payload + 2, n - 2) == UTF8_ACCEPT);
	WS_LOG_CHECK(n - 2 == reason_bytes || n + 3 >= sizeof(payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ws_decoder_options o;
	uint64_t seed = seed_of(data, n);

	if (n < 1 || n > 8192)
		return 0;
	o = ws_log_options(data[0]);
	data++;
	n--;
	check_header(data, n);
	check_writing(o.role, data, n);
	check_close(data, n);
	ws_log_run(&whole, &o, data, n, (struct ws_log_feed){ n, n });
	WS_LOG_CHECK(whole.payload_bytes <= n);
	check_same(&o, data, n, (struct ws_log_feed){ .rest = 1 + seed % 40, .seed = seed });
	check_same(&o, data, n, (struct ws_log_feed){ n, n, .skip = true });
	check_same(&o, data, n,
	           (struct ws_log_feed){ .rest = 1 + seed % 300, .seed = seed, .skip = true });
	return 0;
}
