/* Standard error is looked at by each line, so each case runs in a child whose descriptor 2 is a
 * pipe or a terminal of the test's. */
#include "transport/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/err.h"

enum sink { SINK_PIPE, SINK_TERMINAL, SINK_JOURNAL };

struct line_case {
	const char *name;
	enum sink sink;
	const char *no_color; /* NULL: unset */
	enum log_level level;
	const char *message;
	const char *want;
};

static struct line_case line_cases[] = {
	{ "error to a pipe", SINK_PIPE, NULL, LOG_LEVEL_ERROR, "no", "error: no\n" },
	{ "warning to a pipe", SINK_PIPE, NULL, LOG_LEVEL_WARNING, "hm", "warning: hm\n" },
	{ "info to a pipe", SINK_PIPE, NULL, LOG_LEVEL_INFO, "so", "so\n" },
	{ "debug says where", SINK_PIPE, NULL, LOG_LEVEL_DEBUG, "x", "debug: a/b.c:7: x\n" },
	{ "error on a terminal", SINK_TERMINAL, NULL, LOG_LEVEL_ERROR, "no",
	  "\x1b[1;31merror: no\x1b[0m\r\n" },
	{ "info on a terminal needs no colour", SINK_TERMINAL, NULL, LOG_LEVEL_INFO, "so",
	  "so\r\n" },
	{ "NO_COLOR", SINK_TERMINAL, "1", LOG_LEVEL_ERROR, "no", "error: no\r\n" },
	{ "NO_COLOR empty is as unset", SINK_TERMINAL, "", LOG_LEVEL_ERROR, "no",
	  "\x1b[1;31merror: no\x1b[0m\r\n" },
	{ "control characters", SINK_PIPE, NULL, LOG_LEVEL_INFO, "a\x1b[2J\nb", "a?[2J?b\n" },
	{ "control characters on a terminal", SINK_TERMINAL, NULL, LOG_LEVEL_INFO, "a\x1b[2J\nb",
	  "a?[2J?b\r\n" },
};

/* What the child's descriptor 2 is, and where the test reads it. */
static void open_sink(enum sink sink, int *ret_read_fd, int *ret_write_fd)
{
	int fds[2];

	if (sink == SINK_TERMINAL) {
		assert_int_equal(openpty(ret_read_fd, ret_write_fd, NULL, NULL, NULL), 0);
		return;
	}
	assert_int_equal(pipe(fds), 0);
	*ret_read_fd = fds[0];
	*ret_write_fd = fds[1];
}

static void name_journal_stream(int fd)
{
	struct stat st;
	char stream[64];

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void set_environment(const char *no_color, int journal_fd)
{
	unsetenv("JOURNAL_STREAM");
	unsetenv("NO_COLOR");
	if (no_color)
		setenv("NO_COLOR", no_color, 1);
	if (journal_fd >= 0)
		name_journal_stream(journal_fd);
}

/* Runs say(argument) in a child, and answers what it wrote to standard error. */
static void hear(enum sink sink, const char *no_color, void (*say)(const void *),
                 const void *argument, char *out, size_t out_bytes)
{
	int read_fd, write_fd, status;
	size_t n = 0;
	pid_t child;
	ssize_t r;

	open_sink(sink, &read_fd, &write_fd);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(write_fd, STDERR_FILENO);
		set_environment(no_color, sink == SINK_JOURNAL ? STDERR_FILENO : -1);
		say(argument);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child); /* a line fits every pipe */
	assert_int_equal(status, 0);
	close(write_fd);
	while (n < out_bytes - 1 && (r = read(read_fd, out + n, out_bytes - 1 - n)) > 0)
		n += (size_t)r; /* a terminal without a writer answers EIO */
	out[n] = '\0';
	close(read_fd);
}

static void say_case(const void *argument)
{
	const struct line_case *c = argument;

	log_set_level(LOG_LEVEL_DEBUG);
	log_line(c->level, "a/b.c", 7, "f", "%s", c->message);
}

static void line_looks(void **state)
{
	const struct line_case *c = *state;
	char heard[2048];

	hear(c->sink, c->no_color, say_case, c, heard, sizeof(heard));
	assert_string_equal(heard, c->want);
}

static void say_long(const void *argument)
{
	char text[2 * LOG_LINE_BYTES];

	(void)argument;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
}

static void long_lines_are_cut(void **state)
{
	static const struct {
		enum sink sink;
		const char *want_end;
	} sinks[] = { { SINK_PIPE, "x…\n" }, { SINK_TERMINAL, "x…\x1b[0m\r\n" } };
	char heard[4096];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t end_bytes = strlen(sinks[i].want_end);

		hear(sinks[i].sink, NULL, say_long, NULL, heard, sizeof(heard));
		assert_in_range(strlen(heard), LOG_LINE_BYTES - 8, LOG_LINE_BYTES + 1);
		assert_string_equal(heard + strlen(heard) - end_bytes, sinks[i].want_end);
	}
}

static void say_all_levels(const void *argument)
{
	if (argument)
		log_set_level(*(const enum log_level *)argument);
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
	log_err(LOG_LEVEL_DEBUG, &(struct err){ .code = -EIO, .text = "d" });
}

static void levels_above_are_dropped(void **state)
{
	enum log_level error = LOG_LEVEL_ERROR;
	char heard[256];

	(void)state;
	hear(SINK_PIPE, NULL, say_all_levels, NULL, heard, sizeof(heard));
	assert_string_equal(heard, "error: e\nwarning: w\ni\n");
	hear(SINK_PIPE, NULL, say_all_levels, &error, heard, sizeof(heard));
	assert_string_equal(heard, "error: e\n");
}

static void say_err(const void *argument)
{
	struct err err = {};

	(void)argument;
	ERR_SET(&err, -ENOENT, ERR_SYS, 0, "open /x");
	log_err(LOG_LEVEL_ERROR, &err);
}

static void err_is_a_sentence(void **state)
{
	char heard[256];

	(void)state;
	hear(SINK_PIPE, NULL, say_err, NULL, heard, sizeof(heard));
	assert_string_equal(heard, "error: could not open /x: No such file or directory\n");
}

static void errno_survives(void **state)
{
	(void)state;
	errno = EXDEV;
	log_debug("dropped");
	assert_int_equal(errno, EXDEV);
}

/* --- the journal -------------------------------------------------------------------------------
 */

static void journal_out_of_reach_gets_the_prefix(void **state)
{
	char heard[256];

	(void)state;
	if (access("/run/systemd/journal/socket", F_OK) == 0) {
		print_message("skipped: this machine's journal would take the line\n");
		skip();
	}
	hear(SINK_JOURNAL, NULL, say_err, NULL, heard, sizeof(heard));
	assert_string_equal(heard, "<3>could not open /x: No such file or directory\n");
}

/* Redirected since systemd started us: JOURNAL_STREAM names another stream. */
static void another_stream_is_no_journal(void **state)
{
	char heard[256];
	int read_fd, write_fd;

	(void)state;
	open_sink(SINK_PIPE, &read_fd, &write_fd);
	name_journal_stream(write_fd);
	hear(SINK_PIPE, NULL, say_err, NULL, heard, sizeof(heard));
	assert_string_equal(heard, "error: could not open /x: No such file or directory\n");
	unsetenv("JOURNAL_STREAM");
	close(read_fd);
	close(write_fd);
}

/* A /run of our own with a socket where the journal's would be: its path is fixed. */
static int fake_journal(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
		                       .sun_path = "/run/systemd/journal/socket" };
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/run", "tmpfs", 0, NULL) < 0)
		return -1;
	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/journal", 0755);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return fd;
}

/* Answers in the exit status: 0, or the number of the first field that was not in the datagram. */
static int journal_entry(const char *const *want)
{
	char entry[4096];
	int fd = fake_journal(), pipe_fds[2];
	ssize_t n;

	if (fd < 0 || pipe(pipe_fds) < 0)
		return CASES_EXIT_SKIPPED;
	dup2(pipe_fds[1], STDERR_FILENO);
	name_journal_stream(STDERR_FILENO);
	say_err(NULL);
	n = recv(fd, entry, sizeof(entry) - 1, MSG_DONTWAIT);
	if (n <= 0)
		return 100;
	entry[n] = '\0';
	for (int i = 0; want[i]; i++)
		if (!strstr(entry, want[i]))
			return i + 1;
	if (poll(&(struct pollfd){ .fd = pipe_fds[0], .events = POLLIN }, 1, 0) != 0)
		return 101; /* said twice */
	return 0;
}

static void journal_gets_fields(void **state)
{
	static const char *const want[] = {
		"MESSAGE=could not open /x: No such file or directory\n",
		"PRIORITY=3\n",
		"SYSLOG_IDENTIFIER=radar-pod\n",
		"log_test.c\n",
		"CODE_LINE=",
		"ERRNO=2\n",
		NULL,
	};
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(journal_entry(want));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CASES_EXIT_SKIPPED) {
		print_message("skipped: no right to a mount namespace\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- URLs --------------------------------------------------------------------------------------
 */

struct url_case {
	const char *name;
	const char *url;
	const char *want; /* in 40 bytes */
};

static struct url_case url_cases[] = {
	{ "plain", "https://h.example/p", "https://h.example/p" },
	{ "N78: query", "wss://h/ndt/v7/download?access_token=S", "wss://h/ndt/v7/download?…" },
	{ "user part", "wss://u:S@h:8443/p", "wss://h:8443/p" },
	{ "user part with an at sign", "wss://u@S:S@h/p", "wss://h/p" },
	{ "both", "https://S@h/p?S", "https://h/p?…" },
	{ "query without a path", "ws://S@h?S", "ws://h?…" },
	{ "at sign in the path stays", "https://h/@scope/x", "https://h/@scope/x" },
	{ "at sign in the query", "https://h/p?mail=S@S", "https://h/p?…" },
	{ "fragment", "https://h/p#S", "https://h/p" },
	{ "query that holds a scheme", "h/p?u=https://S@S", "h/p?…" },
	{ "no scheme", "S@h:80/p?S", "h:80/p?…" },
	{ "control characters", "ws://h/\x1b[2J", "ws://h/?[2J" },
	{ "long", "https://h.example/0123456789012345678901234",
	  "https://h.example/012345678901234567…" },
	{ "nothing", "", "" },
};

static void url_is_safe(void **state)
{
	const struct url_case *c = *state;
	char out[40];

	assert_ptr_equal(log_url(c->url, out, sizeof(out)), out);
	assert_string_equal(out, c->want);
	assert_null(strchr(out, 'S'));
}

static struct log_entry noted;
static int noted_count;

static void note_line(void *owner, const struct log_entry *entry)
{
	assert_ptr_equal(owner, &noted);
	noted = *entry;
	noted_count++;
}

static void a_watcher_hears_what_is_not_dropped(void **state)
{
	struct err err = {};

	(void)state;
	log_set_watcher(note_line, &noted);
	log_debug("dropped");
	assert_int_equal(noted_count, 0);
	log_warning("of %d things", 2);
	assert_int_equal(noted_count, 1);
	assert_int_equal(noted.level, LOG_LEVEL_WARNING);
	assert_string_equal(noted.function, __func__);
	assert_null(noted.err);
	ERR_SET(&err, -ENOSPC, ERR_SYS, 0, "keep it");
	log_err(LOG_LEVEL_ERROR, &err);
	assert_int_equal(noted_count, 2);
	assert_ptr_equal(noted.err, &err);
	assert_int_equal(noted.file_bytes, strlen(__FILE__));
	log_set_watcher(NULL, NULL);
	log_error("to nobody");
	assert_int_equal(noted_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(levels_above_are_dropped),
		cmocka_unit_test(err_is_a_sentence),
		cmocka_unit_test(errno_survives),
		cmocka_unit_test(journal_out_of_reach_gets_the_prefix),
		cmocka_unit_test(another_stream_is_no_journal),
		cmocka_unit_test(journal_gets_fields),
		cmocka_unit_test(a_watcher_hears_what_is_not_dropped),
	};
	int failed = CASES_RUN(line_looks, line_cases);

	failed += CASES_RUN(url_is_safe, url_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
