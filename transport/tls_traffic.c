#include "transport/tls_traffic.h"

#include "transport/base/cleanup.h"
#include "transport/tls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sslerr.h>
#include <string.h>

/* RFC 8446 5.5: AES-GCM keeps its margin for 2^24.5 full records under one key. */
#define RECORDS_PER_KEY (1ULL << 24)

/* Records in a row without data: more tickets than any server gives, and few enough that whoever has us change keys
 * with every 27 bytes does not have our CPU. */
#define IDLE_RECORDS_MAX 32

enum { NEW_SESSION_TICKET = 4, KEY_UPDATE = 24 };        /* RFC 8446 4 */
enum { UPDATE_NOT_REQUESTED = 0, UPDATE_REQUESTED = 1 }; /* 4.6.3 */
enum { WARNING = 1, FATAL = 2 };                         /* 6 */
enum { CLOSE_NOTIFY = 0, USER_CANCELED = 90 };           /* 6.1 */

enum { MESSAGE_HEADER_BYTES = 4 };

/* RFC 8446 4.6.1: the longest NewSessionTicket, its fields all at their longest. */
#define MESSAGE_BYTES_MAX (MESSAGE_HEADER_BYTES + 4 + 4 + 1 + 255 + 2 + 65535 + 2 + 65534)

struct tls_traffic {
	struct tls_record_keys *receive, *send;
	struct tls_traffic_options options;
	bool ended;        /* by the peer's close_notify */
	bool over;         /* for us: nothing more is said */
	bool owes_update;  /* the peer has asked for one */
	unsigned int idle; /* records in a row without content that anybody wants */
	struct tls_traffic_failure failure;

	/* A handshake message that has begun: of a ticket, its header alone is looked at. */
	uint8_t message[MESSAGE_HEADER_BYTES + 1];
	size_t message_bytes; /* that have come */

	/* A record that came in pieces. */
	uint8_t held[TLS_RECORD_HEADER_BYTES + TLS_RECORD_LENGTH_MAX];
	size_t held_bytes;

	/* Content for which its reader had no room. */
	uint8_t kept[TLS_RECORD_BYTES];
	size_t kept_at, kept_bytes;
};

CLEANUP_DEFINE(traffic_freep, struct tls_traffic *, tls_traffic_free)

int tls_traffic_new(const SSL_CIPHER *suite, const struct tls_secrets *secrets,
                    const struct tls_traffic_options *options, struct tls_traffic **ret)
{
	CLEANUP(traffic_freep) struct tls_traffic *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->options = *options;
	if (t->options.records_per_key == 0)
		t->options.records_per_key = RECORDS_PER_KEY;
	r = tls_record_keys_new(suite, false, secrets->receive, secrets->receive_bytes,
	                        &t->receive);
	if (r == 0)
		r = tls_record_keys_new(suite, true, secrets->send, secrets->send_bytes, &t->send);
	if (r < 0)
		return r;
	*ret = TAKE(t, NULL);
	return 0;
}

struct tls_traffic *tls_traffic_free(struct tls_traffic *t)
{
	if (!t)
		return NULL;
	tls_record_keys_free(t->receive);
	tls_record_keys_free(t->send);
	free(t);
	return NULL;
}

struct tls_traffic_failure tls_traffic_failure(const struct tls_traffic *t)
{
	return t->failure;
}

bool tls_traffic_is_over(const struct tls_traffic *t)
{
	return t->over;
}

static int fail(struct tls_traffic *t, int reason, uint8_t alert)
{
	t->failure = (struct tls_traffic_failure){ reason, alert };
	return -EPROTO;
}

/* --- a record at a time ----------------------------------------------------------------------- */

struct record {
	const uint8_t *at; /* its header */
	size_t n;          /* with it */
};

static size_t length_of(const uint8_t *header)
{
	return (size_t)header[3] << 8 | header[4];
}

/* RFC 8446 5.1, 5.2, of a whole header. */
static int judge_header(struct tls_traffic *t, const uint8_t *header)
{
	if (header[0] != TLS_APPLICATION_DATA)
		return fail(t, SSL_R_UNEXPECTED_RECORD, SSL_AD_UNEXPECTED_MESSAGE);
	if (length_of(header) > TLS_RECORD_LENGTH_MAX)
		return fail(t, SSL_R_ENCRYPTED_LENGTH_TOO_LONG, SSL_AD_RECORD_OVERFLOW);
	if (length_of(header) < TLS_RECORD_LENGTH_MIN) /* as of one that does not open */
		return fail(t, SSL_R_LENGTH_TOO_SHORT, SSL_AD_BAD_RECORD_MAC);
	return 0;
}

/* Moves bytes from *in until `want` are held. */
static bool hold(struct tls_traffic *t, size_t want, const uint8_t **in, size_t *in_bytes)
{
	size_t n = want - t->held_bytes;

	if (n > *in_bytes)
		n = *in_bytes;
	memcpy(t->held + t->held_bytes, *in, n);
	t->held_bytes += n;
	*in += n;
	*in_bytes -= n;
	return t->held_bytes == want;
}

/* A record that lies whole in *in is opened from there; only what is cut is copied together. */
static int next_record(struct tls_traffic *t, const uint8_t **in, size_t *in_bytes,
                       struct record *ret)
{
	size_t whole;
	int r;

	if (t->held_bytes == 0 && *in_bytes >= TLS_RECORD_HEADER_BYTES) {
		r = judge_header(t, *in);
		whole = TLS_RECORD_HEADER_BYTES + length_of(*in);
		if (r < 0)
			return r;
		if (*in_bytes >= whole) {
			*ret = (struct record){ *in, whole };
			*in += whole;
			*in_bytes -= whole;
			return TLS_OK;
		}
	}
	if (t->held_bytes < TLS_RECORD_HEADER_BYTES &&
	    !hold(t, TLS_RECORD_HEADER_BYTES, in, in_bytes))
		return TLS_NEED_INPUT;
	r = judge_header(t, t->held);
	if (r < 0)
		return r;
	whole = TLS_RECORD_HEADER_BYTES + length_of(t->held);
	if (!hold(t, whole, in, in_bytes))
		return TLS_NEED_INPUT;
	t->held_bytes = 0;
	*ret = (struct record){ t->held, whole };
	return TLS_OK;
}

/* --- what is no application data -------------------------------------------------------------- */

static int take_alert(struct tls_traffic *t, const uint8_t *alert, size_t n)
{
	if (n != 2)
		return fail(t, SSL_R_INVALID_ALERT, SSL_AD_DECODE_ERROR);
	if (alert[1] == CLOSE_NOTIFY) {
		t->ended = true;
		return TLS_END;
	}
	if (alert[1] == USER_CANCELED) /* a close_notify follows it */
		return TLS_OK;
	t->over = true;
	return fail(t, SSL_AD_REASON_OFFSET + alert[1], 0);
}

static int take_key_update(struct tls_traffic *t, bool at_end)
{
	uint8_t request = t->message[MESSAGE_HEADER_BYTES];

	if (!at_end) /* RFC 8446 5.1: the keys change at the record's end */
		return fail(t, SSL_R_NOT_ON_RECORD_BOUNDARY, SSL_AD_UNEXPECTED_MESSAGE);
	if (request != UPDATE_NOT_REQUESTED && request != UPDATE_REQUESTED)
		return fail(t, SSL_R_BAD_KEY_UPDATE, SSL_AD_ILLEGAL_PARAMETER);
	if (!tls_record_keys_next(t->receive))
		return fail(t, SSL_R_BAD_KEY_UPDATE, SSL_AD_INTERNAL_ERROR);
	t->owes_update |= request == UPDATE_REQUESTED && !t->over;
	return TLS_OK;
}

static size_t message_length(const struct tls_traffic *t)
{
	return MESSAGE_HEADER_BYTES +
	       ((size_t)t->message[1] << 16 | (size_t)t->message[2] << 8 | t->message[3]);
}

static int judge_message(struct tls_traffic *t)
{
	bool update = t->message[0] == KEY_UPDATE;

	if (!update && (t->message[0] != NEW_SESSION_TICKET || !t->options.client))
		return fail(t, SSL_R_UNEXPECTED_MESSAGE, SSL_AD_UNEXPECTED_MESSAGE);
	if (update && message_length(t) != MESSAGE_HEADER_BYTES + 1)
		return fail(t, SSL_R_BAD_KEY_UPDATE, SSL_AD_DECODE_ERROR);
	if (message_length(t) > MESSAGE_BYTES_MAX)
		return fail(t, SSL_R_EXCESSIVE_MESSAGE_SIZE, SSL_AD_ILLEGAL_PARAMETER);
	return TLS_OK;
}

/* The next bytes of a message: into t->message as far as that goes. Answers how many were of it. */
static size_t feed_message(struct tls_traffic *t, const uint8_t *in, size_t n, size_t until)
{
	size_t used = until - t->message_bytes < n ? until - t->message_bytes : n;

	for (size_t i = 0; i < used && t->message_bytes + i < sizeof(t->message); i++)
		t->message[t->message_bytes + i] = in[i];
	t->message_bytes += used;
	return used;
}

/* Messages may share a record, and one may take several. Sessions are never resumed, so a ticket is let
 * go by. */
static int take_messages(struct tls_traffic *t, const uint8_t *in, size_t n)
{
	while (n > 0) {
		bool header = t->message_bytes < MESSAGE_HEADER_BYTES;
		size_t until = header ? MESSAGE_HEADER_BYTES : message_length(t);
		size_t used = feed_message(t, in, n, until);
		int r = TLS_OK;

		in += used;
		n -= used;
		if (t->message_bytes < MESSAGE_HEADER_BYTES)
			break;
		if (header)
			r = judge_message(t);
		if (r == TLS_OK && t->message_bytes == message_length(t)) {
			if (t->message[0] == KEY_UPDATE)
				r = take_key_update(t, n == 0);
			t->message_bytes = 0;
		}
		if (r != TLS_OK)
			return r;
	}
	return TLS_OK;
}

static int take_by_type(struct tls_traffic *t, uint8_t type, const uint8_t *content, size_t n)
{
	if (n == 0 && type != TLS_APPLICATION_DATA)
		return fail(t, SSL_R_UNEXPECTED_MESSAGE, SSL_AD_UNEXPECTED_MESSAGE);
	switch (type) {
	case TLS_ALERT:
		return take_alert(t, content, n);
	case TLS_HANDSHAKE:
		return take_messages(t, content, n);
	case TLS_APPLICATION_DATA: /* an empty one hides that nothing is said, RFC 8446 5.1 */
		return TLS_OK;
	default:
		return fail(t, SSL_R_UNEXPECTED_RECORD, SSL_AD_UNEXPECTED_MESSAGE);
	}
}

/* OpenSSL's words. */
static int reason_of_too_many(uint8_t type)
{
	switch (type) {
	case TLS_ALERT:
		return SSL_R_TOO_MANY_WARN_ALERTS;
	case TLS_HANDSHAKE:
		return SSL_R_TOO_MANY_KEY_UPDATES;
	default:
		return SSL_R_RECORD_TOO_SMALL;
	}
}

/* Content that the reader is not given. */
static int take_aside(struct tls_traffic *t, uint8_t type, const uint8_t *content, size_t n)
{
	int r = take_by_type(t, type, content, n);

	if (r == TLS_OK && ++t->idle > IDLE_RECORDS_MAX)
		return fail(t, reason_of_too_many(type), SSL_AD_UNEXPECTED_MESSAGE);
	return r;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int open_record(struct tls_traffic *t, const struct record *record, uint8_t *out,
                       size_t *ret_n, uint8_t *ret_type)
{
	switch (tls_record_open(t->receive, record->at, record->n, out, ret_n, ret_type)) {
	case TLS_RECORD_OK:
		return TLS_OK;
	case TLS_RECORD_TOO_LONG:
		return fail(t, SSL_R_DATA_LENGTH_TOO_LONG, SSL_AD_RECORD_OVERFLOW);
	case TLS_RECORD_NO_CONTENT:
		return fail(t, SSL_R_BAD_RECORD_TYPE, SSL_AD_UNEXPECTED_MESSAGE);
	case TLS_RECORD_BAD:
	default:
		return fail(t, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, SSL_AD_BAD_RECORD_MAC);
	}
}

static size_t give_kept(struct tls_traffic *t, uint8_t *out, size_t cap)
{
	size_t left = t->kept_bytes - t->kept_at;
	size_t n = left < cap ? left : cap;

	memcpy(out, t->kept + t->kept_at, n);
	t->kept_at += n;
	return n;
}

/* One record; TLS_OK with *ret_n 0 where it held nothing for the reader. */
static int read_record(struct tls_traffic *t, const struct record *record, uint8_t *out, size_t cap,
                       size_t *ret_n)
{
	uint8_t *plain = cap >= TLS_RECORD_BYTES ? out : t->kept;
	uint8_t type;
	size_t n;
	int r = open_record(t, record, plain, &n, &type);

	*ret_n = 0;
	if (r != TLS_OK)
		return r;
	if (t->message_bytes > 0 && type != TLS_HANDSHAKE) /* RFC 8446 5.1: none in between */
		return fail(t, SSL_R_UNEXPECTED_RECORD, SSL_AD_UNEXPECTED_MESSAGE);
	if (type != TLS_APPLICATION_DATA || n == 0)
		return take_aside(t, type, plain, n);
	t->idle = 0;
	*ret_n = n;
	if (plain == t->kept) {
		t->kept_at = 0;
		t->kept_bytes = n;
		*ret_n = give_kept(t, out, cap);
	}
	return TLS_OK;
}

int tls_traffic_read(struct tls_traffic *t, const uint8_t **in, size_t *in_bytes, uint8_t *out,
                     size_t cap, size_t *ret_n)
{
	struct record record;
	int r = TLS_OK;

	*ret_n = give_kept(t, out, cap);
	while (r == TLS_OK && *ret_n == 0) {
		if (t->failure.reason)
			return -EPROTO;
		if (t->ended)
			return TLS_END;
		if (t->owes_update)
			return TLS_NEED_OUTPUT;
		r = next_record(t, in, in_bytes, &record);
		if (r == TLS_OK)
			r = read_record(t, &record, out, cap, ret_n);
	}
	return r;
}

/* --- writing ---------------------------------------------------------------------------------- */

static size_t seal(struct tls_traffic *t, enum tls_content_type type, const uint8_t *content,
                   size_t n, uint8_t *out)
{
	return tls_record_seal(t->send, type, content, n, out) ? n + TLS_RECORD_ADDED_BYTES : 0;
}

/* The record goes under the old keys, what follows under the new. */
static size_t update_keys(struct tls_traffic *t, uint8_t *out)
{
	static const uint8_t message[] = { KEY_UPDATE, 0, 0, 1, UPDATE_NOT_REQUESTED };
	size_t n = seal(t, TLS_HANDSHAKE, message, sizeof(message), out);

	return n > 0 && tls_record_keys_next(t->send) ? n : 0;
}

size_t tls_traffic_answer(struct tls_traffic *t, uint8_t *out)
{
	t->owes_update = false;
	return t->over ? 0 : update_keys(t, out);
}

size_t tls_traffic_write(struct tls_traffic *t, const uint8_t *data, size_t n, uint8_t *out)
{
	size_t update = 0, sealed;

	if (t->over)
		return 0;
	if (tls_record_keys_used(t->send) >= t->options.records_per_key) {
		update = update_keys(t, out);
		if (update == 0)
			return 0;
	}
	sealed = seal(t, TLS_APPLICATION_DATA, data, n, out + update);
	return sealed > 0 ? update + sealed : 0;
}

size_t tls_traffic_alert(struct tls_traffic *t, uint8_t *out)
{
	uint8_t alert = t->failure.reason ? t->failure.alert : CLOSE_NOTIFY;
	const uint8_t content[] = { alert == CLOSE_NOTIFY ? WARNING : FATAL, alert };

	if (t->over)
		return 0;
	t->over = true;
	t->owes_update = false;
	return seal(t, TLS_ALERT, content, sizeof(content), out);
}
