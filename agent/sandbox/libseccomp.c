#include "agent/sandbox/libseccomp.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "transport/base/err.h"
#include "transport/base/late_library.h"

static const struct late_symbol symbols[] = {
#define LIBSECCOMP_SYMBOL(name) { "seccomp_" #name, offsetof(struct libseccomp, name) },
	LIBSECCOMP_CALLS(LIBSECCOMP_SYMBOL)
#undef LIBSECCOMP_SYMBOL
};

int libseccomp_load(struct libseccomp *ret, struct err *err)
{
	struct libseccomp lib = { .library = NULL };
	int r = late_library_load(LIBSECCOMP_SONAME, "libseccomp2", symbols,
	                          sizeof(symbols) / sizeof(*symbols), &lib, err);

	if (r < 0)
		return r;
	lib.library = dlopen(LIBSECCOMP_SONAME, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
	*ret = lib;
	return 0;
}

/* It was opened twice: for its functions, and for the handle. */
void libseccomp_unload(struct libseccomp *lib)
{
	if (!lib->library)
		return;
	dlclose(lib->library);
	dlclose(lib->library);
	*lib = (struct libseccomp){ .library = NULL };
	late_library_tell();
}
