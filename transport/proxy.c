#include "transport/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/err.h"

#define STANDARD_PORT 1080
#define BITS_MAX      128

/* --- no_proxy ------------------------------------------------------------------------------------------ */

struct address {
	int family; /* 0: it is a name */
	unsigned char bytes[sizeof(struct in6_addr)];
};

static struct address address_of(const char *text)
{
	struct address a = {};

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = AF_INET6;
	return a;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned int bits)
{
	unsigned int rest = bits % 8;
	unsigned int mask = 0xff00U >> rest & 0xffU;

	return memcmp(a, b, bits / 8) == 0 &&
	       (rest == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0);
}

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; brackets around an IPv6 address are left out. */
static bool excepts_address(char *entry, const struct address *host)
{
	char *slash = strchr(entry, '/'), *end = NULL;
	unsigned int whole = host->family == AF_INET ? 32 : BITS_MAX;
	unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : whole;
	size_t n = strlen(entry);
	struct address a;

	if (slash && (end == slash + 1 || *end || bits > whole))
		return false;
	if (slash) {
		*slash = '\0';
	} else if (entry[0] == '[' && entry[n - 1] == ']') {
		entry[n - 1] = '\0';
		entry++;
	}
	a = address_of(entry);
	return a.family == host->family && same_bits(a.bytes, host->bytes, (unsigned int)bits);
}

static size_t without_dots(const char *name)
{
	size_t n = strlen(name);

	while (n > 0 && name[n - 1] == '.')
		n--;
	return n;
}

/* "example.com" and ".example.com" mean the name and all below it. */
static bool excepts_name(const char *entry, const char *host)
{
	size_t n, host_n = without_dots(host);

	entry += *entry == '.';
	n = without_dots(entry);
	if (n == 0 || n > host_n || strncasecmp(host + host_n - n, entry, n) != 0)
		return false;
	return n == host_n || host[host_n - n - 1] == '.';
}

bool proxy_excepts(const char *list, const char *host)
{
	static const char between[] = ", \t";
	struct address a = address_of(host);
	char entry[URL_HOST_MAX];

	if (strcmp(list, "*") == 0)
		return true;
	for (list += strspn(list, between); *list; list += strspn(list, between)) {
		size_t n = strcspn(list, between);

		snprintf(entry, sizeof(entry), "%.*s", (int)(n < sizeof(entry) ? n : 0), list);
		list += n;
		if (a.family ? excepts_address(entry, &a) : excepts_name(entry, host))
			return true;
	}
	return false;
}

/* --- the environment ------------------------------------------------------------------------------------- */

static const char *first_of(const char *const *names)
{
	for (; *names; names++) {
		const char *value = getenv(*names);

		if (value && *value)
			return value;
	}
	return NULL;
}

static const char *named_for(const struct url *to)
{
	static const char *const clear[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
	static const char *const secured[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
		                               "ALL_PROXY", NULL };
	static const char *const except[] = { "no_proxy", "NO_PROXY", NULL };
	const char *excepted = first_of(except);

	if (excepted && proxy_excepts(excepted, to->host))
		return NULL;
	return first_of(to->tls ? secured : clear);
}

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "user:pass%40word" */
static int take_user(const char *text, size_t n, struct proxy *ret)
{
	static const char basic[] = "Proxy-Authorization: Basic ";
	unsigned char user[PROXY_USER_BYTES];
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		int high = text[i] == '%' && i + 2 < n ? hex_of(text[i + 1]) : -1;
		int low = high >= 0 ? hex_of(text[i + 2]) : -1;

		if (out == sizeof(user))
			return -EINVAL;
		user[out++] = low >= 0 ? (unsigned char)(high << 4 | low) : (unsigned char)text[i];
		i += low >= 0 ? 2 : 0;
	}
	if (!memchr(user, ':', out) && out < sizeof(user))
		user[out++] = ':';
	strcpy(ret->authorization, basic);
	EVP_EncodeBlock((unsigned char *)ret->authorization + sizeof(basic) - 1, user, (int)out);
	explicit_bzero(user, sizeof(user));
	return 0;
}

static bool names_port(const char *authority)
{
	const char *bracket = strrchr(authority, ']'), *colon = strrchr(authority, ':');

	return colon && colon > (bracket ? bracket : authority) && colon[1];
}

/* "[http://][user[:password]@]host[:port][/]" */
static int take_proxy(const char *text, struct proxy *ret, struct err *err)
{
	const char *scheme_end = strstr(text, "://");
	const char *at, *authority = scheme_end ? scheme_end + 3 : text;
	char host[URL_HOST_MAX + 16];
	struct url u;
	size_t n;

	*ret = (struct proxy){};
	if (scheme_end && strncasecmp(text, "http://", 7) != 0)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
		               "use a proxy whose URL begins with %.*s://: http:// is spoken",
		               (int)(scheme_end - text < 8 ? scheme_end - text : 8), text);
	n = strcspn(authority, "/?#");
	at = memrchr(authority, '@', n);
	if (at && take_user(authority, (size_t)(at - authority), ret) < 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "use a proxy with a user that long");
	n -= at ? (size_t)(at + 1 - authority) : 0;
	authority = at ? at + 1 : authority;
	if (n >= sizeof(host))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "use a proxy with a name that long");
	memcpy(host, authority, n);
	host[n] = '\0';
	if (url_parse_server(host, "http", &u, err) < 0)
		return err_prefix(err, "use the proxy of the environment"), -EINVAL;
	memcpy(ret->host, u.host, sizeof(ret->host));
	ret->port = names_port(host) ? u.port : STANDARD_PORT;
	return 0;
}

int proxy_of_environment(const struct url *to, struct proxy *ret, struct err *err)
{
	const char *named = named_for(to);

	return named ? take_proxy(named, ret, err) : PROXY_NONE;
}
