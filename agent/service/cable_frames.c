#include "agent/service/cable_frames.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/json_walk.h"

/* --- what we say ----------------------------------------------------------------------------------- */

void cable_identifier_write(const char uuid[CABLE_UUID_BYTES], char ret[CABLE_IDENTIFIER_BYTES])
{
	snprintf(ret, CABLE_IDENTIFIER_BYTES, "{\"channel\":\"" CABLE_CHANNEL "\",\"id\":\"%s\"}",
	         uuid);
}

/* `text` once more as a JSON string. */
static void append_quoted(struct text *t, const char *text)
{
	int n;

	if (t->overflow)
		return;
	n = json_quote(text, t->at + t->bytes, t->capacity_bytes - t->bytes);
	t->overflow = n < 0;
	t->bytes += n < 0 ? 0 : (size_t)n;
}

int cable_subscribe_write(const char *identifier, char *out, size_t out_bytes)
{
	struct text t = text_on(out, out_bytes);

	text_append(&t, "{\"command\":\"subscribe\",\"identifier\":");
	append_quoted(&t, identifier);
	text_append(&t, "}");
	return t.overflow ? -ENOSPC : (int)t.bytes;
}

/* The inner text is written at the end of `out` and read from there while it becomes a string, which ends before it
 * begins. */
int cable_message_write(const char *identifier, const char *action, const char *payload, char *out,
                        size_t out_bytes)
{
	size_t inner_bytes =
		strlen("{\"action\":\"\",\"payload\":}") + strlen(action) + strlen(payload) + 1;
	struct text t, inner;

	if (inner_bytes >= out_bytes)
		return -ENOSPC;
	inner = text_on(out + out_bytes - inner_bytes, inner_bytes);
	text_append(&inner, "{\"action\":\"%s\",\"payload\":%s}", action, payload);
	t = text_on(out, out_bytes - inner_bytes);
	text_append(&t, "{\"command\":\"message\",\"identifier\":");
	append_quoted(&t, identifier);
	text_append(&t, ",\"data\":");
	append_quoted(&t, inner.at);
	text_append(&t, "}");
	return t.overflow || inner.overflow ? -ENOSPC : (int)t.bytes;
}

/* --- what we are told -------------------------------------------------------------------------------- */

struct body {
	struct schedule_interfaces on;
	size_t passed_over;
	bool is_object, refused; /* the list of interfaces is neither a list nor null */
	char version[CABLE_VERSION_BYTES];
	char url[CABLE_URL_BYTES];
};

/* Members come in any order: all are kept until the kind is known. */
struct reading {
	const char *identifier;
	bool is_object, has_type, is_ours;
	char type[32], event[32], reason[CABLE_REASON_BYTES];
	bool stay_away;
	struct body direct, broadcast;
};

static const struct {
	const char *type, *event;
	enum cable_kind kind;
	bool of_subscription;
} kinds[] = {
	{ "ping", NULL, CABLE_PING, false },
	{ "welcome", NULL, CABLE_WELCOME, false },
	{ "confirm_subscription", NULL, CABLE_CONFIRM, true },
	{ "reject_subscription", NULL, CABLE_REJECT, true },
	{ "disconnect", NULL, CABLE_DISCONNECT, false },
	{ "run_test", "test_requested", CABLE_RUN_TEST, false },
	{ "update", "version_changed", CABLE_UPDATE, false },
	{ "update_watchdog", "watchdog_version_changed", CABLE_UPDATE_WATCHDOG, false },
};

/* "" of what is no text, or too long. */
static void take_text(const struct json_token *value, char *out, size_t out_bytes)
{
	*out = '\0';
	if (value->kind == JSON_STRING)
		json_text_copy(value, out, out_bytes);
}

static void take_interface(struct body *b, const struct json_token *value)
{
	char name[IF_NAMESIZE] = "";
	bool taken = value->kind == JSON_NULL ||
	             (value->kind == JSON_STRING && json_text_copy(value, name, sizeof(name)) == 0);

	if (!taken || !schedule_interfaces_add(&b->on, name))
		b->passed_over++;
}

static void take_body(struct body *b, const char *path, const struct json_token *value)
{
	if (strcmp(path, "version") == 0)
		take_text(value, b->version, sizeof(b->version));
	else if (strcmp(path, "binary_url") == 0)
		take_text(value, b->url, sizeof(b->url));
	else if (strcmp(path, "interfaces") == 0)
		b->refused = value->kind != JSON_ARRAY_BEGIN && value->kind != JSON_NULL;
	else if (strncmp(path, "interfaces.", 11) == 0 && !strchr(path + 11, '.'))
		take_interface(b, value);
}

/* What stands behind `prefix` in the path; NULL: it is another's. */
static const char *below(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(path, prefix, n) == 0 ? path + n : NULL;
}

static void take_message(struct reading *r, const char *path, const struct json_token *value)
{
	const char *payload = below(path, "payload.");

	if (strcmp(path, "event") == 0)
		take_text(value, r->event, sizeof(r->event));
	else if (strcmp(path, "payload") == 0)
		r->broadcast.is_object = value->kind == JSON_OBJECT_BEGIN;
	else if (payload)
		take_body(&r->broadcast, payload, value);
	else
		take_body(&r->direct, path, value);
}

static int take(void *self, const char *path, const struct json_token *value, struct err *err)
{
	struct reading *r = self;
	const char *message = below(path, "message.");

	(void)err;
	if (!*path) {
		r->is_object = value->kind == JSON_OBJECT_BEGIN;
	} else if (strcmp(path, "type") == 0) {
		r->has_type = value->kind != JSON_NULL;
		take_text(value, r->type, sizeof(r->type));
	} else if (strcmp(path, "identifier") == 0) {
		r->is_ours = value->kind == JSON_STRING && json_text_is(value, r->identifier);
	} else if (strcmp(path, "reason") == 0) {
		take_text(value, r->reason, sizeof(r->reason));
		bytes_make_printable(r->reason);
	} else if (strcmp(path, "reconnect") == 0) {
		r->stay_away = value->kind == JSON_FALSE;
	} else if (strcmp(path, "message") == 0) {
		r->direct.is_object = value->kind == JSON_OBJECT_BEGIN;
	} else if (message) {
		take_message(r, message, value);
	}
	return 0;
}

static enum cable_kind kind_of(const struct reading *r)
{
	const char *name = r->has_type ? r->type : r->event;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const char *known = r->has_type ? kinds[i].type : kinds[i].event;
		bool to_us = r->is_ours || (r->has_type && !kinds[i].of_subscription);

		if (known && strcmp(known, name) == 0)
			return to_us ? kinds[i].kind : CABLE_UNKNOWN;
	}
	return CABLE_UNKNOWN;
}

#define REFUSE(err, ...) ERR_SET((err), -EBADMSG, ERR_SYS, 0, "use a frame: " __VA_ARGS__)

static int take_command(const struct body *b, struct cable_frame *f, struct err *err)
{
	if (!b->is_object)
		return REFUSE(err, "its command has no body");
	if (f->kind == CABLE_RUN_TEST) {
		if (b->refused)
			return REFUSE(err, "its interfaces are no list");
		f->on = b->on;
		f->passed_over = b->passed_over;
		if (f->on.count == 0 && f->passed_over == 0)
			schedule_interfaces_add(&f->on, "");
		return 0;
	}
	if (!b->version[0] || !b->url[0])
		return REFUSE(err, "its update has no version, or no place");
	memcpy(f->version, b->version, sizeof(f->version));
	memcpy(f->url, b->url, sizeof(f->url));
	return 0;
}

int cable_frame_read(const char *text, size_t n, const char *identifier, struct cable_frame *ret,
                     struct err *err)
{
	struct reading reading = { .identifier = identifier };
	struct cable_frame f = {};
	int r;

	if (n > CABLE_TEXT_BYTES_MAX)
		return REFUSE(err, "it is over %d bytes", CABLE_TEXT_BYTES_MAX);
	if (json_walk(text, n, take, &reading, err) < 0) {
		err_prefix(err, "use a frame");
		return err ? err->code = -EBADMSG : -EBADMSG;
	}
	if (!reading.is_object)
		return REFUSE(err, "it is no object");
	f.kind = kind_of(&reading);
	memcpy(f.reason, reading.reason, sizeof(f.reason));
	f.stay_away = reading.stay_away;
	if (f.kind >= CABLE_RUN_TEST) {
		r = take_command(reading.has_type ? &reading.direct : &reading.broadcast, &f, err);
		if (r < 0)
			return r;
	}
	*ret = f;
	return 0;
}
