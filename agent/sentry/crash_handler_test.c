/* Programs that really crash: this one, started again as `crash_handler_test FOLDER HOW [thread]` (contract
 * sentry.md 7.4, check 10). What is looked at is what the next start finds, and the exit status. */
#include "agent/sentry/crash_handler.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sentry/breadcrumbs.h"
#include "agent/sentry/crash_file.h"
#include "agent/sentry/crash_record.h"
#include "tests/cases.h"
#include "transport/base/err.h"

#if defined(__SANITIZE_ADDRESS__)
#define OWN_HEAP false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
	__has_feature(thread_sanitizer)
#define OWN_HEAP false
#endif
#endif
#ifndef OWN_HEAP
#define OWN_HEAP true /* the C library's, which finds itself broken */
#endif

/* A sanitizer would have these signals for itself, and exit instead. */
#define LEAVE_SIGNALS                                                                              \
	"handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_sigtrap=0:"          \
	"handle_abort=0:use_sigaltstack=0:"
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return LEAVE_SIGNALS "detect_leaks=0:detect_stack_use_after_return=0";
}
const char *__msan_default_options(void);
const char *__msan_default_options(void)
{
	return LEAVE_SIGNALS;
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return LEAVE_SIGNALS "report_signal_unsafe=0";
}

static char executable[4096];

/* --- the crashes -------------------------------------------------------------------------------------- */

static volatile uintptr_t unmapped = 64;

static void crash_segv(void)
{
	*(volatile int *)unmapped = 1;
}

static void crash_bus(void)
{
	char path[] = "/tmp/crash_bus_XXXXXX";
	int fd = mkstemp(path);
	volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	unlink(path);
	*page = 1; /* behind the end of the file */
}

static void crash_ill(void)
{
#if defined(__x86_64__)
	__asm__ volatile("ud2");
#else
	__asm__ volatile(".inst 0");
#endif
}

static void crash_fpe(void)
{
#if defined(__x86_64__)
	__asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx", "edx");
#else
	raise(SIGFPE); /* a division by zero is none here */
#endif
}

static void crash_abort(void)
{
	abort();
}

static void crash_trap(void)
{
#if defined(__x86_64__)
	__asm__ volatile("int3");
#else
	__asm__ volatile("brk #0");
#endif
}

static void crash_sys(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(CASES_EXIT_SKIPPED);
	getppid();
}

static volatile int calls_left = 1000000;

static int overflow(volatile char *above)
{
	volatile char frame[4096];

	frame[0] = *above;
	if (calls_left-- == 0)
		return 0;
	return overflow(frame) + frame[0]; /* not a tail call */
}

static void crash_overflow(void)
{
	char c = 1;

	overflow(&c);
}

/* The size of what is left of the heap is overwritten: malloc(3) stops in its own middle. */
static void crash_malloc(void)
{
	volatile uintptr_t block = (uintptr_t)malloc(1000);

	if (!OWN_HEAP)
		_exit(CASES_EXIT_SKIPPED);
	for (size_t i = 0; i < 64; i++)
		*(volatile uint64_t *)(block + 1000 + 8 * i) = UINT64_MAX;
	for (size_t i = 0; i < 100; i++)
		block = (uintptr_t)malloc(100000 + 1000 * i);
}

static void crash_nowhere(void)
{
	void (*volatile nowhere)(void) = (void (*)(void))(unmapped - 64);

	nowhere();
}

static void in_the_handler_before_ours(int signal)
{
	(void)signal;
	crash_segv();
}

static void abort_before_ours(int signal)
{
	(void)signal;
	abort();
}

static void note_before_ours(int signal)
{
	(void)signal;
	if (write(STDOUT_FILENO, "chained", 7) != 7)
		_exit(1);
}

static void crash_in_a_child(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		crash_segv();
	waitpid(child, &status, 0);
	_exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : 1);
}

static void raise_from_outside(void)
{
	kill(getpid(), SIGBUS);
}

struct crash_case {
	const char *name; /* also what the program is asked for */
	void (*crash)(void);
	void (*before)(int signal); /* a handler of SIGSEGV that was there before ours */
	int want_recorded;          /* 0: nothing */
	int want_status;            /* the signal; 0: it exits */
	const char *want_code;
	size_t want_frames_min;
	const char *want_output;
};

static struct crash_case crash_cases[] = {
	{ "SIGSEGV", crash_segv, NULL, SIGSEGV, SIGSEGV, "SEGV_MAPERR", 2, "" },
	{ "SIGBUS", crash_bus, NULL, SIGBUS, SIGBUS, "BUS_ADRERR", 2, "" },
	{ "SIGILL", crash_ill, NULL, SIGILL, SIGILL, "ILL_ILLOPN", 2, "" },
	{ "SIGFPE", crash_fpe, NULL, SIGFPE, SIGFPE, NULL, 2, "" },
	{ "SIGABRT", crash_abort, NULL, SIGABRT, SIGABRT, "SI_TKILL", 3, "" },
	{ "SIGTRAP", crash_trap, NULL, SIGTRAP, SIGTRAP, NULL, 2, "" },
	{ "SIGSYS", crash_sys, NULL, SIGSYS, SIGSYS, "SYS_SECCOMP", 2, "" },
	{ "stack overflow", crash_overflow, NULL, SIGSEGV, SIGSEGV, NULL, CRASH_FRAMES_MAX, "" },
	{ "inside malloc", crash_malloc, NULL, SIGABRT, SIGABRT, "SI_TKILL", 5, "" },
	{ "a call to nowhere", crash_nowhere, NULL, SIGSEGV, SIGSEGV, "SEGV_MAPERR", 2, "" },
	{ "killed from outside", raise_from_outside, NULL, SIGBUS, SIGBUS, "SI_USER", 2, "" },
	{ "a handler that was there is called", crash_segv, note_before_ours, SIGSEGV, SIGSEGV,
	  "SEGV_MAPERR", 2, "chained" },
	{ "double fault", crash_segv, in_the_handler_before_ours, SIGSEGV, SIGSEGV, "SEGV_MAPERR",
	  2, "" },
	{ "an abort in the handler", crash_segv, abort_before_ours, SIGSEGV, SIGABRT, "SEGV_MAPERR",
	  2, "" },
	{ "a child of fork writes nothing", crash_in_a_child, NULL, 0, 0, NULL, 0, "" },
};

static void *crash_in_thread(void *self)
{
	const struct crash_case *c = self;
	struct crash_stack stack;

	if (crash_handler_thread_begin(&stack, NULL) < 0)
		_exit(2);
	c->crash();
	return NULL;
}

static int crash(const char *folder, const char *how, bool in_thread)
{
	struct crash_case *c = crash_cases;
	pthread_t thread;
	int fd;

	while (strcmp(c->name, how) != 0)
		c++;
	if (c->before)
		signal(SIGSEGV, c->before);
	if (crash_file_open(folder, "test", &fd, NULL) < 0 ||
	    crash_handler_begin(fd, "test", NULL) < 0)
		return 2;
	breadcrumbs_add(crash_handler_crumbs(), 1, SENTRY_INFO, "test", "about to crash");
	if (in_thread && pthread_create(&thread, NULL, crash_in_thread, c) == 0)
		pthread_join(thread, NULL);
	c->crash();
	return 3;
}

/* --- who looks at them ---------------------------------------------------------------------------------- */

static char folder[] = "/tmp/crash_handler_test_XXXXXX";

static int run(const char *how, bool in_thread, char output[64])
{
	char *argv[] = { executable, folder, (char *)how, in_thread ? "thread" : NULL, NULL };
	int out[2], status = 0;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 0); /* no core files */
		dup2(out[1], STDOUT_FILENO);
		execv(executable, argv);
		_exit(127);
	}
	close(out[1]);
	n = read(out[0], output, 63);
	output[n > 0 ? n : 0] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* The crash lies in an image that the server can look up: this program, or the C library. */
static void check_images(const struct crash_record *r)
{
	bool found = false;

	assert_true(r->images_count >= 2);
	assert_string_equal(r->images[0].name, "crash_handler_test");
	for (size_t i = 0; i < r->images_count; i++) {
		const struct crash_image *image = &r->images[i];

		assert_null(strchr(image->name, '/'));
		for (size_t f = 0; f < r->frames_count; f++)
			found |= r->frames[f] - image->base_address < image->size_bytes &&
			         image->build_id_bytes == CRASH_BUILD_ID_BYTES;
	}
	assert_true(found);
}

static void check_record(const struct crash_case *c, bool in_thread, const struct crash_record *r)
{
	assert_int_equal(r->signal, c->want_recorded);
	if (c->want_code)
		assert_string_equal(crash_code_name(r->signal, r->code), c->want_code);
	if (c->crash != raise_from_outside) /* that one goes to any thread */
		assert_int_equal(r->tid != r->pid, in_thread);
	assert_true(r->frames_count >= c->want_frames_min);
	assert_string_equal(r->role, "test");
	assert_string_equal(r->release, POD_VERSION);
	assert_int_equal(breadcrumbs_count(&r->crumbs), 1);
	assert_string_equal(breadcrumbs_at(&r->crumbs, 0)->message, "about to crash");
	assert_true(r->utc_ns >= r->started_utc_ns && r->started_utc_ns > 0);
	check_images(r);
}

static void crash_once(const struct crash_case *c, bool in_thread)
{
	struct crash_record r;
	char output[64];
	int status = run(c->name, in_thread, output), fd;

	if (WIFEXITED(status) && WEXITSTATUS(status) == CASES_EXIT_SKIPPED) {
		print_message("skip: %s: not with this heap, or no seccomp\n", c->name);
		skip();
	}
	if (c->want_status) {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), c->want_status);
	} else {
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_string_equal(output, c->want_output);
	assert_int_equal(crash_file_take(folder, "test", &r, NULL),
	                 c->want_recorded ? CRASH_FOUND : CRASH_NONE);
	if (c->want_recorded)
		check_record(c, in_thread, &r);
	assert_int_equal(crash_file_open(folder, "test", &fd, NULL), 0);
	close(fd);
	assert_int_equal(crash_file_take(folder, "test", &r, NULL), CRASH_NONE);
}

static void crashes(void **state)
{
	crash_once(*state, false);
}

static void crashes_in_a_thread(void **state)
{
	crash_once(*state, true);
}

/* --- files that are none ---------------------------------------------------------------------------------- */

static void path_of(const char *name, char out[256])
{
	snprintf(out, 256, "%s/%s", folder, name);
}

static void put_file(const char *name, const char *text, size_t n)
{
	char path[256];
	int fd;

	path_of(name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void assert_set_aside(int want)
{
	char record[256], bad[256];
	struct crash_record r;
	struct err err = {};
	struct stat st;

	path_of("crash-test.record", record);
	path_of("crash-test.bad", bad);
	assert_int_equal(crash_file_take(folder, "test", &r, &err), want);
	assert_true(err.text[0] != '\0');
	assert_int_equal(lstat(record, &st), -1);
	assert_int_equal(lstat(bad, &st), 0);
	assert_int_equal(crash_file_take(folder, "test", &r, &err), CRASH_NONE);
	assert_true(unlink(bad) == 0 || rmdir(bad) == 0);
}

/* R62: what is there is set aside, and the next start begins anew. */
static void R62_foreign_files(void **state)
{
	char path[256], long_text[sizeof(struct crash_record) + 100];
	struct crash_record r;

	(void)state;
	put_file("crash-test.record", "what is this", 12);
	assert_set_aside(-EBADMSG);
	memset(long_text, 'x', sizeof(long_text));
	put_file("crash-test.record", long_text, sizeof(long_text));
	assert_set_aside(-EBADMSG);
	path_of("crash-test.record", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_set_aside(-ELOOP);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_set_aside(-EBADMSG);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_set_aside(-EBADMSG);
	put_file("crash-test.record", "", 0);
	assert_int_equal(crash_file_take(folder, "test", &r, NULL), CRASH_NONE);
	assert_int_equal(crash_file_take("/nonexistent", "test", &r, NULL), -ENOENT);
}

static void a_childs_file_has_no_name(void **state)
{
	struct crash_record r;
	int fd = -1;

	(void)state;
	assert_int_equal(crash_file_open_unnamed(&fd, NULL), 0);
	assert_int_equal(crash_file_read(fd, &r, NULL), CRASH_NONE);
	r = (struct crash_record){ .signal = SIGSEGV, .arch = CRASH_ARCH };
	crash_record_seal(&r);
	assert_int_equal(write(fd, &r, sizeof(r)), sizeof(r));
	memset(&r, 0, sizeof(r));
	assert_int_equal(crash_file_read(fd, &r, NULL), CRASH_FOUND);
	assert_int_equal(r.signal, SIGSEGV);
	close(fd);
}

/* The last of all: what each of them may leave is a record. */
static void nothing_else_is_left(void **state)
{
	char path[256];

	(void)state;
	path_of("crash-test.record", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(R62_foreign_files),
		cmocka_unit_test(a_childs_file_has_no_name),
		cmocka_unit_test(nothing_else_is_left),
	};
	int failed;

	if (argc > 2)
		return crash(argv[1], argv[2], argc > 3);
	if (!realpath(argv[0], executable) || !mkdtemp(folder))
		return 1;
	failed = CASES_RUN(crashes, crash_cases);
	failed += CASES_RUN(crashes_in_a_thread, crash_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
