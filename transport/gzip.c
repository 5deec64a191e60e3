#include "transport/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/late_library.h"
#include "transport/http.h"

#define WINDOW_OF_GZIP (MAX_WBITS + 16) /* zlib.h, deflateInit2(): a gzip header, not zlib's */
#define MEMORY_LEVEL   8                /* zlib's own choice */

struct libz {
	__typeof__(deflateInit2_) *deflateInit2_;
	__typeof__(deflate) *deflate;
	__typeof__(deflateEnd) *deflateEnd;
};

static int load(struct libz *ret, struct err *err)
{
	static const struct late_symbol symbols[] = {
		{ "deflateInit2_", offsetof(struct libz, deflateInit2_) },
		{ "deflate", offsetof(struct libz, deflate) },
		{ "deflateEnd", offsetof(struct libz, deflateEnd) },
	};

	return late_library_load("libz.so.1", "zlib1g", symbols, sizeof(symbols) / sizeof(*symbols),
	                         ret, err);
}

/* The whole of it; *ret_copy is what has to be freed. */
static int read_content(const struct http_content *c, const char **ret, char **ret_copy,
                        struct err *err)
{
	CLEANUP(freep) char *copy = NULL;
	size_t n = 0;

	if (c->data) {
		*ret = c->data;
		return 0;
	}
	copy = malloc(c->bytes);
	if (!copy)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a body");
	while (n < c->bytes) {
		ssize_t got = pread(c->fd, copy + n, c->bytes - n, (off_t)(c->offset + n));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ERR_SET(err, got < 0 ? -errno : -EIO, ERR_SYS, 0, "read a body");
		n += (size_t)got;
	}
	*ret = *ret_copy = TAKE(copy, NULL);
	return 0;
}

/* Into no more room than it had, less the byte that makes it worth while. */
static int deflate_all(const struct libz *z, const char *in, size_t n, char *out, size_t *ret_n,
                       struct err *err)
{
	z_stream s = { .next_in = (Bytef *)in,
		       .avail_in = (uInt)n,
		       .next_out = (Bytef *)out,
		       .avail_out = (uInt)n - 1 };
	int r = z->deflateInit2_(&s, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_OF_GZIP,
	                         MEMORY_LEVEL, Z_DEFAULT_STRATEGY, ZLIB_VERSION, sizeof(s));

	if (r != Z_OK)
		return ERR_SET(err, -ENOMEM, ERR_SYS, r, "begin to make a body smaller");
	r = z->deflate(&s, Z_FINISH);
	*ret_n = s.total_out;
	z->deflateEnd(&s);
	return r == Z_STREAM_END ? 0 : ERR_SET(err, -ENODATA, ERR_SYS, r, "make a body smaller");
}

int gzip_content(const struct http_content *content, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(freep) char *copy = NULL;
	CLEANUP(freep) char *out = NULL;
	const char *in = NULL;
	struct libz z;
	int r;

	if (content->bytes > GZIP_BYTES_MAX)
		return ERR_SET(err, -EFBIG, ERR_SYS, 0, "make a body of %llu bytes smaller",
		               (unsigned long long)content->bytes);
	if (content->bytes < 2)
		return ERR_SET(err, -ENODATA, ERR_SYS, 0, "make an empty body smaller");
	r = load(&z, err);
	if (r == 0)
		r = read_content(content, &in, &copy, err);
	if (r < 0)
		return r;
	out = malloc(content->bytes);
	if (!out)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a body");
	r = deflate_all(&z, in, content->bytes, out, ret_n, err);
	if (r == 0)
		*ret = TAKE(out, NULL);
	return r;
}
