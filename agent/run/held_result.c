#include "agent/run/held_result.h"

#include <stdlib.h>
#include <string.h>

struct held_result {
	struct store_result result;
	bool upload;
	char texts[]; /* object, raw, connection_info */
};

static char *move(const char **text, size_t bytes, char *to)
{
	if (!*text)
		return to;
	memcpy(to, *text, bytes);
	*text = to;
	return to + bytes;
}

struct held_result *held_result_new(const struct store_result *result, bool upload)
{
	const char *info = result->connection_info;
	size_t info_bytes = info ? strlen(info) + 1 : 0;
	size_t raw_bytes = result->raw ? result->raw_bytes : 0;
	struct held_result *h = malloc(sizeof(*h) + result->object_bytes + raw_bytes + info_bytes);
	char *at;

	if (!h)
		return NULL;
	h->result = *result;
	h->upload = upload;
	at = move(&h->result.object, result->object_bytes, h->texts);
	at = move(&h->result.raw, raw_bytes, at);
	move(&h->result.connection_info, info_bytes, at);
	return h;
}

struct held_result *held_result_free(struct held_result *h)
{
	free(h);
	return NULL;
}

int held_result_put(const struct held_result *h, struct store *s, struct err *err)
{
	return store_put(s, &h->result, h->upload, err);
}

const char *held_result_id(const struct held_result *h)
{
	return h->result.id;
}
