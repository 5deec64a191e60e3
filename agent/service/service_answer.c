#include "agent/service/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/json.h"
#include "transport/url.h"

#define ANSWER_DEPTH_MAX 16

/* --- statuses ------------------------------------------------------------------------------------ */

static const struct {
	enum service_endpoint endpoint;
	int status;
	enum service_verdict verdict;
	const char *means; /* where the status by itself misleads */
} statuses[] = {
	{ SERVICE_REGISTER, 201, SERVICE_DONE, NULL },
	{ SERVICE_REGISTER, 400, SERVICE_REFUSED, NULL },
	{ SERVICE_REGISTER, 422, SERVICE_REFUSED, NULL },
	{ SERVICE_ASSIGN, 200, SERVICE_DONE, NULL },
	{ SERVICE_ASSIGN, 401, SERVICE_DENIED, "it does not know this pod and its secret" },
	{ SERVICE_ASSIGN, 400, SERVICE_REFUSED, NULL },
	{ SERVICE_ASSIGN, 404, SERVICE_REFUSED, "it finds no network of that id" },
	{ SERVICE_ASSIGN, 422, SERVICE_REFUSED, "it cannot make such a network" },
	{ SERVICE_ASSIGN, 500, SERVICE_LATER,
	  "it failed, as it does where it does not know the token" },
	{ SERVICE_ME, 200, SERVICE_DONE, NULL },
	{ SERVICE_ME, 401, SERVICE_DENIED, "it does not know this pod and its secret" },
	{ SERVICE_STATUS, 200, SERVICE_DONE, NULL },
	{ SERVICE_STATUS, 403, SERVICE_DENIED, "it does not know this pod and its secret" },
	{ SERVICE_UPLOAD, 201, SERVICE_DONE, NULL },
	{ SERVICE_UPLOAD, 404, SERVICE_DENIED, "the secret is not this pod's" },
	{ SERVICE_UPLOAD, 400, SERVICE_REFUSED, NULL },
	{ SERVICE_UPLOAD, 413, SERVICE_REFUSED, "it takes no result of this size" },
	{ SERVICE_UPLOAD, 422, SERVICE_REFUSED, "it takes no such result" },
	{ SERVICE_UPLOAD, 500, SERVICE_LATER,
	  "it failed, as it does where it does not know the pod" },
};

#define STATUSES (sizeof(statuses) / sizeof(*statuses))

static size_t row_of(enum service_endpoint endpoint, int status)
{
	size_t i = 0;

	while (i < STATUSES && (statuses[i].endpoint != endpoint || statuses[i].status != status))
		i++;
	return i;
}

enum service_verdict service_verdict(enum service_endpoint endpoint, int status)
{
	size_t i = row_of(endpoint, status);

	return i < STATUSES ? statuses[i].verdict : SERVICE_LATER;
}

/* --- members of an object ------------------------------------------------------------------------ */

enum member_kind { MEMBER_TEXT, MEMBER_INTEGER, MEMBER_FLAG, MEMBER_OBJECT };

/* What is null, of another type or too long is as if it were not there. */
struct member {
	const char *key;
	enum member_kind kind;
	size_t offset, bytes;        /* of MEMBER_TEXT */
	const struct member *inside; /* of MEMBER_OBJECT, until one without a key */
};

static int read_object(struct json *j, const struct member *table, char *into, struct err *err);

static int read_value(struct json *j, const struct json_token *value, const struct member *m,
                      char *into, struct err *err)
{
	if (m->kind == MEMBER_OBJECT && value->kind == JSON_OBJECT_BEGIN)
		return read_object(j, m->inside, into, err);
	if (m->kind == MEMBER_TEXT && value->kind == JSON_STRING)
		json_text_copy(value, into + m->offset, m->bytes);
	if (m->kind == MEMBER_INTEGER && value->kind == JSON_INTEGER)
		memcpy(into + m->offset, &value->integer, sizeof(value->integer));
	if (m->kind == MEMBER_FLAG && (value->kind == JSON_TRUE || value->kind == JSON_FALSE))
		*(bool *)(into + m->offset) = value->kind == JSON_TRUE;
	return json_skip(j, value, err);
}

static int read_object(struct json *j, const struct member *table, char *into, struct err *err)
{
	struct json_token key, value;
	int r;

	while ((r = json_next(j, &key, err)) == 0 && key.kind == JSON_KEY) {
		const struct member *m = table;

		r = json_next(j, &value, err);
		while (r == 0 && m->key && !json_text_is(&key, m->key))
			m++;
		if (r == 0)
			r = m->key ? read_value(j, &value, m, into, err)
			           : json_skip(j, &value, err);
		if (r < 0)
			break;
	}
	return r;
}

static int read_answer(const char *body, size_t n, const struct member *table, void *into,
                       struct err *err)
{
	struct json_token token;
	struct json j;
	int r;

	json_open(&j, body, n, ANSWER_DEPTH_MAX);
	r = json_next(&j, &token, err);
	if (r == 0 && token.kind != JSON_OBJECT_BEGIN)
		r = ERR_SET(err, -EBADMSG, ERR_SYS, 0, "it is no JSON object");
	if (r == 0)
		r = read_object(&j, table, into, err);
	if (r == 0)
		r = json_next(&j, &token, err); /* that nothing follows */
	if (r < 0) {
		ERR_SET(err, -EBADMSG, ERR_SYS, 0, "read the service's answer of %zu bytes: %s", n,
		        err ? err->text : "");
		return -EBADMSG;
	}
	return 0;
}

#define TEXT(type, key, member)                                                                    \
	{                                                                                          \
		key, MEMBER_TEXT, offsetof(struct type, member),                                   \
			sizeof(((struct type *)0)->member), NULL                                   \
	}
#define SCALAR(type, kind, key, member)                                                            \
	{                                                                                          \
		key, kind, offsetof(struct type, member), 0, NULL                                  \
	}

/* --- a pod --------------------------------------------------------------------------------------- */

static const struct member pod_members[] = {
	SCALAR(service_pod, MEMBER_INTEGER, "id", id),
	SCALAR(service_pod, MEMBER_INTEGER, "account_id", account_id),
	SCALAR(service_pod, MEMBER_INTEGER, "location_id", location_id),
	TEXT(service_pod, "unix_user", pod),
	TEXT(service_pod, "secret", secret),
	{ NULL },
};

/* Graphic signs of ASCII, none of which ends or divides a pair or a line. */
static bool is_credential(const char *text)
{
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~' || *at == ':' || *at == '/')
			return false;
	return *text;
}

int service_pod_read(enum service_endpoint endpoint, const char *body, size_t n,
                     struct service_pod *ret, struct err *err)
{
	struct service_pod pod = {};
	struct err why = {};
	int r = read_answer(body, n, pod_members, &pod, &why);

	if (r == 0 && !is_credential(pod.pod))
		r = ERR_SET(&why, -EBADMSG, ERR_SYS, 0, "find a pod id in the service's answer");
	if (r == 0 && endpoint == SERVICE_REGISTER && !is_credential(pod.secret))
		r = ERR_SET(&why, -EBADMSG, ERR_SYS, 0, "find a secret in the service's answer");
	if (r == 0)
		*ret = pod;
	else if (err)
		*err = why;
	return r;
}

/* --- a heartbeat --------------------------------------------------------------------------------- */

static int whole_url(const struct url *base, const char *given, char *out, size_t out_bytes,
                     struct err *err)
{
	char authority[URL_AUTHORITY_MAX];
	int n;

	if (given[0] != '/')
		n = snprintf(out, out_bytes, "%s", given);
	else if (given[1] != '/')
		n = snprintf(out, out_bytes, "%s://%s%s", base->scheme,
		             url_authority(base, authority), given);
	else
		return ERR_SET(err, -EACCES, ERR_SYS, 0, "fetch an update from another host");
	return n < 0 || (size_t)n >= out_bytes
	               ? ERR_SET(err, -ENOSPC, ERR_SYS, 0, "keep a URL of so many bytes")
	               : 0;
}

int service_update_url(const char *server_url, const char *given, char *out, size_t out_bytes,
                       struct err *err)
{
	struct url base, there;
	int r = url_parse(server_url, &base, err);

	*out = '\0';
	if (r == 0)
		r = whole_url(&base, given, out, out_bytes, err);
	if (r == 0 && url_parse(out, &there, err) < 0)
		r = -EINVAL;
	if (r == 0 && strncmp(there.scheme, "http", 4) != 0)
		r = ERR_SET(err, -EINVAL, ERR_SYS, 0, "fetch an update over %s", there.scheme);
	if (r == 0 && strcmp(there.host, base.host) != 0)
		r = ERR_SET(err, -EACCES, ERR_SYS, 0, "fetch an update from another host, %s",
		            there.host);
	if (r == 0 && base.tls && !there.tls)
		r = ERR_SET(err, -EACCES, ERR_SYS, 0, "fetch an update without TLS");
	if (r < 0)
		*out = '\0';
	return r;
}

struct heartbeat_answer {
	bool test_requested;
	char version[64];
	char url[CONFIG_URL_BYTES];
};

static const struct member update_members[] = {
	TEXT(heartbeat_answer, "version", version),
	TEXT(heartbeat_answer, "url", url),
	{ NULL },
};

static const struct member heartbeat_members[] = {
	SCALAR(heartbeat_answer, MEMBER_FLAG, "test_requested", test_requested),
	{ "update", MEMBER_OBJECT, 0, 0, update_members },
	{ NULL },
};

int service_heartbeat_read(const char *server_url, const char *body, size_t n,
                           struct service_heartbeat *ret, struct err *err)
{
	struct heartbeat_answer answer = {};
	struct service_heartbeat h = {};
	struct err why = {};
	int r = read_answer(body, n, heartbeat_members, &answer, &why);

	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	h.test_requested = answer.test_requested;
	bytes_copy_text(h.update_version, sizeof(h.update_version), answer.version);
	bytes_make_printable(h.update_version);
	if (*answer.version && *answer.url) {
		h.update = service_update_url(server_url, answer.url, h.update_url,
		                              sizeof(h.update_url), &why) == 0;
		if (!h.update)
			bytes_copy_text(h.update_refused, sizeof(h.update_refused), why.text);
	}
	*ret = h;
	return 0;
}

/* --- reasons ------------------------------------------------------------------------------------- */

/* Appends " field text" of {"errors":{"field":["text",…],…}}, as far as it can be read. */
static void append_errors(struct text *out, struct json *j)
{
	struct json_token token;
	char word[80] = "";

	while (json_next(j, &token, NULL) == 0 && token.kind != JSON_OBJECT_END) {
		if (token.kind != JSON_KEY && token.kind != JSON_STRING)
			continue;
		json_text_copy(&token, word, sizeof(word));
		text_append(out, "%s%s", token.kind == JSON_KEY ? "; " : " ", word);
	}
}

static void append_validation(struct text *out, const char *body, size_t n)
{
	struct json_token token;
	struct json j;

	json_open(&j, body, n, 3);
	if (json_next(&j, &token, NULL) < 0 || token.kind != JSON_OBJECT_BEGIN)
		return;
	while (json_next(&j, &token, NULL) == 0 && token.kind == JSON_KEY) {
		bool errors = json_text_is(&token, "errors");

		if (json_next(&j, &token, NULL) < 0)
			return;
		if (errors && token.kind == JSON_OBJECT_BEGIN) {
			append_errors(out, &j);
			return;
		}
		if (json_skip(&j, &token, NULL) < 0)
			return;
	}
}

void service_reason(enum service_endpoint endpoint, const struct http_answer *answer,
                    char out[SERVICE_REASON_BYTES])
{
	size_t row = row_of(endpoint, answer->status);
	const char *means = row < STATUSES ? statuses[row].means : NULL;
	struct text t = text_on(out, SERVICE_REASON_BYTES);

	text_append(&t, "the service answers %d%s%s", answer->status, means ? ": " : "",
	            means ? means : "");
	append_validation(&t, answer->body, answer->body_bytes);
	bytes_make_printable(out);
}
