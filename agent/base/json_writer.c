#include "agent/base/json_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/json.h"

/* The longest text in a result is an URL; \u00XX makes six of one byte. */
#define QUOTED_BYTES (6 * URL_BYTES_MAX + 3)

static void quote(struct json_writer *w, const char *text)
{
	char quoted[QUOTED_BYTES];

	if (json_quote(text, quoted, sizeof(quoted)) < 0)
		fputs("\"\"", w->to);
	else
		fputs(quoted, w->to);
}

/* What stands before a value: the comma, the name. */
static void lead(struct json_writer *w, const char *name)
{
	if (w->follows)
		fputc(',', w->to);
	w->follows = true;
	if (!name)
		return;
	quote(w, name);
	fputc(':', w->to);
}

static void begin(struct json_writer *w, const char *name, char bracket)
{
	lead(w, name);
	fputc(bracket, w->to);
	w->follows = false;
}

static void end(struct json_writer *w, char bracket)
{
	fputc(bracket, w->to);
	w->follows = true;
}

void json_begin_object(struct json_writer *w, const char *name)
{
	begin(w, name, '{');
}

void json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_begin_array(struct json_writer *w, const char *name)
{
	begin(w, name, '[');
}

void json_end_array(struct json_writer *w)
{
	end(w, ']');
}

void json_put_raw(struct json_writer *w, const char *name, const char *json)
{
	lead(w, name);
	fputs(json, w->to);
}

void json_put_null(struct json_writer *w, const char *name)
{
	json_put_raw(w, name, "null");
}

void json_put_text(struct json_writer *w, const char *name, const char *text)
{
	if (!text) {
		json_put_null(w, name);
		return;
	}
	lead(w, name);
	quote(w, text);
}

void json_put_count(struct json_writer *w, const char *name, uint64_t count)
{
	lead(w, name);
	fprintf(w->to, "%llu", (unsigned long long)count);
}

void json_put_flag(struct json_writer *w, const char *name, bool flag)
{
	json_put_raw(w, name, flag ? "true" : "false");
}

static void strip_zeros(char *digits)
{
	size_t n = strlen(digits);

	if (!strchr(digits, '.'))
		return;
	while (digits[n - 1] == '0')
		n--;
	n -= digits[n - 1] == '.';
	digits[n] = '\0';
}

void json_put_figure(struct json_writer *w, const char *name, struct figure f, int decimals)
{
	char digits[340]; /* a double has at most 309 before the point */

	if (!f.known || !isfinite(f.value)) {
		json_put_null(w, name);
		return;
	}
	snprintf(digits, sizeof(digits), "%.*f", decimals, f.value);
	strip_zeros(digits);
	json_put_raw(w, name, strcmp(digits, "-0") == 0 ? "0" : digits);
}

bool json_text_begin(struct json_text *t)
{
	*t = (struct json_text){};
	t->w.to = open_memstream(&t->at, &t->bytes);
	return t->w.to != NULL;
}

char *json_text_end(struct json_text *t)
{
	bool failed = ferror(t->w.to) != 0;

	if (fclose(t->w.to) == 0 && !failed)
		return t->at;
	free(t->at);
	return NULL;
}
