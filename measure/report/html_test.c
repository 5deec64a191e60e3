/* No text gets out of its place, whoever wrote it. */
#include "measure/report/html.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/cases.h"

struct sink {
	char text[64 * 1024];
	size_t bytes;
	size_t room; /* then it is full */
};

static struct sink sink;
static struct html h;

static int write_sink(void *self, const void *data, size_t bytes, struct err *err)
{
	struct sink *s = self;

	if (s->bytes + bytes > s->room)
		return ERR_SET(err, -ENOSPC, ERR_SYS, 0, "write the page");
	memcpy(s->text + s->bytes, data, bytes);
	s->bytes += bytes;
	s->text[s->bytes] = '\0';
	return 0;
}

static void begin(size_t room)
{
	sink.bytes = 0;
	sink.room = room;
	html_start(&h, (struct html_output){ write_sink, &sink });
}

static const char *finished(void)
{
	assert_int_equal(html_finish(&h, NULL), 0);
	return sink.text;
}

static struct text_case {
	const char *name;
	const char *text;
	const char *want;
} text_cases[] = {
	{ "plain", "download", "download" },
	{ "umlauts", "Zürich", "Zürich" },
	{ "an element", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;" },
	{ "an attribute's end", "\" onload='x'", "&quot; onload=&#39;x&#39;" },
	{ "an entity", "&lt;", "&amp;lt;" },
	{ "an escape sequence", "\x1b[2J", "\xef\xbf\xbd[2J" },
	{ "lines", "a\n\tb", "a\n\tb" },
	{ "no UTF-8", "a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd" },
	{ "an overlong <", "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "nothing", "", "" },
};

static void text_is_escaped(void **state)
{
	const struct text_case *c = *state;
	char want[256];

	begin(sizeof(sink.text) - 1);
	html_put(&h, "<td title=\"%s\">%s</td>", c->text, c->text);
	snprintf(want, sizeof(want), "<td title=\"%s\">%s</td>", c->want, c->want);
	assert_string_equal(finished(), want);
}

static struct json_case {
	const char *name;
	const char *raw;
	const char *want;
} json_cases[] = {
	{ "plain", "mlab1", "mlab1" },
	{ "escaped as JSON", "\\u003cb\\u003e\\\"", "&lt;b&gt;&quot;" },
	{ "a control character", "\\u001b", "\xef\xbf\xbd" },
	{ "a lone surrogate", "\\ud800", "\xef\xbf\xbd" },
	{ "a NUL", "a\\u0000b", "\xef\xbf\xbd" },
};

static void json_text_is_decoded_then_escaped(void **state)
{
	const struct json_case *c = *state;

	begin(sizeof(sink.text) - 1);
	html_put_raw_json_text(&h, c->raw, strlen(c->raw));
	assert_string_equal(finished(), c->want);
}

static void a_string_cannot_end_its_script(void **state)
{
	(void)state;
	begin(sizeof(sink.text) - 1);
	html_put_json_string(&h, "</script><!--\"\n\xff");
	assert_string_equal(finished(), "\"\\u003c/script>\\u003c!--\\\"\\n\xef\xbf\xbd\"");
}

static void numbers_are_as_printf_has_them(void **state)
{
	(void)state;
	begin(sizeof(sink.text) - 1);
	html_put(&h, "%d %u %llu %zu %.3f %5.1f %.2g %016llx 100%%", -1, 2U, ~0ULL, (size_t)3, 1.5,
	         2.25, 0.0333, 255ULL << 32);
	assert_string_equal(finished(),
	                    "-1 2 18446744073709551615 3 1.500   2.2 0.033 000000ff00000000 100%");
	begin(sizeof(sink.text) - 1);
	html_put(&h, "%.1f", 1e308);
	assert_int_equal(strlen(finished()), 311);
}

static void more_than_a_buffer_is_whole(void **state)
{
	(void)state;
	begin(sizeof(sink.text) - 1);
	for (int i = 0; i < 5000; i++)
		html_put(&h, "%d,", i);
	assert_true(strncmp(finished(), "0,1,2,3,", 8) == 0);
	assert_string_equal(sink.text + sink.bytes - 10, "4998,4999,");
}

static void the_first_failure_is_kept(void **state)
{
	struct err err = {};

	(void)state;
	begin(20000);
	for (int i = 0; i < 20000; i++)
		html_put(&h, "xxxx");
	assert_int_equal(html_finish(&h, &err), -ENOSPC);
	assert_string_equal(err.text, "write the page");
	assert_true(sink.bytes <= 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_cannot_end_its_script),
		cmocka_unit_test(numbers_are_as_printf_has_them),
		cmocka_unit_test(more_than_a_buffer_is_whole),
		cmocka_unit_test(the_first_failure_is_kept),
	};
	int failed = CASES_RUN(text_is_escaped, text_cases);

	failed += CASES_RUN(json_text_is_decoded_then_escaped, json_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
