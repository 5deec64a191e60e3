/* One transfer of libcurl's for each URL: the one asked for, and what it is redirected to. Redirects are
 * followed here and not by libcurl, because every host's name is resolved here first: libcurl asks
 * for both families at once, and hears nothing of the one where a name server says nothing of the other.
 */
#include "transport/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/gzip.h"
#include "transport/http_content.h"
#include "transport/libcurl.h"
#include "transport/libcurl_explain.h"
#include "transport/libcurl_loop.h"
#include "transport/loop/loop.h"
#include "transport/proxy.h"
#include "transport/resolve.h"
#include "transport/tls.h"
#include "transport/url.h"

#define HTTP_BODY_BYTES_FIRST 4096

struct http {
	struct loop *loop;
	const struct libcurl *curl;
	struct libcurl_loop *transfer;
	CURL *easy;
	CURLcode option_refused;   /* the first one that could not be set */
	struct url url;            /* being asked; after a redirect no longer the one given */
	char dialed[URL_HOST_MAX]; /* url.host, or the proxy on the way there */
	uint16_t dialed_port;
	struct resolve *resolve;
	struct curl_slist *addresses;                /* of `dialed`, as libcurl takes them */
	struct curl_slist *headers, *public_headers; /* these without what is said in confidence */
	enum http_method method;
	struct http_upload upload;
	char *packed;                  /* the body, made smaller; NULL: it is not */
	char *wanted[HTTP_WANTED_MAX]; /* names */
	struct loop_timer deadline;
	uint64_t timeout_ns;
	int family;
	int redirects, redirects_max;
	bool head_is_whole; /* of the answer */
	long chain; /* X509_V_ERR_* of the server's chain, X509_V_OK, LIBCURL_CHAIN_UNSEEN */
	char *body; /* of the answer, with room for a terminating NUL */
	size_t body_bytes, body_bytes_max, body_capacity_bytes;
	struct err refused; /* set by a callback of libcurl's that ended the transfer */
	char task[176];     /* "get …", "post to …" */
	http_done done;
	void *owner;
};

/* --- the end -------------------------------------------------------------------------------- */

static void http_free(struct http *h)
{
	resolve_cancel(h->resolve);
	libcurl_loop_free(h->transfer);
	if (h->easy)
		h->curl->easy_cleanup(h->easy);
	if (h->curl) {
		http_upload_end(&h->upload, h->curl);
		h->curl->slist_free_all(h->addresses);
		h->curl->slist_free_all(h->headers);
		h->curl->slist_free_all(h->public_headers);
	}
	for (size_t i = 0; i < HTTP_WANTED_MAX; i++)
		free(h->wanted[i]);
	loop_timer_cancel(h->loop, &h->deadline);
	free(h->body);
	free(h->packed);
	free(h);
}

CLEANUP_DEFINE(http_freep, struct http *, http_free)

struct http *http_cancel(struct http *h)
{
	if (h)
		http_free(h);
	return NULL;
}

static void finish(struct http *h, const struct http_answer *answer, const struct err *err)
{
	CLEANUP(http_freep) struct http *ended = h;

	ended->done(ended->owner, answer, err);
}

static long info_long(const struct http *h, CURLINFO what)
{
	long value = 0;

	h->curl->easy_getinfo(h->easy, what, &value);
	return value;
}

static curl_off_t info_offset(const struct http *h, CURLINFO what)
{
	curl_off_t value = 0;

	h->curl->easy_getinfo(h->easy, what, &value);
	return value;
}

/* What came before a redirect or beside an interim answer is not looked at. */
static const char *header_of(const struct http *h, const char *name)
{
	struct curl_header *header;

	if (!name || h->curl->easy_header(h->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return "";
	/* libcurl keeps no order among several of a name but that of their coming. */
	if (header->amount > 1)
		h->curl->easy_header(h->easy, name, header->amount - 1, CURLH_HEADER, -1, &header);
	return header->value;
}

static void succeed(struct http *h)
{
	char *content_type = NULL;
	struct http_answer answer = {
		.status = (int)info_long(h, CURLINFO_RESPONSE_CODE),
		.body = h->body ? h->body : "",
		.body_bytes = h->body_bytes,
		.retry_after_s = (uint64_t)info_offset(h, CURLINFO_RETRY_AFTER),
	};

	h->curl->easy_getinfo(h->easy, CURLINFO_CONTENT_TYPE, &content_type);
	answer.content_type = content_type ? content_type : "";
	for (size_t i = 0; i < HTTP_WANTED_MAX; i++)
		answer.wanted[i] = header_of(h, h->wanted[i]);
	finish(h, &answer, NULL);
}

static void fail(struct http *h, CURLcode curl)
{
	struct err err = h->refused;

	if (err.code)
		err_prefix(&err, "%s", h->task);
	else
		libcurl_explain(h->curl, h->easy, curl, h->chain, h->task, &err);
	finish(h, NULL, &err);
}

/* What libcurl has read it holds, up to 64 KiB of it, until the kernel takes it. */
bool http_was_sent(const struct http *h)
{
	return info_long(h, CURLINFO_REQUEST_SIZE) > 0 && http_upload_is_read(&h->upload);
}

/* To libcurl the first byte that is sent of a body begins the transfer, too. */
static bool has_answer_begun(const struct http *h)
{
	if (h->method == HTTP_POST)
		return info_long(h, CURLINFO_HEADER_SIZE) > 0;
	return info_offset(h, CURLINFO_STARTTRANSFER_TIME_T) > 0;
}

/* By CONNECT, and it has not answered that. */
static bool waits_for_proxy(const struct http *h)
{
	struct proxy p;
	struct err unheard;
	bool is_one = proxy_of_environment(&h->url, &p, &unheard) == 0;

	explicit_bzero(&p, sizeof(p));
	return is_one && info_long(h, CURLINFO_HTTP_CONNECTCODE) == 0;
}

/* What a silent peer kept us waiting for. */
static const char *stage(const struct http *h)
{
	if (h->resolve || !info_offset(h, CURLINFO_NAMELOOKUP_TIME_T))
		return "resolving the name";
	if (!libcurl_loop_is_connected(h->transfer))
		return "connecting";
	if (h->url.tls && !info_offset(h, CURLINFO_APPCONNECT_TIME_T))
		return waits_for_proxy(h) ? "waiting for the proxy" : "in the TLS handshake";
	if (!http_was_sent(h))
		return "sending the request";
	if (!has_answer_begun(h))
		return "waiting for the answer";
	return h->body_bytes ? "reading the body" : "reading the answer";
}

static void on_deadline(void *owner)
{
	struct http *h = owner;

	ERR_SET(&h->refused, -ETIMEDOUT, h->resolve ? ERR_DNS : ERR_SYS, h->resolve ? EAI_AGAIN : 0,
	        "no end after %.1f s, %s", (double)h->timeout_ns / NS_PER_S, stage(h));
	fail(h, CURLE_OPERATION_TIMEDOUT);
}

/* --- libcurl's sockets and TLS --------------------------------------------------------------- */

/* libcurl's own call leaves descriptors open across exec. */
static curl_socket_t on_open_socket(void *owner, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
	(void)owner;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* As OpenSSL does by itself; what it found is kept. */
static int verify_chain(X509_STORE_CTX *chain, void *owner)
{
	struct http *h = owner;
	int good = X509_verify_cert(chain);

	h->chain = X509_STORE_CTX_get_error(chain);
	return good;
}

static CURLcode on_tls_context(CURL *easy, void *ssl, void *owner)
{
	(void)easy;
	SSL_CTX_set_cert_verify_callback(ssl, verify_chain, owner);
	return CURLE_OK;
}

/* Whether libcurl's TLS is the library that we are linked with: one of that name is loaded once. */
static bool shares_openssl(const struct libcurl *curl)
{
	static const char ours[] = "OpenSSL/3.";
	const char *its = curl->version_info(CURLVERSION_NOW)->ssl_version;

	return its && strncmp(its, ours, sizeof(ours) - 1) == 0;
}

/* --- ceilings ------------------------------------------------------------------------------- */

static int refuse_size(struct http *h)
{
	return ERR_SET(&h->refused, -EMSGSIZE, ERR_HTTP, info_long(h, CURLINFO_RESPONSE_CODE),
	               "more than %zu bytes came", h->body_bytes_max);
}

static int reserve(struct http *h, size_t n)
{
	size_t capacity = h->body_capacity_bytes ? h->body_capacity_bytes : HTTP_BODY_BYTES_FIRST;
	char *body;

	if (n > h->body_bytes_max - h->body_bytes)
		return refuse_size(h);
	while (capacity < h->body_bytes + n + 1)
		capacity *= 2;
	if (capacity == h->body_capacity_bytes)
		return 0;
	body = realloc(h->body, capacity);
	if (!body)
		return ERR_SET(&h->refused, -ENOMEM, ERR_SYS, 0, "allocate %zu bytes", capacity);
	h->body = body;
	h->body_capacity_bytes = capacity;
	return 0;
}

/* Decoded bytes: what a small compressed body unfolds to counts. */
static size_t on_body(char *data, size_t size, size_t n, void *owner)
{
	struct http *h = owner;

	n *= size;
	if (reserve(h, n) < 0)
		return CURL_WRITEFUNC_ERROR;
	memcpy(h->body + h->body_bytes, data, n);
	h->body_bytes += n;
	h->body[h->body_bytes] = '\0';
	return n;
}

/* libcurl takes a connection that ends in the head for the end of an empty body. An answer may have several heads
 * (interim ones), and trailers. */
static size_t on_header(char *line, size_t size, size_t n, void *owner)
{
	struct http *h = owner;

	n *= size;
	if (n > 0 && (line[0] == '\r' || line[0] == '\n'))
		h->head_is_whole = true;
	else if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
		h->head_is_whole = false;
	return n;
}

/* Bytes on the wire: a compressed body can also go on for ever and unfold to nothing. */
static int on_progress(void *owner, curl_off_t expected, curl_off_t received, curl_off_t to_send,
                       curl_off_t sent)
{
	struct http *h = owner;

	(void)expected;
	(void)to_send;
	(void)sent;
	return (uint64_t)received > h->body_bytes_max ? refuse_size(h) : 0;
}

/* --- the request ---------------------------------------------------------------------------- */

static void note_option(struct http *h, CURLcode code)
{
	if (h->option_refused == CURLE_OK)
		h->option_refused = code;
}

static void set_long(struct http *h, CURLoption option, long value)
{
	note_option(h, h->curl->easy_setopt(h->easy, option, value));
}

static void set_text(struct http *h, CURLoption option, const char *value)
{
	note_option(h, h->curl->easy_setopt(h->easy, option, value));
}

static void set_callbacks(struct http *h)
{
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_WRITEDATA, h));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_HEADERDATA, h));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_XFERINFOFUNCTION, on_progress));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_XFERINFODATA, h));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket));
}

static const struct {
	CURLoption option;
	long value;
} fixed_options[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_QUICK_EXIT, 1 }, /* giving up does not wait for the resolver's thread */
	{ CURLOPT_NOPROGRESS, 0 }, /* on_progress() is asked */
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 }, /* one answer: nothing to multiplex */
	{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_FORBID_REUSE, 1 },
	{ CURLOPT_FOLLOWLOCATION, 0 }, /* follow() does */
};

static long ip_resolve(int family)
{
	if (family == AF_INET)
		return CURL_IPRESOLVE_V4;
	return family == AF_INET6 ? CURL_IPRESOLVE_V6 : CURL_IPRESOLVE_WHATEVER;
}

static void set_trust(struct http *h, const struct http_request *request)
{
	if (request->ca_file)
		set_text(h, CURLOPT_CAINFO, request->ca_file);
	set_long(h, CURLOPT_SSL_VERIFYPEER, !request->insecure);
	set_long(h, CURLOPT_SSL_VERIFYHOST, request->insecure ? 0 : 2);
	if (!request->insecure && shares_openssl(h->curl)) {
		note_option(
			h, h->curl->easy_setopt(h->easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context));
		note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_SSL_CTX_DATA, h));
	}
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers));
	if (request->bearer) {
		set_long(h, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		set_text(h, CURLOPT_XOAUTH2_BEARER, request->bearer);
	}
}

/* What is the same for each URL. */
static void set_options(struct http *h, const struct http_request *request)
{
	for (size_t i = 0; i < sizeof(fixed_options) / sizeof(*fixed_options); i++)
		set_long(h, fixed_options[i].option, fixed_options[i].value);
	set_callbacks(h);
	set_trust(h, request);
	set_text(h, CURLOPT_USERAGENT, request->user_agent);
	set_text(h, CURLOPT_ACCEPT_ENCODING, "gzip");
	set_text(h, CURLOPT_PROTOCOLS_STR, "http,https");
	set_long(h, CURLOPT_IPRESOLVE, ip_resolve(request->family));
	if (request->method == HTTP_POST)
		note_option(h, http_upload_begin(&h->upload, h->curl, h->easy, request));
	if (request->interface) {
		char device[64];

		snprintf(device, sizeof(device), "if!%s", request->interface);
		set_text(h, CURLOPT_INTERFACE, device);
	}
}

/* --- one URL after the other ---------------------------------------------------------------- */

/* Whose addresses are to be found: those of the proxy that the environment names, or the URL's host's. False: the proxy
 * is one that libcurl alone speaks to, and finds. */
static bool choose_dialed(struct http *h)
{
	struct err unheard;
	struct proxy p;
	int r = proxy_of_environment(&h->url, &p, &unheard);

	h->dialed_port = r == PROXY_NONE ? h->url.port : p.port;
	memcpy(h->dialed, r == PROXY_NONE ? h->url.host : p.host, sizeof(h->dialed));
	explicit_bzero(&p, sizeof(p));
	return r == 0 || r == PROXY_NONE;
}

/* NULL: libcurl resolves the name, or reads the literal, by itself. */
static int set_addresses(struct http *h, const char *entry, struct err *err)
{
	struct curl_slist *before = h->addresses;

	h->addresses = entry ? h->curl->slist_append(NULL, entry) : NULL;
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_RESOLVE, h->addresses));
	h->curl->slist_free_all(before);
	if (entry && !h->addresses)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "keep the addresses of %s", h->dialed);
	return 0;
}

/* "host:443:192.0.2.1,[2001:db8::1]": libcurl keeps the order, and takes no address with a zone. */
static int give_addresses(struct http *h, const struct resolve_answer *answer, struct err *err)
{
	char entry[URL_AUTHORITY_MAX + RESOLVE_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3)];
	struct text t = text_on(entry, sizeof(entry));
	size_t given = 0;

	text_append(&t, "%s:%u:", h->dialed, h->dialed_port);
	for (size_t i = 0; i < answer->count; i++) {
		const struct resolve_address *a = &answer->addresses[i];
		bool v6 = a->any.sa_family == AF_INET6;
		char ip[INET6_ADDRSTRLEN];

		if (v6 && a->v6.sin6_scope_id != 0)
			continue;
		inet_ntop(a->any.sa_family,
		          v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr, ip,
		          sizeof(ip));
		text_append(&t, v6 ? "%s[%s]" : "%s%s", given++ ? "," : "", ip);
	}
	return set_addresses(h, given > 0 && !strchr(h->dialed, ':') ? entry : NULL, err);
}

static void on_resolved(void *owner, const struct resolve_answer *answer, const struct err *why)
{
	struct http *h = owner;
	struct err err = why ? *why : (struct err){};

	h->resolve = NULL; /* it ends by itself after this call */
	if (answer && give_addresses(h, answer, &err) == 0 &&
	    libcurl_loop_begin(h->transfer, h->easy, &err) == 0)
		return;
	err_prefix(&err, "%s", h->task);
	finish(h, NULL, &err);
}

static void name_task(struct http *h, const char *url)
{
	const char *verb = h->method == HTTP_POST ? "post to " : "get ";
	size_t n = strlen(verb);

	memcpy(h->task, verb, n);
	log_url(url, h->task + n, sizeof(h->task) - n);
}

/* `text` is h->url. The request's own deadline ends the resolve, too. */
static int begin(struct http *h, const char *text, struct err *err)
{
	name_task(h, text);
	h->chain = LIBCURL_CHAIN_UNSEEN;
	h->head_is_whole = false;
	h->body_bytes = 0; /* what a redirect said beside is nobody's */
	if (h->body)
		h->body[0] = '\0';
	set_text(h, CURLOPT_URL, text);
	if (h->option_refused != CURLE_OK)
		return ERR_SET(err, -EINVAL, ERR_HTTP, 0, "set up the request: %s",
		               h->curl->easy_strerror(h->option_refused));
	if (!choose_dialed(h))
		return libcurl_loop_begin(h->transfer, h->easy, err);
	return resolve_start(h->loop, h->dialed, h->dialed_port, h->family, CLOCK_NEVER_NS,
	                     on_resolved, h, &h->resolve, err);
}

static int parse_http_url(const char *text, struct url *ret, struct err *err)
{
	int r = url_parse(text, ret, err);

	if (r == 0 && strncmp(ret->scheme, "http", 4) != 0)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0, "ask a %s URL over HTTP",
		               ret->scheme);
	return r;
}

/* What was said in confidence stays with the server it was said to. */
static void keep_secrets_from(struct http *h, const struct url *next)
{
	if (strcmp(next->scheme, h->url.scheme) == 0 && strcmp(next->host, h->url.host) == 0 &&
	    next->port == h->url.port)
		return;
	set_long(h, CURLOPT_HTTPAUTH, CURLAUTH_NONE);
	set_text(h, CURLOPT_XOAUTH2_BEARER, NULL);
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->public_headers));
}

static int follow(struct http *h, const char *where, struct err *err)
{
	struct url next;
	int r;

	if (h->redirects++ == h->redirects_max)
		return ERR_SET(err, -ELOOP, ERR_SYS, 0, "follow more than %d redirects",
		               h->redirects_max);
	r = parse_http_url(where, &next, err);
	if (r < 0)
		return r;
	if (h->url.tls && !next.tls)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
		               "follow a redirect from https to http");
	keep_secrets_from(h, &next);
	h->url = next;
	return begin(h, where, err);
}

/* NULL: the answer is none, or none is to be followed. libcurl has made it absolute. A POST is never sent to where
 * it was not asked to go. */
static char *redirect_of(const struct http *h)
{
	char *where = NULL;

	if (h->redirects_max > 0 && h->method == HTTP_GET)
		h->curl->easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &where);
	return where ? strdup(where) : NULL;
}

static void on_transferred(void *owner, CURLcode result, const struct err *why)
{
	struct http *h = owner;
	CLEANUP(freep) char *redirect = NULL;
	struct err err = {};

	if (why && !h->refused.code)
		h->refused = *why;
	if (result == CURLE_OK && !h->refused.code && !h->head_is_whole)
		ERR_SET(&h->refused, -ECONNRESET, ERR_HTTP, 0,
		        "the connection ended in the answer's head");
	if (h->refused.code || result != CURLE_OK) {
		fail(h, result);
		return;
	}
	redirect = redirect_of(h);
	if (!redirect) {
		succeed(h);
	} else if (follow(h, redirect, &err) < 0) {
		err.domain = ERR_HTTP;
		err.detail = info_long(h, CURLINFO_RESPONSE_CODE);
		err_prefix(&err, "%s", h->task);
		finish(h, NULL, &err);
	}
}

/* --- the request, altogether ---------------------------------------------------------------- */

static int http_new(struct loop *l, const struct http_request *request, struct http **ret,
                    struct err *err)
{
	CLEANUP(http_freep) struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a request");
	h->loop = l;
	h->deadline = (struct loop_timer){ .fire = on_deadline, .owner = h };
	h->timeout_ns = request->timeout_ns;
	h->family = request->family;
	h->method = request->method;
	h->redirects_max = request->redirects_max;
	h->body_bytes_max = request->answer_bytes_max;
	for (size_t i = 0; i < HTTP_WANTED_MAX; i++) {
		h->wanted[i] = request->wanted[i] ? strdup(request->wanted[i]) : NULL;
		if (request->wanted[i] && !h->wanted[i])
			return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a request");
	}
	*ret = TAKE(h, NULL);
	return 0;
}

static int make_handles(struct http *h, const struct http_request *request, struct err *err)
{
	int r = http_headers(h->curl, request, true, &h->headers, err);

	if (r == 0)
		r = http_headers(h->curl, request, false, &h->public_headers, err);
	if (r < 0)
		return r;
	tls_load_error_texts(); /* libcurl says OpenSSL's */
	h->transfer = libcurl_loop_new(h->loop, h->curl, on_transferred, h);
	h->easy = h->curl->easy_init();
	if (!h->transfer || !h->easy)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate libcurl's handles");
	return 0;
}

/* Where that cannot be done, nothing is lost but a few bytes on the way. */
static void pack_body(struct http *h, struct http_request *request)
{
	size_t n;

	if (!request->gzip || request->body.bytes <= HTTP_GZIP_BYTES_MIN ||
	    request->header_count == HTTP_HEADERS_MAX ||
	    gzip_content(&request->body, &h->packed, &n, NULL) < 0)
		return;
	request->body = (struct http_content){ .data = h->packed, .bytes = n };
	request->headers[request->header_count++] = "Content-Encoding: gzip";
}

int http_ask(struct loop *l, const struct http_request *request, http_done done, void *owner,
             struct http **ret, struct err *err)
{
	CLEANUP(http_freep) struct http *h = NULL;
	struct http_request packed = *request;
	int r;

	assert(request->user_agent && request->timeout_ns && request->answer_bytes_max);
	r = http_new(l, request, &h, err);
	if (r == 0)
		r = parse_http_url(request->url, &h->url, err);
	if (r == 0)
		r = libcurl_get(&h->curl, err);
	if (r < 0)
		return r;
	pack_body(h, &packed);
	r = make_handles(h, &packed, err);
	if (r < 0)
		return r;
	h->done = done;
	h->owner = owner;
	set_options(h, &packed);
	r = begin(h, request->url, err);
	if (r < 0)
		return r;
	loop_timer_set(l, &h->deadline, loop_now_ns(l) + h->timeout_ns);
	*ret = TAKE(h, NULL);
	return 0;
}
