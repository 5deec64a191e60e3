#include "agent/sentry/sentry_text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/utf8.h"

static const char ellipsis[] = "…";
static const char replacement[] = "\xEF\xBF\xBD";

/* Where the last whole characters end that leave room for the ellipsis. */
static size_t back_to(const char *out, size_t bytes)
{
	return utf8_whole_bytes((const uint8_t *)out, bytes);
}

void sentry_text_fit(const char *text, char *out, size_t out_bytes)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t left = strlen(text), n = 0;

	while (left > 0) {
		size_t taken = utf8_character_bytes(at, left < 4 ? left : 4);
		const void *piece = taken ? (const void *)at : replacement;
		size_t piece_bytes = taken ? taken : strlen(replacement);

		if (piece_bytes >= out_bytes - n) {
			if (n > out_bytes - sizeof(ellipsis))
				n = back_to(out, out_bytes - sizeof(ellipsis));
			memcpy(out + n, ellipsis, sizeof(ellipsis));
			return;
		}
		memcpy(out + n, piece, piece_bytes);
		n += piece_bytes;
		at += taken ? taken : 1;
		left -= taken ? taken : 1;
	}
	out[n] = '\0';
}

void sentry_text_name(const char *text, char *out, size_t out_bytes)
{
	size_t n = 0;

	if (!text || !*text)
		text = "unknown";
	for (; text[n] && n + 1 < out_bytes; n++)
		out[n] = isalnum((unsigned char)text[n]) || strchr("._-", text[n]) ? text[n] : '_';
	out[n] = '\0';
}
