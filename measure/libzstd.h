/* libzstd, loaded when a compressed trace is first written or read, as transport/libcurl.h does and for
 * the same reason: who does not need it does not pay for it. */
#pragma once

#include <zstd.h>

struct err;

#define LIBZSTD_SONAME "libzstd.so.1"

/* What is called, without the prefix "ZSTD_". */
#define LIBZSTD_CALLS(X)                                                                           \
	X(CCtx_setParameter)                                                                       \
	X(DCtx_setParameter)                                                                       \
	X(compressStream2)                                                                         \
	X(createCCtx)                                                                              \
	X(createDCtx)                                                                              \
	X(decompressStream)                                                                        \
	X(freeCCtx)                                                                                \
	X(freeDCtx)                                                                                \
	X(getErrorName)                                                                            \
	X(isError)

struct libzstd {
#define LIBZSTD_MEMBER(name) __typeof__(ZSTD_##name) *name;
	LIBZSTD_CALLS(LIBZSTD_MEMBER)
#undef LIBZSTD_MEMBER
};

/* Loads `soname` and fills the table.  -ENOPKG  not installed, or too old */
int libzstd_load(const char *soname, struct libzstd *ret, struct err *err);

/* LIBZSTD_SONAME, loaded by the first call of the process, for all threads. */
int libzstd_get(const struct libzstd **ret, struct err *err);
