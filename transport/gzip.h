/* A body made smaller (RFC 1952), by zlib, which libcurl has loaded already (docs/decisions/0027). */
#pragma once

#include <stddef.h>

struct err;
struct http_content;

#define GZIP_BYTES_MAX                                                                             \
	(16 * 1024 * 1024) /* of what is to be made smaller; it is in memory meanwhile */

/* *ret is the caller's to free(3).
 *   -EFBIG  beyond the ceiling;  -ENODATA  it would not become smaller;  -ENOPKG  zlib is not installed
 *   -EIO, …  the content cannot be read */
int gzip_content(const struct http_content *content, char **ret, size_t *ret_n, struct err *err);
