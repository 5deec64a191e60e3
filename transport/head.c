#include "transport/head.h"

#include <errno.h>
#include <string.h>

#include "transport/base/err.h"

#define REFUSE(err, ...) ERR_SET(err, -EPROTO, ERR_HTTP, 0, __VA_ARGS__)

/* --- characters ------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_token_char(char c) /* RFC 9110 5.6.2 */
{
	if (is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_text_char(char c) /* RFC 9110 5.5, with what lies above ASCII */
{
	return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7F);
}

static bool is_visible_char(char c)
{
	return c > ' ' && c < 0x7F;
}

static bool is_all(struct head_span s, bool (*is)(char))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(s.at[i]))
			return false;
	return true;
}

/* --- spans ------------------------------------------------------------------------------------ */

bool head_span_is(struct head_span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.at, text, s.n) == 0;
}

bool head_span_is_nocase(struct head_span s, const char *text)
{
	if (s.n != strlen(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (lower(s.at[i]) != lower(text[i]))
			return false;
	return true;
}

static struct head_span trim(struct head_span s)
{
	while (s.n > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
		s.at++;
		s.n--;
	}
	while (s.n > 0 && (s.at[s.n - 1] == ' ' || s.at[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* What stands in *rest before the first `c`, which leaves *rest with it; all of it where there is
 * none. */
static struct head_span split(struct head_span *rest, char c)
{
	const char *found = rest->n ? memchr(rest->at, c, rest->n) : NULL;
	struct head_span before = { rest->at, found ? (size_t)(found - rest->at) : rest->n };
	size_t taken = before.n + (found != NULL);

	rest->at += taken;
	rest->n -= taken;
	return before;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* HTTP/1.x, where x is one digit (RFC 9112 2.3). */
static bool parse_version(struct head_span s, int *ret_minor)
{
	if (s.n != 8 || memcmp(s.at, "HTTP/1.", 7) != 0 || !is_digit(s.at[7]))
		return false;
	*ret_minor = s.at[7] - '0';
	return true;
}

static int parse_status_line(struct head_span line, struct head *h, struct err *err)
{
	struct head_span version = split(&line, ' ');
	struct head_span status = split(&line, ' ');

	if (!parse_version(version, &h->minor_version))
		return REFUSE(err, "find HTTP/1 in the answer");
	if (status.n != 3 || !is_all(status, is_digit) || status.at[0] == '0')
		return REFUSE(err, "read the status of the answer");
	if (!is_all(line, is_text_char))
		return REFUSE(err, "read the reason of the answer: a control character");
	h->status = (status.at[0] - '0') * 100 + (status.at[1] - '0') * 10 + (status.at[2] - '0');
	h->reason = line;
	return HEAD_OK;
}

static int parse_request_line(struct head_span line, struct head *h, struct err *err)
{
	h->method = split(&line, ' ');
	h->target = split(&line, ' ');
	if (h->method.n == 0 || !is_all(h->method, is_token_char))
		return REFUSE(err, "read the method of a request");
	if (h->target.n == 0 || !is_all(h->target, is_visible_char))
		return REFUSE(err, "read the target of a request");
	if (!parse_version(line, &h->minor_version))
		return REFUSE(err, "find HTTP/1 in a request");
	return HEAD_OK;
}

/* No white space before the colon and no line that goes on with the one before (RFC 9112 5.1, 5.2):
 * where two readers disagree on these, a request hides in another. */
static int parse_field(struct head_span line, struct head *h, struct err *err)
{
	struct head_field field;
	struct head_span rest = line;

	if (h->count == HEAD_FIELDS_MAX)
		return ERR_SET(err, -EMSGSIZE, ERR_HTTP, 0, "take a head of more than %d fields",
		               HEAD_FIELDS_MAX);
	field.name = split(&rest, ':');
	if (field.name.n == line.n || field.name.n == 0 || !is_all(field.name, is_token_char))
		return REFUSE(err, "read the name of a header field");
	field.value = trim(rest);
	if (!is_all(field.value, is_text_char))
		return REFUSE(err, "read the header field %.*s: a control character",
		              field.name.n < 40 ? (int)field.name.n : 40, field.name.at);
	h->fields[h->count++] = field;
	return HEAD_OK;
}

/* One line without its CRLF. A line feed alone ends none: RFC 9112 2.2 allows to take it, nobody we
 * talk to sends it, and readers that disagree on it can be told different things. */
static int next_line(struct head_span *rest, struct head_span *ret, struct err *err)
{
	const char *feed = rest->n ? memchr(rest->at, '\n', rest->n) : NULL;

	if (!feed)
		return HEAD_NEED_MORE;
	*ret = split(rest, '\n');
	if (ret->n == 0 || ret->at[--ret->n] != '\r')
		return REFUSE(err, "read a head: a line feed without a carriage return");
	return HEAD_OK;
}

typedef int (*line_parser)(struct head_span line, struct head *h, struct err *err);

static int parse(const char *in, size_t n, line_parser parse_start, struct head *ret,
                 struct err *err)
{
	struct head_span rest = { in, n < HEAD_BYTES_MAX ? n : HEAD_BYTES_MAX };
	struct head_span line;
	struct head h = {};
	bool started = false;
	int r;

	while ((r = next_line(&rest, &line, err)) == HEAD_OK) {
		if (started && line.n == 0) {
			h.bytes = (size_t)(rest.at - in);
			*ret = h;
			return HEAD_OK;
		}
		r = started ? parse_field(line, &h, err) : parse_start(line, &h, err);
		if (r < 0)
			return r;
		started = true;
	}
	if (r == HEAD_NEED_MORE && n >= HEAD_BYTES_MAX)
		return ERR_SET(err, -EMSGSIZE, ERR_HTTP, 0, "take a head of more than %d bytes",
		               HEAD_BYTES_MAX);
	return r;
}

int head_parse_response(const char *in, size_t n, struct head *ret, struct err *err)
{
	static const char begin[] = "HTTP/1.";
	size_t seen = n < strlen(begin) ? n : strlen(begin);

	/* Whoever speaks something else may never send a line. */
	if (seen > 0 && memcmp(in, begin, seen) != 0)
		return REFUSE(err, "find HTTP/1 in the answer");
	return parse(in, n, parse_status_line, ret, err);
}

int head_parse_request(const char *in, size_t n, struct head *ret, struct err *err)
{
	return parse(in, n, parse_request_line, ret, err);
}

/* --- fields ----------------------------------------------------------------------------------- */

const struct head_field *head_find(const struct head *h, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (head_span_is_nocase(h->fields[i].name, name))
			return &h->fields[i];
	return NULL;
}

size_t head_count(const struct head *h, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < h->count; i++)
		count += head_span_is_nocase(h->fields[i].name, name);
	return count;
}

bool head_lists(const struct head *h, const char *name, const char *token)
{
	for (size_t i = 0; i < h->count; i++) {
		struct head_span rest = h->fields[i].value;

		if (!head_span_is_nocase(h->fields[i].name, name))
			continue;
		while (rest.n > 0)
			if (head_span_is_nocase(trim(split(&rest, ',')), token))
				return true;
	}
	return false;
}
