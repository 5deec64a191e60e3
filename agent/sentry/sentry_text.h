/* Text that is cut to a size, and valid whatever it was. Pure. */
#pragma once

#include <stddef.h>

/* Copies `text` into out, terminated: bytes that are not UTF-8 become U+FFFD, and where it does not fit it ends
 * with "…" behind a whole character. out_bytes is at least 4. `text` and out must not overlap. */
void sentry_text_fit(const char *text, char *out, size_t out_bytes);

/* A name that groups reports and stands in headers: what is not A-Z a-z 0-9 . _ - becomes "_"; "unknown" of
 * nothing. */
void sentry_text_name(const char *text, char *out, size_t out_bytes);
