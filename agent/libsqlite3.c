#include "agent/libsqlite3.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "transport/base/err.h"

/* STRICT tables: 3.37. */
#define VERSION_MIN 3037000

#define HOW_TO_INSTALL "(on Debian: apt install libsqlite3-0)"

static const struct {
	const char *name;
	size_t at; /* in struct libsqlite3 */
} symbols[] = {
#define LIBSQLITE3_SYMBOL(name) { "sqlite3_" #name, offsetof(struct libsqlite3, name) },
	LIBSQLITE3_CALLS(LIBSQLITE3_SYMBOL)
#undef LIBSQLITE3_SYMBOL
};

int libsqlite3_load(const char *soname, struct libsqlite3 *ret, struct err *err)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
	struct libsqlite3 sqlite = {};

	if (!library)
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "load %s " HOW_TO_INSTALL, soname);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "find %s in libsqlite3",
			               symbols[i].name);
		memcpy((char *)&sqlite + symbols[i].at, &symbol, sizeof(symbol));
	}
	if (sqlite.libversion_number() < VERSION_MIN)
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "take libsqlite3 below 3.37");
	*ret = sqlite;
	return 0;
}

static struct libsqlite3 the_library;
static struct err why_not;

static void load_once(void)
{
	libsqlite3_load(LIBSQLITE3_SONAME, &the_library, &why_not);
}

int libsqlite3_get(const struct libsqlite3 **ret, struct err *err)
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
