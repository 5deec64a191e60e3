/* What is written is JSON, whatever goes in. */
#include "agent/base/json_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"

struct figure_case {
	const char *name;
	struct figure f;
	int decimals;
	const char *want;
};

static struct figure_case figure_cases[] = {
	{ "rounded", { true, 187.4196 }, 3, "187.42" },
	{ "whole", { true, 10 }, 3, "10" },
	{ "no decimals", { true, 1000 }, 0, "1000" },
	{ "small", { true, 0.0004 }, 3, "0" },
	{ "a small negative is no -0", { true, -0.0004 }, 3, "0" },
	{ "beyond 2^53", { true, 0x1p60 }, 0, "1152921504606846976" },
	{ "the largest", { true, 1.7e308 }, 1, NULL },
	{ "unknown is no 0", { false, 0 }, 3, "null" },
	{ "N43 not a number", { true, NAN }, 3, "null" },
	{ "N43 infinite", { true, INFINITY }, 3, "null" },
};

static char *written(void (*write)(struct json_writer *w, const void *what), const void *what)
{
	struct json_text t;

	assert_true(json_text_begin(&t));
	write(&t.w, what);
	return json_text_end(&t);
}

static void write_figure(struct json_writer *w, const void *what)
{
	const struct figure_case *c = what;

	json_put_figure(w, NULL, c->f, c->decimals);
}

static void figures(void **state)
{
	const struct figure_case *c = *state;
	char *text = written(write_figure, c);

	if (c->want)
		assert_string_equal(text, c->want);
	else
		assert_true(strtod(text, NULL) == c->f.value);
	free(text);
}

struct text_case {
	const char *name;
	const char *text;
	const char *want;
};

static struct text_case text_cases[] = {
	{ "plain", "eth0", "\"eth0\"" },
	{ "none", NULL, "null" },
	{ "quotes and control characters", "a\"b\\c\x01\n", "\"a\\\"b\\\\c\\u0001\\n\"" },
	{ "UTF-8 stays", "Zürich", "\"Zürich\"" },
	{ "not UTF-8", "a\xff", "\"a\xef\xbf\xbd\"" },
};

static void write_text(struct json_writer *w, const void *what)
{
	const struct text_case *c = what;

	json_put_text(w, NULL, c->text);
}

static void texts(void **state)
{
	const struct text_case *c = *state;
	char *text = written(write_text, c);

	assert_string_equal(text, c->want);
	free(text);
}

static void write_nested(struct json_writer *w, const void *what)
{
	(void)what;
	json_begin_object(w, NULL);
	json_begin_array(w, "a");
	json_end_array(w);
	json_begin_object(w, "o");
	json_put_count(w, "n", UINT64_MAX);
	json_put_flag(w, "f", true);
	json_end_object(w);
	json_begin_array(w, "b");
	json_put_null(w, NULL);
	json_put_raw(w, NULL, "{}");
	json_end_array(w);
	json_end_object(w);
}

static void commas_and_counts(void **state)
{
	char *text = written(write_nested, NULL);

	(void)state;
	assert_string_equal(text, "{\"a\":[],\"o\":{\"n\":18446744073709551615,\"f\":true},"
	                          "\"b\":[null,{}]}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(commas_and_counts) };
	int failed = CASES_RUN(figures, figure_cases);

	failed += CASES_RUN(texts, text_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
