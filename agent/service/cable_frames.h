/* The frames of the pod service's socket, Action Cable's JSON: what we say and what we are told. Pure; fuzzed.
 *
 *   cable_identifier_write(uuid, identifier);
 *   cable_subscribe_write(identifier, out, out_bytes);
 *   cable_message_write(identifier, "pong", "null", out, out_bytes);
 *   cable_frame_read(text, n, identifier, &frame, &err);
 *
 * An identifier, and what a message carries, is JSON within a JSON string; the service looks a subscription up by
 * the identifier's bytes, so there is one text of it for the life of a connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/schedule/schedule.h"

struct err;

#define CABLE_CHANNEL          "PodAgentChannel"
#define CABLE_TEXT_BYTES_MAX   (1024 * 1024) /* of a text of the service's */
#define CABLE_UUID_BYTES       37
#define CABLE_IDENTIFIER_BYTES 96

/* With the terminating NUL. `uuid` is any text without a control character, a quote or a backslash. */
void cable_identifier_write(const char uuid[CABLE_UUID_BYTES], char ret[CABLE_IDENTIFIER_BYTES]);

/* Both answer the length, or -ENOSPC. */
int cable_subscribe_write(const char *identifier, char *out, size_t out_bytes);

/* `payload` is JSON; CABLE_MESSAGE_BYTES() is room enough for one of that length. */
int cable_message_write(const char *identifier, const char *action, const char *payload, char *out,
                        size_t out_bytes);
#define CABLE_MESSAGE_BYTES(payload_bytes) (7 * ((payload_bytes) + CABLE_IDENTIFIER_BYTES) + 512)

enum cable_kind {
	CABLE_UNKNOWN, /* nothing that concerns us: to be ignored */
	CABLE_WELCOME,
	CABLE_PING,
	CABLE_CONFIRM, /* of our subscription; likewise below */
	CABLE_REJECT,
	CABLE_DISCONNECT,
	CABLE_RUN_TEST,
	CABLE_UPDATE,
	CABLE_UPDATE_WATCHDOG,
};

#define CABLE_REASON_BYTES  64
#define CABLE_VERSION_BYTES 64
#define CABLE_URL_BYTES     1024

struct cable_frame {
	enum cable_kind kind;

	/* CABLE_DISCONNECT */
	char reason[CABLE_REASON_BYTES]; /* "" where none is said, or an endless one */
	bool stay_away;                  /* "reconnect" is false */

	/* CABLE_RUN_TEST: where; at least one, unless none of those named can be an interface's. */
	struct schedule_interfaces on;
	size_t passed_over; /* of the names: no text, too long for an interface, or too many */

	/* CABLE_UPDATE, CABLE_UPDATE_WATCHDOG */
	char version[CABLE_VERSION_BYTES];
	char url[CABLE_URL_BYTES]; /* path and query, or absolute: whoever follows it judges */
};

/* A whole text of the service's. What is unknown is CABLE_UNKNOWN, and so is what is said to another identifier.
 *   -EBADMSG  not JSON, no object, or a command without what it needs: to be told, and dropped */
int cable_frame_read(const char *text, size_t n, const char *identifier, struct cable_frame *ret,
                     struct err *err);
