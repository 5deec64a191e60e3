/* Any bytes as a text of the pod service's: what is taken is within its ceilings, what is refused is refused with a
 * reason; and any bytes as a payload of ours come out as one object whose inner text is what went in. Input: the
 * text; its first 4 KiB are the payload, too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/service/cable_frames.h"
#include "transport/base/err.h"
#include "transport/base/json_walk.h"

#define PAYLOAD_BYTES_MAX 4096

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const char identifier[] = "{\"channel\":\"PodAgentChannel\",\"id\":\"7\"}";

static void check_taken(const struct cable_frame *f)
{
	CHECK(f->kind <= CABLE_UPDATE_WATCHDOG);
	CHECK(strnlen(f->reason, sizeof(f->reason)) < sizeof(f->reason));
	CHECK(f->on.count <= SCHEDULE_INTERFACES_MAX);
	for (size_t i = 0; i < f->on.count; i++)
		CHECK(strnlen(f->on.names[i], IF_NAMESIZE) < IF_NAMESIZE);
	if (f->kind == CABLE_RUN_TEST)
		CHECK(f->on.count > 0 || f->passed_over > 0);
	if (f->kind == CABLE_UPDATE || f->kind == CABLE_UPDATE_WATCHDOG)
		CHECK(f->version[0] && f->url[0]);
}

static int look(void *self, const char *path, const struct json_token *value, struct err *err)
{
	static char inner[PAYLOAD_BYTES_MAX * 3 + 256];
	unsigned int *found = self;

	(void)err;
	if (strcmp(path, "identifier") == 0)
		*found += json_text_is(value, identifier);
	if (strcmp(path, "data") == 0 && json_text_copy(value, inner, sizeof(inner)) == 0)
		*found += strncmp(inner, "{\"action\":\"x\",\"payload\":", 24) == 0;
	return 0;
}

static void check_said(const char *payload)
{
	static char out[CABLE_MESSAGE_BYTES(PAYLOAD_BYTES_MAX)];
	unsigned int found = 0;
	int n = cable_message_write(identifier, "x", payload, out, sizeof(out));

	CHECK(n > 0 && strlen(out) == (size_t)n);
	CHECK(json_walk(out, (size_t)n, look, &found, NULL) == 0);
	CHECK(found == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *payload = strndup((const char *)data, n < PAYLOAD_BYTES_MAX ? n : PAYLOAD_BYTES_MAX);
	struct cable_frame f = {};
	struct err err = {};
	int r = cable_frame_read((const char *)data, n, identifier, &f, &err);

	CHECK(payload);
	CHECK(r == 0 || (r == -EBADMSG && err.code == r && err.text[0]));
	check_taken(&f);
	check_said(payload);
	free(payload);
	return 0;
}
