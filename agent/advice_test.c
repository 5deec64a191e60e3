#include "agent/advice.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

struct advice_case {
	const char *name;
	struct err err;
	bool of_locate;
	const char *want; /* words of it; NULL: none */
};

#define ERR(code_, domain_, detail_)                                                               \
	{                                                                                          \
		.code = (code_), .domain = (domain_), .detail = (detail_)                          \
	}

static struct advice_case advice_cases[] = {
	{ "a private authority",
	  ERR(-EACCES, ERR_TLS, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY), false, "--ca-file" },
	{ "self-signed", ERR(-EACCES, ERR_TLS, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT), false,
	  "--insecure" },
	{ "another name", ERR(-EACCES, ERR_TLS, X509_V_ERR_HOSTNAME_MISMATCH), false, "name" },
	{ "not valid for another reason", ERR(-EACCES, ERR_TLS, X509_V_ERR_INVALID_PURPOSE), false,
	  "owner" },
	{ "no TLS, by a number that X509 has too",
	  ERR(-EPROTO, ERR_TLS, X509_V_ERR_HOSTNAME_MISMATCH), false, "--scheme" },
	{ "404 of a server", ERR(-ECONNREFUSED, ERR_HTTP, 404), false, "path" },
	{ "418 of a server", ERR(-ECONNREFUSED, ERR_HTTP, 418), false, "ndt7 server" },
	{ "404 of a locate service", ERR(-EREMOTEIO, ERR_HTTP, 404), true, "--locate-url" },
	{ "a locate service that is not there", ERR(-ECONNREFUSED, ERR_SYS, 0), true, "port" },
	{ "a name", ERR(-EHOSTUNREACH, ERR_DNS, 0), false, "name servers" },
	{ "interrupted", ERR(-ECANCELED, ERR_SYS, 0), false, NULL },
	{ "nothing", ERR(0, ERR_SYS, 0), false, NULL },
};

static void advises(void **state)
{
	const struct advice_case *c = *state;
	const char *advice = advice_on(&c->err, c->of_locate);

	if (!c->want)
		assert_null(advice);
	else
		assert_non_null(advice ? strstr(advice, c->want) : NULL);
}

int main(void)
{
	return CASES_RUN(advises, advice_cases) != 0;
}
