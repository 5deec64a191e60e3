#include "measure/libzstd.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "transport/base/err.h"

#define HOW_TO_INSTALL "(on Debian: apt install libzstd1)"

static const struct {
	const char *name;
	size_t at; /* in struct libzstd */
} symbols[] = {
#define LIBZSTD_SYMBOL(name) { "ZSTD_" #name, offsetof(struct libzstd, name) },
	LIBZSTD_CALLS(LIBZSTD_SYMBOL)
#undef LIBZSTD_SYMBOL
};

int libzstd_load(const char *soname, struct libzstd *ret, struct err *err)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
	struct libzstd zstd = {};

	if (!library)
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "load %s " HOW_TO_INSTALL, soname);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "find %s in libzstd",
			               symbols[i].name);
		memcpy((char *)&zstd + symbols[i].at, &symbol, sizeof(symbol));
	}
	*ret = zstd;
	return 0;
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

	pthread_once(&once, load_once);
	if (why_not.code) {
		if (err)
			*err = why_not;
		return why_not.code;
	}
	*ret = &the_library;
	return 0;
}
