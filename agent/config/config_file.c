#include "agent/config/config_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct span {
	const char *at;
	size_t n;
};

static void trim(struct span *s, char what)
{
	while (s->n > 0 && s->at[0] == what) {
		s->at++;
		s->n--;
	}
	while (s->n > 0 && s->at[s->n - 1] == what)
		s->n--;
}

/* The line without what ends it, and without what is trimmed. */
static struct span content_of(const char *text, const struct config_line *line)
{
	struct span s = { text + line->at, line->bytes };

	if (s.n > 0 && s.at[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.at[s.n - 1] == '\r')
		s.n--;
	trim(&s, ' ');
	trim(&s, '\t');
	return s;
}

bool config_file_next(const char *text, size_t n, struct config_line *line)
{
	size_t at = line->at + line->bytes;
	const char *feed, *equals;
	struct span s;

	if (at >= n)
		return false;
	feed = memchr(text + at, '\n', n - at);
	*line = (struct config_line){
		.number = line->number + 1,
		.at = at,
		.bytes = feed ? (size_t)(feed - (text + at)) + 1 : n - at,
	};
	s = content_of(text, line);
	equals = s.n > 0 && s.at[0] != '#' ? memchr(s.at, '=', s.n) : NULL;
	if (!equals)
		return true;
	line->assigns = true;
	line->key = s.at;
	line->key_bytes = (size_t)(equals - s.at);
	line->value = equals + 1;
	line->value_bytes = s.n - line->key_bytes - 1;
	return true;
}

bool config_line_is(const struct config_line *line, const char *key)
{
	return line->assigns && line->key_bytes == strlen(key) &&
	       memcmp(line->key, key, line->key_bytes) == 0;
}

bool config_value_keeps(const char *value)
{
	size_t n = strlen(value);

	return n == 0 || (!strpbrk(value, "\n\r") && value[n - 1] != ' ' && value[n - 1] != '\t');
}

/* The text while it is put together; sized for the worst before. */
struct build {
	char *at;
	size_t n;
};

static void put(struct build *b, const char *data, size_t n)
{
	if (n > 0)
		memcpy(b->at + b->n, data, n);
	b->n += n;
}

/* The line with another value; what stood before and behind it stays. */
static void put_assigned(struct build *b, const char *text, const struct config_line *line,
                         const char *value)
{
	const char *behind = line->value + line->value_bytes;

	put(b, text + line->at, (size_t)(line->value - (text + line->at)));
	put(b, value, strlen(value));
	put(b, behind, (size_t)(text + line->at + line->bytes - behind));
}

static void put_new(struct build *b, const char *key, const char *value)
{
	if (b->n > 0 && b->at[b->n - 1] != '\n')
		put(b, "\n", 1);
	put(b, key, strlen(key));
	put(b, "=", 1);
	put(b, value, strlen(value));
	put(b, "\n", 1);
}

/* The number of the last line that assigns to it, 0: none does. */
static unsigned int last_of(const char *text, size_t n, const char *key)
{
	struct config_line line = {};
	unsigned int last = 0;

	while (config_file_next(text, n, &line))
		if (config_line_is(&line, key))
			last = line.number;
	return last;
}

int config_file_set(const char *text, size_t n, const char *key, const char *value, char **ret,
                    size_t *ret_n)
{
	struct config_line line = {};
	unsigned int last;
	struct build b = {};

	if (!config_value_keeps(value))
		return -EINVAL;
	b.at = malloc(n + strlen(key) + strlen(value) + sizeof("\n=\n"));
	if (!b.at)
		return -ENOMEM;
	last = last_of(text, n, key);
	while (config_file_next(text, n, &line)) {
		bool meant = config_line_is(&line, key) && (!*value || line.number == last);

		if (meant)
			put_assigned(&b, text, &line, value);
		else
			put(&b, text + line.at, line.bytes);
	}
	if (last == 0 && *value)
		put_new(&b, key, value);
	*ret = b.at;
	*ret_n = b.n;
	return 0;
}
