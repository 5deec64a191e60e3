#include "agent/cli/advice.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/sslerr.h>
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
	{ "an address of the other family", ERR(-ENOENT, ERR_DNS, EAI_ADDRFAMILY), false, "-4" },
	{ "a name without an address of the family", ERR(-ENOENT, ERR_DNS, EAI_NODATA), false,
	  "-6" },
	{ "a record that was altered",
	  ERR(-EPROTO, ERR_TLS, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC), false, "altered" },
	{ "a record that was altered, says the server",
	  ERR(-EPROTO, ERR_TLS, SSL_R_SSLV3_ALERT_BAD_RECORD_MAC), false, "altered" },
	{ "a link-local address",
	  { .code = -EINVAL, .text = "connect to [fe80::1]:443" },
	  false,
	  "--interface" },
	{ "something else that is not valid", ERR(-EINVAL, ERR_SYS, 0), false, NULL },
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

static struct errno_case {
	const char *name;
	const char *(*advice)(const struct err *e);
	int code;
	const char *want; /* NULL: none */
} errno_cases[] = {
	{ "a full disk", advice_on_file, -ENOSPC, "room" },
	{ "a full quota", advice_on_file, -EDQUOT, "room" },
	{ "a limit on files", advice_on_file, -EFBIG, "ulimit" },
	{ "a read-only disk", advice_on_file, -EROFS, "disk that may be written" },
	{ "another user's directory", advice_on_file, -EACCES, "this user" },
	{ "a directory that is not there", advice_on_file, -ENOENT, "make its directory" },
	{ "a directory that is a file", advice_on_file, -ENOTDIR, "directory" },
	{ "a file that is a directory", advice_on_file, -EISDIR, "not a directory" },
	{ "a file, and something else", advice_on_file, -EIO, NULL },
	{ "a port that is taken", advice_on_listening, -EADDRINUSE, "0 picks a free one" },
	{ "a port of root's", advice_on_listening, -EACCES, "1024" },
	{ "another machine's address", advice_on_listening, -EADDRNOTAVAIL, "--listen" },
	{ "an address, and something else", advice_on_listening, -EIO, NULL },
};

static void advises_by_errno(void **state)
{
	const struct errno_case *c = *state;
	const char *advice = c->advice(&(struct err)ERR(c->code, ERR_SYS, 0));

	if (!c->want)
		assert_null(advice);
	else
		assert_non_null(advice ? strstr(advice, c->want) : NULL);
}

/* Whatever errno the library has for it, a port or an address is not what is wrong. */
static void advises_on_certificates(void **state)
{
	(void)state;
	for (int code = -ERANGE; code < 0; code++) {
		const struct err err = ERR(code, ERR_TLS, 0);

		assert_non_null(strstr(advice_on_listening(&err), "PEM"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(advises_on_certificates) };
	int failed = CASES_RUN(advises, advice_cases);

	failed += CASES_RUN(advises_by_errno, errno_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
