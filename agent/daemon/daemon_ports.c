#include "agent/daemon/daemon_ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sentry/sentry_dsn.h"
#include "transport/base/bytes.h"
#include "transport/url.h"

#define HTTP_PORT  80
#define HTTPS_PORT 443
#define PROXY_PORT                                                                                 \
	1080 /* libcurl's, where none is named; of one that is spoken to by TLS it is 443 */

static bool has(const struct daemon_ports *p, uint16_t port)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->at[i] == port)
			return true;
	return p->any;
}

static void add(struct daemon_ports *p, uint16_t port)
{
	if (has(p, port))
		return;
	if (p->count == DAEMON_PORTS_MAX)
		p->any = true;
	else
		p->at[p->count++] = port;
}

static void add_of_url(struct daemon_ports *p, const char *text)
{
	struct url u;

	if (url_parse(text, &u, NULL) == 0)
		add(p, u.port);
}

static void add_of_config(struct daemon_ports *p, const struct config *c)
{
	struct sentry_dsn dsn;

	add_of_url(p, c->server_url);
	if (c->sentry_dsn[0] && sentry_dsn_parse(c->sentry_dsn, &dsn, NULL) == 0)
		add_of_url(p, dsn.endpoint);
}

/* "http://user:password@host:3128/", "host:3128", "socks5h://host". */
static void add_of_proxy(struct daemon_ports *p, const char *value)
{
	const char *host = strstr(value, "://");
	const char *at;
	struct url u;

	host = host ? host + 3 : value;
	at = strrchr(host, '@');
	if (url_parse_server(at ? at + 1 : host, "http", &u, NULL) < 0) {
		p->any = true;
		return;
	}
	add(p, u.port);
	if (u.port == HTTP_PORT)
		add(p, PROXY_PORT);
}

struct daemon_ports daemon_ports_of(const struct config *c)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		                               "all_proxy", "ALL_PROXY" };
	struct daemon_ports p = { .at = { HTTP_PORT, HTTPS_PORT }, .count = 2 };

	add_of_config(&p, c);
	for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++) {
		const char *value = getenv(proxies[i]);

		if (value && *value)
			add_of_proxy(&p, value);
	}
	return p;
}

bool daemon_ports_have(const struct daemon_ports *p, const struct config *c)
{
	struct daemon_ports wanted = {};

	add_of_config(&wanted, c);
	for (size_t i = 0; i < wanted.count; i++)
		if (!has(p, wanted.at[i]))
			return false;
	return true;
}

void daemon_ports_write(const struct daemon_ports *p, char out[DAEMON_PORTS_TEXT])
{
	struct text t = text_on(out, DAEMON_PORTS_TEXT);

	if (p->any)
		text_append(&t, "any");
	for (size_t i = 0; i < p->count && !p->any; i++)
		text_append(&t, "%s%u", i ? "," : "", p->at[i]);
}

struct daemon_ports daemon_ports_read(const char *text)
{
	static const struct daemon_ports any = { .any = true };
	struct daemon_ports p = {};

	while (text && *text) {
		char *end;
		unsigned long port = strtoul(text, &end, 10);

		if (end == text || port == 0 || port > UINT16_MAX || (*end && *end != ','))
			return any;
		add(&p, (uint16_t)port);
		text = *end ? end + 1 : end;
	}
	return p.count ? p : any;
}
