/* ws, wss, http and https URLs (RFC 3986, as far as these schemes need it): parse, rebuild, and
 * extend a query. Pure; fuzzed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define URL_BYTES_MAX  8192 /* of a whole URL */
#define URL_HOST_MAX   256  /* with the terminating NUL; RFC 1035 allows 253 */
#define URL_SCHEME_MAX 8
#define URL_TARGET_MAX URL_BYTES_MAX

struct url {
	char scheme[URL_SCHEME_MAX]; /* lower case: ws wss http https */
	bool tls;                    /* wss, https */
	char host[URL_HOST_MAX];     /* lower case; an IPv6 literal stands without its brackets */
	bool host_is_ipv6;           /* a literal: brackets belong around it in Host and in URLs */
	uint16_t port;               /* the scheme's default where none was given */
	bool port_is_default;        /* of the scheme, given or not: then Host carries no port */
	char target[URL_TARGET_MAX]; /* path and query, "/" at least, as sent in the request line;
				      * a fragment is dropped */
};

/* `text` is a whole URL with one of the four schemes. A user part, white space, control characters,
 * an empty host, a port outside 1 to 65535, and what would not fit URL_BYTES_MAX as url_format()
 * writes it are refused. So is an IPv6 zone (RFC 9844): it names an interface of this machine, for
 * which there is an option. An empty port is the default one (RFC 3986 3.2.3).
 *   -EINVAL, with the reason in err;  -EPROTONOSUPPORT  another scheme */
int url_parse(const char *text, struct url *ret, struct err *err);

/* "host", "host:port", "[v6]", "[v6]:port", "v6", each with a path and query or none, or a whole
 * ws:// or wss:// URL; `scheme`, one of the four, serves where the text names none. The target is
 * "/" where the text has no path. Answers as url_parse() does. */
int url_parse_server(const char *text, const char *scheme, struct url *ret, struct err *err);

/* The value of the Host header (RFC 9110 7.2), always terminated. Answers out. */
#define URL_AUTHORITY_MAX (URL_HOST_MAX + 8)
char *url_authority(const struct url *u, char out[URL_AUTHORITY_MAX]);

/* The whole URL again, in URL_BYTES_MAX as long as the target was not made longer.
 *   -ENOSPC  it does not fit */
int url_format(const struct url *u, char *out, size_t out_bytes);

/* Path as it stands in the target, without the query, into out.  -ENOSPC */
int url_path(const struct url *u, char *out, size_t out_bytes);

/* Sets `name` to `value` in the query: a parameter of that name gives up its first value and
 * loses its others; the rest stays byte for byte and in order. Both are percent-encoded here.
 *   -ENOSPC  the target would be longer than URL_TARGET_MAX */
int url_query_set(struct url *u, const char *name, const char *value);

/* The decoded value of the first parameter `name` ("+" is a space). A pair that holds a broken
 * escape, a semicolon or an escaped NUL is passed over, as the reference server does (the NUL
 * aside, which no string of ours can hold). -ENOENT  there is none;  -ENOSPC  it does not fit */
int url_query_get(const char *target, const char *name, char *out, size_t out_bytes);

/* Walks the query of a target. `*at` starts at NULL. Answers false at the end; pairs as above, and
 * names and values that do not fit, are skipped. */
bool url_query_next(const char *target, const char **at, char *name, size_t name_bytes, char *value,
                    size_t value_bytes);
