#include "agent/sentry/sentry_dsn.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/err.h"
#include "transport/url.h"

#define REFUSE(err, what) ERR_SET((err), -EINVAL, ERR_SYS, 0, "read sentry_dsn: %s", what)

/* The unreserved characters of RFC 3986 2.3: what stands in a header and in a path as it is. */
static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789-._~";

/* Copies the n bytes of a name. */
static bool take_name(const char *at, size_t n, char out[SENTRY_KEY_BYTES])
{
	if (n == 0 || n >= SENTRY_KEY_BYTES || strspn(at, unreserved) < n)
		return false;
	memcpy(out, at, n);
	out[n] = '\0';
	return true;
}

/* KEY[:SECRET], n bytes. */
static int read_key(const char *at, size_t n, struct sentry_dsn *d, struct err *err)
{
	const char *colon = memchr(at, ':', n);
	size_t key_bytes = colon ? (size_t)(colon - at) : n;

	if (!take_name(at, key_bytes, d->key))
		return REFUSE(
			err, "its key is missing, too long, or has other than A-Z a-z 0-9 - . _ ~");
	if (colon && !take_name(colon + 1, n - key_bytes - 1, d->secret))
		return REFUSE(
			err,
			"its secret is empty, too long, or has other than A-Z a-z 0-9 - . _ ~");
	return 0;
}

/* The last segment of the path is taken off `target`, which is left as the prefix: "" or "/…". */
static int read_project(char *target, struct sentry_dsn *d, struct err *err)
{
	size_t n = strlen(target);
	const char *name;

	while (n > 0 && target[n - 1] == '/')
		target[--n] = '\0';
	name = strrchr(target, '/');
	if (!name || !take_name(name + 1, strlen(name + 1), d->project))
		return REFUSE(err, "no project at its end");
	if (strspn(d->project, ".") == strlen(d->project))
		return REFUSE(err, "its project is only dots");
	target[name - target] = '\0';
	return 0;
}

static int make_endpoint(const struct url *u, struct sentry_dsn *d)
{
	char authority[URL_AUTHORITY_MAX];
	int n = snprintf(d->endpoint, sizeof(d->endpoint), "%s://%s%s/api/%s/envelope/", u->scheme,
	                 url_authority(u, authority), u->target, d->project);

	return n < 0 || (size_t)n >= sizeof(d->endpoint) ? -ENAMETOOLONG : 0;
}

/* http and https only, and the "@" that a DSN has before its host: how many bytes stand before each. */
static int find_parts(const char *text, size_t *ret_scheme, const char **ret_at, struct err *err)
{
	const char *colon = strstr(text, "://");
	const char *rest = colon ? colon + 3 : text;
	const char *at = memchr(rest, '@', strcspn(rest, "/?#"));

	if (strlen(text) >= SENTRY_DSN_BYTES)
		return REFUSE(err, "it is longer than 1023 bytes");
	if (!colon ||
	    (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0))
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
		               "read sentry_dsn: it begins neither with http:// nor with https://");
	if (!at)
		return REFUSE(err, "no KEY@ before its host");
	if (strpbrk(at, "?#"))
		return REFUSE(err, "it has a query or a fragment");
	*ret_scheme = (size_t)(rest - text);
	*ret_at = at;
	return 0;
}

int sentry_dsn_parse(const char *text, struct sentry_dsn *ret, struct err *err)
{
	struct sentry_dsn d = {};
	char plain[SENTRY_DSN_BYTES];
	size_t scheme_bytes = 0;
	const char *at = text;
	struct url u;
	int r;

	r = find_parts(text, &scheme_bytes, &at, err);
	if (r < 0)
		return r;
	r = read_key(text + scheme_bytes, (size_t)(at - text) - scheme_bytes, &d, err);
	if (r < 0)
		return r;
	snprintf(plain, sizeof(plain), "%.*s%s", (int)scheme_bytes, text, at + 1);
	if (url_parse(plain, &u, NULL) < 0)
		return REFUSE(err, "what follows its \"@\" is no HOST[:PORT]/PROJECT");
	r = read_project(u.target, &d, err);
	if (r < 0)
		return r;
	if (make_endpoint(&u, &d) < 0)
		return REFUSE(err, "it is too long");
	*ret = d;
	return 0;
}

int sentry_dsn_auth(const struct sentry_dsn *d, const char *client, char *out, size_t out_bytes)
{
	int n = snprintf(out, out_bytes,
	                 "Sentry sentry_version=7, sentry_client=%s, sentry_key=%s%s%s", client,
	                 d->key, *d->secret ? ", sentry_secret=" : "", d->secret);

	return n < 0 || (size_t)n >= out_bytes ? -ENOSPC : 0;
}
