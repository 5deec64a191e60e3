#include "agent/sentry/sentry_envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/sentry/sentry_losses.h"
#include "agent/sentry/sentry_scrub.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

static bool is_id(const char *text)
{
	return strlen(text) == SENTRY_ID_BYTES - 1 &&
	       strspn(text, "0123456789abcdef") == SENTRY_ID_BYTES - 1;
}

/* The report's own id: the header must have the same. */
static int find_id(const char *event, size_t n, char ret[SENTRY_ID_BYTES])
{
	struct json_token token;
	struct json j;
	bool here = false;

	json_open(&j, event, n, SENTRY_EVENT_DEPTH_MAX);
	for (;;) {
		if (json_next(&j, &token, NULL) < 0 || token.kind == JSON_END)
			return -EBADMSG;
		if (here)
			return json_text_copy(&token, ret, SENTRY_ID_BYTES) < 0 || !is_id(ret)
			               ? -EBADMSG
			               : 0;
		here = j.depth == 1 && token.kind == JSON_KEY && json_text_is(&token, "event_id");
	}
}

/* One line of JSON. */
static void put_header(FILE *to, const struct sentry_identity *i, const char *id, uint64_t utc_ns)
{
	struct json_writer w = { .to = to };
	char text[CLOCK_UTC_TEXT_BYTES];

	json_begin_object(&w, NULL);
	if (*id)
		json_put_text(&w, "event_id", id);
	json_put_text(&w, "sent_at", clock_utc_text(utc_ns, 3, text));
	json_begin_object(&w, "sdk");
	json_put_text(&w, "name", i->program);
	json_put_text(&w, "version", i->version);
	json_end_object(&w);
	json_end_object(&w);
	fputc('\n', to);
}

static void put_item(FILE *to, const char *type, const char *payload, size_t n)
{
	struct json_writer w = { .to = to };

	json_begin_object(&w, NULL);
	json_put_text(&w, "type", type);
	json_put_count(&w, "length", n);
	json_end_object(&w);
	fputc('\n', to);
	fwrite(payload, 1, n, to);
	fputc('\n', to);
}

static void put_losses(FILE *to, const struct sentry_losses *losses, uint64_t utc_ns)
{
	CLEANUP(freep) char *payload = NULL;
	size_t n = 0;
	struct json_writer w = { .to = open_memstream(&payload, &n) };

	if (!w.to)
		return; /* told with the next one, or not at all */
	sentry_losses_write(&w, losses, utc_ns);
	if (fclose(w.to) == 0)
		put_item(to, "client_report", payload, n);
}

int sentry_envelope_write(const struct sentry_identity *identity, const char *event,
                          size_t event_bytes, const struct sentry_losses *losses, uint64_t utc_ns,
                          char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(freep) char *text = NULL;
	char id[SENTRY_ID_BYTES] = "";
	size_t n = 0;
	FILE *to;
	bool failed;

	if (event && find_id(event, event_bytes, id) < 0)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "put a report in its envelope: it has no id");
	to = open_memstream(&text, &n);
	if (!to)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "put a report in its envelope");
	put_header(to, identity, id, utc_ns);
	if (event)
		put_item(to, "event", event, event_bytes);
	if (losses)
		put_losses(to, losses, utc_ns);
	failed = ferror(to) != 0;
	if (fclose(to) != 0 || failed)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "put a report in its envelope");
	if (n > SENTRY_ENVELOPE_BYTES_MAX)
		return ERR_SET(err, -EMSGSIZE, ERR_SYS, 0,
		               "put a report in its envelope: %zu bytes", n);
	*ret = TAKE(text, NULL);
	*ret_n = n;
	return 0;
}
