/* libcurl, loaded when first needed.
 *
 * It brings some thirty libraries and megabytes of memory with it, which only those runs should pay
 * that ask something over HTTP: docs/decisions/0002-libcurl-loaded-late.md has the figures. Built
 * against its header alone; the types of the table are those of the header's declarations.
 */
#pragma once

#include <curl/curl.h>

struct err;

#define LIBCURL_SONAME "libcurl.so.4"

/* What is called of it, without the prefix "curl_". */
#define LIBCURL_CALLS(X)                                                                           \
	X(easy_cleanup)                                                                            \
	X(easy_getinfo)                                                                            \
	X(easy_header)                                                                             \
	X(easy_init)                                                                               \
	X(easy_setopt)                                                                             \
	X(easy_strerror)                                                                           \
	X(global_init)                                                                             \
	X(mime_addpart)                                                                            \
	X(mime_data_cb)                                                                            \
	X(mime_filename)                                                                           \
	X(mime_free)                                                                               \
	X(mime_init)                                                                               \
	X(mime_name)                                                                               \
	X(mime_type)                                                                               \
	X(multi_add_handle)                                                                        \
	X(multi_cleanup)                                                                           \
	X(multi_info_read)                                                                         \
	X(multi_init)                                                                              \
	X(multi_remove_handle)                                                                     \
	X(multi_setopt)                                                                            \
	X(multi_socket_action)                                                                     \
	X(multi_strerror)                                                                          \
	X(slist_append)                                                                            \
	X(slist_free_all)                                                                          \
	X(version_info)

struct libcurl {
#define LIBCURL_MEMBER(name) __typeof__(curl_##name) *name;
	LIBCURL_CALLS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
};

/* Loads `soname` and fills the table. It is never unloaded: its threads may outlive a request.
 *   -ENOPKG  not installed, too old, or one that would block while it resolves a name */
int libcurl_load(const char *soname, struct libcurl *ret, struct err *err);

/* LIBCURL_SONAME, loaded and initialised by the first call of the process, for all threads. */
int libcurl_get(const struct libcurl **ret, struct err *err);
