/* Numbers in as few bytes as they need: seven bits to a byte, from the lowest on, the high bit where more follow. What is
 * read was written by put_varint(): nothing else is looked for. Pure. */
#pragma once

#include <stdint.h>

#define VARINT_BYTES_MAX 10

/* Answers the end. */
static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

static inline const uint8_t *get_varint(const uint8_t *at, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;; shift += 7) {
		value |= (uint64_t)(*at & 0x7f) << shift;
		if (!(*at++ & 0x80))
			break;
	}
	*ret = value;
	return at;
}

/* Small differences of either sign become small numbers. */
static inline uint64_t zigzag(uint64_t difference)
{
	return difference << 1 ^ (0 - (difference >> 63));
}

static inline uint64_t unzigzag(uint64_t value)
{
	return value >> 1 ^ (0 - (value & 1));
}
