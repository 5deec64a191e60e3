/* HTTP requests over libcurl, on the loop: with a deadline, ceilings, and nothing blocking.
 *
 * libcurl and the two dozen libraries behind it are loaded at the first request (dlopen): a test
 * against a named server, `serve`, `doctor` and `-v` never pay for them. See docs/decisions/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct http;
struct loop;

#define HTTP_HEADERS_MAX 16
#define HTTP_PARTS_MAX   16
#define HTTP_WANTED_MAX  4

#define HTTP_GZIP_BYTES_MIN 1024

enum http_method { HTTP_GET, HTTP_POST };

/* Bytes in memory, or of a file. Not copied: they stay the caller's until `done`, and unchanged. */
struct http_content {
	const void *
		data; /* NULL: `bytes` from `offset` on of `fd`, whose own position does not matter */
	int fd;
	uint64_t offset;
	uint64_t bytes;
};

/* A field of multipart/form-data (RFC 7578). */
struct http_part {
	const char *name;
	const char *filename; /* NULL: a plain field */
	const char *type;     /* Content-Type; NULL: none is said */
	struct http_content content;
};

struct http_request {
	enum http_method method;
	const char *url;        /* http or https */
	const char *user_agent; /* required */
	const char *accept;     /* the whole value; NULL: anything */
	const char *bearer;     /* Authorization: Bearer …; NULL: none */

	/* Further ones, "Name: value". Like `bearer` they are never logged, and not sent on to another host after a
	 * redirect. */
	const char *headers[HTTP_HEADERS_MAX];
	size_t header_count;

	/* Of HTTP_POST: the body, whose Content-Type is among the headers; or, where there are parts, a form. */
	struct http_content body;
	bool gzip; /* the body, where it is above HTTP_GZIP_BYTES_MIN and becomes smaller; else it goes as it is */
	struct http_part parts[HTTP_PARTS_MAX];
	size_t part_count;

	const char *wanted[HTTP_WANTED_MAX]; /* names of headers to be told of; NULL: none */

	const char *ca_file; /* PEM; NULL: the system's store */
	bool insecure;
	int family;              /* AF_UNSPEC, AF_INET, AF_INET6 */
	const char *interface;   /* NULL: the route decides */
	size_t answer_bytes_max; /* of the decoded answer's body; more is -EMSGSIZE */
	uint64_t timeout_ns;     /* for everything: name, connect, TLS, redirects, body */
	int redirects_max; /* of HTTP_GET; for HTTP_POST a redirect is an answer as any other */
};

struct http_answer {
	int status;               /* of the last answer, after redirects */
	const char *content_type; /* "" where there was none */
	const char *body;         /* terminated for convenience; may hold NULs */
	size_t body_bytes;
	uint64_t retry_after_s;              /* Retry-After in seconds, 0: none */
	const char *wanted[HTTP_WANTED_MAX]; /* the last value of each; "" where there was none */
};

/* answer is NULL where no whole answer came: -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -EMSGSIZE,
 * -ELOOP, ERR_DNS with the EAI_* in detail, ERR_TLS with the X509_V_ERR_*, … Any status is an answer.
 * Valid during the call only. */
typedef void (*http_done)(void *owner, const struct http_answer *answer, const struct err *err);

/* Strings of `request` are copied, contents are not. `done` is called exactly once from loop_run(), by the
 * time-out at the latest; the handle is gone when it has returned. An https URL is never redirected to http.
 * Cookies are neither kept nor sent, and a body is sent without asking first (Expect: 100-continue).
 *
 * Names are resolved by transport/resolve.h, each redirect's too, and libcurl races the addresses. A
 * proxy is taken from the environment as libcurl does (https_proxy, HTTPS_PROXY, http_proxy, all_proxy,
 * no_proxy), and found likewise; the names behind it are its. One that is spoken to by TLS or SOCKS libcurl finds itself.
 *   -ENOPKG  libcurl is not installed;  -EINVAL, -EPROTONOSUPPORT  the URL;  -EINVAL  a header that is none */
int http_ask(struct loop *l, const struct http_request *request, http_done done, void *owner,
             struct http **ret, struct err *err);

/* Whether all of the request may be on its way: then a failure leaves open whether the server has acted on
 * it. To be asked until `done` returns. */
bool http_was_sent(const struct http *h);

/* Before `done` was called: it will not be. Accepts NULL; always returns NULL. */
struct http *http_cancel(struct http *h);
