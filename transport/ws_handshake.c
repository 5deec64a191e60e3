/* The opening handshake (RFC 6455 4), both sides of it. */
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/ws.h"

#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define KEY_BYTES   16
#define DIGEST_SIZE 20 /* of SHA-1 */

static_assert(WS_KEY_TEXT_BYTES == (KEY_BYTES + 2) / 3 * 4 + 1, "base64 of the key");
static_assert(WS_ACCEPT_TEXT_BYTES == (DIGEST_SIZE + 2) / 3 * 4 + 1, "base64 of the digest");

void ws_key(char out[WS_KEY_TEXT_BYTES])
{
	uint8_t key[KEY_BYTES];

	bytes_random(key, sizeof(key));
	EVP_EncodeBlock((unsigned char *)out, key, sizeof(key));
}

int ws_accept(const char *key, size_t key_bytes, char out[WS_ACCEPT_TEXT_BYTES])
{
	unsigned char text[WS_KEY_TEXT_BYTES - 1 + sizeof(GUID) - 1];
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (key_bytes != WS_KEY_TEXT_BYTES - 1)
		return -EINVAL;
	memcpy(text, key, key_bytes);
	memcpy(text + key_bytes, GUID, sizeof(GUID) - 1);
	if (!EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha1(), NULL))
		return -ENOMEM;
	EVP_EncodeBlock((unsigned char *)out, digest, DIGEST_SIZE);
	return 0;
}

/* --- the client ------------------------------------------------------------------------------- */

/* Reads back what was written: a value that holds a line end has become another head than the one
 * that was meant, one that holds what it may not is refused. */
static bool reads_back(const struct text *t, size_t field_count)
{
	struct head h;

	return head_parse_request(t->at, t->bytes, &h, NULL) == HEAD_OK && h.bytes == t->bytes &&
	       h.count == field_count;
}

int ws_request_write(const struct ws_request *r, char *out, size_t out_bytes)
{
	struct text t = text_on(out, out_bytes);

	text_append(&t, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", r->target,
	            r->authority, r->user_agent);
	text_append(&t, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
	text_append(&t, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", r->key);
	if (r->protocol)
		text_append(&t, "Sec-WebSocket-Protocol: %s\r\n", r->protocol);
	for (size_t i = 0; i < r->header_count; i++)
		text_append(&t, "%s\r\n", r->headers[i]);
	text_append(&t, "\r\n");
	if (t.overflow)
		return -ENOSPC;
	return reads_back(&t, 6 + (r->protocol != NULL) + r->header_count) ? (int)t.bytes : -EINVAL;
}

#define REFUSE(err, ...) ERR_SET(err, -EPROTO, ERR_HTTP, 101, __VA_ARGS__)

/* Whether the field `name` is there once and says exactly `value`. */
static bool says(const struct head *h, const char *name, const char *value)
{
	return head_count(h, name) == 1 && head_span_is(head_find(h, name)->value, value);
}

/* A 101 that answers our key and took what we offered (RFC 6455 4.1, the six points at its end). */
static int check_switch(const struct head *h, const char *key, const char *protocol,
                        struct err *err)
{
	const struct head_field *upgrade = head_find(h, "Upgrade");
	char accept[WS_ACCEPT_TEXT_BYTES];
	int r;

	if (!upgrade || !head_span_is_nocase(upgrade->value, "websocket"))
		return REFUSE(err,
		              "switch to WebSocket: the answer does not say Upgrade: websocket");
	if (!head_lists(h, "Connection", "upgrade"))
		return REFUSE(err,
		              "switch to WebSocket: the answer does not say Connection: Upgrade");
	r = ws_accept(key, strlen(key), accept);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "compute the Sec-WebSocket-Accept of our key");
	if (!says(h, "Sec-WebSocket-Accept", accept))
		return REFUSE(err, "switch to WebSocket: Sec-WebSocket-Accept is not of our key");
	if (head_find(h, "Sec-WebSocket-Protocol") &&
	    !(protocol && says(h, "Sec-WebSocket-Protocol", protocol)))
		return REFUSE(err,
		              "switch to WebSocket: the answer is for another protocol than %s",
		              protocol ? protocol : "none");
	if (head_find(h, "Sec-WebSocket-Extensions"))
		return REFUSE(err,
		              "switch to WebSocket: the answer has extensions nobody asked for");
	return WS_OK;
}

int ws_response_check(const char *in, size_t n, const char *key, const char *protocol,
                      size_t *ret_bytes, struct err *err)
{
	struct head h;
	int r = head_parse_response(in, n, &h, err);

	if (r == HEAD_NEED_MORE)
		return WS_NEED_MORE;
	if (r < 0)
		return r;
	if (h.status != 101)
		return ERR_SET(err, -ECONNREFUSED, ERR_HTTP, h.status,
		               "switch to WebSocket: the answer is %d %.*s", h.status,
		               h.reason.n < 60 ? (int)h.reason.n : 60, h.reason.at);
	r = check_switch(&h, key, protocol, err);
	if (r == WS_OK)
		*ret_bytes = h.bytes;
	return r;
}

/* --- the server ------------------------------------------------------------------------------- */

/* 16 bytes in base64 (RFC 4648 4): 22 characters of its alphabet and the padding. The last
 * character's spare bits may be anything, as the reference takes them. */
static bool is_key(struct head_span s)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";

	if (s.n != WS_KEY_TEXT_BYTES - 1 || memcmp(s.at + s.n - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < s.n - 2; i++)
		if (!memchr(alphabet, s.at[i], sizeof(alphabet) - 1))
			return false;
	return true;
}

#define REFUSE_WITH(err, status, ...)                                                              \
	(ERR_SET((err), -EPROTO, ERR_HTTP, (status), __VA_ARGS__), (status))

int ws_request_check(const struct head *request, const char *protocol,
                     char ret_accept[WS_ACCEPT_TEXT_BYTES], struct err *err)
{
	const struct head_field *offered = head_find(request, "Sec-WebSocket-Protocol");
	const struct head_field *key = head_find(request, "Sec-WebSocket-Key");

	if (request->minor_version > 0 && head_count(request, "Host") != 1) /* RFC 9112 3.2 */
		return REFUSE_WITH(err, 400, "serve a request without one Host");
	if (!offered || !head_span_is(offered->value, protocol))
		return REFUSE_WITH(err, 400, "serve another protocol than %s", protocol);
	if (!head_lists(request, "Connection", "upgrade") ||
	    !head_lists(request, "Upgrade", "websocket"))
		return REFUSE_WITH(err, 400, "serve a request that is no upgrade to WebSocket");
	if (!head_lists(request, "Sec-WebSocket-Version", "13"))
		return REFUSE_WITH(err, 400, "serve another version of WebSocket than 13");
	if (head_count(request, "Sec-WebSocket-Key") != 1 || !is_key(key->value))
		return REFUSE_WITH(err, 400, "serve a WebSocket without one key of 16 bytes");
	if (!head_span_is(request->method, "GET"))
		return REFUSE_WITH(err, 405, "serve a WebSocket by another method than GET");
	if (ws_accept(key->value.at, key->value.n, ret_accept) < 0)
		return REFUSE_WITH(err, 500, "compute Sec-WebSocket-Accept");
	return 0;
}

int ws_response_write(const char *accept, const char *protocol, char *out, size_t out_bytes)
{
	struct text t = text_on(out, out_bytes);

	text_append(&t, "HTTP/1.1 101 Switching Protocols\r\n");
	text_append(&t, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
	text_append(&t, "Sec-WebSocket-Accept: %s\r\n", accept);
	text_append(&t, "Sec-WebSocket-Protocol: %s\r\n\r\n", protocol);
	return t.overflow ? -ENOSPC : (int)t.bytes;
}
