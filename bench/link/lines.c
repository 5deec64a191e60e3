#include "bench/link/lines.h"

#include <errno.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct lines lines_of(const char *text, size_t n)
{
	struct lines l = { .at = text, .end = text + n };

	if (n >= strlen(BYTE_ORDER_MARK) &&
	    memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		l.at += strlen(BYTE_ORDER_MARK);
	return l;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Passes the end of the line; answers the length of what stands before it. */
static size_t take_line(struct lines *l)
{
	const char *begin = l->at;
	const char *end = memchr(begin, '\n', (size_t)(l->end - begin));

	l->number++;
	l->at = end ? end + 1 : l->end;
	if (!end)
		end = l->end;
	if (end > begin && end[-1] == '\r')
		end--;
	return (size_t)(end - begin);
}

static bool is_text(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return false;
	return true;
}

static size_t without_comment(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (line[i] == '#' && (i == 0 || is_blank(line[i - 1])))
			return i;
	return n;
}

int lines_next(struct lines *l, char out[LINES_MAX_BYTES + 1])
{
	while (l->at < l->end) {
		const char *line = l->at;
		size_t n = take_line(l);

		l->problem = n > LINES_MAX_BYTES ? "the line is longer than 1000 bytes"
		             : !is_text(line, n) ? "a control character; a text was expected"
		                                 : NULL;
		if (l->problem)
			return n > LINES_MAX_BYTES ? -E2BIG : -EINVAL;
		n = without_comment(line, n);
		while (n > 0 && is_blank(line[n - 1]))
			n--;
		while (n > 0 && is_blank(*line))
			line++, n--;
		if (n == 0)
			continue;
		memcpy(out, line, n);
		out[n] = '\0';
		return 1;
	}
	return 0;
}
