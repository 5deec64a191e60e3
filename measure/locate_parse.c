#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/locate.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/json_walk.h"

CLEANUP_DEFINE(answer_freep, struct locate_answer *, locate_answer_free)

static void target_clear(struct locate_target *t)
{
	for (size_t tls = 0; tls < 2; tls++) {
		free(t->download[tls]);
		free(t->upload[tls]);
	}
	*t = (struct locate_target){};
}

struct locate_answer *locate_answer_free(struct locate_answer *a)
{
	if (!a)
		return NULL;
	for (size_t i = 0; i < LOCATE_TARGETS_MAX; i++)
		target_clear(&a->targets[i]);
	free(a->next_request_url);
	free(a);
	return NULL;
}

/* --- one value ------------------------------------------------------------------------------- */

/* A text that is kept: by its path behind the object it belongs to. */
struct member {
	const char *path;
	size_t at;
	size_t bytes;       /* the room for a text */
	const char *scheme; /* NULL: any text; else a URL of it, copied where there is none yet */
};

#define ROOM(type, member) sizeof(((struct type *)NULL)->member)
#define TEXT(type, path, member)                                                                   \
	{                                                                                          \
		path, offsetof(struct type, member), ROOM(type, member), NULL                      \
	}
#define URL(type, path, member, scheme)                                                            \
	{                                                                                          \
		path, offsetof(struct type, member), 0, scheme                                     \
	}

/* The keys of the URLs are URLs with an empty host: three slashes. */
static const struct member of_target[] = {
	TEXT(locate_target, "machine", machine),
	TEXT(locate_target, "hostname", hostname),
	TEXT(locate_target, "location.city", city),
	TEXT(locate_target, "location.country", country),
	URL(locate_target, "urls.ws:///ndt/v7/download", download[0], "ws"),
	URL(locate_target, "urls.wss:///ndt/v7/download", download[1], "wss"),
	URL(locate_target, "urls.ws:///ndt/v7/upload", upload[0], "ws"),
	URL(locate_target, "urls.wss:///ndt/v7/upload", upload[1], "wss"),
	{ .path = NULL },
};

static const struct member of_answer[] = {
	URL(locate_answer, "next_request.url", next_request_url, "https"),
	URL(locate_answer, "next_request.url", next_request_url, "http"),
	TEXT(locate_answer, "next_request.nbf", next_request_nbf),
	TEXT(locate_answer, "next_request.exp", next_request_exp),
	{ .path = NULL },
};

static void keep_url(char **slot, const char *text, const char *scheme)
{
	struct url url;

	if (!*slot && url_parse(text, &url, NULL) == 0 && strcmp(url.scheme, scheme) == 0)
		*slot = strdup(text);
}

static void keep_member(const struct member *m, void *object, const char *path,
                        const struct json_token *value)
{
	char text[URL_BYTES_MAX];

	if (value->kind != JSON_STRING || json_text_copy(value, text, sizeof(text)) < 0)
		return;
	for (; m->path; m++) {
		char *slot = (char *)object + m->at;

		if (strcmp(m->path, path) != 0)
			continue;
		if (m->scheme)
			keep_url((char **)slot, text, m->scheme);
		else
			bytes_copy_text(slot, m->bytes, text);
	}
}

static int check_top(const struct json_token *value, struct err *err)
{
	return value->kind == JSON_OBJECT_BEGIN
	               ? 0
	               : ERR_SET(err, -EINVAL, ERR_SYS, 0, "read it: JSON, but not an object");
}

/* --- the list ------------------------------------------------------------------------------- */

struct reading {
	struct locate_answer *answer;
	unsigned long element; /* of the list: the one whose members go into the next target */
};

/* The one that was being read has all it will have: it stays where it can be used. */
static void end_target(struct locate_answer *a)
{
	struct locate_target *t = &a->targets[a->count];

	if (t->download[0] || t->download[1] || t->upload[0] || t->upload[1])
		a->count++;
	else
		target_clear(t);
}

static int take_value(void *self, const char *path, const struct json_token *value, struct err *err)
{
	static const char list[] = "results.";
	struct reading *r = self;
	struct locate_answer *a = r->answer;
	unsigned long element;
	char *rest;

	if (!*path)
		return check_top(value, err);
	if (strncmp(path, list, sizeof(list) - 1) != 0) {
		keep_member(of_answer, a, path, value);
		return 0;
	}
	element = strtoul(path + sizeof(list) - 1, &rest, 10);
	if (element != r->element && a->count < LOCATE_TARGETS_MAX)
		end_target(a);
	r->element = element;
	if (a->count < LOCATE_TARGETS_MAX && *rest == '.')
		keep_member(of_target, &a->targets[a->count], rest + 1, value);
	return 0;
}

int locate_parse(const char *body, size_t n, struct locate_answer **ret, struct err *err)
{
	CLEANUP(answer_freep) struct locate_answer *a = calloc(1, sizeof(*a));
	struct reading reading = { .answer = a };
	int r;

	if (!a)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a list of servers");
	r = json_walk(body, n, take_value, &reading, err);
	if (r < 0)
		return r;
	if (a->count < LOCATE_TARGETS_MAX)
		end_target(a);
	*ret = TAKE(a, NULL);
	return 0;
}

/* --- a refusal ------------------------------------------------------------------------------- */

struct problem {
	bool there;
	char title[LOCATE_PROBLEM_MAX];
};

static int take_problem(void *self, const char *path, const struct json_token *value,
                        struct err *err)
{
	static const struct member members[] = { TEXT(problem, "error.title", title),
		                                 { .path = NULL } };
	struct problem *p = self;

	if (!*path)
		return check_top(value, err);
	if (strcmp(path, "error") == 0)
		p->there = value->kind == JSON_OBJECT_BEGIN;
	keep_member(members, p, path, value);
	return 0;
}

bool locate_problem(const char *body, size_t n, char out[LOCATE_PROBLEM_MAX])
{
	struct problem p = {};

	if (json_walk(body, n, take_problem, &p, NULL) < 0)
		p = (struct problem){};
	bytes_copy_text(out, LOCATE_PROBLEM_MAX, p.title);
	bytes_make_printable(out);
	return p.there;
}
