#include "transport/http_content.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/err.h"

/* --- while it is sent --------------------------------------------------------------------------- */

static size_t copy_out(const struct http_source *s, char *out, size_t n)
{
	const struct http_content *c = &s->content;
	ssize_t got;

	if (c->data) {
		memcpy(out, (const char *)c->data + s->read_bytes, n);
		return n;
	}
	do
		got = pread(c->fd, out, n, (off_t)(c->offset + s->read_bytes));
	while (got < 0 && errno == EINTR);
	return got > 0 ? (size_t)got
	               : CURL_READFUNC_ABORT; /* a file that has become shorter, too */
}

static size_t on_read(char *out, size_t size, size_t count, void *owner)
{
	struct http_source *s = owner;
	uint64_t left = s->content.bytes - s->read_bytes;
	size_t n = size * count;

	if (n > left)
		n = (size_t)left;
	n = n > 0 ? copy_out(s, out, n) : 0;
	if (n != CURL_READFUNC_ABORT)
		s->read_bytes += n;
	return n;
}

static int on_seek(void *owner, curl_off_t offset, int origin)
{
	struct http_source *s = owner;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > s->content.bytes)
		return CURL_SEEKFUNC_FAIL;
	s->read_bytes = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

bool http_upload_is_read(const struct http_upload *u)
{
	for (size_t i = 0; i < u->count; i++)
		if (u->sources[i].read_bytes < u->sources[i].content.bytes)
			return false;
	return true;
}

/* --- beginning and end -------------------------------------------------------------------------- */

static CURLcode add_part(struct http_upload *u, const struct libcurl *curl,
                         const struct http_part *part)
{
	struct http_source *s = &u->sources[u->count];
	curl_mimepart *to = curl->mime_addpart(u->form);
	CURLcode r = to ? curl->mime_name(to, part->name) : CURLE_OUT_OF_MEMORY;

	s->content = part->content;
	if (r == CURLE_OK)
		r = curl->mime_data_cb(to, (curl_off_t)part->content.bytes, on_read, on_seek, NULL,
		                       s);
	if (r == CURLE_OK && part->filename)
		r = curl->mime_filename(to, part->filename);
	if (r == CURLE_OK && part->type)
		r = curl->mime_type(to, part->type);
	u->count++;
	return r;
}

static CURLcode set_form(struct http_upload *u, const struct libcurl *curl, CURL *easy,
                         const struct http_request *request)
{
	CURLcode r = CURLE_OK;

	u->form = curl->mime_init(easy);
	if (!u->form)
		return CURLE_OUT_OF_MEMORY;
	for (size_t i = 0; i < request->part_count && r == CURLE_OK; i++)
		r = add_part(u, curl, &request->parts[i]);
	return r == CURLE_OK ? curl->easy_setopt(easy, CURLOPT_MIMEPOST, u->form) : r;
}

static CURLcode set_body(struct http_upload *u, const struct libcurl *curl, CURL *easy,
                         const struct http_content *body)
{
	CURLcode r = curl->easy_setopt(easy, CURLOPT_POST, 1L);

	u->sources[0].content = *body;
	u->count = 1;
	if (r == CURLE_OK)
		r = curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->bytes);
	if (r == CURLE_OK)
		r = curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	if (r == CURLE_OK)
		r = curl->easy_setopt(easy, CURLOPT_READDATA, &u->sources[0]);
	if (r == CURLE_OK)
		r = curl->easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	return r == CURLE_OK ? curl->easy_setopt(easy, CURLOPT_SEEKDATA, &u->sources[0]) : r;
}

CURLcode http_upload_begin(struct http_upload *u, const struct libcurl *curl, CURL *easy,
                           const struct http_request *request)
{
	if (request->part_count > 0)
		return set_form(u, curl, easy, request);
	return set_body(u, curl, easy, &request->body);
}

void http_upload_end(struct http_upload *u, const struct libcurl *curl)
{
	if (u->form)
		curl->mime_free(u->form);
	u->form = NULL;
}

/* --- headers ------------------------------------------------------------------------------------ */

/* A name, a colon, and a value: libcurl would send anything, also a line of its own behind a line feed, and takes
 * "Name:" for the wish that it send none. */
static bool is_header(const char *line)
{
	size_t name =
		strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	if (name == 0 || line[name] != ':' || line[name + 1 + strspn(line + name + 1, " ")] == '\0')
		return false;
	for (const char *at = line; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	return true;
}

static int append(const struct libcurl *curl, struct curl_slist **list, const char *line,
                  struct err *err)
{
	struct curl_slist *longer = curl->slist_append(*list, line);

	if (!longer)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a header");
	*list = longer;
	return 0;
}

static int append_header(const struct libcurl *curl, struct curl_slist **list, const char *line,
                         struct err *err)
{
	if (!is_header(line))
		return ERR_SET(err, -EINVAL, ERR_HTTP, 0, "send a header \"%.*s\"",
		               (int)strcspn(line, ": "), line);
	return append(curl, list, line, err);
}

static int append_all(const struct libcurl *curl, const struct http_request *request,
                      bool confidential, struct curl_slist **list, struct err *err)
{
	int r = append(curl, list,
	               "Expect:", err); /* none: the body is small, or the wait not worth it */
	char accept[128];

	if (r == 0 && request->accept) {
		snprintf(accept, sizeof(accept), "Accept: %s", request->accept);
		r = append_header(curl, list, accept, err);
	}
	for (size_t i = 0; i < request->header_count && confidential && r == 0; i++)
		r = append_header(curl, list, request->headers[i], err);
	return r;
}

int http_headers(const struct libcurl *curl, const struct http_request *request, bool confidential,
                 struct curl_slist **ret, struct err *err)
{
	int r = append_all(curl, request, confidential, ret, err);

	if (r < 0) {
		curl->slist_free_all(*ret);
		*ret = NULL;
	}
	return r;
}
