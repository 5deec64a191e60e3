#include "measure/libzstd.h"

#include <stddef.h>

#include "transport/base/err.h"
#include "transport/base/late_library.h"

static const struct late_symbol symbols[] = {
#define LIBZSTD_SYMBOL(name) { "ZSTD_" #name, offsetof(struct libzstd, name) },
	LIBZSTD_CALLS(LIBZSTD_SYMBOL)
#undef LIBZSTD_SYMBOL
};

int libzstd_load(const char *soname, struct libzstd *ret, struct err *err)
{
	struct libzstd zstd = {};
	int r = late_library_load(soname, "libzstd1", symbols, sizeof(symbols) / sizeof(*symbols),
	                          &zstd, err);

	if (r == 0)
		*ret = zstd;
	return r;
}

static struct libzstd the_library;
static struct err why_not;

static void load_once(void)
{
	libzstd_load(LIBZSTD_SONAME, &the_library, &why_not);
}

int libzstd_get(const struct libzstd **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r = late_library_once(&once, load_once, &why_not, err);

	if (r == 0)
		*ret = &the_library;
	return r;
}
