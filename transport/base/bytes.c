#include "transport/base/bytes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "transport/base/utf8.h"

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

/* U+0080 to U+009F: xterm takes U+009B for the beginning of an escape sequence. */
static bool is_c1_control(const unsigned char *at)
{
	return at[0] == 0xc2 && at[1] <= 0x9f;
}

void bytes_make_printable(char *text)
{
	const unsigned char *at = (unsigned char *)text, *end = at + strlen(text);
	unsigned char *to = (unsigned char *)text;

	while (at < end) {
		size_t n = utf8_character_bytes(at, (size_t)(end - at));

		if (n == 0 || *at < 0x20 || *at == 0x7f || is_c1_control(at)) {
			*to++ = '?';
			at += n ? n : 1;
			continue;
		}
		while (n--)
			*to++ = *at++;
	}
	*to = '\0';
}

/* Ends a text that was cut at size_bytes with "…", without half a character before it. */
static void mark_cut(char *text, size_t size_bytes)
{
	static const char ellipsis[] = "…";
	size_t n = size_bytes - sizeof(ellipsis);

	while (n > 0 && (text[n] & 0xc0) == 0x80)
		n--;
	memcpy(text + n, ellipsis, sizeof(ellipsis));
}

void bytes_print_line(char *out, size_t out_bytes, const char *format, va_list args)
{
	int wanted = vsnprintf(out, out_bytes, format, args);

	if (wanted < 0)
		out[0] = '\0';
	else if ((size_t)wanted >= out_bytes)
		mark_cut(out, out_bytes);
	bytes_make_printable(out);
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
static _Thread_local uint8_t pool[512];
static _Thread_local size_t pool_left_bytes;

/* A child that drew from a copy of the pool would draw what its parent draws. */
static void forget_pool(void)
{
	pool_left_bytes = 0;
}

static void forget_pool_in_children(void)
{
	if (pthread_atfork(NULL, NULL, forget_pool) != 0)
		abort();
}

static void fill_pool(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, forget_pool_in_children);
	random_from_kernel(pool, sizeof(pool));
	pool_left_bytes = sizeof(pool);
}

void bytes_random(void *out, size_t size_bytes)
{
	if (size_bytes > sizeof(pool) / 4) {
		random_from_kernel(out, size_bytes);
		return;
	}
	if (size_bytes > pool_left_bytes)
		fill_pool();
	pool_left_bytes -= size_bytes;
	memcpy(out, pool + pool_left_bytes, size_bytes);
	memset(pool + pool_left_bytes, 0, size_bytes); /* what was handed out is not kept */
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
