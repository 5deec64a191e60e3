#include "measure/serve_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/serve.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/json.h"
#include "transport/url.h"
#include "transport/ws.h"

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

static void write_short(int status, const char *more_fields, const char *content_type,
                        const char *body, char *out, struct serve_answer *ret)
{
	struct text t = text_on(out, SERVE_ANSWER_MAX);

	text_append(&t,
	            "HTTP/1.1 %d %s\r\nConnection: Close\r\nContent-Length: %zu\r\n"
	            "Content-Type: %s\r\n%s\r\n%s",
	            status, reason_of(status), strlen(body), content_type, more_fields, body);
	if (t.overflow) {
		write_short(500, "", "text/plain", "", out, ret);
		return;
	}
	ret->status = status;
	ret->bytes = t.bytes;
}

static void refuse(int status, const char *more_fields, const char *body, char *out,
                   struct serve_answer *ret)
{
	write_short(status, more_fields, "text/plain; charset=utf-8", body, out, ret);
}

void serve_answer_malformed(int status, char out[SERVE_ANSWER_MAX], struct serve_answer *ret)
{
	ret->asked = "other";
	refuse(status, "", "", out, ret);
}

/* --- a locate service for itself ----------------------------------------------------------------------- */

/* The name by which the client reached us, without the port: that much of Host is good for URLs. */
static bool own_host(const struct head *request, struct url *ret)
{
	const struct head_field *host = head_find(request, "Host");
	char text[URL_HOST_MAX + 8];

	if (!host || host->value.n >= sizeof(text))
		return false;
	memcpy(text, host->value.at, host->value.n);
	text[host->value.n] = '\0';
	return url_parse_server(text, "http", ret, NULL) == 0;
}

/* The client's own parameters ride on in every URL, as Locate does it (contract 11.4). */
static void copy_client_parameters(const char *target, struct url *u)
{
	const char *at = NULL;
	char name[128], value[512];

	while (url_query_next(target, &at, name, sizeof(name), value, sizeof(value)))
		if (strncmp(name, "client_", 7) == 0 || strcmp(name, "early_exit") == 0)
			url_query_set(u, name, value);
}

/* A key and its value; false: no memory, or it has no room. */
static bool put_url(struct text *t, const char *scheme, uint16_t port, const char *path,
                    const char *target, struct url *u)
{
	CLEANUP(freep) char *whole = malloc(2 * URL_BYTES_MAX);
	char *quoted = whole + URL_BYTES_MAX;

	if (!whole)
		return false;
	bytes_copy_text(u->scheme, sizeof(u->scheme), scheme);
	u->port = port;
	u->port_is_default = port == (strcmp(scheme, "wss") == 0 ? 443 : 80);
	bytes_copy_text(u->target, sizeof(u->target), path);
	copy_client_parameters(target, u);
	url_query_set(u, "index", "0");
	url_query_set(u, "locate_version", "v2");
	url_query_set(u, "metro_rank", "0");
	if (url_format(u, whole, URL_BYTES_MAX) < 0 || json_quote(whole, quoted, URL_BYTES_MAX) < 0)
		return false;
	text_append(t, "%s\"%s://%s\":%s", t->at[t->bytes - 1] == '{' ? "" : ",", scheme, path,
	            quoted);
	return !t->overflow;
}

static bool put_urls(struct text *t, struct url *u, const char *target, uint16_t ws_port,
                     uint16_t wss_port)
{
	static const char *const paths[] = { NDT7_DOWNLOAD_PATH, NDT7_UPLOAD_PATH };

	for (int i = 0; i < 2; i++)
		if ((ws_port && !put_url(t, "ws", ws_port, paths[i], target, u)) ||
		    (wss_port && !put_url(t, "wss", wss_port, paths[i], target, u)))
			return false;
	return true;
}

/* A host of url_parse_server() needs no escapes. NULL: no memory, or it has no room. */
static char *locate_body(struct url *u, const char *target, uint16_t ws_port, uint16_t wss_port)
{
	CLEANUP(freep) char *body = malloc(SERVE_ANSWER_MAX);
	struct text t;

	if (!body)
		return NULL;
	t = text_on(body, SERVE_ANSWER_MAX);
	text_append(&t, "{\"results\":[{\"machine\":\"%s\",\"hostname\":\"%s\",\"urls\":{", u->host,
	            u->host);
	if (!put_urls(&t, u, target, ws_port, wss_port))
		return NULL;
	text_append(&t, "}}]}");
	return t.overflow ? NULL : TAKE(body, NULL);
}

static void answer_locate(const struct head *request, const char *target, uint16_t ws_port,
                          uint16_t wss_port, char *out, struct serve_answer *ret)
{
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));
	CLEANUP(freep) char *body = NULL;

	if (!u || !own_host(request, u)) {
		refuse(400, "", "no usable Host\n", out, ret);
		return;
	}
	body = locate_body(u, target, ws_port, wss_port);
	if (!body)
		refuse(500, "", "", out, ret);
	else
		write_short(200, "Access-Control-Allow-Origin: *\r\nCache-Control: no-store\r\n",
		            "application/json", body, out, ret);
}

/* --- a test --------------------------------------------------------------------------------------------- */

/* "250" is the only value (contract 2.4), for both directions; the upload then ignores it. */
static bool read_early_exit(const char *target, uint64_t *ret_bytes)
{
	char value[8];
	int r = url_query_get(target, "early_exit", value, sizeof(value));

	*ret_bytes = 0;
	if (r == -ENOENT)
		return true;
	if (r < 0 || strcmp(value, "250") != 0)
		return false;
	*ret_bytes = NDT7_EARLY_EXIT_BYTES;
	return true;
}

static void answer_test(const struct head *request, const char *target, bool full, char *out,
                        struct serve_answer *ret)
{
	char accept[WS_ACCEPT_TEXT_BYTES];
	int status, n;

	if (full) {
		refuse(503, "", "", out, ret);
		return;
	}
	if (!read_early_exit(target, &ret->early_exit_bytes)) {
		refuse(400, "", "", out, ret);
		return;
	}
	status = ws_request_check(request, NDT7_PROTOCOL, accept, NULL);
	if (status != 0) {
		refuse(status, "Sec-WebSocket-Version: 13\r\n", "", out, ret);
		return;
	}
	n = ws_response_write(accept, NDT7_PROTOCOL, out, SERVE_ANSWER_MAX);
	ret->status = 101;
	ret->bytes = (size_t)n;
}

static void answer_root(bool get, char *out, struct serve_answer *ret)
{
	if (!get)
		refuse(405, "", "", out, ret);
	else
		refuse(200, "", "radar-pod: an ndt7 server for the lab\n", out, ret);
}

void serve_answer_request(const struct head *request, bool full, uint16_t ws_port,
                          uint16_t wss_port, char out[SERVE_ANSWER_MAX], struct serve_answer *ret)
{
	bool get = head_span_is(request->method, "GET");
	size_t target_bytes = request->target.n;
	char target[URL_TARGET_MAX];
	size_t path_bytes;

	*ret = (struct serve_answer){ .asked = "other" };
	if (target_bytes >= sizeof(target)) {
		refuse(431, "", "", out, ret);
		return;
	}
	memcpy(target, request->target.at, target_bytes);
	target[target_bytes] = '\0';
	path_bytes = strcspn(target, "?");
#define PATH_IS(p) (path_bytes == strlen(p) && memcmp(target, (p), path_bytes) == 0)
	if (PATH_IS(NDT7_DOWNLOAD_PATH) || PATH_IS(NDT7_UPLOAD_PATH)) {
		ret->test = PATH_IS(NDT7_DOWNLOAD_PATH) ? NDT7_DOWNLOAD : NDT7_UPLOAD;
		ret->asked = ndt7_test_name(ret->test);
		answer_test(request, target, full, out, ret);
	} else if (PATH_IS(SERVE_LOCATE_PATH) && get) {
		ret->asked = "locate";
		answer_locate(request, target, ws_port, wss_port, out, ret);
	} else if (PATH_IS("/")) {
		answer_root(get, out, ret);
	} else {
		refuse(404, "", "", out, ret);
	}
#undef PATH_IS
}
