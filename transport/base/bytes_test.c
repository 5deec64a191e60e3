#include "transport/base/bytes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cases.h"

struct printable_case {
	const char *name;
	const char *in;
	const char *want;
};

static struct printable_case printable_cases[] = {
	{ "plain text", "plain text", "plain text" },
	{ "newline, tab, DEL", "a\nb\tc\x7f", "a?b?c?" },
	{ "escape sequence", "\x1b[2J", "?[2J" },
	{ "two to four bytes of UTF-8", "é€😀", "é€😀" },
	{ "C1 control in UTF-8: CSI",
	  "\xc2\x9b"
	  "31m",
	  "?31m" },
	{ "no-break space is not a control", "\xc2\xa0", "\xc2\xa0" },
	{ "lone continuation: 8-bit CSI",
	  "\x9b"
	  "31m",
	  "?31m" },
	{ "overlong slash", "\xc0\xaf", "??" },
	{ "overlong three bytes", "\xe0\x80\xaf", "???" },
	{ "surrogate", "\xed\xa0\x80", "???" },
	{ "above U+10FFFF", "\xf4\x90\x80\x80", "????" },
	{ "last code point", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
	{ "five-byte form", "\xf8\x88\x80\x80\x80", "?????" },
	{ "sequence cut by the end", "x\xe2\x82", "x??" },
	{ "sequence cut by a letter", "\xe2\x82x", "??x" },
	{ "nothing", "", "" },
};

static void text_becomes_printable(void **state)
{
	const struct printable_case *c = *state;
	char text[64];

	assert_true(bytes_copy_text(text, sizeof(text), c->in));
	bytes_make_printable(text);
	assert_string_equal(text, c->want);
}

struct line_case {
	const char *name;
	const char *in;
	const char *want; /* in 12 bytes */
};

static struct line_case line_cases[] = {
	{ "fits", "12345678901", "12345678901" },
	{ "one byte too long", "123456789012", "12345678…" },
	{ "no half character before the ellipsis", "1234567é9012", "1234567…" },
	{ "nor one of four bytes", "12345😀9012", "12345…" },
	{ "a character that just fits", "123456é9012", "123456é…" },
	{ "cut where the room ends in a character", "1234567890é", "12345678…" },
	{ "control characters", "a\nb", "a?b" },
};

__attribute__((format(printf, 3, 4))) static void print_line(char *out, size_t out_bytes,
                                                             const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bytes_print_line(out, out_bytes, format, args);
	va_end(args);
}

static void line_is_cut(void **state)
{
	const struct line_case *c = *state;
	char out[12];

	print_line(out, sizeof(out), "%s", c->in);
	assert_string_equal(out, c->want);
}

static void network_order(void **state)
{
	uint8_t at[9] = { 0xff };

	(void)state;
	bytes_store_be16(at + 1, 0x1234); /* unaligned on purpose */
	assert_memory_equal(at, "\xff\x12\x34", 3);
	assert_int_equal(bytes_load_be16(at + 1), 0x1234);
	bytes_store_be64(at + 1, 0x0102030405060708);
	assert_memory_equal(at, "\xff\x01\x02\x03\x04\x05\x06\x07\x08", 9);
	assert_int_equal(bytes_load_be64(at + 1), 0x0102030405060708);
}

static void copy_is_whole_or_nothing(void **state)
{
	char out[4];

	(void)state;
	assert_true(bytes_copy_text(out, sizeof(out), "abc"));
	assert_string_equal(out, "abc");
	assert_false(bytes_copy_text(out, sizeof(out), "abcd"));
	assert_string_equal(out, "");
}

static void text_grows_to_its_ceiling(void **state)
{
	char at[8];
	struct text t = text_on(at, sizeof(at));

	(void)state;
	assert_string_equal(at, "");
	text_append(&t, "%s", "abc");
	text_append(&t, "%d", 1234);
	assert_string_equal(at, "abc1234");
	assert_int_equal(t.bytes, 7);
	assert_false(t.overflow);
	text_append(&t, "%s", "");
	assert_false(t.overflow);
	text_append(&t, "x");
	assert_true(t.overflow);
	assert_string_equal(at, "abc1234");
	text_append(&t, "%s", "");
	assert_true(t.overflow);
}

/* Draws of every size from both ways; a byte that was never written would stay 0 in all of them. */
static void random_fills_all(void **state)
{
	static const size_t sizes[] = { 1, 4, 16, 127, 128, 129, 512, 4096 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint8_t seen[4096] = {};

		for (int draw = 0; draw < 64; draw++) {
			uint8_t out[4097] = {};

			bytes_random(out, sizes[i]);
			assert_int_equal(out[sizes[i]], 0);
			for (size_t b = 0; b < sizes[i]; b++)
				seen[b] |= out[b];
		}
		for (size_t b = 0; b < sizes[i]; b++)
			assert_int_not_equal(seen[b], 0);
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void random_does_not_repeat(void **state)
{
	static uint64_t drawn[1000];

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		bytes_random(&drawn[i], sizeof(drawn[i]));
	qsort(drawn, 1000, sizeof(*drawn), compare_u64);
	for (size_t i = 1; i < 1000; i++)
		assert_int_not_equal(drawn[i - 1], drawn[i]);
}

static void random_of_a_child_is_its_own(void **state)
{
	uint64_t ours, childs;
	int pipe_fds[2], status;
	pid_t child;

	(void)state;
	bytes_random(&ours, sizeof(ours)); /* the pool is filled before the fork */
	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		bytes_random(&childs, sizeof(childs));
		_exit(write(pipe_fds[1], &childs, sizeof(childs)) != sizeof(childs));
	}
	bytes_random(&ours, sizeof(ours));
	assert_int_equal(read(pipe_fds[0], &childs, sizeof(childs)), sizeof(childs));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_not_equal(ours, childs);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_order),
		cmocka_unit_test(copy_is_whole_or_nothing),
		cmocka_unit_test(text_grows_to_its_ceiling),
		cmocka_unit_test(random_fills_all),
		cmocka_unit_test(random_does_not_repeat),
		cmocka_unit_test(random_of_a_child_is_its_own),
	};
	int failed = CASES_RUN(text_becomes_printable, printable_cases);

	failed += CASES_RUN(line_is_cut, line_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
