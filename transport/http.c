/* libcurl keeps the descriptors and the protocol, our loop does the waiting. libcurl says what it
 * waits for in on_socket() and on_timer(); drive() tells it what has come, and afterwards arms a
 * one-shot poll on each descriptor it still wants. The loop closes what it is given, so it gets a
 * duplicate.
 */
#include "transport/http.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/libcurl.h"
#include "transport/loop/loop.h"
#include "transport/tls.h"
#include "transport/url.h"

#define HTTP_SOCKETS_MAX      8 /* two families racing, the resolver's pair, and room */
#define HTTP_BODY_BYTES_FIRST 4096

struct http_socket {
	struct http *http;
	int fd;             /* libcurl's; -1: this one is free */
	int wanted;         /* CURL_POLL_* */
	struct loop_io *io; /* over a duplicate of fd; NULL until the first poll */
	bool armed;         /* a poll is under way */
};

struct http {
	struct loop *loop;
	const struct libcurl *curl;
	CURLM *multi;
	CURL *easy;
	CURLcode option_refused; /* the first one that could not be set */
	struct http_socket sockets[HTTP_SOCKETS_MAX];
	struct loop_timer curl_timer;
	struct loop_timer deadline;
	uint64_t timeout_ns;
	bool tls;
	char *body; /* with room for a terminating NUL */
	size_t body_bytes, body_bytes_max, body_capacity_bytes;
	struct err refused; /* set by a callback of libcurl's that ended the transfer */
	char url_shown[160];
	http_done done;
	void *owner;
};

/* --- the end -------------------------------------------------------------------------------- */

static void http_free(struct http *h)
{
	if (h->multi && h->easy)
		h->curl->multi_remove_handle(h->multi, h->easy);
	if (h->easy)
		h->curl->easy_cleanup(h->easy);
	if (h->multi)
		h->curl->multi_cleanup(h->multi);
	loop_timer_cancel(h->loop, &h->curl_timer); /* libcurl may have set it until here */
	loop_timer_cancel(h->loop, &h->deadline);
	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
		loop_remove(h->sockets[i].io);
	free(h->body);
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
	finish(h, &answer, NULL);
}

static const struct failure {
	CURLcode curl;
	int code; /* 0: the errno of the connection that failed */
	enum err_domain domain;
} failures[] = {
	{ CURLE_UNSUPPORTED_PROTOCOL, -EPROTONOSUPPORT, ERR_HTTP }, /* a redirect to it */
	{ CURLE_URL_MALFORMAT, -EINVAL, ERR_HTTP },
	{ CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, ERR_DNS },
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, ERR_DNS },
	{ CURLE_COULDNT_CONNECT, 0, ERR_SYS },
	{ CURLE_INTERFACE_FAILED, -ENODEV, ERR_SYS },
	{ CURLE_OUT_OF_MEMORY, -ENOMEM, ERR_SYS },
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, ERR_SYS },
	{ CURLE_PEER_FAILED_VERIFICATION, -EACCES, ERR_TLS },
	{ CURLE_SSL_CACERT_BADFILE, -EINVAL, ERR_TLS },
	{ CURLE_SSL_CONNECT_ERROR, -EPROTO, ERR_TLS },
	{ CURLE_SSL_CIPHER, -EPROTO, ERR_TLS },
	{ CURLE_TOO_MANY_REDIRECTS, -ELOOP, ERR_HTTP },
	{ CURLE_GOT_NOTHING, -ECONNRESET, ERR_HTTP },
	{ CURLE_PARTIAL_FILE, -ECONNRESET, ERR_HTTP },
	{ CURLE_SEND_ERROR, -ECONNRESET, ERR_SYS },
	{ CURLE_RECV_ERROR, -ECONNRESET, ERR_SYS },
	{ CURLE_BAD_CONTENT_ENCODING, -EBADMSG, ERR_HTTP },
};

static struct failure failure_of(CURLcode curl)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (failures[i].curl == curl)
			return failures[i];
	return (struct failure){ curl, -EPROTO, ERR_HTTP };
}

/* Of a name libcurl does not tell which EAI_* it was, of a handshake not what broke it. */
static long failure_detail(const struct http *h, enum err_domain domain, CURLcode curl)
{
	long verify;

	if (domain == ERR_HTTP)
		return info_long(h, CURLINFO_RESPONSE_CODE);
	if (curl != CURLE_PEER_FAILED_VERIFICATION)
		return 0;
	verify = info_long(h, CURLINFO_SSL_VERIFYRESULT);
	/* Where the chain is good and the name is not, libcurl leaves it at 0 or 1. */
	return verify > X509_V_ERR_UNSPECIFIED ? verify : X509_V_ERR_HOSTNAME_MISMATCH;
}

/* In ERR_SYS the errno has its own words, and those are enough. */
static void explain(const struct http *h, CURLcode curl, struct err *err)
{
	struct failure f = failure_of(curl);
	long connect_errno = info_long(h, CURLINFO_OS_ERRNO);
	long detail = failure_detail(h, f.domain, curl);

	if (!f.code)
		f.code = connect_errno ? (int)-connect_errno : -EHOSTUNREACH;
	if (f.domain == ERR_SYS)
		ERR_SET(err, f.code, f.domain, detail, "get %s", h->url_shown);
	else if (f.domain == ERR_TLS && detail != X509_V_OK)
		ERR_SET(err, f.code, f.domain, detail, "get %s: trust its certificate: %s",
		        h->url_shown, X509_verify_cert_error_string(detail));
	else
		ERR_SET(err, f.code, f.domain, detail, "get %s: %s", h->url_shown,
		        h->curl->easy_strerror(curl));
}

static void fail(struct http *h, CURLcode curl)
{
	struct err err = h->refused;

	if (err.code)
		err_prefix(&err, "get %s", h->url_shown);
	else
		explain(h, curl, &err);
	finish(h, NULL, &err);
}

/* libcurl dates a connection only when TLS stands too. */
static bool connected(const struct http *h)
{
	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++) {
		struct sockaddr_storage peer;
		socklen_t peer_bytes = sizeof(peer);

		if (h->sockets[i].fd >= 0 &&
		    getpeername(h->sockets[i].fd, (struct sockaddr *)&peer, &peer_bytes) == 0)
			return true;
	}
	return false;
}

/* What a silent peer kept us waiting for. */
static const char *stage(const struct http *h)
{
	if (info_long(h, CURLINFO_REDIRECT_COUNT) > 0)
		return "after a redirect";
	if (!info_offset(h, CURLINFO_NAMELOOKUP_TIME_T))
		return "resolving the name";
	if (!connected(h))
		return "connecting";
	if (h->tls && !info_offset(h, CURLINFO_APPCONNECT_TIME_T))
		return "in the TLS handshake";
	if (!info_offset(h, CURLINFO_STARTTRANSFER_TIME_T))
		return "waiting for the answer";
	return h->body_bytes ? "reading the body" : "reading the answer";
}

static void on_deadline(void *owner)
{
	struct http *h = owner;

	ERR_SET(&h->refused, -ETIMEDOUT, ERR_SYS, 0, "no end after %.1f s, %s",
	        (double)h->timeout_ns / NS_PER_S, stage(h));
	fail(h, CURLE_OPERATION_TIMEDOUT);
}

/* --- libcurl on the loop -------------------------------------------------------------------- */

static void on_polled(void *owner, int events);

static const struct loop_events socket_events = { .polled = on_polled };

static int arm(struct http_socket *s)
{
	struct http *h = s->http;
	short events = 0;

	if (!s->io) {
		CLEANUP(fd_closep) int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
		int r;

		if (fd < 0)
			return ERR_SET(&h->refused, -errno, ERR_SYS, 0, "duplicate a socket");
		r = loop_add(h->loop, fd, &socket_events, s, &s->io, &h->refused);
		if (r < 0)
			return r;
		TAKE(fd, -1);
	}
	if (s->wanted & CURL_POLL_IN)
		events |= POLLIN;
	if (s->wanted & CURL_POLL_OUT)
		events |= POLLOUT;
	loop_poll(s->io, events);
	s->armed = true;
	return 0;
}

static int arm_wanted(struct http *h)
{
	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++) {
		struct http_socket *s = &h->sockets[i];
		int r;

		if (s->fd < 0 || s->armed || !s->wanted)
			continue;
		r = arm(s);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The one place where libcurl works; h may be gone when it returns. */
static void drive(struct http *h, curl_socket_t fd, int ready)
{
	int running = 0, queued = 0;
	CURLMcode code = h->curl->multi_socket_action(h->multi, fd, ready, &running);
	const CURLMsg *message = h->curl->multi_info_read(h->multi, &queued);

	if (code != CURLM_OK && !h->refused.code)
		ERR_SET(&h->refused, -EIO, ERR_SYS, 0, "%s", h->curl->multi_strerror(code));
	if (message && message->data.result == CURLE_OK)
		succeed(h);
	else if (message)
		fail(h, message->data.result);
	else if (h->refused.code || arm_wanted(h) < 0)
		fail(h, CURLE_ABORTED_BY_CALLBACK);
}

static void on_polled(void *owner, int events)
{
	struct http_socket *s = owner;
	struct http *h = s->http;
	int ready = 0;

	s->armed = false;
	if (events < 0)
		ERR_SET(&h->refused, events, ERR_SYS, 0, "wait for a socket");
	else if (events & (POLLIN | POLLHUP | POLLERR)) /* reading tells what the error is */
		ready |= CURL_CSELECT_IN;
	if (events > 0 && events & (POLLOUT | POLLERR))
		ready |= CURL_CSELECT_OUT;
	drive(h, s->fd, ready);
}

static void on_curl_timer(void *owner)
{
	drive(owner, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *owner)
{
	struct http *h = owner;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_cancel(h->loop, &h->curl_timer);
	else
		loop_timer_set(h->loop, &h->curl_timer,
		               loop_now_ns(h->loop) + (uint64_t)timeout_ms * NS_PER_MS);
	return 0;
}

static struct http_socket *socket_of(struct http *h, curl_socket_t fd)
{
	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
		if (h->sockets[i].fd == fd)
			return &h->sockets[i];
	return NULL;
}

/* A poll under way cannot be changed: it ends with its duplicate, and drive() arms the next. */
static int on_socket(CURL *easy, curl_socket_t fd, int wanted, void *owner, void *unused)
{
	struct http *h = owner;
	struct http_socket *s = socket_of(h, fd);

	(void)easy;
	(void)unused;
	if (!s && wanted != CURL_POLL_REMOVE)
		s = socket_of(h, -1);
	if (!s && wanted == CURL_POLL_REMOVE)
		return 0;
	if (!s)
		return ERR_SET(&h->refused, -EMFILE, ERR_SYS, 0, "watch more than %d sockets",
		               HTTP_SOCKETS_MAX);
	if (s->armed || wanted == CURL_POLL_REMOVE) {
		s->io = loop_remove(s->io);
		s->armed = false;
	}
	s->fd = wanted == CURL_POLL_REMOVE ? -1 : fd;
	s->wanted = wanted & CURL_POLL_INOUT;
	return 0;
}

/* libcurl's own call leaves descriptors open across exec. */
static curl_socket_t on_open_socket(void *owner, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
	(void)owner;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
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
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_XFERINFOFUNCTION, on_progress));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_XFERINFODATA, h));
	note_option(h, h->curl->easy_setopt(h->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket));
	h->curl->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	h->curl->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	h->curl->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	h->curl->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
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
	{ CURLOPT_UNRESTRICTED_AUTH, 0 },
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
	if (request->bearer) {
		set_long(h, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		set_text(h, CURLOPT_XOAUTH2_BEARER, request->bearer);
	}
}

static int set_options(struct http *h, const struct http_request *request, struct err *err)
{
	for (size_t i = 0; i < sizeof(fixed_options) / sizeof(*fixed_options); i++)
		set_long(h, fixed_options[i].option, fixed_options[i].value);
	set_callbacks(h);
	set_trust(h, request);
	set_text(h, CURLOPT_URL, request->url);
	set_text(h, CURLOPT_USERAGENT, request->user_agent);
	set_text(h, CURLOPT_ACCEPT_ENCODING, "gzip");
	set_text(h, CURLOPT_PROTOCOLS_STR, "http,https");
	set_text(h, CURLOPT_REDIR_PROTOCOLS_STR, h->tls ? "https" : "http,https");
	set_long(h, CURLOPT_FOLLOWLOCATION, request->redirects_max > 0);
	set_long(h, CURLOPT_MAXREDIRS, request->redirects_max);
	set_long(h, CURLOPT_IPRESOLVE, ip_resolve(request->family));
	if (request->interface) {
		char device[64];

		snprintf(device, sizeof(device), "if!%s", request->interface);
		set_text(h, CURLOPT_INTERFACE, device);
	}
	if (h->option_refused != CURLE_OK)
		return ERR_SET(err, -EINVAL, ERR_HTTP, 0, "set up the request to %s: %s",
		               h->url_shown, h->curl->easy_strerror(h->option_refused));
	return 0;
}

static int http_new(struct loop *l, const struct http_request *request, struct http **ret,
                    struct err *err)
{
	CLEANUP(http_freep) struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a request");
	h->loop = l;
	h->curl_timer = (struct loop_timer){ .fire = on_curl_timer, .owner = h };
	h->deadline = (struct loop_timer){ .fire = on_deadline, .owner = h };
	h->timeout_ns = request->timeout_ns;
	h->body_bytes_max = request->body_bytes_max;
	for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
		h->sockets[i] = (struct http_socket){ .http = h, .fd = -1 };
	log_url(request->url, h->url_shown, sizeof(h->url_shown));
	*ret = TAKE(h, NULL);
	return 0;
}

static int check_url(const char *text, bool *ret_tls, struct err *err)
{
	struct url url;
	int r = url_parse(text, &url, err);

	if (r < 0)
		return r;
	if (strncmp(url.scheme, "http", 4) != 0)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0, "get a %s URL over HTTP",
		               url.scheme);
	*ret_tls = url.tls;
	return 0;
}

int http_get(struct loop *l, const struct http_request *request, http_done done, void *owner,
             struct http **ret, struct err *err)
{
	CLEANUP(http_freep) struct http *h = NULL;
	bool tls;
	int r;

	assert(request->user_agent && request->timeout_ns && request->body_bytes_max);
	r = check_url(request->url, &tls, err);
	if (r == 0)
		r = http_new(l, request, &h, err);
	if (r == 0)
		r = libcurl_get(&h->curl, err);
	if (r < 0)
		return r;
	h->tls = tls;
	h->done = done;
	h->owner = owner;
	h->multi = h->curl->multi_init();
	tls_load_error_texts(); /* libcurl says OpenSSL's */
	h->easy = h->curl->easy_init();
	if (!h->multi || !h->easy)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate libcurl's handles");
	r = set_options(h, request, err);
	if (r < 0)
		return r;
	if (h->curl->multi_add_handle(h->multi, h->easy) != CURLM_OK)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "begin the request to %s", h->url_shown);
	loop_timer_set(l, &h->deadline, loop_now_ns(l) + h->timeout_ns);
	*ret = TAKE(h, NULL);
	return 0;
}
