#include "agent/service/courier_frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/err.h"

/* --- numbers and texts --------------------------------------------------------------------------- */

struct writer {
	uint8_t *at;
	size_t capacity_bytes, bytes;
	bool overflow;
};

static void put_bytes(struct writer *w, const void *data, size_t n)
{
	if (w->overflow || n > w->capacity_bytes - w->bytes) {
		w->overflow = true;
		return;
	}
	if (n > 0)
		memcpy(w->at + w->bytes, data, n);
	w->bytes += n;
}

static void put_number(struct writer *w, uint64_t number)
{
	put_bytes(w, &number, sizeof(number));
}

/* Its length with the NUL, which comes along; 0 is NULL. */
static void put_text(struct writer *w, const char *text)
{
	size_t n = text ? strlen(text) + 1 : 0;

	put_number(w, n);
	put_bytes(w, text, n);
}

static void put_cut_text(struct writer *w, const char *text)
{
	size_t n = text ? strnlen(text, COURIER_FIELD_BYTES_MAX) : 0;

	put_number(w, n + 1);
	put_bytes(w, text, n);
	put_bytes(w, "", 1);
}

struct reader {
	const uint8_t *at;
	size_t left;
	bool broken;
};

static const uint8_t *take_bytes(struct reader *r, uint64_t n)
{
	const uint8_t *taken = r->at;

	if (r->broken || n > r->left) {
		r->broken = true;
		return NULL;
	}
	r->at += n;
	r->left -= n;
	return taken;
}

/* 0 where there is none. */
static uint64_t take_number(struct reader *r, uint64_t max)
{
	const uint8_t *bytes = take_bytes(r, sizeof(uint64_t));
	uint64_t number = 0;

	if (bytes)
		memcpy(&number, bytes, sizeof(number));
	if (number > max)
		r->broken = true;
	return r->broken ? 0 : number;
}

static const char *take_optional_text(struct reader *r)
{
	uint64_t n = take_number(r, r->left);
	const char *text = n > 0 ? (const char *)take_bytes(r, n) : NULL;

	if (text && memchr(text, '\0', n) != text + n - 1)
		r->broken = true;
	return r->broken ? NULL : text;
}

static const char *take_text(struct reader *r)
{
	const char *text = take_optional_text(r);

	if (!text)
		r->broken = true;
	return r->broken ? "" : text;
}

/* --- the head of a request ----------------------------------------------------------------------- */

static void put_parts(struct writer *w, const struct http_request *request)
{
	put_number(w, request->body.bytes);
	put_number(w, request->part_count);
	for (size_t i = 0; i < request->part_count; i++) {
		const struct http_part *part = &request->parts[i];

		put_text(w, part->name);
		put_text(w, part->filename);
		put_text(w, part->type);
		put_number(w, part->content.bytes);
	}
}

static void put_request(struct writer *w, const struct http_request *request)
{
	put_number(w, request->method);
	put_text(w, request->url);
	put_text(w, request->user_agent);
	put_text(w, request->accept);
	put_text(w, request->bearer);
	put_number(w, request->header_count);
	for (size_t i = 0; i < request->header_count; i++)
		put_text(w, request->headers[i]);
	put_parts(w, request);
	for (size_t i = 0; i < HTTP_WANTED_MAX; i++)
		put_text(w, request->wanted[i]);
	put_text(w, request->ca_file);
	put_number(w, request->gzip);
	put_number(w, request->insecure);
	put_number(w, (uint64_t)request->family);
	put_text(w, request->interface);
	put_number(w, request->answer_bytes_max);
	put_number(w, request->timeout_ns);
	put_number(w, (uint64_t)request->redirects_max);
}

static bool is_within_ceilings(const struct http_request *request)
{
	bool within = request->answer_bytes_max <= COURIER_ANSWER_BYTES_MAX &&
	              request->timeout_ns <= COURIER_TIMEOUT_NS_MAX &&
	              request->body.bytes <= COURIER_CONTENT_BYTES_MAX &&
	              request->header_count <= HTTP_HEADERS_MAX &&
	              request->part_count <= HTTP_PARTS_MAX;

	for (size_t i = 0; within && i < request->part_count; i++)
		within = request->parts[i].content.bytes <= COURIER_CONTENT_BYTES_MAX;
	return within;
}

int courier_head_write(const struct http_request *request, uint8_t *out, size_t out_bytes,
                       size_t *ret_bytes, struct err *err)
{
	struct writer w = { .at = out, .capacity_bytes = out_bytes };

	if (!is_within_ceilings(request))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "ask for so much, or with so much");
	put_request(&w, request);
	if (w.overflow)
		return ERR_SET(err, -EMSGSIZE, ERR_SYS, 0, "ask with more than %zu bytes of head",
		               out_bytes);
	*ret_bytes = w.bytes;
	return 0;
}

static struct http_content take_content(struct reader *r, int fd, uint64_t *offset)
{
	struct http_content c = { .fd = fd, .offset = *offset };

	c.bytes = take_number(r, COURIER_CONTENT_BYTES_MAX);
	*offset += c.bytes;
	return c;
}

static void take_parts(struct reader *r, int fd, uint64_t offset, struct http_request *ret)
{
	ret->body = take_content(r, fd, &offset);
	ret->part_count = take_number(r, HTTP_PARTS_MAX);
	for (size_t i = 0; i < ret->part_count; i++) {
		struct http_part *part = &ret->parts[i];

		part->name = take_text(r);
		part->filename = take_optional_text(r);
		part->type = take_optional_text(r);
		part->content = take_content(r, fd, &offset);
	}
}

int courier_head_read(const uint8_t *head, size_t n, int fd, struct http_request *ret,
                      struct err *err)
{
	struct reader r = { .at = head, .left = n };
	struct http_request q = { .method = (enum http_method)take_number(&r, HTTP_POST) };

	q.url = take_text(&r);
	q.user_agent = take_text(&r);
	q.accept = take_optional_text(&r);
	q.bearer = take_optional_text(&r);
	q.header_count = take_number(&r, HTTP_HEADERS_MAX);
	for (size_t i = 0; i < q.header_count; i++)
		q.headers[i] = take_text(&r);
	take_parts(&r, fd, n, &q);
	for (size_t i = 0; i < HTTP_WANTED_MAX; i++)
		q.wanted[i] = take_optional_text(&r);
	q.ca_file = take_optional_text(&r);
	q.gzip = take_number(&r, 1);
	q.insecure = take_number(&r, 1);
	q.family = (int)take_number(&r, AF_INET6);
	q.interface = take_optional_text(&r);
	q.answer_bytes_max = take_number(&r, COURIER_ANSWER_BYTES_MAX);
	q.timeout_ns = take_number(&r, COURIER_TIMEOUT_NS_MAX);
	q.redirects_max = (int)take_number(&r, 100);
	if (r.broken || r.left > 0 || q.answer_bytes_max == 0 || q.timeout_ns == 0)
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "read a request of %zu bytes", n);
	*ret = q;
	return 0;
}

/* --- what the courier says ----------------------------------------------------------------------- */

size_t courier_said_write(const struct courier_said *said, uint8_t out[COURIER_SAID_BYTES_MAX])
{
	struct writer w = { .at = out, .capacity_bytes = COURIER_SAID_BYTES_MAX };
	const struct http_answer *answer = &said->answer;

	put_number(&w, said->kind);
	put_number(&w, said->id);
	put_number(&w, said->was_sent);
	if (said->kind == COURIER_ANSWER) {
		put_number(&w, (uint64_t)answer->status);
		put_number(&w, answer->retry_after_s);
		put_number(&w, answer->body_bytes);
		put_cut_text(&w, answer->content_type);
		for (size_t i = 0; i < HTTP_WANTED_MAX; i++)
			put_cut_text(&w, answer->wanted[i]);
	} else if (said->kind == COURIER_BODY) {
		put_bytes(&w, said->data, said->data_bytes);
	} else {
		put_number(&w, (uint64_t)-said->code);
		put_number(&w, (uint64_t)said->domain);
		put_number(&w, (uint64_t)said->detail);
		put_cut_text(&w, said->text);
	}
	return w.bytes;
}

static void take_answer(struct reader *r, struct http_answer *ret)
{
	ret->status = (int)take_number(r, 999);
	ret->retry_after_s = take_number(r, UINT64_MAX);
	ret->body_bytes = take_number(r, COURIER_ANSWER_BYTES_MAX);
	ret->content_type = take_text(r);
	for (size_t i = 0; i < HTTP_WANTED_MAX; i++)
		ret->wanted[i] = take_text(r);
	if (ret->status < 100)
		r->broken = true;
}

static void take_failure(struct reader *r, struct courier_said *ret)
{
	ret->code = -(int)take_number(r, 4095); /* MAX_ERRNO of the kernel's */
	ret->domain = (int)take_number(r, ERR_DNS);
	ret->detail = (int64_t)take_number(r, UINT64_MAX);
	ret->text = take_text(r);
	if (ret->code == 0)
		r->broken = true;
}

int courier_said_read(const uint8_t *message, size_t n, struct courier_said *ret, struct err *err)
{
	struct reader r = { .at = message, .left = n };
	struct courier_said said = { .kind = (enum courier_said_kind)take_number(&r,
		                                                                 COURIER_FAILED) };

	said.id = (uint32_t)take_number(&r, UINT32_MAX);
	said.was_sent = take_number(&r, 1);
	if (said.kind == COURIER_ANSWER) {
		take_answer(&r, &said.answer);
	} else if (said.kind == COURIER_BODY) {
		said.data_bytes = r.left;
		said.data = take_bytes(&r, r.left);
	} else {
		take_failure(&r, &said);
	}
	if (r.broken || r.left > 0 || said.kind == 0)
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "read %zu bytes of the courier's", n);
	*ret = said;
	return 0;
}
