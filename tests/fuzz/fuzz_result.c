/* Any bytes as a result's JSON: what is told lies inside the text, figures can be printed, and what is refused
 * is refused with a reason. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/result_read.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const char *begin, *end;

static void check_text(const struct told_text *t)
{
	CHECK(!t->at || (t->at >= begin && t->at + t->n <= end));
}

static void check_figure(const struct figure *f)
{
	CHECK(isfinite(f->value) && f->value >= 0 && (f->known || f->value == 0));
}

static void check_direction(const struct told_direction *d)
{
	check_figure(&d->goodput_mbps);
	check_figure(&d->steady_high_mbps);
	check_figure(&d->rtt_p99_ms);
	for (int i = 0; i < LIMITS; i++)
		check_figure(&d->limits_percent[i]);
	check_text(&d->goodput_source);
	check_text(&d->limited_by);
}

static void check_told(const struct told_result *r)
{
	check_text(&r->schema);
	check_text(&r->id);
	check_text(&r->server_url);
	check_direction(&r->download);
	check_direction(&r->upload);
	check_figure(&r->bytes_used);
	CHECK(r->warnings_count <= RESULT_TOLD_TEXTS_MAX &&
	      r->errors_count <= RESULT_TOLD_TEXTS_MAX);
	for (size_t i = 0; i < r->warnings_count; i++)
		check_text(&r->warnings[i]);
	for (size_t i = 0; i < r->errors_count; i++)
		check_text(&r->errors[i].error);
}

static int visit(void *self, const char *path, const struct json_token *value, struct err *err)
{
	(void)self;
	(void)err;
	CHECK(strlen(path) < JSON_WALK_PATH_BYTES);
	CHECK(value->text >= begin && value->text + value->n <= end);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct told_result told;
	struct err err = {};
	int r;

	if (n > 64 * 1024)
		return 0;
	begin = (const char *)data;
	end = begin + n;
	r = result_read(begin, n, &told, &err);
	CHECK(r == 0 || ((r == -EBADMSG || r == -EPROTONOSUPPORT) && err.text[0]));
	if (r == 0)
		check_told(&told);
	json_walk(begin, n, visit, NULL, NULL);
	return 0;
}
