/* One frame's header and mask (RFC 6455 5.2, 5.3). */
#include <errno.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/utf8.h"
#include "transport/ws.h"

#define FIN_BIT        0x80
#define RESERVED_BITS  0x70
#define OPCODE_BITS    0x0F
#define CONTROL_BIT    0x08
#define MASK_BIT       0x80
#define LENGTH_BITS    0x7F
#define LENGTH_IS_BE16 126
#define LENGTH_IS_BE64 127

#define REFUSE(err, ...) ERR_SET(err, -EPROTO, ERR_WS, WS_CLOSE_PROTOCOL, __VA_ARGS__)

static int check_first_byte(uint8_t byte, struct err *err)
{
	uint8_t opcode = byte & OPCODE_BITS;

	if (byte & RESERVED_BITS)
		return REFUSE(err, "take a frame with reserved bits 0x%02x", byte & RESERVED_BITS);
	if ((opcode & ~CONTROL_BIT) > WS_BINARY)
		return REFUSE(err, "take a frame with the reserved opcode 0x%x", opcode);
	if ((opcode & CONTROL_BIT) && !(byte & FIN_BIT))
		return REFUSE(err, "take a fragmented control frame, opcode 0x%x", opcode);
	return WS_OK;
}

/* The length behind the two bytes at `in`; only the shortest form is one. */
static int parse_length(const uint8_t *in, size_t n, struct ws_header *h, struct err *err)
{
	uint8_t form = in[1] & LENGTH_BITS;

	if ((h->opcode & CONTROL_BIT) && form > WS_CONTROL_PAYLOAD_MAX)
		return REFUSE(err, "take a control frame of more than 125 bytes");
	if (form < LENGTH_IS_BE16) {
		h->payload_bytes = form;
		h->header_bytes = 2;
		return WS_OK;
	}

	h->header_bytes = form == LENGTH_IS_BE16 ? 4 : 10;
	if (n < h->header_bytes)
		return WS_NEED_MORE;
	h->payload_bytes =
		form == LENGTH_IS_BE16 ? bytes_load_be16(in + 2) : bytes_load_be64(in + 2);
	if (h->payload_bytes >> 63)
		return REFUSE(err, "take a frame length with the top bit set");
	if (h->payload_bytes <= (form == LENGTH_IS_BE16 ? WS_CONTROL_PAYLOAD_MAX : UINT16_MAX))
		return REFUSE(err, "take a frame length that is not in its shortest form");
	return WS_OK;
}

int ws_header_parse(const uint8_t *in, size_t n, struct ws_header *ret, struct err *err)
{
	struct ws_header h = {};
	int r;

	if (n < 1)
		return WS_NEED_MORE;
	r = check_first_byte(in[0], err);
	if (r < 0)
		return r;
	if (n < 2)
		return WS_NEED_MORE;

	h.fin = in[0] & FIN_BIT;
	h.opcode = in[0] & OPCODE_BITS;
	h.masked = in[1] & MASK_BIT;
	r = parse_length(in, n, &h, err);
	if (r != WS_OK)
		return r;

	if (h.masked) {
		if (n < h.header_bytes + sizeof(h.mask))
			return WS_NEED_MORE;
		memcpy(h.mask, in + h.header_bytes, sizeof(h.mask));
		h.header_bytes += sizeof(h.mask);
	}
	*ret = h;
	return WS_OK;
}

size_t ws_frame_encode(const struct ws_header *h, uint8_t out[WS_HEADER_MAX])
{
	uint8_t mask_bit = h->masked ? MASK_BIT : 0;
	size_t n = 2;

	out[0] = (uint8_t)((h->fin ? FIN_BIT : 0) | h->opcode);
	if (h->payload_bytes < LENGTH_IS_BE16) {
		out[1] = (uint8_t)(mask_bit | h->payload_bytes);
	} else if (h->payload_bytes <= UINT16_MAX) {
		out[1] = mask_bit | LENGTH_IS_BE16;
		bytes_store_be16(out + 2, (uint16_t)h->payload_bytes);
		n = 4;
	} else {
		out[1] = mask_bit | LENGTH_IS_BE64;
		bytes_store_be64(out + 2, h->payload_bytes);
		n = 10;
	}
	if (h->masked) {
		memcpy(out + n, h->mask, sizeof(h->mask));
		n += sizeof(h->mask);
	}
	return n;
}

/* What every machine of ours XORs in one instruction (SSE2, NEON), at any address. */
typedef uint32_t wide __attribute__((vector_size(16), aligned(1), may_alias));

void ws_mask(uint8_t *data, size_t n, const uint8_t mask[4], uint64_t offset)
{
	uint8_t turned[4]; /* the key as it lies from data[0] on */
	uint32_t word;
	wide key;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(turned); k++)
		turned[k] = mask[(offset + k) & 3];
	memcpy(&word, turned, sizeof(word));
	key = (wide){ word, word, word, word };

	for (; n - i >= 4 * sizeof(wide); i += 4 * sizeof(wide)) {
		wide *at = (wide *)(data + i);

		at[0] ^= key;
		at[1] ^= key;
		at[2] ^= key;
		at[3] ^= key;
	}
	for (; n - i >= sizeof(wide); i += sizeof(wide))
		*(wide *)(data + i) ^= key;
	for (; i < n; i++)
		data[i] ^= turned[i & 3];
}

size_t ws_small_frame(enum ws_role role, enum ws_opcode opcode, const void *payload, size_t n,
                      uint8_t *out, size_t out_bytes)
{
	struct ws_header h = {
		.payload_bytes = n,
		.opcode = (uint8_t)opcode,
		.fin = true,
		.masked = role == WS_CLIENT,
	};
	size_t header_bytes;

	if (out_bytes < WS_HEADER_MAX || n > out_bytes - WS_HEADER_MAX)
		return 0;
	if (h.masked)
		bytes_random(h.mask, sizeof(h.mask));
	header_bytes = ws_frame_encode(&h, out);
	if (n > 0)
		memcpy(out + header_bytes, payload, n);
	if (h.masked)
		ws_mask(out + header_bytes, n, h.mask, 0);
	return header_bytes + n;
}

size_t ws_close_payload(uint16_t code, const char *reason, uint8_t out[WS_CONTROL_PAYLOAD_MAX])
{
	size_t room = WS_CONTROL_PAYLOAD_MAX - sizeof(code);
	size_t n;

	if (code == WS_CLOSE_NONE)
		return 0;
	bytes_store_be16(out, code);
	if (!reason)
		return sizeof(code);

	n = strnlen(reason, room + 1);
	if (n > room)
		n = utf8_whole_bytes((const uint8_t *)reason, room);
	memcpy(out + sizeof(code), reason, n);
	return sizeof(code) + n;
}
