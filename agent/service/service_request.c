#include "agent/service/service.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/json_writer.h"
#include "transport/base/err.h"

struct service_identity service_identity_of(const struct config *c)
{
	return (struct service_identity){ .server_url = c->server_url,
		                          .pod = c->client_id,
		                          .secret = c->secret,
		                          .ca_file = c->ca_file[0] ? c->ca_file : NULL,
		                          .interface = c->interface[0] ? c->interface : NULL };
}

void service_request_end(struct service_request *request)
{
	if (request->body)
		OPENSSL_cleanse(request->body, strlen(request->body));
	free(request->body);
	OPENSSL_cleanse(request->authorization, sizeof(request->authorization));
	request->body = NULL;
}

/* --- what all have ------------------------------------------------------------------------------- */

/* It becomes part of a path. */
static bool is_pod_id(const char *id)
{
	size_t n = id ? strlen(id) : 0;

	return n > 0 && n < CONFIG_ID_BYTES &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

static int authorize(struct service_request *q, const struct service_identity *who, struct err *err)
{
	static const char scheme[] = "Authorization: ClientToken ";
	char pair[2 * CONFIG_ID_BYTES];
	int n;

	if (!is_pod_id(who->pod) || !who->secret || strlen(who->secret) >= CONFIG_ID_BYTES)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "use the credentials: client_id and secret are not what a service "
		               "gives out");
	n = snprintf(pair, sizeof(pair), "%s:%s", who->pod, who->secret);
	memcpy(q->authorization, scheme, sizeof(scheme));
	EVP_EncodeBlock((unsigned char *)q->authorization + sizeof(scheme) - 1,
	                (const unsigned char *)pair, n);
	OPENSSL_cleanse(pair, sizeof(pair));
	q->http.headers[q->http.header_count++] = q->authorization;
	return 0;
}

static int begin(struct service_request *q, const struct service_identity *who,
                 enum http_method method, const char *path, struct err *err)
{
	int n = snprintf(q->url, sizeof(q->url), "%s%s", who->server_url, path);

	if (n < 0 || (size_t)n >= sizeof(q->url))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "ask a URL of more than %zu bytes",
		               sizeof(q->url));
	q->body = NULL;
	q->http = (struct http_request){
		.method = method,
		.url = q->url,
		.user_agent = SERVICE_USER_AGENT,
		.accept = "application/json",
		.ca_file = who->ca_file,
		.family = AF_UNSPEC,
		.interface = who->interface,
		.answer_bytes_max = SERVICE_ANSWER_BYTES_MAX,
		.timeout_ns = SERVICE_TIMEOUT_NS,
		.redirects_max = 5,
	};
	return 0;
}

/* begin() of a path "/clients/POD/last". */
static int begin_of_pod(struct service_request *q, const struct service_identity *who,
                        const char *last, struct err *err)
{
	char path[CONFIG_ID_BYTES + 32];
	int r;

	snprintf(path, sizeof(path), "/clients/%.64s/%s", who->pod ? who->pod : "", last);
	r = begin(q, who, HTTP_POST, path, err);
	return r < 0 ? r : authorize(q, who, err);
}

/* The JSON that was written to `w` is the body; `text` and `n` are of its open_memstream(3). */
static int set_body(struct service_request *q, struct json_writer *w, char **text, size_t *n,
                    struct err *err)
{
	bool failed = ferror(w->to) != 0;

	if (fclose(w->to) != 0 || failed) {
		free(*text);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "write a request");
	}
	q->body = *text;
	q->http.body = (struct http_content){ .data = q->body, .bytes = *n };
	q->http.headers[q->http.header_count++] = "Content-Type: application/json";
	return 0;
}

static int open_body(struct json_writer *w, char **text, size_t *n, struct err *err)
{
	*w = (struct json_writer){ .to = open_memstream(text, n) };
	return w->to ? 0 : ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a request");
}

/* --- each ---------------------------------------------------------------------------------------- */

int service_register_request(const struct service_identity *who,
                             const struct service_registration *r, struct service_request *ret,
                             struct err *err)
{
	struct json_writer w;
	char *text = NULL;
	size_t n = 0;
	int error = begin(ret, who, HTTP_POST, "/api/v1/clients", err);

	if (error == 0)
		error = open_body(&w, &text, &n, err);
	if (error < 0)
		return error;
	json_begin_object(&w, NULL);
	json_put_text(&w, "registration_token", r->registration_token);
	json_put_text(&w, "name", r->name);
	json_put_text(&w, "register_label", r->label);
	json_end_object(&w);
	return set_body(ret, &w, &text, &n, err);
}

static bool is_number(const char *text)
{
	return *text && strlen(text) < 19 && strspn(text, "0123456789") == strlen(text);
}

static void put_known(struct json_writer *w, const char *name, bool known, double value)
{
	char number[32];

	if (!known)
		return;
	snprintf(number, sizeof(number), "%.15g", value);
	json_put_raw(w, name, number);
}

static void put_network(struct json_writer *w, const struct service_network *network)
{
	json_begin_object(w, "network");
	if (network->id)
		json_put_raw(w, "id", network->id);
	else
		json_put_null(w, "id");
	if (network->name)
		json_put_text(w, "name", network->name);
	if (network->address)
		json_put_text(w, "address", network->address);
	put_known(w, "latitude", network->has_latitude, network->latitude);
	put_known(w, "longitude", network->has_longitude, network->longitude);
	put_known(w, "expected_mbps_down", network->has_download_mbps, network->download_mbps);
	put_known(w, "expected_mbps_up", network->has_upload_mbps, network->upload_mbps);
	json_end_object(w);
}

int service_assign_request(const struct service_identity *who, const char *token,
                           const struct service_network *network, struct service_request *ret,
                           struct err *err)
{
	struct json_writer w;
	char *text = NULL;
	size_t n = 0;
	int r = begin(ret, who, HTTP_POST, "/api/v1/clients/assign", err);

	if (r == 0)
		r = authorize(ret, who, err);
	if (r == 0 && network && network->id && !is_number(network->id))
		r = ERR_SET(err, -EINVAL, ERR_SYS, 0,
		            "ask for a network \"%s\": its id is a number", network->id);
	if (r == 0)
		r = open_body(&w, &text, &n, err);
	if (r < 0)
		return r;
	json_begin_object(&w, NULL);
	json_put_text(&w, "token", token);
	if (network)
		put_network(&w, network);
	json_end_object(&w);
	return set_body(ret, &w, &text, &n, err);
}

int service_me_request(const struct service_identity *who, struct service_request *ret,
                       struct err *err)
{
	int r = begin(ret, who, HTTP_GET, "/api/v1/clients/me", err);

	return r < 0 ? r : authorize(ret, who, err);
}

int service_status_request(const struct service_identity *who, const struct service_status *status,
                           struct service_request *ret, struct err *err)
{
	struct json_writer w;
	char *text = NULL;
	size_t n = 0;
	int r = begin_of_pod(ret, who, "status", err);

	if (r == 0)
		r = open_body(&w, &text, &n, err);
	if (r < 0)
		return r;
	json_begin_object(&w, NULL);
	json_put_text(&w, "version", status->version);
	json_put_text(&w, "distribution", status->distribution);
	json_put_text(&w, "watchdog_version", "");
	json_put_text(&w, "os_version", status->os_version);
	json_put_text(&w, "hardware_platform", status->hardware_platform);
	json_put_text(&w, "service_first_ping", status->first ? "true" : "false");
	json_put_raw(&w, "network_interfaces", status->interfaces);
	if (status->disk_full)
		json_put_flag(&w, "disk_full", true);
	json_end_object(&w);
	return set_body(ret, &w, &text, &n, err);
}

/* --- a result ------------------------------------------------------------------------------------ */

static void add_field(struct http_request *q, const char *name, const char *value)
{
	q->parts[q->part_count++] =
		(struct http_part){ .name = name,
		                    .content = { .data = value, .bytes = strlen(value) } };
}

static bool is_style(const char *style)
{
	return strcmp(style, "NDT7") == 0 || strcmp(style, "OOKLA") == 0;
}

/* A header's value, of any text. */
static int name_result(struct service_request *q, const char *id, struct err *err)
{
	int n = snprintf(q->idempotency, sizeof(q->idempotency), "Idempotency-Key: %s", id);

	for (const char *at = id; *at; at++)
		if (!isalnum((unsigned char)*at) && *at != '-')
			n = -1;
	if (n < 0 || (size_t)n >= sizeof(q->idempotency) || !*id)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "upload a result without a proper id");
	q->http.headers[q->http.header_count++] = q->idempotency;
	return 0;
}

int service_upload_request(const struct service_identity *who, const struct service_upload *upload,
                           struct service_request *ret, struct err *err)
{
	int r = begin_of_pod(ret, who, "measurements", err);

	if (r == 0 && !is_style(upload->style))
		r = ERR_SET(err, -EINVAL, ERR_SYS, 0, "upload a result of the kind \"%s\"",
		            upload->style);
	if (r == 0)
		r = name_result(ret, upload->id, err);
	if (r < 0)
		return r;
	add_field(&ret->http, "measurement[style]", upload->style);
	add_field(&ret->http, "client_secret", who->secret);
	add_field(&ret->http, "measurement[interface]", upload->interface);
	add_field(&ret->http, "measurement[wireless]", upload->wireless ? "true" : "false");
	if (upload->wireless && upload->connection_info)
		add_field(&ret->http, "connection_info", upload->connection_info);
	ret->http.parts[ret->http.part_count++] =
		(struct http_part){ .name = "measurement[result]",
		                    .filename = "result.json",
		                    .type = "application/octet-stream",
		                    .content = upload->result };
	ret->http.timeout_ns = SERVICE_UPLOAD_NS;
	return 0;
}
