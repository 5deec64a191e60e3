/* Every file of the WebSocket corpus, cut at every place, says what its name says (bar H1). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/ws_log.h"
#include "transport/base/cleanup.h"

#define FILES_MIN 200 /* bar H1 */
#define FILES_MAX 2000
#define BYTES_MAX 8192

static struct ws_log whole, cut;

static size_t read_file(const char *name, uint8_t *out)
{
	char path[512];
	CLEANUP(fd_closep) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), WS_CORPUS "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, out, BYTES_MAX);
	assert_in_range(n, 1, BYTES_MAX - 1);
	return (size_t)n;
}

/* The last event of a log. */
static const char *last_of(const char *log)
{
	const char *last = log;

	for (const char *at = log; (at = strstr(at, "; ")); at += 2)
		last = at + 2;
	return last;
}

/* "client-1002-…" ends in "refused 1002", "client-close-…" in "close …", "client-ok-…" in neither. */
static void check_name(const char *name, const char *log)
{
	const char *want = strchr(name, '-') + 1;
	const char *last = last_of(log);
	char refused[] = "refused 0000";

	memcpy(strchr(refused, '0'), want, 4);
	if (strncmp(want, "close-", 6) == 0)
		assert_true(strncmp(last, "close ", 6) == 0);
	else if (strncmp(want, "ok-", 3) == 0)
		assert_true(strncmp(last, "close ", 6) != 0 && !strstr(log, "refused"));
	else
		assert_string_equal(last, refused);
}

static void file_says_its_name(void **state)
{
	const char *name = *state;
	static uint8_t in[BYTES_MAX];
	size_t n = read_file(name, in) - 1;
	struct ws_decoder_options o = ws_log_options(in[0]);

	assert_int_equal(o.role, strncmp(name, "server-", 7) == 0 ? WS_SERVER : WS_CLIENT);
	ws_log_run(&whole, &o, in + 1, n, (struct ws_log_feed){ n, n });
	check_name(name, whole.text);
	for (size_t at = 1; at <= n; at++) {
		ws_log_run(&cut, &o, in + 1, n, (struct ws_log_feed){ at, n, .skip = at % 2 });
		assert_string_equal(cut.text, whole.text);
		ws_log_run(&cut, &o, in + 1, n, (struct ws_log_feed){ at, at });
		assert_string_equal(cut.text, whole.text);
	}
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(void)
{
	static struct CMUnitTest corpus_tests[FILES_MAX];
	struct dirent **files;
	int failed, n = scandir(WS_CORPUS, &files, is_file, alphasort);

	if (n < FILES_MIN || n > FILES_MAX) {
		fprintf(stderr, "%d files in %s\n", n, WS_CORPUS);
		return 1;
	}
	for (int i = 0; i < n; i++)
		corpus_tests[i] = (struct CMUnitTest){ files[i]->d_name, file_says_its_name, NULL,
			                               NULL, files[i]->d_name };
	failed = _cmocka_run_group_tests("ws_corpus", corpus_tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(files[i]);
	free(files);
	return failed != 0;
}
