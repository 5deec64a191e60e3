#include "agent/sentry/sentry_scrub.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

#define NAME_BYTES 256

struct scrubber {
	struct json in;
	struct json_writer out;
	const struct sentry_known_list *known;
	char top[NAME_BYTES];  /* the name at the first level that this is below */
	char name[NAME_BYTES]; /* of the value to come; "" in arrays */
	bool named;
	char text[SENTRY_TEXT_BYTES_MAX]; /* as it came */
	char clean[SENTRY_TEXT_BYTES_MAX];
};

/* --- what passes as it is -------------------------------------------------------------------------- */

static bool is_hex(const char *text, size_t n_min, size_t n_max)
{
	size_t n = strspn(text, "0123456789abcdef");

	return text[n] == '\0' && n >= n_min && n <= n_max;
}

/* radar-pod@0.1.0+build */
static bool is_release(const char *text)
{
	size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyz-");
	const char *version = text + name + 1;

	if (name == 0 || text[name] != '@' || !isdigit((unsigned char)*version))
		return false;
	return version[strspn(version, "0123456789abcdefghijklmnopqrstuvwxyz.+~-")] == '\0' &&
	       strlen(text) <= 100;
}

/* 8-4-4-4-12 */
static bool is_uuid(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i = 0;

	while (form[i] && (form[i] == '-' ? text[i] == '-' : isxdigit((unsigned char)text[i]) != 0))
		i++;
	return form[i] == '\0' && text[i] == '\0';
}

static bool passes(const struct scrubber *s)
{
	bool first = s->in.depth == 1;

	if (first && strcmp(s->name, "event_id") == 0)
		return is_hex(s->text, 32, 32);
	if (first && strcmp(s->name, "release") == 0)
		return is_release(s->text);
	if (strcmp(s->top, "user") == 0 && strcmp(s->name, "id") == 0)
		return is_hex(s->text, 32, 32);
	if (strcmp(s->top, "debug_meta") != 0)
		return false;
	return (strcmp(s->name, "code_id") == 0 && is_hex(s->text, 1, 64)) ||
	       (strcmp(s->name, "debug_id") == 0 && is_uuid(s->text));
}

/* --- the walk --------------------------------------------------------------------------------------- */

static const char *name_of(struct scrubber *s)
{
	return s->named ? s->name : NULL;
}

/* The name as it goes out stands in s->name from then on: one that is ours has nothing to scrub. */
static int take_name(struct scrubber *s, const struct json_token *key)
{
	char raw[NAME_BYTES];
	int r = json_text_copy(key, raw, sizeof(raw));

	if (r == 0)
		r = sentry_patterns_scrub(raw, s->known, s->name, sizeof(s->name));
	if (r < 0)
		return r;
	s->named = true;
	if (s->in.depth == 1)
		memcpy(s->top, s->name, sizeof(s->top));
	return 0;
}

static int take_text(struct scrubber *s, const struct json_token *text)
{
	int r = json_text_copy(text, s->text, sizeof(s->text));

	if (r == 0 && !passes(s))
		r = sentry_patterns_scrub(s->text, s->known, s->clean, sizeof(s->clean));
	else if (r == 0)
		memcpy(s->clean, s->text, strlen(s->text) + 1);
	if (r == 0)
		json_put_text(&s->out, name_of(s), s->clean);
	return r;
}

static int take_number(struct scrubber *s, const struct json_token *number)
{
	if (number->n >= sizeof(s->text))
		return -EBADMSG;
	memcpy(s->text, number->text, number->n);
	s->text[number->n] = '\0';
	json_put_raw(&s->out, name_of(s), s->text);
	return 0;
}

static int filter_value(struct scrubber *s, const struct json_token *token)
{
	int r = json_skip(&s->in, token, NULL);

	if (r == 0)
		json_put_text(&s->out, name_of(s), SENTRY_FILTERED);
	return r;
}

static int take_value(struct scrubber *s, const struct json_token *token)
{
	switch (token->kind) {
	case JSON_OBJECT_BEGIN:
		json_begin_object(&s->out, name_of(s));
		return 0;
	case JSON_ARRAY_BEGIN:
		json_begin_array(&s->out, name_of(s));
		return 0;
	case JSON_STRING:
		return take_text(s, token);
	case JSON_INTEGER:
	case JSON_NUMBER:
		return take_number(s, token);
	case JSON_TRUE:
	case JSON_FALSE:
		json_put_flag(&s->out, name_of(s), token->kind == JSON_TRUE);
		return 0;
	default:
		json_put_null(&s->out, name_of(s));
		return 0;
	}
}

static int take(struct scrubber *s, const struct json_token *token)
{
	int r = 0;

	switch (token->kind) {
	case JSON_KEY:
		return take_name(s, token);
	case JSON_OBJECT_END:
		json_end_object(&s->out);
		break;
	case JSON_ARRAY_END:
		json_end_array(&s->out);
		break;
	default:
		if (s->named && sentry_patterns_secret_name(s->name, strlen(s->name)))
			r = filter_value(s, token);
		else
			r = take_value(s, token);
	}
	s->named = false;
	s->name[0] = '\0';
	return r;
}

static int walk(struct scrubber *s, struct err *err)
{
	struct json_token token;

	for (;;) {
		int r = json_next(&s->in, &token, NULL);

		if (r == 0 && token.kind == JSON_END)
			return 0;
		if (r == 0)
			r = take(s, &token);
		if (r == 0 && ftell(s->out.to) > SENTRY_EVENT_BYTES_MAX)
			r = -EMSGSIZE;
		if (r < 0)
			return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "scrub a report at byte %td: %s",
			               s->in.at - s->in.begin, strerror(-r));
	}
}

int sentry_scrub(const char *json, size_t n, const struct sentry_known_list *known, char **ret,
                 size_t *ret_n, struct err *err)
{
	CLEANUP(freep) struct scrubber *s = calloc(1, sizeof(*s));
	CLEANUP(freep) char *clean = NULL;
	size_t clean_n = 0;
	bool failed;
	int r;

	if (n > SENTRY_EVENT_BYTES_MAX)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "scrub a report of %zu bytes: more than %d", n,
		               SENTRY_EVENT_BYTES_MAX);
	if (s)
		s->out.to = open_memstream(&clean, &clean_n);
	if (!s || !s->out.to)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "scrub a report");
	s->known = known;
	json_open(&s->in, json, n, SENTRY_EVENT_DEPTH_MAX);
	r = walk(s, err);
	failed = ferror(s->out.to) != 0;
	if (fclose(s->out.to) != 0 || failed)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "scrub a report");
	if (r < 0)
		return r;
	*ret = TAKE(clean, NULL);
	*ret_n = clean_n;
	return 0;
}
