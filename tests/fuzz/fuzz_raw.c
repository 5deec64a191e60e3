/* Any bytes as a raw result: what is taken has every figure that the service reads, and is refused for a reason
 * otherwise; a byte more of JSON's white space at a line's end is never taken. Input: the style, then the text. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/upload/raw_check.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_figures(const struct raw_figures *f)
{
	CHECK(isfinite(f->download_mbps) && f->download_mbps > 0);
	CHECK(isfinite(f->upload_mbps) && f->upload_mbps > 0);
	CHECK(f->download_bytes > 0 && f->upload_bytes > 0);
}

/* "Trailing newlines tolerated, trailing blanks not." */
static void check_end(enum raw_style style, const char *text, size_t n)
{
	char *longer = malloc(n + 1);
	struct raw_figures f;

	CHECK(longer);
	memcpy(longer, text, n);
	longer[n] = '\n';
	CHECK(raw_check(style, longer, n + 1, &f, NULL) == 0);
	longer[n] = ' ';
	CHECK(raw_check(style, longer, n + 1, &f, NULL) == (style == RAW_NDT7 ? -EBADMSG : 0));
	free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	enum raw_style style = n > 0 && data[0] % 2 ? RAW_OOKLA : RAW_NDT7;
	const char *text = (const char *)data + 1;
	struct raw_figures f = {};
	struct err err = {};
	int r;

	if (n == 0)
		return 0;
	r = raw_check(style, text, n - 1, &f, &err);
	CHECK(r == 0 || (r == -EBADMSG && err.text[0] && f.download_bytes == 0));
	if (r == 0) {
		check_figures(&f);
		check_end(style, text, n - 1);
	}
	return 0;
}
