/* What a process has beside its first thread and the code it was started with. Each case is a child that crashes; the
 * name service that it asks is this program's own getaddrinfo(). */
#include "agent/sentry/crash_process.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sentry/crash_file.h"
#include "agent/sentry/crash_record.h"
#include "measure/libzstd.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/loop/loop.h"
#include "transport/resolve.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
	__has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif
#ifndef ON_VALGRIND
#define ON_VALGRIND false
#endif

/* --- the crashes ---------------------------------------------------------------------------------------- */

#if !SANITIZED /* which has one of its own */
static volatile int calls_left = 1000000;

static int overflow(volatile char *above)
{
	volatile char frame[256];

	frame[0] = *above;
	if (calls_left-- == 0)
		return 0;
	return overflow(frame) + frame[0]; /* not a tail call */
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
	char c = 1;

	(void)node;
	(void)service;
	(void)ret;
	if (hints->ai_flags &
	    AI_NUMERICHOST) /* it is asked first, where it is called, whether that is an address */
		return EAI_NONAME;
	return overflow(&c);
}
#endif

static void on_resolved(void *owner, const struct resolve_answer *answer, const struct err *err)
{
	(void)owner;
	(void)answer;
	(void)err;
}

static void crash_in_the_resolvers_thread(void)
{
	struct resolve *r;
	struct loop *l;

	if (loop_open(LOOP_BODY_EPOLL, &l, NULL) == 0 &&
	    resolve_start(l, "a.name", 1, AF_UNSPEC, CLOCK_NEVER_NS, on_resolved, NULL, &r, NULL) ==
	            0)
		loop_run(l, clock_now_ns() + 60 * NS_PER_S, NULL);
}

static void crash_after_a_library_was_loaded(void)
{
	const struct libzstd *zstd;

	if (libzstd_get(&zstd, NULL) < 0)
		_exit(CASES_EXIT_SKIPPED);
	abort();
}

/* --- who looks at them ------------------------------------------------------------------------------------ */

/* cmocka takes these for a failed row, and would go on with the next one, in the child. */
static void forget_cmocka(void)
{
	static const int taken[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS };

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		signal(taken[i], SIG_DFL);
}

static void run(void (*crash)(void), int want_signal, struct crash_record *ret)
{
	int fd, status;
	pid_t child;

	assert_int_equal(crash_file_open_unnamed(&fd, NULL), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 0); /* no core files */
		forget_cmocka();
		crash_process_begin_child(fd, "child");
		crash();
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CASES_EXIT_SKIPPED) {
		close(fd);
		skip();
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), want_signal);
	assert_int_equal(crash_file_read(fd, ret, NULL), CRASH_FOUND);
	assert_string_equal(ret->role, "child");
	close(fd);
}

static void a_resolver_that_overflows_its_stack(void **state)
{
	struct crash_record r;

	(void)state;
	if (SANITIZED || ON_VALGRIND) /* which ends by an assertion of its own */
		skip();
	run(crash_in_the_resolvers_thread, SIGSEGV, &r);
	assert_int_not_equal(r.tid, r.pid);
	assert_int_equal(r.frames_count, CRASH_FRAMES_MAX);
}

static void what_is_loaded_later_is_listed(void **state)
{
	struct crash_record r;
	bool found = false;

	(void)state;
	if (SANITIZED)
		skip();
	run(crash_after_a_library_was_loaded, SIGABRT, &r);
	for (size_t i = 0; i < r.images_count; i++)
		found |= strncmp(r.images[i].name, "libzstd", 7) == 0;
	assert_true(found);
}

/* --- what a child is told ----------------------------------------------------------------------------------- */

static void the_environment_is_not_passed_on(void **state)
{
	static const char *const nonsense[] = { "", "x", "-1", "2", "77777", "4x", "1023" };
	struct sigaction before, now; /* cmocka has a handler of its own */

	(void)state;
	assert_int_equal(sigaction(SIGSEGV, NULL, &before), 0);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		assert_int_equal(setenv("RADAR_POD_CRASH_FD", nonsense[i], 1), 0);
		crash_process_begin_told("child");
		assert_null(getenv("RADAR_POD_CRASH_FD"));
	}
	assert_int_equal(sigaction(SIGSEGV, NULL, &now), 0);
	assert_true(now.sa_handler == before.sa_handler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_is_not_passed_on),
		cmocka_unit_test(a_resolver_that_overflows_its_stack),
		cmocka_unit_test(what_is_loaded_later_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
