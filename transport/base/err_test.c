#include "transport/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/cases.h"

static void set_fills_and_answers(void **state)
{
	struct err err = {};
	int line = __LINE__ + 1;
	int r = ERR_SET(&err, -ENOENT, ERR_SYS, 0, "open %s", "/x");
	char where[64];

	(void)state;
	snprintf(where, sizeof(where), "err_test.c:%d", line);
	assert_int_equal(r, -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_int_equal(err.domain, ERR_SYS);
	assert_int_equal(err.detail, 0);
	assert_string_equal(err.text, "open /x");
	assert_non_null(strstr(err.where, where));
}

static void set_without_err(void **state)
{
	(void)state;
	assert_int_equal(ERR_SET(NULL, -EIO, ERR_HTTP, 503, "ask"), -EIO);
	assert_true(err_prefix(NULL, "load") < 0);
}

static void set_takes_its_own_text(void **state)
{
	struct err err = {};

	(void)state;
	ERR_SET(&err, -ENOENT, ERR_SYS, 0, "inner");
	ERR_SET(&err, -EINVAL, ERR_SYS, 0, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
}

static void prefix_keeps_the_origin(void **state)
{
	struct err err = {};
	const char *where;

	(void)state;
	ERR_SET(&err, -EPROTO, ERR_WS, 1002, "take a frame");
	where = err.where;
	assert_int_equal(err_prefix(&err, "run the %s", "download"), -EPROTO);
	assert_string_equal(err.text, "run the download: take a frame");
	assert_ptr_equal(err.where, where);
	assert_int_equal(err.domain, ERR_WS);
	assert_int_equal(err.detail, 1002);
}

/* Not one byte beyond the text, and never half a character before the ellipsis. */
static void long_texts_are_cut(void **state)
{
	struct err err = {};
	char letters[400], accents[401];

	(void)state;
	memset(letters, 'x', sizeof(letters) - 1);
	letters[sizeof(letters) - 1] = '\0';
	for (size_t i = 0; i < sizeof(accents) - 1; i += 2)
		memcpy(accents + i, "é", 2);
	accents[sizeof(accents) - 1] = '\0';

	ERR_SET(&err, -EIO, ERR_SYS, 0, "%s", letters);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_string_equal(err.text + sizeof(err.text) - 5, "x…");
	ERR_SET(&err, -EIO, ERR_SYS, 0, "%s", accents);
	assert_string_equal(err.text + strlen(err.text) - 5, "é…");
	ERR_SET(&err, -EIO, ERR_SYS, 0, "inner");
	err_prefix(&err, "%s", letters);
	assert_string_equal(err.text + sizeof(err.text) - 5, "x…");
}

static void control_characters_are_shown(void **state)
{
	struct err err = {};

	(void)state;
	ERR_SET(&err, -EIO, ERR_SYS, 0, "hear \"%s\"", "\x1b[2J\r\n");
	assert_string_equal(err.text, "hear \"?[2J??\"");
	err_prefix(&err, "a\nb");
	assert_string_equal(err.text, "a?b: hear \"?[2J??\"");
}

struct sentence_case {
	const char *name;
	struct err err;
	const char *want;
};

static struct sentence_case sentence_cases[] = {
	{ "errno says why",
	  { .code = -ENOENT, .domain = ERR_SYS, .text = "open /x" },
	  "could not open /x: No such file or directory" },
	{ "the text says it already",
	  { .code = -ECONNREFUSED,
	    .domain = ERR_SYS,
	    .text = "connect to ::1: Network is unreachable; 192.0.2.1: Connection refused" },
	  "could not connect to ::1: Network is unreachable; 192.0.2.1: Connection refused" },
	{ "a domain that has said more",
	  { .code = -EACCES, .domain = ERR_TLS, .detail = 10, .text = "trust h: expired" },
	  "could not trust h: expired" },
	{ "no errno", { .code = 0, .domain = ERR_SYS, .text = "be" }, "could not be" },
};

static void sentence_reads(void **state)
{
	const struct sentence_case *c = *state;
	char out[256], small[8];

	assert_string_equal(err_sentence(&c->err, out, sizeof(out)), c->want);
	assert_string_equal(err_sentence(&c->err, small, sizeof(small)), "could n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_and_answers),
		cmocka_unit_test(set_without_err),
		cmocka_unit_test(set_takes_its_own_text),
		cmocka_unit_test(prefix_keeps_the_origin),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(control_characters_are_shown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	failed += CASES_RUN(sentence_reads, sentence_cases);
	return failed != 0;
}
