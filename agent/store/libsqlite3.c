#include "agent/store/libsqlite3.h"

#include <errno.h>
#include <stddef.h>

#include "transport/base/err.h"
#include "transport/base/late_library.h"

/* STRICT tables: 3.37. */
#define VERSION_MIN 3037000

static const struct late_symbol symbols[] = {
#define LIBSQLITE3_SYMBOL(name) { "sqlite3_" #name, offsetof(struct libsqlite3, name) },
	LIBSQLITE3_CALLS(LIBSQLITE3_SYMBOL)
#undef LIBSQLITE3_SYMBOL
};

int libsqlite3_load(const char *soname, struct libsqlite3 *ret, struct err *err)
{
	struct libsqlite3 sqlite = {};
	int r = late_library_load(soname, "libsqlite3-0", symbols,
	                          sizeof(symbols) / sizeof(*symbols), &sqlite, err);

	if (r < 0)
		return r;
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
	int r = late_library_once(&once, load_once, &why_not, err);

	if (r == 0)
		*ret = &the_library;
	return r;
}
