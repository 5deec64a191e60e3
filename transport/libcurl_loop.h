/* libcurl's transfers on our loop: libcurl keeps the descriptors and the protocol, the loop does the
 * waiting. One transfer at a time, as many as are wanted one after the other. */
#pragma once

#include <stdbool.h>

#include "transport/libcurl.h"

struct err;
struct libcurl_loop;
struct loop;

/* The transfer has ended with `result`; or err is set, and waiting for it could not go on. The handle
 * that was transferred is the caller's again, and the libcurl_loop may be freed from in here. */
typedef void (*libcurl_loop_done)(void *owner, CURLcode result, const struct err *err);

/* NULL: no memory. */
struct libcurl_loop *libcurl_loop_new(struct loop *l, const struct libcurl *curl,
                                      libcurl_loop_done done, void *owner);

/* Ends the transfer, if there is one. Accepts NULL; always returns NULL. */
struct libcurl_loop *libcurl_loop_free(struct libcurl_loop *w);

/* `easy` stays the caller's and must outlive the transfer. `done` is called once, from loop_run(). */
int libcurl_loop_begin(struct libcurl_loop *w, CURL *easy, struct err *err);

/* Whether one of the transfer's sockets is connected: libcurl dates that only when TLS stands too. */
bool libcurl_loop_is_connected(const struct libcurl_loop *w);
