#include "transport/base/utf8.h"

#include <string.h>

/* Inside a character the state is how many bytes are missing and the range of the next one. That
 * range is narrower than 80..BF only behind E0, ED, F0 and F4, which keeps out long forms,
 * surrogates and what lies above U+10FFFF (RFC 3629 4). */
#define INSIDE(missing, low, high) ((uint32_t)(missing) << 16 | (uint32_t)(low) << 8 | (high))

static uint32_t begin_character(uint8_t byte)
{
	if (byte < 0x80)
		return UTF8_ACCEPT;
	if (byte < 0xC2)
		return UTF8_REJECT;
	if (byte < 0xE0)
		return INSIDE(1, 0x80, 0xBF);
	if (byte < 0xF0)
		return INSIDE(2, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF);
	if (byte < 0xF5)
		return INSIDE(3, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF);
	return UTF8_REJECT;
}

static uint32_t continue_character(uint32_t state, uint8_t byte)
{
	uint32_t missing = state >> 16;

	if (byte < (state >> 8 & 0xFF) || byte > (state & 0xFF))
		return UTF8_REJECT;
	return missing == 1 ? UTF8_ACCEPT : INSIDE(missing - 1, 0x80, 0xBF);
}

/* How many bytes at data are surely ASCII; looks at eight at a time. */
static size_t skip_ascii(const uint8_t *data, size_t n)
{
	size_t i = 0;
	uint64_t word;

	for (; n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		if (word & 0x8080808080808080)
			break;
	}
	return i;
}

uint32_t utf8_check(uint32_t state, const uint8_t *data, size_t n)
{
	size_t i = 0;

	while (i < n && state != UTF8_REJECT) {
		if (state != UTF8_ACCEPT) {
			state = continue_character(state, data[i++]);
			continue;
		}
		i += skip_ascii(data + i, n - i);
		if (i < n)
			state = begin_character(data[i++]);
	}
	return state;
}

size_t utf8_character_bytes(const uint8_t *data, size_t n)
{
	uint32_t state = UTF8_ACCEPT;

	for (size_t i = 0; i < n; i++) {
		state = utf8_check(state, data + i, 1);
		if (state == UTF8_ACCEPT)
			return i + 1;
		if (state == UTF8_REJECT)
			return 0;
	}
	return 0;
}

size_t utf8_whole_bytes(const uint8_t *data, size_t n)
{
	size_t begin = n;

	while (begin > 0 && n - begin < 3 && (data[begin - 1] & 0xC0) == 0x80)
		begin--;
	if (begin == 0)
		return 0;
	begin--;
	return utf8_character_bytes(data + begin, n - begin) == n - begin ? n : begin;
}
