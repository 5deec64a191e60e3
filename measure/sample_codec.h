/* A sample as bytes: its differences to the one before it of its connection. Made for speed, as each ACK of a fast
 * connection passes while the test runs; some 20 to 40 bytes. Of this process only: what is read was written by
 * sample_encode(). Pure.
 *
 *   event     byte; bit 7 is app_limited, bit 6: `seldom` follows
 *   lengths   64 bits, little-endian: of each difference below four bits, how many bytes it has, the last lowest
 *   often     zigzag of at_ns (to the sample before, of any connection) and of 15 fields, little-endian
 *   seldom    varint, a bit for each of the other fields that differs, and for each bit a zigzag varint
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/sample.h"

/* Room that sample_encode() needs and may write to, however short the code is. sample_decode() reads up to eight bytes
 * beyond a code's end. */
#define SAMPLE_CODE_BYTES_MAX 320

/* Answers the code's end. *last, the sample before of that connection or all zero, becomes *s. before_ns is at_ns of the
 * sample before, of any connection. */
uint8_t *sample_encode(uint8_t *at, uint64_t before_ns, struct tcp_sample *last,
                       const struct tcp_sample *s);

/* Answers the code's end. *s is the sample before of that connection and becomes this one. */
const uint8_t *sample_decode(const uint8_t *at, uint64_t before_ns, struct tcp_sample *s);

/* Both say the same; not the same connection's, that is not looked at. */
bool sample_is_same(const struct tcp_sample *a, const struct tcp_sample *b);
