/* Where text for people goes: how wide it is, which characters it shows, whether colour is wanted. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define TERMINAL_COLUMNS 80 /* where nothing says otherwise */

struct terminal {
	bool live;   /* a terminal, and no NO_COLOR: a line may be drawn over and over */
	bool moves;  /* it understands escape sequences (not TERM=dumb) */
	bool colour; /* and colour is wanted (NO_COLOR is not set) */
	bool utf8;   /* by LC_ALL, LC_CTYPE, LANG */
	int columns;
};

/* `fd` may be anything; what is no terminal gets plain text in TERMINAL_COLUMNS. */
struct terminal terminal_of(int fd);

/* Asked for each drawing: windows are resized. */
int terminal_columns(int fd);

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_DIM, PAINT_GOOD, PAINT_WARN, PAINT_BAD };

/* The escape sequence, "" without colour. */
const char *terminal_paint(const struct terminal *t, enum paint p);

/* How many columns UTF-8 text takes; every character of ours is one wide. */
int text_columns(const char *text);

/* Writes `text` from column `column` on, broken at spaces, and within a word only where that is longer
 * than a line, so that no line is longer than `columns`; further lines begin at `indent`. Ends with a
 * newline. Where the indent leaves less than WRAP_COLUMNS_MIN, lines are longer by what is missing. */
#define WRAP_COLUMNS_MIN 8
void text_wrap(FILE *to, const char *text, int column, int indent, int columns);
