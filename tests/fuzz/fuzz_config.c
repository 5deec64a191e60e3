/* Any bytes as a configuration: what is read lies inside the text, what is refused is refused with a reason,
 * and a value that was set is got back, while every other line stays as it was. Input: key and value, each
 * ended by a line feed, then the text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config.h"
#include "agent/config/config_file.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static struct config config;
static struct config_notes notes;

static char *next_line(const char **at, size_t *n)
{
	const char *feed = *n > 0 ? memchr(*at, '\n', *n) : NULL;
	size_t length = feed ? (size_t)(feed - *at) : *n;
	char *line = strndup(*at, length);

	CHECK(line);
	length += feed != NULL;
	*at += length;
	*n -= length;
	return line;
}

static void check_lines(const char *text, size_t n)
{
	struct config_line line = {};
	size_t bytes = 0;

	while (config_file_next(text, n, &line)) {
		CHECK(line.at == bytes && line.bytes > 0);
		bytes += line.bytes;
		if (line.assigns)
			CHECK(line.key >= text + line.at &&
			      line.value + line.value_bytes <= text + line.at + line.bytes);
	}
	CHECK(bytes == n);
}

/* The value that counts; NULL: none does. */
static const char *value_of(const char *text, size_t n, const char *key, size_t *ret_n)
{
	struct config_line line = {};
	const char *value = NULL;

	while (config_file_next(text, n, &line)) {
		if (config_line_is(&line, key) && line.value_bytes > 0) {
			value = line.value;
			*ret_n = line.value_bytes;
		}
	}
	return value;
}

/* Line by line, of what does not assign to the key. */
static void check_others(const char *a, size_t a_n, const char *b, size_t b_n, const char *key)
{
	struct config_line in_a = {}, in_b = {};

	while (config_file_next(a, a_n, &in_a)) {
		CHECK(config_file_next(b, b_n, &in_b));
		if (config_line_is(&in_a, key))
			CHECK(config_line_is(&in_b, key));
		else
			CHECK(in_a.bytes + (in_a.at + in_a.bytes == a_n) >= in_b.bytes &&
			      memcmp(a + in_a.at, b + in_b.at, in_a.bytes) == 0);
	}
}

static void check_set(const char *text, size_t n, const char *key, const char *value)
{
	size_t after_n, got_n = 0;
	char *after = NULL;
	const char *got;
	int r = config_file_set(text, n, key, value, &after, &after_n);

	CHECK(r == 0 || (r == -EINVAL && !config_value_keeps(value)));
	if (r < 0)
		return;
	got = value_of(after, after_n, key, &got_n);
	CHECK(*value ? got && got_n == strlen(value) && memcmp(got, value, got_n) == 0 : !got);
	check_others(text, n, after, after_n, key);
	free(after);
}

/* What config_save() sets: keys that the grammar can say. */
static bool can_be_a_key(const char *key)
{
	return *key && strspn(key, "abcdefghijklmnopqrstuvwxyz_") == strlen(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data;
	char *key = next_line(&text, &n), *value = next_line(&text, &n);
	struct err err = {};
	int r;

	if (n < 64 * 1024) {
		check_lines(text, n);
		r = config_parse("f.conf", text, n, &config, &notes, &err);
		CHECK(r == 0 || (r == -EBADMSG && err.text[0]));
		CHECK(r < 0 || (config.ping_freq_s > 0 && config.runners != 0));
		if (can_be_a_key(key))
			check_set(text, n, key, value);
	}
	free(key);
	free(value);
	return 0;
}
