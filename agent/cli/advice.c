#include "agent/cli/advice.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <stddef.h>
#include <string.h>

#include "transport/base/err.h"

#define ANY (-1)

#define ALTERED "something on the way may have altered what was sent: try again"

/* From the particular to the general: the first row that fits is the answer. */
static const struct advice {
	enum err_domain domain;
	long detail; /* ANY */
	int code;    /* 0: any */
	const char *text;
} advices[] = {
	{ ERR_TLS, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, -EACCES,
	  "--ca-file names the authority of a private server, --insecure verifies nothing" },
	{ ERR_TLS, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, -EACCES,
	  "--ca-file names the certificate of a private server, --insecure verifies nothing" },
	{ ERR_TLS, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, -EACCES,
	  "--ca-file names the authority of a private server, --insecure verifies nothing" },
	{ ERR_TLS, X509_V_ERR_CERT_HAS_EXPIRED, -EACCES,
	  "the server's owner has to renew it, unless the clock of this machine is wrong" },
	{ ERR_TLS, X509_V_ERR_CERT_NOT_YET_VALID, -EACCES,
	  "the clock of this machine may be wrong" },
	{ ERR_TLS, X509_V_ERR_HOSTNAME_MISMATCH, -EACCES,
	  "ask for the server by the name its certificate is for" },
	{ ERR_TLS, X509_V_ERR_IP_ADDRESS_MISMATCH, -EACCES,
	  "ask for the server by the name its certificate is for" },
	{ ERR_TLS, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, -EPROTO, ALTERED },
	{ ERR_TLS, SSL_R_SSLV3_ALERT_BAD_RECORD_MAC, -EPROTO, ALTERED },
	{ ERR_TLS, SSL_R_TLSV1_ALERT_DECRYPTION_FAILED, -EPROTO, ALTERED },
	{ ERR_TLS, ANY, -EACCES, "the server's owner has to mend its certificate" },
	{ ERR_TLS, ANY, 0, "does the server speak TLS on this port? --scheme ws does without" },
	{ ERR_DNS, EAI_ADDRFAMILY, 0,
	  "that is an address of the other family: -4 and -6 choose one, without them both are "
	  "tried" },
	{ ERR_DNS, EAI_NODATA, 0,
	  "the name has no address of the family: -4 and -6 choose one, without them both are "
	  "tried" },
	{ ERR_DNS, ANY, 0, "check the name, and the name servers of this machine" },
	{ ERR_HTTP, 101, 0, "something between here and the server may answer in its place" },
	{ ERR_HTTP, 401, 0, "a token lives for a minute: locate a server anew" },
	{ ERR_HTTP, 404, 0, "check the URL's path, and that this is an ndt7 server" },
	{ ERR_HTTP, 429, 0, "try again later, or another server" },
	{ ERR_HTTP, 503, 0, "the server is busy: try again later, or another one" },
	{ ERR_HTTP, ANY, 0, "check that this is an ndt7 server, or try another one" },
	{ ERR_SYS, ANY, -ECONNREFUSED, "check the port, and that the server is running" },
	{ ERR_SYS, ANY, -ENETUNREACH,
	  "check this machine's connection; -4 or -6 chooses a family" },
	{ ERR_SYS, ANY, -EHOSTUNREACH,
	  "check this machine's connection; -4 or -6 chooses a family" },
	{ ERR_SYS, ANY, -ETIMEDOUT, "a firewall may be in the way: try another server" },
	{ ERR_SYS, ANY, -ECONNRESET, "try --scheme ws or wss, or another server" },
	{ ERR_WS, ANY, 0, "this server is not to be measured against: try another one" },
};

const char *advice_on(const struct err *e, bool of_locate)
{
	if (of_locate && e->domain == ERR_HTTP)
		return "--server names a server, --locate-url another locate service";
	if (e->domain == ERR_SYS && e->code == -EINVAL && strstr(e->text, "[fe80:"))
		return "a link-local address is one device's: --interface names the device";
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		const struct advice *a = &advices[i];

		if (a->domain == e->domain && (a->detail == ANY || a->detail == e->detail) &&
		    (a->code == 0 || a->code == e->code))
			return a->text;
	}
	return NULL;
}

/* --- what has an errno only ------------------------------------------------------------------ */

struct errno_advice {
	int code; /* 0: the end */
	const char *text;
};

static const char *look_up(const struct errno_advice *table, const struct err *e)
{
	for (; table->code != 0; table++)
		if (table->code == e->code)
			return table->text;
	return NULL;
}

const char *advice_on_file(const struct err *e)
{
	static const struct errno_advice table[] = {
		{ -ENOSPC, "free some room, or name a file on another disk" },
		{ -EDQUOT, "free some room, or name a file on another disk" },
		{ -EFBIG, "no larger file is allowed here (ulimit -f): name one elsewhere" },
		{ -EROFS, "name a file on a disk that may be written to" },
		{ -EACCES, "name a file where this user may write" },
		{ -EPERM, "name a file where this user may write" },
		{ -ENOENT, "make its directory first, or name a file elsewhere" },
		{ -ENOTDIR, "name a file in a directory" },
		{ -EISDIR, "name a file, not a directory" },
		{ 0, NULL },
	};

	return look_up(table, e);
}

const char *advice_on_listening(const struct err *e)
{
	static const struct errno_advice table[] = {
		{ -EADDRINUSE,
		  "another program has that port: --ws and --wss name others, 0 picks a free one" },
		{ -EACCES, "a port below 1024 needs root or CAP_NET_BIND_SERVICE: --ws and --wss "
		           "name others" },
		{ -EADDRNOTAVAIL, "--listen takes an address of this machine" },
		{ 0, NULL },
	};

	if (e->domain == ERR_TLS)
		return "PEM files: the certificate, its chain behind it; its key, without a "
		       "password";
	return look_up(table, e);
}
