#include "transport/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"

struct scheme {
	const char *name;
	bool tls;
	uint16_t port;
};

static const struct scheme schemes[] = {
	{ "ws", false, 80 },
	{ "wss", true, 443 },
	{ "http", false, 80 },
	{ "https", true, 443 },
};

#define ALPHA_LOWER "abcdefghijklmnopqrstuvwxyz"
#define ALPHA       ALPHA_LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS      "0123456789"
#define HOST_BYTES  ALPHA DIGITS "-._"  /* '_' is in no host name of RFC 952, and in real ones */
#define UNRESERVED  ALPHA DIGITS "-._~" /* RFC 3986 2.3 */

/* A piece of the caller's text. */
struct span {
	const char *at;
	size_t n;
};

/* ASCII, whatever the locale. */
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void copy_lower(char *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		out[i] = lower(s.at[i]);
	out[s.n] = '\0';
}

/* --- parse --------------------------------------------------------------------------------------
 */

static const struct scheme *find_scheme(struct span name)
{
	char low[URL_SCHEME_MAX];

	if (name.n >= sizeof(low))
		return NULL;
	copy_lower(low, name);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (strcmp(schemes[i].name, low) == 0)
			return &schemes[i];
	return NULL;
}

/* What stands before "://" (n is 0 where it does not begin the text). */
static struct span scheme_of(const char *text)
{
	size_t n = strspn(text, ALPHA DIGITS "+-.");

	return (struct span){ text, strncmp(text + n, "://", 3) == 0 ? n : 0 };
}

static int check_bytes(const char *text, struct err *err)
{
	size_t n = 0;

	for (; text[n]; n++)
		if ((unsigned char)text[n] <= ' ' || text[n] == 0x7f)
			return ERR_SET(err, -EINVAL, ERR_SYS, 0,
			               "take a URL with white space or a control character (byte "
			               "%zu)",
			               n);
	if (n >= URL_BYTES_MAX)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "take a URL of %zu bytes (at most %d)", n,
		               URL_BYTES_MAX - 1);
	return 0;
}

static int set_ipv6(struct url *u, struct span host, struct err *err)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr address;

	if (memchr(host.at, '%', host.n))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "take '%.*s' in a URL (a zone is given as the interface)",
		               (int)host.n, host.at);
	if (host.n < sizeof(text))
		copy_lower(text, host);
	if (inet_pton(AF_INET6, text, &address) != 1)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "read '%.*s' as an IPv6 address",
		               (int)host.n, host.at);
	memcpy(u->host, text, sizeof(text));
	u->host_is_ipv6 = true;
	return 0;
}

static int set_name(struct url *u, struct span host, struct err *err)
{
	if (host.n == 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "take a URL without a host");
	if (host.n >= sizeof(u->host))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "take a host name of %zu bytes", host.n);
	if (strspn(host.at, HOST_BYTES) < host.n)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "read '%.*s' as a host name", (int)host.n,
		               host.at);
	copy_lower(u->host, host);
	return 0;
}

static int set_port(struct url *u, struct span digits, struct err *err)
{
	unsigned int port = 0;

	for (size_t i = 0; i < digits.n && port <= UINT16_MAX; i++) {
		if (digits.at[i] < '0' || digits.at[i] > '9')
			return ERR_SET(err, -EINVAL, ERR_SYS, 0, "read '%.*s' as a port",
			               (int)digits.n, digits.at);
		port = 10 * port + (unsigned int)(digits.at[i] - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "take port %.*s (1 to 65535)",
		               (int)digits.n, digits.at);
	u->port = (uint16_t)port;
	return 0;
}

/* Host and port, as RFC 3986 3.2 divides them. */
static int set_authority(struct url *u, struct span authority, struct err *err)
{
	const char *end = authority.at + authority.n, *host_end, *colon;
	int r;

	if (memchr(authority.at, '@', authority.n)) /* it may hold a password: not shown */
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "take a URL with a user part");
	if (authority.n > 0 && authority.at[0] == '[') {
		host_end = memchr(authority.at, ']', authority.n);
		if (!host_end)
			return ERR_SET(err, -EINVAL, ERR_SYS, 0, "find the ']' of an IPv6 address");
		r = set_ipv6(u, (struct span){ authority.at + 1, host_end - authority.at - 1 },
		             err);
		colon = host_end + 1;
	} else {
		colon = memchr(authority.at, ':', authority.n);
		colon = colon ? colon : end;
		r = set_name(u, (struct span){ authority.at, colon - authority.at }, err);
	}
	if (r < 0 || colon == end)
		return r;
	if (*colon != ':')
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "read '%.*s' behind an IPv6 address",
		               (int)(end - colon), colon);
	return colon + 1 == end ? 0 : set_port(u, (struct span){ colon + 1, end - colon - 1 }, err);
}

/* An IPv6 literal may stand without brackets in front of nothing. */
static bool is_bare_ipv6(struct span authority)
{
	const char *colon = memchr(authority.at, ':', authority.n);

	return colon && authority.at[0] != '[' &&
	       memchr(colon + 1, ':', authority.at + authority.n - colon - 1);
}

static int check_length(const struct url *u, struct err *err)
{
	char whole[URL_BYTES_MAX];

	if (url_format(u, whole, sizeof(whole)) < 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "take a URL of more than %d bytes",
		               URL_BYTES_MAX - 1);
	return 0;
}

/* What stands behind "scheme://". */
static int parse_rest(const struct scheme *scheme, const char *text, bool bare_ipv6,
                      struct url *ret, struct err *err)
{
	struct span authority = { text, strcspn(text, "/?#") };
	const char *path = text + authority.n;
	struct url u = { .tls = scheme->tls, .port = scheme->port };
	size_t path_bytes = strcspn(path, "#");
	int r;

	if (bare_ipv6 && is_bare_ipv6(authority))
		r = set_ipv6(&u, authority, err);
	else
		r = set_authority(&u, authority, err);
	if (r < 0)
		return r;

	bytes_copy_text(u.scheme, sizeof(u.scheme), scheme->name);
	u.port_is_default = u.port == scheme->port;
	/* check_bytes() has seen that it fits: a scheme and a host are gone, a "/" may come */
	snprintf(u.target, sizeof(u.target), "%s%.*s", *path == '/' ? "" : "/", (int)path_bytes,
	         path);
	r = check_length(&u, err);
	if (r < 0)
		return r;
	*ret = u;
	return 0;
}

int url_parse(const char *text, struct url *ret, struct err *err)
{
	struct span name = scheme_of(text);
	const struct scheme *scheme = find_scheme(name);
	int r = check_bytes(text, err);

	if (r < 0)
		return r;
	if (name.n == 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "find the scheme of a URL");
	if (!scheme)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0, "speak '%.*s'", (int)name.n,
		               name.at);
	return parse_rest(scheme, name.at + name.n + 3, false, ret, err);
}

int url_parse_server(const char *text, const char *scheme, struct url *ret, struct err *err)
{
	struct span named = scheme_of(text);
	struct span wanted = { scheme, strlen(scheme) };
	const struct scheme *found = find_scheme(named.n ? named : wanted);
	int r = check_bytes(text, err);

	if (r < 0)
		return r;
	if (!found || (named.n && strncmp(found->name, "ws", 2) != 0))
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
		               "measure over '%.*s' (ws and wss only)",
		               (int)(named.n ? named.n : wanted.n), named.n ? named.at : scheme);
	return parse_rest(found, named.n ? text + named.n + 3 : text, named.n == 0, ret, err);
}

/* --- rebuild ------------------------------------------------------------------------------------
 */

char *url_authority(const struct url *u, char out[URL_AUTHORITY_MAX])
{
	struct text t = text_on(out, URL_AUTHORITY_MAX);

	text_append(&t, u->host_is_ipv6 ? "[%s]" : "%s", u->host);
	if (!u->port_is_default)
		text_append(&t, ":%u", u->port);
	return out;
}

int url_format(const struct url *u, char *out, size_t out_bytes)
{
	char authority[URL_AUTHORITY_MAX];
	struct text t = text_on(out, out_bytes);

	text_append(&t, "%s://%s%s", u->scheme, url_authority(u, authority), u->target);
	return t.overflow ? -ENOSPC : 0;
}

int url_path(const struct url *u, char *out, size_t out_bytes)
{
	struct text t = text_on(out, out_bytes);

	text_append(&t, "%.*s", (int)strcspn(u->target, "?"), u->target);
	return t.overflow ? -ENOSPC : 0;
}

/* --- query --------------------------------------------------------------------------------------
 */

/* One "name=value" as it stands, still encoded. */
struct pair {
	struct span name, value;
	struct span whole;
};

/* The next pair from *at, which is NULL behind the last. */
static bool next_pair(const char **at, struct pair *ret)
{
	const char *begin = *at;
	const char *equals;
	size_t n;

	if (!begin)
		return false;
	n = strcspn(begin, "&");
	*at = begin[n] == '&' ? begin + n + 1 : NULL;
	ret->whole = ret->name = (struct span){ begin, n };
	ret->value = (struct span){ begin + n, 0 };
	equals = memchr(begin, '=', n);
	if (equals) {
		ret->name.n = (size_t)(equals - begin);
		ret->value = (struct span){ equals + 1, n - ret->name.n - 1 };
	}
	return true;
}

static const char *query_of(const char *target)
{
	const char *mark = strchr(target, '?');

	return mark ? mark + 1 : NULL;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *found = c ? strchr(digits, lower(c)) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* Takes one decoded byte off *s, which is not empty. -EINVAL: see url_query_get(). */
static int next_byte(struct span *s)
{
	char c = *s->at;
	size_t taken = 1;
	int byte = c == '+' ? ' ' : (unsigned char)c;

	if (c == ';')
		return -EINVAL;
	if (c == '%') {
		if (s->n < 3 || hex_digit(s->at[1]) < 0 || hex_digit(s->at[2]) < 0)
			return -EINVAL;
		byte = hex_digit(s->at[1]) << 4 | hex_digit(s->at[2]);
		taken = 3;
	}
	s->at += taken;
	s->n -= taken;
	return byte ? byte : -EINVAL;
}

static int decode(struct span s, char *out, size_t out_bytes)
{
	size_t n = 0;

	while (s.n > 0) {
		int byte = next_byte(&s);

		if (byte < 0 || n + 1 >= out_bytes) {
			out[0] = '\0';
			return byte < 0 ? byte : -ENOSPC;
		}
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	return 0;
}

static bool decodes_to(struct span s, const char *text)
{
	for (; s.n > 0 && *text; text++)
		if (next_byte(&s) != (unsigned char)*text)
			return false;
	return s.n == 0 && !*text;
}

/* Every byte decodes, so that the reference server would not pass the pair over. */
static bool is_whole(struct span s)
{
	while (s.n > 0)
		if (next_byte(&s) < 0)
			return false;
	return true;
}

static void append_encoded(struct text *t, const char *text)
{
	for (; *text; text++)
		if (strchr(UNRESERVED, *text))
			text_append(t, "%c", *text);
		else
			text_append(t, "%%%02X", (unsigned char)*text);
}

static void append_pair(struct text *t, const char *name, const char *value)
{
	append_encoded(t, name);
	text_append(t, "=");
	append_encoded(t, value);
}

int url_query_set(struct url *u, const char *name, const char *value)
{
	char target[URL_TARGET_MAX];
	struct text t = text_on(target, sizeof(target));
	const char *at = query_of(u->target);
	const char *separator = "?";
	struct pair pair;
	bool set = false;

	if (at && !*at)
		at = NULL; /* "/?" holds no pair, "/?&" two empty ones */
	text_append(&t, "%.*s", (int)strcspn(u->target, "?"), u->target);
	while (next_pair(&at, &pair)) {
		bool ours = pair.whole.n > 0 && decodes_to(pair.name, name);

		if (ours && set)
			continue;
		text_append(&t, "%s", separator);
		separator = "&";
		if (ours)
			append_pair(&t, name, value);
		else
			text_append(&t, "%.*s", (int)pair.whole.n, pair.whole.at);
		set |= ours;
	}
	if (!set) {
		text_append(&t, "%s", separator);
		append_pair(&t, name, value);
	}
	if (t.overflow)
		return -ENOSPC;
	memcpy(u->target, target, t.bytes + 1);
	return 0;
}

int url_query_get(const char *target, const char *name, char *out, size_t out_bytes)
{
	const char *at = query_of(target);
	struct pair pair;

	while (next_pair(&at, &pair))
		if (pair.whole.n > 0 && decodes_to(pair.name, name) && is_whole(pair.value))
			return decode(pair.value, out, out_bytes);
	return -ENOENT;
}

bool url_query_next(const char *target, const char **at, char *name, size_t name_bytes, char *value,
                    size_t value_bytes)
{
	const char *next = *at ? *at : query_of(target);
	struct pair pair;

	while (next_pair(&next, &pair)) {
		*at = next ? next : pair.whole.at + pair.whole.n;
		if (pair.whole.n > 0 && decode(pair.name, name, name_bytes) == 0 &&
		    decode(pair.value, value, value_bytes) == 0)
			return true;
	}
	return false;
}
