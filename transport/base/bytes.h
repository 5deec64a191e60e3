/* Bytes: network order, strings of fixed capacity, unpredictable numbers. */
#pragma once

#include <endian.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_load_be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint64_t bytes_load_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void bytes_store_be16(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void bytes_store_be64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

/* Copies `text` into `out` of `out_bytes`, always terminated.
 * Answers false where it had to be cut: then `out` is empty, never half of something. */
bool bytes_copy_text(char *out, size_t out_bytes, const char *text);

/* Makes text of a peer's fit for a terminal and a log, in place: control characters (C0, DEL, and
 * C1 in UTF-8) and bytes that are not UTF-8 become '?'. */
void bytes_make_printable(char *text);

/* vsnprintf(3) of one line for a person: printable as above, and ended with "…" where it had to be
 * cut. out_bytes is at least 8. */
void bytes_print_line(char *out, size_t out_bytes, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Fills `out` from the kernel's generator (getrandom(2)); small requests are served from a pool,
 * which is shared neither between threads nor with a child of fork(2). Never fails: a kernel
 * without it ends the program. */
void bytes_random(void *out, size_t size_bytes);

/* Text that grows up to a ceiling; once an append did not fit, `overflow` stays set and later
 * appends do nothing, so that only the end needs a check. */
struct text {
	char *at;
	size_t capacity_bytes; /* with the terminating NUL */
	size_t bytes;          /* without it */
	bool overflow;
};

/* Over memory of the caller's; at[0] is set to NUL. */
struct text text_on(char *at, size_t capacity_bytes);
void text_append(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
