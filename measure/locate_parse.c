#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/locate.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

CLEANUP_DEFINE(cjson_freep, cJSON *, cJSON_Delete)
CLEANUP_DEFINE(answer_freep, struct locate_answer *, locate_answer_free)

static const char *const schemes[2] = { "ws", "wss" };

struct locate_answer *locate_answer_free(struct locate_answer *a)
{
	if (!a)
		return NULL;
	for (size_t i = 0; i < LOCATE_TARGETS_MAX; i++) {
		for (size_t tls = 0; tls < 2; tls++) {
			free(a->targets[i].download[tls]);
			free(a->targets[i].upload[tls]);
		}
	}
	free(a->next_request_url);
	free(a);
	return NULL;
}

static const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void copy_text(char *out, size_t out_bytes, const cJSON *object, const char *key)
{
	const char *text = text_of(object, key);

	bytes_copy_text(out, out_bytes, text ? text : "");
}

/* A copy of `text` where it is a URL of that scheme, else NULL. */
static char *copy_url(const char *text, const char *scheme)
{
	struct url url;

	if (!text || url_parse(text, &url, NULL) < 0 || strcmp(url.scheme, scheme) != 0)
		return NULL;
	return strdup(text);
}

static bool read_target(const cJSON *result, struct locate_target *t)
{
	const cJSON *location = cJSON_GetObjectItemCaseSensitive(result, "location");
	const cJSON *urls = cJSON_GetObjectItemCaseSensitive(result, "urls");
	/* The keys are URLs with an empty host: three slashes. */
	static const char *const download_keys[2] = { "ws:///ndt/v7/download",
		                                      "wss:///ndt/v7/download" };
	static const char *const upload_keys[2] = { "ws:///ndt/v7/upload", "wss:///ndt/v7/upload" };
	bool usable = false;

	copy_text(t->machine, sizeof(t->machine), result, "machine");
	copy_text(t->hostname, sizeof(t->hostname), result, "hostname");
	copy_text(t->city, sizeof(t->city), location, "city");
	copy_text(t->country, sizeof(t->country), location, "country");
	for (size_t tls = 0; tls < 2; tls++) {
		t->download[tls] = copy_url(text_of(urls, download_keys[tls]), schemes[tls]);
		t->upload[tls] = copy_url(text_of(urls, upload_keys[tls]), schemes[tls]);
		usable |= t->download[tls] || t->upload[tls];
	}
	return usable;
}

static void read_targets(const cJSON *root, struct locate_answer *a)
{
	const cJSON *result;

	cJSON_ArrayForEach(result, cJSON_GetObjectItemCaseSensitive(root, "results"))
	{
		if (a->count == LOCATE_TARGETS_MAX)
			return;
		if (read_target(result, &a->targets[a->count]))
			a->count++;
	}
}

static void read_next_request(const cJSON *root, struct locate_answer *a)
{
	const cJSON *next = cJSON_GetObjectItemCaseSensitive(root, "next_request");
	const char *url = text_of(next, "url");

	a->next_request_url = copy_url(url, "https");
	if (!a->next_request_url)
		a->next_request_url = copy_url(url, "http");
	copy_text(a->next_request_nbf, sizeof(a->next_request_nbf), next, "nbf");
	copy_text(a->next_request_exp, sizeof(a->next_request_exp), next, "exp");
}

/* One JSON object and nothing but white space after it. cJSON bounds the depth (1000). */
static int parse_object(const char *body, size_t n, cJSON **ret, struct err *err)
{
	const char *end = body;
	CLEANUP(cjson_freep) cJSON *root = cJSON_ParseWithLengthOpts(body, n, &end, false);

	if (!root)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               n ? "read it as JSON: broken at byte %zu of %zu"
		                 : "read it as JSON: it is empty",
		               (size_t)(end - body), n);
	while (end < body + n && isspace((unsigned char)*end))
		end++;
	if (end < body + n)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "read it as JSON: more follows at byte %zu of %zu",
		               (size_t)(end - body), n);
	if (!cJSON_IsObject(root))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "read it: JSON, but not an object");
	*ret = TAKE(root, NULL);
	return 0;
}

int locate_parse(const char *body, size_t n, struct locate_answer **ret, struct err *err)
{
	CLEANUP(answer_freep) struct locate_answer *a = NULL;
	CLEANUP(cjson_freep) cJSON *root = NULL;
	int r = parse_object(body, n, &root, err);

	if (r < 0)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a list of servers");
	read_targets(root, a);
	read_next_request(root, a);
	*ret = TAKE(a, NULL);
	return 0;
}

bool locate_problem(const char *body, size_t n, char out[LOCATE_PROBLEM_MAX])
{
	CLEANUP(cjson_freep) cJSON *root = NULL;
	const cJSON *problem = NULL;
	const char *title;

	if (parse_object(body, n, &root, NULL) == 0)
		problem = cJSON_GetObjectItemCaseSensitive(root, "error");
	title = text_of(problem, "title");
	snprintf(out, LOCATE_PROBLEM_MAX, "%s", title ? title : "");
	bytes_make_printable(out);
	return cJSON_IsObject(problem);
}
