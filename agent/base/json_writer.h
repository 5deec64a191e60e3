/* JSON written straight to a stream: objects in order, integers exact, text always UTF-8, figures
 * rounded and null where they are not known or not finite.
 *
 *   struct json_writer w = { .to = stdout };
 *   json_begin_object(&w, NULL);
 *   json_put_text(&w, "test", "ndt7");
 *   json_put_figure(&w, "goodput_mbps", goodput, 3);
 *   json_end_object(&w);
 *
 * Failures collect in ferror(to): no member is lost silently where memory or the disk is short.
 *
 * `name` is NULL at the top and in arrays.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "measure/result.h"

struct json_writer {
	FILE *to;
	bool follows; /* a value stands before: a comma is due */
};

void json_begin_object(struct json_writer *w, const char *name);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *name);
void json_end_array(struct json_writer *w);

void json_put_text(struct json_writer *w, const char *name, const char *text); /* NULL: null */
void json_put_count(struct json_writer *w, const char *name, uint64_t count);
void json_put_flag(struct json_writer *w, const char *name, bool flag);
void json_put_null(struct json_writer *w, const char *name);

/* Rounded to `decimals`, without trailing zeros. */
void json_put_figure(struct json_writer *w, const char *name, struct figure f, int decimals);

/* A value that is JSON already. */
void json_put_raw(struct json_writer *w, const char *name, const char *json);

/* JSON as text instead: `w` writes it between the two calls.
 *
 *   if (!json_text_begin(&t))
 *           return NULL;
 *   json_put_flag(&t.w, NULL, true);
 *   return json_text_end(&t);
 */
struct json_text {
	struct json_writer w;
	char *at;
	size_t bytes;
};

/* False: short of memory, and nothing is to be ended. */
bool json_text_begin(struct json_text *t);

/* The caller's to free(3); NULL: short of memory. */
char *json_text_end(struct json_text *t);
