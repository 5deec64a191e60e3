/* libsqlite3, loaded when a store is first opened, as transport/libcurl.h does and for the same reason: who does
 * not need it does not pay for it. */
#pragma once

#include <sqlite3.h>

struct err;

#define LIBSQLITE3_SONAME "libsqlite3.so.0"

/* What is called, without the prefix "sqlite3_". */
#define LIBSQLITE3_CALLS(X)                                                                        \
	X(bind_blob)                                                                               \
	X(bind_int64)                                                                              \
	X(bind_null)                                                                               \
	X(bind_text)                                                                               \
	X(busy_timeout)                                                                            \
	X(changes)                                                                                 \
	X(close)                                                                                   \
	X(column_blob)                                                                             \
	X(column_bytes)                                                                            \
	X(column_int64)                                                                            \
	X(column_text)                                                                             \
	X(column_type)                                                                             \
	X(db_config)                                                                               \
	X(db_readonly)                                                                             \
	X(errmsg)                                                                                  \
	X(exec)                                                                                    \
	X(extended_errcode)                                                                        \
	X(extended_result_codes)                                                                   \
	X(finalize)                                                                                \
	X(get_autocommit)                                                                          \
	X(libversion_number)                                                                       \
	X(open_v2)                                                                                 \
	X(prepare_v2)                                                                              \
	X(step)                                                                                    \
	X(system_errno)

struct libsqlite3 {
#define LIBSQLITE3_MEMBER(name) __typeof__(sqlite3_##name) *name;
	LIBSQLITE3_CALLS(LIBSQLITE3_MEMBER)
#undef LIBSQLITE3_MEMBER
};

/* Loads `soname` and fills the table.  -ENOPKG  not installed, or too old */
int libsqlite3_load(const char *soname, struct libsqlite3 *ret, struct err *err);

/* LIBSQLITE3_SONAME, loaded by the first call of the process, for all threads. */
int libsqlite3_get(const struct libsqlite3 **ret, struct err *err);
