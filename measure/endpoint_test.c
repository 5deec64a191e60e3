#include "measure/endpoint.h"

#include <arpa/inet.h>

#include "tests/cases.h"

static struct text_case {
	const char *name;
	const char *ip; /* as inet_pton(3) takes it */
	uint16_t port;
	const char *want;
} text_cases[] = {
	{ "IPv4", "::ffff:198.51.100.4", 443, "198.51.100.4:443" },
	{ "IPv6", "2001:db8::5", 443, "[2001:db8::5]:443" },
	{ "the longest", "2001:db8:1111:2222:3333:4444:5555:6666", 65535,
	  "[2001:db8:1111:2222:3333:4444:5555:6666]:65535" },
	{ "loopback", "::1", 80, "[::1]:80" },
	{ "the port is not known", "::ffff:192.0.2.1", 0, "192.0.2.1:0" },
	{ "nothing is known", "::", 0, "" },
	{ "a port without an address", "::", 80, "" },
};

static void text_is(void **state)
{
	const struct text_case *c = *state;
	char out[ENDPOINT_BYTES];
	uint8_t ip[16];

	assert_int_equal(inet_pton(AF_INET6, c->ip, ip), 1);
	assert_string_equal(endpoint_text(ip, c->port, out), c->want);
}

int main(void)
{
	return CASES_RUN(text_is, text_cases) != 0;
}
