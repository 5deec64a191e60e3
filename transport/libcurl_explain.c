#include "transport/libcurl_explain.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"

static const struct failure {
	CURLcode curl;
	int code; /* 0: the errno of the connection that failed */
	enum err_domain domain;
} failures[] = {
	{ CURLE_UNSUPPORTED_PROTOCOL, -EPROTONOSUPPORT, ERR_HTTP }, /* the answer is not HTTP */
	{ CURLE_URL_MALFORMAT, -EINVAL, ERR_HTTP },
	{ CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, ERR_DNS },
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, ERR_DNS },
	{ CURLE_COULDNT_CONNECT, 0, ERR_SYS },
	{ CURLE_INTERFACE_FAILED, -ENODEV, ERR_SYS },
	{ CURLE_OUT_OF_MEMORY, -ENOMEM, ERR_SYS },
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, ERR_SYS },
	{ CURLE_PEER_FAILED_VERIFICATION, -EACCES, ERR_TLS },
	{ CURLE_SSL_CACERT_BADFILE, -EINVAL, ERR_TLS },
	{ CURLE_SSL_CONNECT_ERROR, -EPROTO, ERR_TLS },
	{ CURLE_SSL_CIPHER, -EPROTO, ERR_TLS },
	{ CURLE_GOT_NOTHING, -ECONNRESET, ERR_HTTP },
	{ CURLE_PARTIAL_FILE, -ECONNRESET, ERR_HTTP },
	{ CURLE_SEND_ERROR, -ECONNRESET, ERR_SYS },
	{ CURLE_RECV_ERROR, -ECONNRESET, ERR_SYS },
	{ CURLE_BAD_CONTENT_ENCODING, -EBADMSG, ERR_HTTP },
};

static struct failure failure_of(CURLcode curl)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (failures[i].curl == curl)
			return failures[i];
	return (struct failure){ curl, -EPROTO, ERR_HTTP };
}

/* OpenSSL's first complaint names a broken signature rather than the certificate, and libcurl takes it
 * for a broken handshake. */
static bool is_chain_refused(CURLcode result, long chain)
{
	return chain > X509_V_OK &&
	       (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CONNECT_ERROR);
}

/* X509_V_ERR_*. libcurl itself compares the name, after a good chain. */
static long why_refused(CURLcode result, long chain)
{
	if (is_chain_refused(result, chain))
		return chain;
	if (result != CURLE_PEER_FAILED_VERIFICATION)
		return X509_V_OK;
	return chain == X509_V_OK ? X509_V_ERR_HOSTNAME_MISMATCH : X509_V_ERR_UNSPECIFIED;
}

static long info_long(const struct libcurl *curl, CURL *easy, CURLINFO what)
{
	long value = 0;

	curl->easy_getinfo(easy, what, &value);
	return value;
}

/* In ERR_SYS the errno has its own words, and those are enough. */
void libcurl_explain(const struct libcurl *curl, CURL *easy, CURLcode result, long chain,
                     const char *task, struct err *err)
{
	struct failure f = failure_of(
		is_chain_refused(result, chain) ? CURLE_PEER_FAILED_VERIFICATION : result);
	long connect_errno = info_long(curl, easy, CURLINFO_OS_ERRNO);
	long refused = why_refused(result, chain);
	long status = f.domain == ERR_HTTP ? info_long(curl, easy, CURLINFO_RESPONSE_CODE) : 0;

	if (!f.code)
		f.code = connect_errno ? (int)-connect_errno : -EHOSTUNREACH;
	if (f.domain == ERR_SYS)
		ERR_SET(err, f.code, f.domain, 0, "%s", task);
	else if (refused != X509_V_OK)
		ERR_SET(err, f.code, f.domain, refused, "%s: trust its certificate: %s", task,
		        X509_verify_cert_error_string(refused));
	else
		ERR_SET(err, f.code, f.domain, status, "%s: %s", task, curl->easy_strerror(result));
}
