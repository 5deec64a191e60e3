#include "transport/base/json_walk.h"

#include <stdio.h>
#include <string.h>

#include "transport/base/err.h"

struct walk {
	struct json json;
	char path[JSON_WALK_PATH_BYTES];
	size_t path_bytes[JSON_WALK_DEPTH_MAX +
	                  1]; /* of the path to each level, from the top's 0 */
	size_t index[JSON_WALK_DEPTH_MAX +
	             1]; /* in an array: of the next element; SIZE_MAX: an object */
	unsigned int level;
};

static bool in_array(const struct walk *w)
{
	return w->level > 0 && w->index[w->level] != SIZE_MAX;
}

/* Names what comes next: the path of its level, and its own name. false: it has no room, or is none by which
 * a path could tell it. */
static bool put_name(struct walk *w, const struct json_token *key)
{
	size_t at = w->path_bytes[w->level];
	char *name = w->path + at;
	size_t room = sizeof(w->path) - at;

	if (at > 0) {
		if (room < 2)
			return false;
		*name++ = '.';
		room--;
	}
	if (key)
		return json_text_copy(key, name, room) == 0 && *name && !strchr(name, '.');
	return snprintf(name, room, "%zu", w->index[w->level]++) < (int)room;
}

static void descend(struct walk *w, bool array)
{
	size_t path_bytes = strlen(w->path);

	w->level++;
	w->path_bytes[w->level] = path_bytes;
	w->index[w->level] = array ? 0 : SIZE_MAX;
}

static bool is_end(enum json_kind kind)
{
	return kind == JSON_OBJECT_END || kind == JSON_ARRAY_END;
}

int json_walk(const char *text, size_t n,
              int (*visit)(void *self, const char *path, const struct json_token *value,
                           struct err *err),
              void *self, struct err *err)
{
	struct walk w = {};
	struct json_token t;
	bool named = true;
	int r;

	json_open(&w.json, text, n, JSON_WALK_DEPTH_MAX);
	while ((r = json_next(&w.json, &t, err)) == 0 && t.kind != JSON_END) {
		if (t.kind == JSON_KEY) {
			named = put_name(&w, &t);
			continue;
		}
		if (is_end(t.kind)) {
			w.level--;
			continue;
		}
		if (in_array(&w))
			named = put_name(&w, NULL);
		r = named ? visit(self, w.path, &t, err) : json_skip(&w.json, &t, err);
		if (r < 0)
			return r;
		if (named && (t.kind == JSON_OBJECT_BEGIN || t.kind == JSON_ARRAY_BEGIN))
			descend(&w, t.kind == JSON_ARRAY_BEGIN);
	}
	return r;
}
