/* UTF-8 (RFC 3629) as a validator that may be stopped after any byte. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UTF8_ACCEPT 0 /* also the state to begin with */
#define UTF8_REJECT 1

/* Runs the validator over n more bytes; a state other than the two above is "inside a character".
 * A byte that can no longer become valid text is refused at once. */
uint32_t utf8_check(uint32_t state, const uint8_t *data, size_t n);

/* The length of the one character at the beginning of data, 0 where there is none. */
size_t utf8_character_bytes(const uint8_t *data, size_t n);

/* data holds the first n bytes of valid text: how many of them are whole characters. */
size_t utf8_whole_bytes(const uint8_t *data, size_t n);
