#include "measure/report/html.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/cleanup.h"
#include "transport/base/json.h"
#include "transport/base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void html_start(struct html *h, struct html_output to)
{
	h->to = to;
	h->err = (struct err){};
	h->used = 0;
}

/* --- bytes ------------------------------------------------------------------------------------- */

static void flush(struct html *h)
{
	if (h->err.code == 0)
		h->to.write(h->to.self, h->buffer, h->used, &h->err);
	h->used = 0;
}

static void put_bytes(struct html *h, const char *data, size_t n)
{
	while (n > 0) {
		size_t room = sizeof(h->buffer) - h->used;
		size_t part = n < room ? n : room;

		memcpy(h->buffer + h->used, data, part);
		h->used += part;
		data += part;
		n -= part;
		if (h->used == sizeof(h->buffer))
			flush(h);
	}
}

static void put_words(struct html *h, const char *words)
{
	put_bytes(h, words, strlen(words));
}

void html_put_file(struct html *h, const char *begin, const char *end)
{
	put_bytes(h, begin, (size_t)(end - begin));
}

int html_finish(struct html *h, struct err *err)
{
	flush(h);
	if (h->err.code && err)
		*err = h->err;
	return h->err.code;
}

/* --- text -------------------------------------------------------------------------------------- */

/* NULL: the character stands for itself. */
static const char *entity(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\n':
	case '\t':
		return NULL;
	default:
		return c < ' ' || c == 0x7f ? REPLACEMENT : NULL;
	}
}

void html_put_text(struct html *h, const char *text, size_t left)
{
	while (left > 0) {
		size_t n = utf8_character_bytes((const uint8_t *)text, left);
		const char *in_its_place = n == 0 ? REPLACEMENT : entity((unsigned char)*text);

		if (in_its_place)
			put_words(h, in_its_place);
		else
			put_bytes(h, text, n);
		n += n == 0;
		text += n;
		left -= n;
	}
}

void html_put_raw_json_text(struct html *h, const char *text, size_t n)
{
	const struct json_token token = { .kind = JSON_STRING, .text = text, .n = n };
	CLEANUP(freep) char *decoded = malloc(n + 1);

	if (!decoded)
		ERR_SET(&h->err, -ENOMEM, ERR_SYS, 0, "decode %zu bytes of text", n);
	else if (json_text_copy(&token, decoded, n + 1) == 0)
		html_put_text(h, decoded, strlen(decoded));
	else
		put_words(h, REPLACEMENT);
}

void html_put_json_string(struct html *h, const char *text)
{
	size_t room = 6 * strlen(text) + 3; /* all of it as \u0000, and the quotes */
	CLEANUP(freep) char *quoted = malloc(room);

	if (!quoted || json_quote(text, quoted, room) < 0) {
		ERR_SET(&h->err, -ENOMEM, ERR_SYS, 0, "quote %zu bytes of text", room);
		return;
	}
	for (const char *at = quoted; *at; at++) {
		if (*at == '<')
			put_words(h, "\\u003c");
		else
			put_bytes(h, at, 1);
	}
}

/* --- formats ------------------------------------------------------------------------------------- */

#define SPEC_BYTES   16
#define NUMBER_BYTES 400 /* the largest double has 309 digits before its point */

static void put_string(struct html *h, const char *text)
{
	html_put_text(h, text, strlen(text));
}

/* One conversion that is no %s; `spec` is its text, from the % on. */
static void put_number(struct html *h, const char *spec, va_list *args)
{
	char number[NUMBER_BYTES];
	size_t n = strlen(spec);
	char conversion = spec[n - 1];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (conversion == 'f' || conversion == 'g')
		snprintf(number, sizeof(number), spec, va_arg(*args, double));
	else if (n > 2 && spec[n - 2] == 'l')
		snprintf(number, sizeof(number), spec, va_arg(*args, unsigned long long));
	else if (n > 2 && spec[n - 2] == 'z')
		snprintf(number, sizeof(number), spec, va_arg(*args, size_t));
	else if (conversion == 'd')
		snprintf(number, sizeof(number), spec, va_arg(*args, int));
	else
		snprintf(number, sizeof(number), spec, va_arg(*args, unsigned int));
#pragma GCC diagnostic pop
	put_words(h, number);
}

void html_put(struct html *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	while (*format) {
		size_t n = strcspn(format, "%");
		char spec[SPEC_BYTES];

		put_bytes(h, format, n);
		format += n;
		if (*format == '\0')
			break;
		n = 1 + strcspn(format + 1, "sdufgx%") + 1;
		assert(n < sizeof(spec));
		memcpy(spec, format, n);
		spec[n] = '\0';
		format += n;
		if (spec[n - 1] == '%')
			put_words(h, "%");
		else if (spec[n - 1] == 's')
			put_string(h, va_arg(args, const char *));
		else
			put_number(h, spec, &args);
	}
	va_end(args);
}
