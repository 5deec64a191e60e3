#include "agent/run/held_result.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct held_result {
	struct held_result *next; /* newer */
	struct store_result result;
	bool upload;
	size_t texts_bytes;
	char texts[]; /* object, raw, connection_info */
};

static_assert(HELD_BYTES_MAX >=
                      STORE_OBJECT_BYTES_MAX + STORE_RAW_BYTES_MAX + STORE_INFO_BYTES_MAX + 1,
              "the newest is always held");

static char *move(const char **text, size_t bytes, char *to)
{
	if (!*text)
		return to;
	memcpy(to, *text, bytes);
	*text = to;
	return to + bytes;
}

static struct held_result *copy_of(const struct store_result *result, bool upload)
{
	const char *info = result->connection_info;
	size_t info_bytes = info ? strlen(info) + 1 : 0;
	size_t raw_bytes = result->raw ? result->raw_bytes : 0;
	size_t texts_bytes = result->object_bytes + raw_bytes + info_bytes;
	struct held_result *h = malloc(sizeof(*h) + texts_bytes);
	char *at;

	if (!h)
		return NULL;
	h->next = NULL;
	h->result = *result;
	h->upload = upload;
	h->texts_bytes = texts_bytes;
	at = move(&h->result.object, result->object_bytes, h->texts);
	at = move(&h->result.raw, raw_bytes, at);
	move(&h->result.connection_info, info_bytes, at);
	return h;
}

void held_results_drop_oldest(struct held_results *h)
{
	struct held_result *oldest = h->oldest;

	h->oldest = oldest->next;
	if (!h->oldest)
		h->newest = NULL;
	h->count--;
	h->bytes -= oldest->texts_bytes;
	free(oldest);
}

bool held_results_add(struct held_results *h, const struct store_result *result, bool upload,
                      void (*lost)(const char *id))
{
	struct held_result *newer = copy_of(result, upload);

	if (!newer)
		return false;
	while (h->count > 0 &&
	       (h->count == HELD_RESULTS_MAX || h->bytes + newer->texts_bytes > HELD_BYTES_MAX)) {
		lost(held_results_oldest_id(h));
		held_results_drop_oldest(h);
	}
	*(h->newest ? &h->newest->next : &h->oldest) = newer;
	h->newest = newer;
	h->count++;
	h->bytes += newer->texts_bytes;
	return true;
}

const char *held_results_oldest_id(const struct held_results *h)
{
	return h->oldest->result.id;
}

int held_results_put_oldest(struct held_results *h, struct store *s, struct err *err)
{
	int r = store_put(s, &h->oldest->result, h->oldest->upload, err);

	if (r >= 0)
		held_results_drop_oldest(h);
	return r;
}

void held_results_end(struct held_results *h)
{
	while (h->count > 0)
		held_results_drop_oldest(h);
}
