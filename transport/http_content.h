/* What a request carries, as libcurl reads it: piece by piece while it sends, without a copy of its own. */
#pragma once

#include <stdbool.h>

#include "transport/http.h"
#include "transport/libcurl.h"

/* A content, and how far libcurl has read it. */
struct http_source {
	struct http_content content;
	uint64_t read_bytes;
};

struct http_upload {
	curl_mime *form; /* NULL: the body is sources[0], or there is none */
	struct http_source sources[HTTP_PARTS_MAX];
	size_t count;
};

/* Makes `easy` a POST of what `request` carries. `u` stays where it is until http_upload_end(), which comes
 * after easy_cleanup(). */
CURLcode http_upload_begin(struct http_upload *u, const struct libcurl *curl, CURL *easy,
                           const struct http_request *request);
void http_upload_end(struct http_upload *u, const struct libcurl *curl);

/* Whether libcurl has all of it. */
bool http_upload_is_read(const struct http_upload *u);

/* The header lines of `request`, with those that only its own host may see or without them; *ret is NULL where
 * there are none, and the caller's to free.
 *   -EINVAL  one that is no header */
int http_headers(const struct libcurl *curl, const struct http_request *request, bool confidential,
                 struct curl_slist **ret, struct err *err);
