/* Which ports a configuration and an environment come to, and that a courier reads what its daemon has written. */
#include "agent/daemon/daemon_ports.h"

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
	assert_true(daemon_ports_have(&p, &config));
	again = daemon_ports_read(text);
	daemon_ports_write(&again, twice);
	assert_string_equal(twice, c->text);
}

struct have_case {
	const char *name, *config;
	bool have;
};

/* After a start with port 8443. */
static const struct have_case have_cases[] = {
	{ "the same", "server_url=https://other.example:8443\n", true },
	{ "a usual one", "server_url=https://other.example\n", true },
	{ "another one", "server_url=https://other.example:8444\n", false },
	{ "another one for error reports",
	  "server_url=https://other.example\nsentry_dsn=http://key@192.0.2.1:9000/7\n", false },
};

static void have_or_not(void **state)
{
	const struct have_case *c = *state;
	static struct config config;
	struct daemon_ports p = daemon_ports_read("80,443,8443");

	assert_int_equal(config_parse("", c->config, strlen(c->config), &config, NULL, NULL), 0);
	assert_int_equal(daemon_ports_have(&p, &config), c->have);
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
	failed += CASES_RUN(have_or_not, have_cases);
	return failed + CASES_RUN(is_any, read_cases);
}
