/* Any body of the locate service: no crash, and what comes out is what the header promises. */
#include <stdlib.h>
#include <string.h>

#include "measure/locate.h"

static void check_url(const char *text, const char *scheme)
{
	struct url url;

	if (text && (url_parse(text, &url, NULL) < 0 || strcmp(url.scheme, scheme) != 0))
		abort();
}

static void check_target(const struct locate_target *t)
{
	if (!t->download[0] && !t->download[1] && !t->upload[0] && !t->upload[1])
		abort();
	check_url(t->download[0], "ws");
	check_url(t->upload[0], "ws");
	check_url(t->download[1], "wss");
	check_url(t->upload[1], "wss");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct locate_answer *a = NULL;
	char title[LOCATE_PROBLEM_MAX];

	if (n > LOCATE_BODY_MAX)
		return 0;
	locate_problem((const char *)data, n, title);
	if (strlen(title) >= sizeof(title))
		abort();
	if (locate_parse((const char *)data, n, &a, NULL) < 0)
		return 0;
	if (a->count > LOCATE_TARGETS_MAX)
		abort();
	for (size_t i = 0; i < a->count; i++)
		check_target(&a->targets[i]);
	locate_answer_free(a);
	return 0;
}
