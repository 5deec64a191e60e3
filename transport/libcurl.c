#include "transport/libcurl.h"

#include <errno.h>
#include <stddef.h>

#include "transport/base/err.h"
#include "transport/base/late_library.h"

/* CURLOPT_QUICK_EXIT, without which giving up waits for the resolver's thread. */
#define LIBCURL_VERSION_MIN 0x075700 /* 7.87.0 */

static const struct late_symbol symbols[] = {
#define LIBCURL_SYMBOL(name) { "curl_" #name, offsetof(struct libcurl, name) },
	LIBCURL_CALLS(LIBCURL_SYMBOL)
#undef LIBCURL_SYMBOL
};

static int require_features(const struct libcurl *curl, struct err *err)
{
	const curl_version_info_data *info = curl->version_info(CURLVERSION_NOW);

	if (info->version_num < LIBCURL_VERSION_MIN)
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "use libcurl %s, 7.87 is needed",
		               info->version);
	if (!(info->features & CURL_VERSION_ASYNCHDNS))
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0,
		               "use libcurl %s, built to block while it resolves names",
		               info->version);
	if (!(info->features & CURL_VERSION_SSL))
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "use libcurl %s, built without TLS",
		               info->version);
	return 0;
}

int libcurl_load(const char *soname, struct libcurl *ret, struct err *err)
{
	struct libcurl curl = {};
	int r = late_library_load(soname, "libcurl4", symbols, sizeof(symbols) / sizeof(*symbols),
	                          &curl, err);

	if (r == 0)
		r = require_features(&curl, err);
	if (r == 0)
		*ret = curl;
	return r;
}

static struct libcurl the_library;
static struct err why_not;

static void load_once(void)
{
	if (libcurl_load(LIBCURL_SONAME, &the_library, &why_not) < 0)
		return;
	if (the_library.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		ERR_SET(&why_not, -ENOPKG, ERR_SYS, 0, "initialise " LIBCURL_SONAME);
}

int libcurl_get(const struct libcurl **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r = late_library_once(&once, load_once, &why_not, err);

	if (r == 0)
		*ret = &the_library;
	return r;
}
