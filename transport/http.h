/* One HTTP GET at a time over libcurl, on the loop: with a deadline, a ceiling, and nothing
 * blocking.
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

struct http_request {
	const char *url;        /* http or https */
	const char *user_agent; /* required */
	const char *bearer;  /* Authorization: Bearer …, NULL: none; never logged, not sent on to
			      * another host after a redirect */
	const char *ca_file; /* PEM; NULL: the system's store */
	bool insecure;
	int family;            /* AF_UNSPEC, AF_INET, AF_INET6 */
	const char *interface; /* NULL: the route decides */
	size_t body_bytes_max; /* of the decoded body; more is -EMSGSIZE */
	uint64_t timeout_ns;   /* for everything: name, connect, TLS, redirects, body */
	int redirects_max;
};

struct http_answer {
	int status;               /* of the last answer, after redirects */
	const char *content_type; /* "" where there was none */
	const char *body;         /* terminated for convenience; may hold NULs */
	size_t body_bytes;
	uint64_t retry_after_s; /* Retry-After in seconds, 0: none */
};

/* answer is NULL where no whole answer came: -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -EMSGSIZE,
 * -ELOOP, ERR_DNS with the EAI_* in detail, ERR_TLS with the X509_V_ERR_*, … Any status is an answer.
 * Valid during the call only. */
typedef void (*http_done)(void *owner, const struct http_answer *answer, const struct err *err);

/* Strings of `request` are copied. `done` is called exactly once from loop_run(), by the time-out
 * at the latest; the handle is gone when it is. An https URL is never redirected to http.
 *
 * Names are resolved by transport/resolve.h, each redirect's too, and libcurl races the addresses. A
 * proxy is taken from the environment as libcurl does (https_proxy, HTTPS_PROXY, http_proxy, all_proxy,
 * no_proxy); where one is named there, names are left to libcurl and to the proxy.
 *   -ENOPKG  libcurl is not installed;  -EINVAL, -EPROTONOSUPPORT  the URL */
int http_get(struct loop *l, const struct http_request *request, http_done done, void *owner,
             struct http **ret, struct err *err);

/* Before `done` was called: it will not be. Accepts NULL; always returns NULL. */
struct http *http_cancel(struct http *h);
