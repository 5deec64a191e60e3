#include "tests/process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

int process_descriptors(const char *kind)
{
	DIR *dir = opendir("/proc/self/fd");
	char target[64];
	int count = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		if (n < 0 || atoi(e->d_name) == dirfd(dir))
			continue; /* "." and "..", and the one that looks */
		target[n] = '\0';
		count += !kind || strncmp(target, kind, strlen(kind)) == 0;
	}
	closedir(dir);
	return count;
}

/* Of proc(5)'s status, which is exact; a walk through /proc/self/task misses threads while others
 * end. */
int process_threads(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	int count = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &count);
	fclose(f);
	return count;
}

static void *do_nothing(void *argument)
{
	return argument;
}

/* A sanitizer adds a thread of its own to the first that a program starts; and the kernel counts one
 * that was joined a moment longer. */
int process_threads_at_rest(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
		pthread_join(thread, NULL);
	sleep_ms(50);
	return process_threads();
}

int process_threads_await(int at_rest)
{
	for (int i = 0; i < 2000 && process_threads() > at_rest; i++)
		sleep_ms(5);
	return process_threads();
}

/* Asked of the kernel itself, so that a loop which does not open where it could is not passed over.
 * SINGLE_ISSUER came with 6.0, as did all that the loop wants. */
static bool kernel_has_io_uring(void)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER };
	int fd = (int)syscall(SYS_io_uring_setup, 4, &p);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

struct loop *process_loop(enum loop_body body)
{
	struct loop *l = NULL;
	struct err err = {};
	int r = loop_open(body, &l, &err);

	if (r < 0 && body == LOOP_BODY_IO_URING && !kernel_has_io_uring()) {
		print_message("io_uring: skipped, could not %s\n", err.text);
		skip();
	}
	if (r < 0)
		fail_msg("could not %s", err.text);
	return l;
}

/* By what it preloads into whatever it runs. */
static bool is_on_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "/vgpreload_");
}

void process_needs_threads(enum loop_body body)
{
	if (body != LOOP_BODY_IO_URING || !is_on_valgrind())
		return;
	print_message("valgrind: skipped, it runs no thread while io_uring_enter(2) waits\n");
	skip();
}

void process_needs_lookup(enum loop_body body, const char *host)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) != 1 && inet_pton(AF_INET6, host, &address) != 1)
		process_needs_threads(body);
}

void process_needs_pidfd(void)
{
	int fd = pidfd_open(getpid(), 0);

	if (fd < 0) {
		printf("skip: no pidfd_open(2): %s\n", strerror(errno));
		exit(CASES_EXIT_SKIPPED);
	}
	close(fd);
}

/* The number of the call alone decides: enough for a filter that knows one architecture. */
void process_bar(int number, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(*filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(CASES_EXIT_SKIPPED);
}

int process_in_child(int (*play)(const void *row), const void *row)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(play(row));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CASES_EXIT_SKIPPED)
		skip();
	return WEXITSTATUS(status);
}
