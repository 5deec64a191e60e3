#include "bench/link/words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench/link/scenario.h"
#include "transport/base/units.h"

#define DIGITS     "0123456789"
#define UNIT_BYTES 32 /* longer than any number with its unit that can be */

void words_open(struct words *w, const char *value)
{
	char *out = w->text;

	w->at = w->text;
	w->refused[0] = '\0';
	for (;;) {
		size_t n;

		value += strspn(value, " \t");
		n = *value == ',' ? 1 : strcspn(value, " \t,");
		if (n == 0)
			break;
		memcpy(out, value, n);
		out[n] = '\0';
		out += n + 1;
		value += n;
	}
	*out = '\0'; /* the empty word after the last */
	w->end = out;
}

const char *words_peek(const struct words *w)
{
	return w->at;
}

static const char *after(const struct words *w, const char *word)
{
	return word < w->end ? word + strlen(word) + 1 : w->end;
}

const char *words_next(struct words *w)
{
	const char *word = w->at;

	w->at = after(w, word);
	return word;
}

bool words_take(struct words *w, const char *word)
{
	if (strcmp(w->at, word) != 0)
		return false;
	words_next(w);
	return true;
}

int words_refuse(struct words *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->refused, sizeof(w->refused), format, args);
	va_end(args);
	return -EINVAL;
}

int words_expect(struct words *w, const char *word)
{
	if (words_take(w, word))
		return 0;
	if (w->at == w->end)
		return words_refuse(w, "\"%s\" is missing", word);
	return words_refuse(w, "\"%.40s\" stands where \"%s\" should", w->at, word);
}

int words_end(struct words *w)
{
	return w->at == w->end ? 0 : words_refuse(w, "\"%.40s\" is too much", w->at);
}

/* --- numbers with units ---------------------------------------------------------------------------- */

typedef int (*parse_fn)(const char *text, uint64_t *ret, struct err *err);

static int parse_number(const char *text, uint64_t *ret, struct err *err)
{
	return units_parse_u64(text, 0, UINT64_MAX, ret, err);
}

static int parse_size(const char *text, uint64_t *ret, struct err *err)
{
	return text[strspn(text, DIGITS)] == '\0' ? -EINVAL : units_parse_size(text, ret, err);
}

/* "0.1%" in steps; a finer one is none. */
static int parse_share(const char *text, uint64_t *ret_steps, struct err *err)
{
	uint64_t step = WORDS_SHARE_STEPS / 100, steps = 0;
	size_t whole = strspn(text, DIGITS);
	const char *c = text + whole;

	(void)err;
	if (whole == 0)
		return -EINVAL;
	for (size_t i = 0; i < whole; i++) {
		steps = steps * 10 + (uint64_t)(text[i] - '0');
		if (steps > 100)
			return strcmp(c + strspn(c, "." DIGITS), "%") == 0 ? -ERANGE : -EINVAL;
	}
	steps *= step;
	if (*c == '.' && strspn(c + 1, DIGITS) > 0)
		for (c++; strchr(DIGITS, *c) && *c && step % 10 == 0; c++)
			steps += (step /= 10) * (uint64_t)(*c - '0');
	*ret_steps = steps;
	return strcmp(c, "%") == 0 ? 0 : -EINVAL;
}

static int parse_packets(const char *text, uint64_t *ret, struct err *err)
{
	size_t n = strspn(text, DIGITS);
	char number[UNIT_BYTES];

	if (n >= sizeof(number) ||
	    (strcmp(text + n, "packets") != 0 && strcmp(text + n, "packet") != 0))
		return -EINVAL;
	memcpy(number, text, n);
	number[n] = '\0';
	return units_parse_u64(number, 0, UINT64_MAX, ret, err);
}

/* The next word, and the one behind it where that is its unit, standing apart. Answers whether it is. */
static bool join_unit(const struct words *w, parse_fn parse, char joined[UNIT_BYTES])
{
	const char *unit = after(w, w->at);
	uint64_t value;

	if (w->at[strspn(w->at, "." DIGITS)] != '\0' || strspn(unit, DIGITS) > 0 ||
	    unit == w->end || strlen(w->at) + strlen(unit) >= UNIT_BYTES)
		return false;
	strcpy(stpcpy(joined, w->at), unit);
	return parse(joined, &value, NULL) != -EINVAL;
}

static int take(struct words *w, const char *noun, parse_fn parse, uint64_t min, uint64_t max,
                uint64_t *ret)
{
	char joined[UNIT_BYTES];
	bool apart = join_unit(w, parse, joined);
	const char *text = apart ? joined : w->at;
	uint64_t value = 0;
	int r = parse(text, &value, NULL);

	if (w->at == w->end)
		return words_refuse(w, "a %s is missing", noun);
	if (r == -EINVAL)
		return words_refuse(w, "\"%.40s\" is no %s", text, noun);
	if (r < 0 || value < min || value > max) {
		words_refuse(w, "\"%.40s\" is too %s", text,
		             r == 0 && value < min ? "small" : "large");
		return -ERANGE;
	}
	words_next(w);
	if (apart)
		words_next(w);
	*ret = value;
	return 0;
}

int words_number(struct words *w, uint64_t min, uint64_t max, uint64_t *ret)
{
	return take(w, "whole number", parse_number, min, max, ret);
}

int words_rate(struct words *w, uint64_t *ret_bps)
{
	return take(w, "rate", units_parse_rate, 1, SCENARIO_RATE_MAX_BPS, ret_bps);
}

int words_duration(struct words *w, uint64_t min_ns, uint64_t *ret_ns)
{
	return take(w, "duration", units_parse_duration, min_ns, SCENARIO_TIME_MAX_NS, ret_ns);
}

int words_size(struct words *w, uint64_t min, uint64_t max, uint64_t *ret_bytes)
{
	return take(w, "size", parse_size, min, max, ret_bytes);
}

int words_packets(struct words *w, uint64_t max, uint64_t *ret)
{
	return take(w, "number of packets", parse_packets, 1, max, ret);
}

int words_share(struct words *w, double *ret)
{
	uint64_t steps;
	int r = take(w, "share", parse_share, 0, WORDS_SHARE_STEPS, &steps);

	if (r == 0)
		*ret = (double)steps / (double)WORDS_SHARE_STEPS;
	return r;
}
