#include "agent/sentry/sentry_patterns.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#define NAME_BYTES_MAX  64
#define TOKEN_BYTES_MIN 32 /* of base64 or hexadecimal: 128 bits of the latter */
#define ADDRESS_BYTES   64
#define EMAIL_LOCAL_MAX 320

/* A text on its way into another. */
struct scan {
	const char *begin, *at, *end;
	const struct sentry_known_list *known;
	char *out;
	size_t room; /* with the terminating NUL */
	bool full;
	const char *url_end; /* inside an URL until there; NULL: not in one */
	const char *cut;     /* what was taken away last ended there: no run began before it */
};

/* What a rule has found at s->at: nothing, or how many bytes, and what takes their place. */
struct found {
	size_t n;
	const char *placeholder;
};

static const struct found nothing;

static void put(struct scan *s, const char *text, size_t n)
{
	if (n >= s->room) {
		s->full = true;
		return;
	}
	memcpy(s->out, text, n);
	s->out += n;
	s->room -= n;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool at_word_start(const struct scan *s)
{
	return s->at == s->begin || s->at == s->cut || !is_word(s->at[-1]);
}

static size_t left(const struct scan *s)
{
	return (size_t)(s->end - s->at);
}

/* Every byte of a report is looked at by every rule: the first character decides nearly always. */
static bool is_letter(char c, char lower)
{
	return (c | 0x20) == lower;
}

static bool begins(const struct scan *s, const char *text)
{
	return strncasecmp(s->at, text, strlen(text)) == 0;
}

static bool is_of(char c, const char *others)
{
	return c && (isalnum((unsigned char)c) || strchr(others, c));
}

/* How many bytes from `at` are letters, digits or of `others`. */
static size_t run(const char *at, const char *others)
{
	size_t n = 0;

	while (is_of(at[n], others))
		n++;
	return n;
}

/* Whether a run of such characters begins here: one that began before was looked at there. */
static bool run_begins(const struct scan *s, const char *others)
{
	return is_of(*s->at, others) &&
	       (s->at == s->begin || s->at == s->cut || !is_of(s->at[-1], others));
}

/* Up to what ends a word of any kind: white space, or what quotes and brackets it. */
static size_t word_bytes(const char *at)
{
	return strcspn(at, " \t\r\n\"'<>`");
}

static size_t line_bytes(const char *at)
{
	return strcspn(at, "\r\n");
}

/* --- names whose value is secret ------------------------------------------------------------------ */

/* By their first letter. */
static const char *const secret_words['z' - 'a' + 1][7] = {
	['a' - 'a'] = { "auth", "api_key", "apikey" },
	['c' - 'a'] = { "cookie", "credential" },
	['d' - 'a'] = { "dsn" },
	['h' - 'a'] = { "hostname", "host_name" },
	['i' - 'a'] = { "ip_addr" },
	['l' - 'a'] = { "latitude", "longitude" },
	['p' - 'a'] = { "password", "passwd", "passphrase", "psk", "private_key" },
	['s' - 'a'] = { "secret", "session", "ssid", "serial", "server_name" },
	['t' - 'a'] = { "token" },
	['u' - 'a'] = { "username", "user_name" },
};

static bool begins_secret_word(const char *text)
{
	const char *const *word = secret_words[*text - 'a'];

	for (; *word; word++)
		if (strncmp(text, *word, strlen(*word)) == 0)
			return true;
	return false;
}

bool sentry_patterns_secret_name(const char *name, size_t n)
{
	char plain[NAME_BYTES_MAX + 1];

	if (n > NAME_BYTES_MAX)
		return true; /* no name of ours is as long */
	for (size_t i = 0; i < n; i++)
		plain[i] = name[i] == '-' ? '_' : (char)tolower((unsigned char)name[i]);
	plain[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (plain[i] >= 'a' && plain[i] <= 'z' && begins_secret_word(plain + i))
			return true;
	return false;
}

/* --- the rules: each looks at s->at only ---------------------------------------------------------- */

static struct found find_known(const struct scan *s)
{
	for (size_t i = 0; s->known && i < s->known->count; i++) {
		const struct sentry_known *k = &s->known->at[i];
		size_t n;

		if (!k->text || tolower((unsigned char)*s->at) != tolower((unsigned char)*k->text))
			continue;
		n = strlen(k->text);
		if (n >= SENTRY_KNOWN_BYTES_MIN && strncasecmp(s->at, k->text, n) == 0)
			return (struct found){ n, k->placeholder };
	}
	return nothing;
}

/* To its end line, or to the end of everything. */
static struct found find_pem(const struct scan *s)
{
	const char *end;

	if (*s->at != '-' || !begins(s, "-----BEGIN"))
		return nothing;
	end = strstr(s->at, "-----END");
	return (struct found){ end ? (size_t)(end - s->at) + line_bytes(end) : left(s), "[pem]" };
}

/* name=value, name: value, "name":"value": to the end of the line, since a password may have spaces. */
static struct found find_assignment(const struct scan *s)
{
	size_t name_n = at_word_start(s) ? run(s->at, "_-.") : 0;
	const char *behind = s->at + name_n;

	if (name_n == 0)
		return nothing;
	behind += strspn(behind, " \t\"'\\]");
	if ((*behind != '=' && *behind != ':') || !sentry_patterns_secret_name(s->at, name_n))
		return nothing;
	behind += strspn(behind, "=:> \t\"'\\");
	return (struct found){ (size_t)(behind - s->at) + line_bytes(behind), SENTRY_FILTERED };
}

/* "Bearer …", "Basic …", as in a header whose name is not beside it. */
static struct found find_bearer(const struct scan *s)
{
	size_t n, spaces, token_n;

	if (!is_letter(*s->at, 'b') || !at_word_start(s))
		return nothing;
	n = begins(s, "bearer") ? 6 : begins(s, "basic") ? 5 : 0;
	if (n == 0)
		return nothing;
	spaces = strspn(s->at + n, " \t");
	token_n = spaces ? run(s->at + n + spaces, "+/_=-.~") : 0;
	if (token_n == 0 || (n == 5 && token_n < 8))
		return nothing;
	return (struct found){ n + spaces + token_n, "[token]" };
}

/* Six groups of two, three of four: as the kernel, as Windows, as routers write it. */
static struct found find_mac(const struct scan *s)
{
	static const char *const forms[] = { "xx:xx:xx:xx:xx:xx", "xx-xx-xx-xx-xx-xx",
		                             "xxxx.xxxx.xxxx" };

	if (!isxdigit((unsigned char)*s->at) || !at_word_start(s))
		return nothing;

	for (size_t f = 0; f < sizeof(forms) / sizeof(*forms); f++) {
		const char *form = forms[f];
		size_t i = 0;

		while (form[i] && (form[i] == 'x' ? isxdigit((unsigned char)s->at[i]) != 0
		                                  : s->at[i] == form[i]))
			i++;
		if (!form[i] && !is_word(s->at[i]) && s->at[i] != ':')
			return (struct found){ i, "[mac]" };
	}
	return nothing;
}

static struct found find_ipv4(const struct scan *s)
{
	const char *at = s->at;

	if (!isdigit((unsigned char)*at) || (at > s->begin && isdigit((unsigned char)at[-1])))
		return nothing;
	for (int group = 0; group < 4; group++) {
		size_t digits = 0;
		unsigned int value = 0;

		while (digits < 4 && isdigit((unsigned char)at[digits]))
			value = value * 10 + (unsigned int)(at[digits++] - '0');
		if (digits == 0 || value > 255)
			return nothing;
		at += digits;
		if (group < 3 && *at++ != '.')
			return nothing;
	}
	return (struct found){ (size_t)(at - s->at), "[ip]" };
}

static bool is_of_ipv6(char c)
{
	return isxdigit((unsigned char)c) || c == ':' || c == '.';
}

/* How many bytes could be an IPv6 address, with an IPv4 one at its end and a zone. */
static size_t ipv6_run(const char *at)
{
	size_t n = 0;

	while (n < ADDRESS_BYTES && is_of_ipv6(at[n]))
		n++;
	while (n > 0 && (at[n - 1] == '.' || (at[n - 1] == ':' && (n < 2 || at[n - 2] != ':'))))
		n--; /* of the sentence */
	return n;
}

/* What inet_pton(3) takes, and what has as many colons: an address with a port behind it. */
static struct found find_ipv6(const struct scan *s)
{
	char text[ADDRESS_BYTES];
	struct in6_addr address;
	bool digit = false, twice = false;
	size_t n, colons = 0;

	if (!is_of_ipv6(*s->at) || (s->at > s->begin && s->at != s->cut && is_of_ipv6(s->at[-1])))
		return nothing; /* no run begins here */
	n = ipv6_run(s->at);
	for (size_t i = 0; i < n; i++) {
		colons += s->at[i] == ':';
		digit |= isdigit((unsigned char)s->at[i]) != 0;
		twice |= i > 0 && s->at[i] == ':' && s->at[i - 1] == ':';
	}
	if (colons < 2 || n >= sizeof(text) - 1 || (!at_word_start(s) && !digit))
		return colons >= 4 ? (struct found){ n, "[ip]" } : nothing;
	memcpy(text, s->at, n);
	text[n] = '\0';
	if (!(twice && n > 2) && colons < 4 && inet_pton(AF_INET6, text, &address) != 1)
		return nothing;
	if (s->at[n] == '%')
		n += 1 + run(s->at + n + 1, "_-.");
	return (struct found){ n, "[ip]" };
}

static struct found find_email(const struct scan *s)
{
	size_t local = 0, domain, label;

	if (s->at > s->begin && s->at != s->cut && !strchr(" \t\r\n\"'<>`()[]{},;=/", s->at[-1]))
		return nothing;
	while (local < EMAIL_LOCAL_MAX && s->at[local] &&
	       (isalnum((unsigned char)s->at[local]) || (s->at[local] & 0x80) ||
	        strchr("._%+-:!#$&*/=?^{|}~", s->at[local])))
		local++;
	if (local == 0 || s->at[local] != '@' || memmem(s->at, local, "://", 3))
		return nothing;
	domain = run(s->at + local + 1, ".-_");
	while (domain > 0 && s->at[local + domain] == '.')
		domain--;
	if (domain == 0)
		return nothing;
	label = domain;
	while (label > 0 && s->at[local + label] != '.')
		label--;
	/* name@1.2.3 is a release; an address that ends in numbers is hidden all the same */
	if (label > 0 && label < domain && isdigit((unsigned char)s->at[local + label + 1]) &&
	    run(s->at + local + 1, ".") < 7)
		return nothing;
	return (struct found){ local + 1 + domain, "[email]" };
}

static struct found find_token(const struct scan *s)
{
	const char *others = s->url_end ? "+_=-" : "+/_=-"; /* of a path, each part by itself */
	size_t n = run_begins(s, others) ? run(s->at, others) : 0;

	return n >= TOKEN_BYTES_MIN ? (struct found){ n, "[token]" } : nothing;
}

/* The name of the person below /home. */
static struct found find_home(const struct scan *s)
{
	size_t n = 0;

	if (*s->at == '/')
		n = begins(s, "/home/") ? 6 : begins(s, "/users/") ? 7 : 0;
	if (n == 0)
		return nothing;
	return (struct found){ n + strcspn(s->at + n, "/ \t\r\n\"':,;"), "/home/[user]" };
}

/* A query, wherever it stands: tokens ride there. */
static struct found find_query(const struct scan *s)
{
	size_t n = *s->at == '?' || (*s->at == '#' && s->url_end) ? word_bytes(s->at) : 0;

	return n > 1 ? (struct found){ n, "?…" } : nothing;
}

/* --- URLs ----------------------------------------------------------------------------------------- */

/* Whether a part of a path is one thing's name rather than the kind of things. */
static bool is_identifier(const char *part, size_t n)
{
	size_t digits = 0, hex = 0;

	for (size_t i = 0; i < n; i++) {
		digits += isdigit((unsigned char)part[i]) != 0;
		hex += isxdigit((unsigned char)part[i]) || part[i] == '-';
		if (strchr("%=@", part[i]))
			return true;
	}
	if (n == 0 || digits == 0)
		return n >= TOKEN_BYTES_MIN;
	return digits == n || (n >= 8 && hex == n) || n >= 16;
}

static struct found find_path_part(const struct scan *s)
{
	size_t n;

	if (!s->url_end || s->at == s->begin || s->at[-1] != '/')
		return nothing;
	n = strcspn(s->at, "/?# \t\r\n\"'<>`");
	return is_identifier(s->at, n) ? (struct found){ n, "[id]" } : nothing;
}

/* Behind a scheme's "://" who asks (user:password@) is left out; the rules see the rest. */
static bool begin_url(struct scan *s)
{
	size_t whole, shown;
	const char *at;

	if (*s->at != ':' || strncmp(s->at, "://", 3) != 0)
		return false;
	put(s, s->at, 3);
	s->at += 3;
	whole = word_bytes(s->at);
	s->url_end = s->at + whole;
	shown = strcspn(s->at, "?#");
	at = memrchr(s->at, '@', shown < whole ? shown : whole);
	if (at)
		s->at = at + 1;
	return true;
}

/* --- all of them ---------------------------------------------------------------------------------- */

static struct found find_any(const struct scan *s)
{
	static struct found (*const rules[])(const struct scan *s) = {
		find_pem,  find_assignment, find_bearer, find_path_part, find_mac,   find_ipv6,
		find_ipv4, find_email,      find_home,   find_token,     find_query,
	};
	struct found f = nothing;

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules) && f.n == 0; i++)
		f = rules[i](s);
	return f;
}

/* A space, or in the middle of a word a letter that no address has: only a known text begins there. They are most
 * of what is read. */
static bool is_plain(const struct scan *s)
{
	char c = *s->at;

	return c == ' ' ||
	       (isalpha((unsigned char)c) && !isxdigit((unsigned char)c) && !at_word_start(s));
}

static void step(struct scan *s)
{
	struct found f;

	if (s->url_end && s->at >= s->url_end)
		s->url_end = NULL;
	f = find_known(s);
	if (f.n == 0 && begin_url(s))
		return;
	if (f.n == 0 && !is_plain(s))
		f = find_any(s);
	if (f.n == 0) {
		put(s, s->at++, 1);
		return;
	}
	put(s, f.placeholder, strlen(f.placeholder));
	s->at += f.n;
	s->cut = s->at;
}

int sentry_patterns_scrub(const char *text, const struct sentry_known_list *known, char *out,
                          size_t out_bytes)
{
	struct scan s = {
		.begin = text,
		.at = text,
		.end = text + strlen(text),
		.known = known,
		.out = out,
		.room = out_bytes,
	};

	if (out_bytes == 0)
		return -ENOSPC;
	while (s.at < s.end && !s.full)
		step(&s);
	if (s.full) {
		*out = '\0';
		return -ENOSPC;
	}
	*s.out = '\0';
	return 0;
}
