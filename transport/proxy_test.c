#include "transport/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

/* --- no_proxy: rows as libcurl 7.88 decides them ----------------------------------------------------------- */

struct except_case {
	const char *name, *list, *host;
	bool want;
};

static struct except_case except_cases[] = {
	{ "nothing", "", "example.com", false },
	{ "all", "*", "example.com", true },
	{ "all among others is none", "a,*", "example.com", false },
	{ "the name", "example.com", "example.com", true },
	{ "in capitals", "EXAMPLE.com", "example.com", true },
	{ "below it", "example.com", "www.example.com", true },
	{ "with a dot before it", ".example.com", "www.example.com", true },
	{ "which is the name itself, too", ".example.com", "example.com", true },
	{ "a name that only ends so", "example.com", "notexample.com", false },
	{ "above it", "www.example.com", "example.com", false },
	{ "dots behind", "example.com.", "example.com", true },
	{ "behind the host's", "example.com", "example.com.", true },
	{ "the second of several", "a.b,example.com", "example.com", true },
	{ "spaces between", "a.b example.com", "example.com", true },
	{ "commas and spaces", " , a.b ,example.com ", "example.com", true },
	{ "only a dot", ".", "example.com", false },
	{ "an address", "192.0.2.1", "192.0.2.1", true },
	{ "another address", "192.0.2.1", "192.0.2.10", false },
	{ "the end of an address is no domain", "2.1", "192.0.2.1", false },
	{ "a network", "192.0.2.0/24", "192.0.2.77", true },
	{ "another network", "192.0.2.0/24", "192.0.3.77", false },
	{ "within a byte", "192.0.2.128/25", "192.0.2.129", true },
	{ "outside of it", "192.0.2.128/25", "192.0.2.127", false },
	{ "more bits than there are", "192.0.2.1/33", "192.0.2.1", false },
	{ "no number of bits", "192.0.2.0/x", "192.0.2.1", false },
	{ "an IPv6 address", "2001:db8::1", "2001:db8::1", true },
	{ "in brackets", "[2001:db8::1]", "2001:db8::1", true },
	{ "written otherwise", "2001:db8:0:0::1", "2001:db8::1", true },
	{ "an IPv6 network", "2001:db8::/32", "2001:db8:7::1", true },
	{ "of another family", "0.0.0.0/0", "::1", false },
};

static void excepts(void **state)
{
	const struct except_case *c = *state;

	assert_int_equal(proxy_excepts(c->list, c->host), c->want);
}

/* --- the environment --------------------------------------------------------------------------------------- */

struct named_case {
	const char *name, *variable, *value, *url;
	int want;
	const char *host;
	uint16_t port;
	const char *authorization;
};

#define AUTHORIZATION "Proxy-Authorization: Basic "

static struct named_case named_cases[] = {
	{ "none", "http_proxy", "", "http://h/", PROXY_NONE, "", 0, "" },
	{ "in clear", "http_proxy", "http://p:3128", "http://h/", 0, "p", 3128, "" },
	{ "capitals are a client's of a CGI program", "HTTP_PROXY", "http://p:3128", "http://h/",
	  PROXY_NONE, "", 0, "" },
	{ "over TLS", "https_proxy", "http://p:3128/", "https://h/", 0, "p", 3128, "" },
	{ "over TLS, in capitals", "HTTPS_PROXY", "p:3128", "https://h/", 0, "p", 3128, "" },
	{ "of the other kind", "http_proxy", "http://p:3128", "https://h/", PROXY_NONE, "", 0, "" },
	{ "of every kind", "ALL_PROXY", "http://p:3128", "https://h/", 0, "p", 3128, "" },
	{ "no port", "https_proxy", "http://p", "https://h/", 0, "p", 1080, "" },
	{ "80 is one", "https_proxy", "http://p:80", "https://h/", 0, "p", 80, "" },
	{ "an IPv6 address", "https_proxy", "http://[2001:db8::1]", "https://h/", 0, "2001:db8::1",
	  1080, "" },
	{ "with its port", "https_proxy", "[2001:db8::1]:8080", "https://h/", 0, "2001:db8::1",
	  8080, "" },
	{ "a user", "https_proxy", "http://u:p@p:1", "https://h/", 0, "p", 1,
	  AUTHORIZATION "dTpw" },
	{ "a user alone", "https_proxy", "u@p:1", "https://h/", 0, "p", 1, AUTHORIZATION "dTo=" },
	{ "a password with its signs", "https_proxy", "http://u:%40%3a@p:1", "https://h/", 0, "p",
	  1, AUTHORIZATION "dTpAOg==" },
	{ "half an escape is as it is", "https_proxy", "http://u:%4@p:1", "https://h/", 0, "p", 1,
	  AUTHORIZATION "dTolNA==" },
	{ "by TLS", "https_proxy", "https://p:1", "https://h/", -EPROTONOSUPPORT, "", 0, "" },
	{ "by SOCKS", "all_proxy", "socks5h://p:1", "https://h/", -EPROTONOSUPPORT, "", 0, "" },
	{ "no host", "https_proxy", "http://:3128", "https://h/", -EINVAL, "", 0, "" },
	{ "no port that is one", "https_proxy", "http://p:x", "https://h/", -EINVAL, "", 0, "" },
};

static void environment_names(void **state)
{
	const struct named_case *c = *state;
	struct proxy p = {};
	struct err err = {};
	struct url to;

	assert_int_equal(url_parse(c->url, &to, NULL), 0);
	setenv(c->variable, c->value, 1);
	assert_int_equal(proxy_of_environment(&to, &p, &err), c->want);
	if (c->want == 0) {
		assert_string_equal(p.host, c->host);
		assert_int_equal(p.port, c->port);
		assert_string_equal(p.authorization, c->authorization);
	}
	setenv("no_proxy", "x,h", 1);
	assert_int_equal(proxy_of_environment(&to, &p, &err), PROXY_NONE);
	unsetenv("no_proxy");
	unsetenv(c->variable);
}

static void a_user_that_is_too_long(void **state)
{
	char value[600] = "http://";
	struct err err = {};
	struct proxy p;
	struct url to;

	(void)state;
	memset(value + 7, 'u', PROXY_USER_BYTES + 1);
	strcat(value, "@p:1");
	assert_int_equal(url_parse("https://h/", &to, NULL), 0);
	setenv("https_proxy", value, 1);
	assert_int_equal(proxy_of_environment(&to, &p, &err), -EINVAL);
	assert_null(strstr(err.text, "uuu"));
	unsetenv("https_proxy");
}

int main(void)
{
	static const char *const ours[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
		                            "ALL_PROXY",  "no_proxy",    "NO_PROXY" };
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_user_that_is_too_long) };
	int failed;

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		unsetenv(ours[i]);
	failed = CASES_RUN(excepts, except_cases);
	failed += CASES_RUN(environment_names, named_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
