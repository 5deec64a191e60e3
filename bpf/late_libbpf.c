#include "bpf/late_libbpf.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "transport/base/err.h"

static const struct {
	const char *name;
	size_t at; /* in struct libbpf */
} symbols[] = {
#define LIBBPF_SYMBOL(name) { #name, offsetof(struct libbpf, name) },
	LIBBPF_CALLS(LIBBPF_SYMBOL)
#undef LIBBPF_SYMBOL
};

int libbpf_load(const char *soname, struct libbpf *ret, struct err *err)
{
	struct libbpf lib = {};
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);

	if (!library)
		return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "load %s", soname);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return ERR_SET(err, -ENOPKG, ERR_SYS, 0, "find %s in %s", symbols[i].name,
			               soname);
		memcpy((char *)&lib + symbols[i].at, &symbol, sizeof(symbol));
	}
	*ret = lib;
	return 0;
}
