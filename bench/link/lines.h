/* The lines of a text that a person wrote: comments and white space are gone, what is no text is
 * refused. Both .link files and traces are read by it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LINES_MAX_BYTES 1000 /* of a line */

struct lines {
	const char *at, *end;
	unsigned int number; /* of the line that was read last; 1 is the first */
	const char *problem; /* where lines_next() failed */
};

/* A byte order mark at the beginning is passed over. */
struct lines lines_of(const char *text, size_t n);

/* The next line that says something, NUL-terminated, into `out`: without `# comment` (where the '#' is
 * the first of the line or has white space before it), white space at both ends, or the end of line
 * (LF, CRLF, or the text's end).
 *   1        a line;  0  no more
 *   -EINVAL  a control character (but tab);  -E2BIG  too long; `problem` says it */
int lines_next(struct lines *l, char out[LINES_MAX_BYTES + 1]);
