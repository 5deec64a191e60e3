#include "transport/gzip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/bytes.h"
#include "transport/http.h"

#define BYTES 20000

/* gzip(1) reads it back. */
static void assert_reads_back(const char *packed, size_t n, const char *want, size_t want_n)
{
	char *command = NULL, *got = malloc(want_n + 1);
	int fd = memfd_create("packed", 0);
	FILE *from;

	assert_int_equal(write(fd, packed, n), n);
	assert_true(asprintf(&command, "gzip -dc </proc/%d/fd/%d", getpid(), fd) > 0);
	from = popen(command, "r");
	assert_non_null(from);
	assert_int_equal(fread(got, 1, want_n + 1, from), want_n);
	assert_memory_equal(got, want, want_n);
	assert_int_equal(pclose(from), 0);
	close(fd);
	free(command);
	free(got);
}

static void memory_and_files_alike(void **state)
{
	char text[BYTES], *packed = NULL;
	struct http_content c = { .data = text, .bytes = BYTES };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < BYTES; i++)
		text[i] = (char)('a' + i % 7);
	assert_int_equal(gzip_content(&c, &packed, &n, NULL), 0);
	assert_true(n < BYTES / 10);
	assert_reads_back(packed, n, text, BYTES);
	free(packed);
	c = (struct http_content){ .fd = memfd_create("body", MFD_CLOEXEC),
		                   .offset = 100,
		                   .bytes = BYTES - 100 };
	assert_int_equal(write(c.fd, text, BYTES), BYTES);
	assert_int_equal(gzip_content(&c, &packed, &n, NULL), 0);
	assert_reads_back(packed, n, text + 100, BYTES - 100);
	free(packed);
	c.bytes = BYTES; /* more than there is */
	assert_int_equal(gzip_content(&c, &packed, &n, NULL), -EIO);
	close(c.fd);
}

static void what_would_grow_stays(void **state)
{
	char noise[4096], *packed = NULL;
	struct http_content c = { .data = noise, .bytes = sizeof(noise) };
	size_t n = 0;

	(void)state;
	bytes_random(noise, sizeof(noise));
	assert_int_equal(gzip_content(&c, &packed, &n, NULL), -ENODATA);
	c.bytes = 0;
	assert_int_equal(gzip_content(&c, &packed, &n, NULL), -ENODATA);
	c.bytes = (uint64_t)GZIP_BYTES_MAX + 1;
	assert_int_equal(gzip_content(&c, &packed, &n, NULL), -EFBIG);
	assert_null(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_and_files_alike),
		cmocka_unit_test(what_would_grow_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
