#include "agent/cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Asked of the environment and not of setlocale(3), which would read files and change how numbers
 * are printed. */
static bool locale_is_utf8(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
		const char *value = getenv(variables[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

int terminal_columns(int fd)
{
	const char *given = getenv("COLUMNS");
	struct winsize size = {};
	int columns = 0;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0)
		columns = size.ws_col;
	if (columns == 0 && given)
		columns = atoi(given);
	return columns > 0 ? columns : TERMINAL_COLUMNS;
}

/* no-color.org: set and not empty. */
static bool plain_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");

	return no_color && *no_color;
}

struct terminal terminal_of(int fd)
{
	const char *term = getenv("TERM");
	struct terminal t = { .columns = TERMINAL_COLUMNS };

	t.utf8 = locale_is_utf8();
	if (!isatty(fd))
		return t;
	t.live = !plain_wanted();
	t.moves = term && *term && strcmp(term, "dumb") != 0;
	t.colour = t.moves && t.live;
	t.columns = terminal_columns(fd);
	return t;
}

const char *terminal_paint(const struct terminal *t, enum paint p)
{
	static const char *const sequences[] = {
		[PAINT_PLAIN] = "\x1b[0m", [PAINT_BOLD] = "\x1b[1m",  [PAINT_DIM] = "\x1b[2m",
		[PAINT_GOOD] = "\x1b[32m", [PAINT_WARN] = "\x1b[33m", [PAINT_BAD] = "\x1b[1;31m",
	};

	return t->colour ? sequences[p] : "";
}

static int columns_of(const char *text, size_t bytes)
{
	int columns = 0;

	for (size_t i = 0; i < bytes; i++)
		columns += (text[i] & 0xc0) != 0x80; /* not a continuation byte */
	return columns;
}

int text_columns(const char *text)
{
	return columns_of(text, strlen(text));
}

/* How many bytes of a word fill `columns`, in whole characters. */
static size_t bytes_of(const char *word, size_t bytes, int columns)
{
	size_t n = 0;

	while (n < bytes && columns_of(word, n + 1) <= columns)
		n++;
	return n;
}

static int next_line(FILE *to, int indent)
{
	fprintf(to, "\n%*s", indent, "");
	return indent;
}

void text_wrap(FILE *to, const char *text, int column, int indent, int columns)
{
	int blank = 0; /* before a word, but not the first */

	if (columns < indent + WRAP_COLUMNS_MIN)
		columns = indent + WRAP_COLUMNS_MIN;
	while (*text) {
		size_t bytes = strcspn(text, " ");

		if (column > indent && column + blank + columns_of(text, bytes) > columns)
			column = next_line(to, indent);
		else
			column += fprintf(to, "%*s", blank, "");
		while (column + columns_of(text, bytes) > columns) { /* of a whole line, too */
			size_t part = bytes_of(text, bytes, columns - column);

			fwrite(text, 1, part, to);
			column = next_line(to, indent);
			text += part;
			bytes -= part;
		}
		fwrite(text, 1, bytes, to);
		column += columns_of(text, bytes);
		text += bytes;
		text += *text == ' ';
		blank = 1;
	}
	fputc('\n', to);
}
