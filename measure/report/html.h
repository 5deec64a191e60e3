/* HTML as it is written: what is text is escaped, whoever it is from, because nothing else can be written.
 *
 *   html_put(h, "<td>%s</td>", comm);     %s is always escaped, for elements and for attributes in quotes
 *
 * Failures are kept, and told by html_finish(); what is put after one is dropped.
 */
#pragma once

#include <stddef.h>

#include "transport/base/err.h"

struct html_output {
	int (*write)(void *self, const void *data, size_t bytes, struct err *err);
	void *self;
};

struct html {
	struct html_output to;
	struct err err; /* code 0: all went well */
	size_t used;
	char buffer[16 * 1024];
};

void html_start(struct html *h, struct html_output to);

/* Tags stand in the format; of conversions there are %s, %d, %u, %llu, %llx, %zu, %f, %g and %%. */
void html_put(struct html *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text of a given length. */
void html_put_text(struct html *h, const char *text, size_t n);

/* A JSON string's raw text, decoded, then escaped; what cannot be decoded is U+FFFD. */
void html_put_raw_json_text(struct html *h, const char *text, size_t n);

/* As a JSON string with its quotes, for a <script>: it cannot end it. */
void html_put_json_string(struct html *h, const char *text);

/* As it is: our own files. */
void html_put_file(struct html *h, const char *begin, const char *end);

/* Writes what is left. 0, or the first failure and *err. */
int html_finish(struct html *h, struct err *err);
