/* Which ports a configuration and an environment come to, and that a courier reads what its daemon has written. */
#include "agent/daemon/daemon_ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"

struct ports_case {
	const char *name, *config, *variable, *value, *text;
};

static const struct ports_case ports_cases[] = {
	{ "as it comes", "", "", "", "80,443" },
	{ "a port of its own", "server_url=https://pods.example:8443\n", "", "", "80,443,8443" },
	{ "a default one", "server_url=http://pods.example\n", "", "", "80,443" },
	{ "error reports", "sentry_dsn=http://key@192.0.2.1:9000/sub/7\n", "", "", "80,443,9000" },
	{ "a DSN that is none", "sentry_dsn=http://192.0.2.1:9000\n", "", "", "80,443" },
	{ "a proxy", "", "https_proxy", "http://pod:p%40ss@proxy.example:3128/", "80,443,3128" },
	{ "a password with an at", "", "https_proxy", "http://pod:p@ss@proxy:3128", "80,443,3128" },
	{ "a proxy without a scheme", "", "http_proxy", "127.0.0.1:3128", "80,443,3128" },
	{ "a proxy without a port", "", "all_proxy", "socks5h://proxy.example", "80,443,1080" },
	{ "an address of IPv6", "", "ALL_PROXY", "http://[2001:db8::1]:8080", "80,443,8080" },
	{ "what is no proxy", "", "HTTPS_PROXY", "http://proxy:port", "any" },
	{ "nothing", "", "https_proxy", "", "80,443" },
};

static void are_these(void **state)
{
	const struct ports_case *c = *state;
	static struct config config;
	struct daemon_ports p, again;
	char text[DAEMON_PORTS_TEXT], twice[DAEMON_PORTS_TEXT];

	assert_int_equal(config_parse("", c->config, strlen(c->config), &config, NULL, NULL), 0);
	if (*c->variable)
		setenv(c->variable, c->value, 1);
	p = daemon_ports_of(&config);
	if (*c->variable)
		unsetenv(c->variable);
	daemon_ports_write(&p, text);
	assert_string_equal(text, c->text);
	again = daemon_ports_read(text);
	daemon_ports_write(&again, twice);
	assert_string_equal(twice, c->text);
}

#define OURS  "client_id=ours\nsecret=mine\n"
#define OTHER "client_id=other\nsecret=theirs\nca_file=/new.pem\n"

struct keep_case {
	const char *name, *held, *fresh, *keys;
	const char *url, *pod, *ca_file, *dsn; /* in use then */
};

/* After a start with port 8443. */
static const struct keep_case keep_cases[] = {
	{ "the same port", "server_url=https://a:8443\n" OURS, "server_url=https://b:8443\n" OTHER,
	  "", "https://b:8443", "other/theirs", "/new.pem", "" },
	{ "a usual one", "server_url=https://a:8443\n" OURS, "server_url=https://b\n" OTHER, "",
	  "https://b", "other/theirs", "/new.pem", "" },
	{ "another one: one service hears nothing that is another's",
	  "server_url=https://a:8443\nca_file=/old.pem\n" OURS, "server_url=https://b:8444\n" OTHER,
	  "server_url", "https://a:8443", "ours/mine", "/old.pem", "" },
	{ "another one, and no identity yet", "server_url=https://a:8443\n",
	  "server_url=https://b:8444\n" OTHER, "server_url", "https://b:8444", "other/theirs",
	  "/new.pem", "" },
	{ "another one for error reports", "sentry_dsn=http://key@c:8443/1\n" OURS,
	  "server_url=https://b\nsentry_dsn=http://key@c:9000/7\n" OTHER, "sentry_dsn", "https://b",
	  "other/theirs", "/new.pem", "http://key@c:8443/1" },
	{ "both", "server_url=https://a:8443\n" OURS,
	  "server_url=https://b:1\nsentry_dsn=http://key@c:9000/7\n" OTHER,
	  "server_url, sentry_dsn", "https://a:8443", "ours/mine", "", "" },
};

static void stays_with_what_it_can_reach(void **state)
{
	const struct keep_case *c = *state;
	static struct config held, fresh;
	struct daemon_ports p = daemon_ports_read("80,443,8443");
	char keys[DAEMON_PORTS_KEYS], pod[2 * CONFIG_ID_BYTES + 1];

	assert_int_equal(config_parse("", c->held, strlen(c->held), &held, NULL, NULL), 0);
	assert_int_equal(config_parse("", c->fresh, strlen(c->fresh), &fresh, NULL, NULL), 0);
	daemon_ports_keep(&p, &held, &fresh, keys);
	snprintf(pod, sizeof(pod), "%s/%s", fresh.client_id, fresh.secret);
	assert_string_equal(keys, c->keys);
	assert_string_equal(fresh.server_url, c->url);
	assert_string_equal(pod, c->pod);
	assert_string_equal(fresh.ca_file, c->ca_file);
	assert_string_equal(fresh.sentry_dsn, c->dsn);
}

static const struct ports_case read_cases[] = {
	{ .name = "nobody has said", .config = NULL },
	{ .name = "an empty text", .config = "" },
	{ .name = "any", .config = "any" },
	{ .name = "no number", .config = "80,x" },
	{ .name = "no port", .config = "80,65536" },
	{ .name = "0", .config = "0" },
	{ .name = "a word behind", .config = "80 443" },
	{ .name = "more than there is room for", .config = "1,2,3,4,5,6,7,8,9,10,11,12,13" },
};

static void is_any(void **state)
{
	const struct ports_case *c = *state;

	assert_true(daemon_ports_read(c->config).any);
}

int main(void)
{
	int failed;

	for (size_t i = 0; i < sizeof(ports_cases) / sizeof(*ports_cases); i++)
		if (*ports_cases[i].variable)
			unsetenv(ports_cases[i].variable);
	failed = CASES_RUN(are_these, ports_cases);
	failed += CASES_RUN(stays_with_what_it_can_reach, keep_cases);
	return failed + CASES_RUN(is_any, read_cases);
}
