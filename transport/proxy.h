/* Which proxy the environment names for an URL, by libcurl's rules, as transport/http.h has them from libcurl itself:
 * https_proxy, HTTPS_PROXY (http_proxy in small letters alone, as a CGI program's clients can set the other), all_proxy,
 * ALL_PROXY; no_proxy, NO_PROXY except. Pure, but for reading the environment. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "transport/url.h"

struct err;

#define PROXY_NONE 1

#define PROXY_USER_BYTES   256 /* "user:password", decoded */
#define PROXY_HEADER_BYTES (sizeof("Proxy-Authorization: Basic ") + (PROXY_USER_BYTES + 2) / 3 * 4)

struct proxy {
	char host[URL_HOST_MAX];
	uint16_t port;                          /* 1080 where none is named, as libcurl's */
	char authorization[PROXY_HEADER_BYTES]; /* a whole header: a secret; "": none */
};

/* For the host, port and kind of `to`.
 *   PROXY_NONE       straight to it;  -EINVAL  what is named is no proxy
 *   -EPROTONOSUPPORT it is one that is spoken to by TLS or SOCKS */
int proxy_of_environment(const struct url *to, struct proxy *ret, struct err *err);

/* Whether `list`, of no_proxy, has the host: "*"; a name, of which everything below it is meant, too; an address, or a
 * network as 192.0.2.0/24. Separated by commas or spaces. */
bool proxy_excepts(const char *list, const char *host);
