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

static void add_of_dsn(struct daemon_ports *p, const char *text)
{
	struct sentry_dsn dsn;

	if (*text && sentry_dsn_parse(text, &dsn, NULL) == 0)
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

	add_of_url(&p, c->server_url);
	add_of_dsn(&p, c->sentry_dsn);
	for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++) {
		const char *value = getenv(proxies[i]);

		if (value && *value)
			add_of_proxy(&p, value);
	}
	return p;
}

static bool has_all(const struct daemon_ports *p, const struct daemon_ports *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (!has(p, wanted->at[i]))
			return false;
	return true;
}

/* One service's secret is nothing for another to hear. */
static void keep_service(const struct config *held, struct config *fresh)
{
	if (!held->client_id[0] || !held->secret[0])
		return;
	bytes_copy_text(fresh->server_url, sizeof(fresh->server_url), held->server_url);
	bytes_copy_text(fresh->client_id, sizeof(fresh->client_id), held->client_id);
	bytes_copy_text(fresh->secret, sizeof(fresh->secret), held->secret);
	bytes_copy_text(fresh->ca_file, sizeof(fresh->ca_file), held->ca_file);
}

void daemon_ports_keep(const struct daemon_ports *p, const struct config *held,
                       struct config *fresh, char keys[DAEMON_PORTS_KEYS])
{
	struct daemon_ports of_service = {}, of_reports = {};
	struct text t = text_on(keys, DAEMON_PORTS_KEYS);

	add_of_url(&of_service, fresh->server_url);
	add_of_dsn(&of_reports, fresh->sentry_dsn);
	*keys = '\0';
	if (!has_all(p, &of_service)) {
		text_append(&t, "server_url");
		keep_service(held, fresh);
	}
	if (!has_all(p, &of_reports)) {
		text_append(&t, "%ssentry_dsn", t.bytes ? ", " : "");
		bytes_copy_text(fresh->sentry_dsn, sizeof(fresh->sentry_dsn), held->sentry_dsn);
	}
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
