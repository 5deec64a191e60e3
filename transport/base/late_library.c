#include "transport/base/late_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "transport/base/err.h"

static void (*told)(void);

void late_library_watch(void (*loaded)(void))
{
	told = loaded;
}

void late_library_tell(void)
{
	if (told)
		told();
}

int late_library_load(const char *soname, const char *package, const struct late_symbol *symbols,
                      size_t n, void *table, struct err *err)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);

	if (!library)
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "load %s (on Debian: apt install %s)",
		               soname, package);
	late_library_tell();
	for (size_t i = 0; i < n; i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "find %s in %s", symbols[i].name,
			               soname);
		memcpy((char *)table + symbols[i].at, &symbol, sizeof(symbol));
	}
	return 0;
}

int late_library_once(pthread_once_t *once, void (*load)(void), const struct err *why_not,
                      struct err *err)
{
	pthread_once(once, load);
	if (why_not->code && err)
		*err = *why_not;
	return why_not->code;
}
