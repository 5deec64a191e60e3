#include "agent/terminal.h"

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
static bool colour_refused(void)
{
	const char *no_color = getenv("NO_COLOR");

	return no_color && *no_color;
}

struct terminal terminal_of(int fd)
{
	const char *term = getenv("TERM");
	struct terminal t = { .live = isatty(fd), .columns = TERMINAL_COLUMNS };

	t.utf8 = locale_is_utf8();
	if (!t.live)
		return t;
	t.moves = term && *term && strcmp(term, "dumb") != 0;
	t.colour = t.moves && !colour_refused();
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

int text_columns(const char *text)
{
	int columns = 0;

	for (; *text; text++)
		columns += (*text & 0xc0) != 0x80; /* not a continuation byte */
	return columns;
}

void text_wrap(FILE *to, const char *text, int column, int indent, int columns)
{
	bool first = true;

	while (*text) {
		int bytes = (int)strcspn(text, " ");
		char word[256];

		snprintf(word, sizeof(word), "%.*s", bytes, text);
		if (!first && column + 1 + text_columns(word) > columns) {
			fprintf(to, "\n%*s", indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', to);
			column++;
		}
		first = false;
		fputs(word, to);
		column += text_columns(word);
		text += bytes;
		text += *text == ' ';
	}
	fputc('\n', to);
}
