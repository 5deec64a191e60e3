#include "transport/base/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

bool bytes_copy_text(char *out, size_t out_bytes, const char *text)
{
	size_t n = strlen(text);

	if (n >= out_bytes) {
		out[0] = '\0';
		return false;
	}
	memcpy(out, text, n + 1);
	return true;
}

static void random_from_kernel(void *out, size_t size_bytes)
{
	uint8_t *at = out;

	while (size_bytes > 0) {
		ssize_t n = getrandom(at, size_bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort(); /* Linux has it since 3.17; keys must not be guessable */
		at += n;
		size_bytes -= (size_t)n;
	}
}

/* A mask key is four bytes and one is drawn for each frame: without the pool every frame of an
 * upload would cost one more system call. */
void bytes_random(void *out, size_t size_bytes)
{
	static _Thread_local uint8_t pool[512];
	static _Thread_local size_t left;

	if (size_bytes > sizeof(pool) / 4) {
		random_from_kernel(out, size_bytes);
		return;
	}
	if (size_bytes > left) {
		random_from_kernel(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= size_bytes;
	memcpy(out, pool + left, size_bytes);
	memset(pool + left, 0, size_bytes); /* what was handed out is not kept */
}

struct text text_on(char *at, size_t capacity_bytes)
{
	at[0] = '\0';
	return (struct text){ .at = at, .capacity_bytes = capacity_bytes };
}

void text_append(struct text *t, const char *format, ...)
{
	size_t room = t->capacity_bytes - t->bytes;
	va_list args;
	int n;

	if (t->overflow)
		return;
	va_start(args, format);
	n = vsnprintf(t->at + t->bytes, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		t->at[t->bytes] = '\0';
		t->overflow = true;
		return;
	}
	t->bytes += (size_t)n;
}
