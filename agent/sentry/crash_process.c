#include "agent/sentry/crash_process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/sentry/crash_handler.h"
#include "transport/base/late_library.h"
#include "transport/resolve.h"

#define TOLD_BY "RADAR_POD_CRASH_FD"

static _Thread_local struct crash_stack thread_stack;

/* Without one a crash by anything but an overflow leaves its record all the same. */
static void thread_begins(void)
{
	crash_handler_thread_begin(&thread_stack, NULL);
}

static void thread_ends(void)
{
	crash_handler_thread_end(&thread_stack);
}

int crash_process_begin(int fd, const char *role, struct err *err)
{
	int r = crash_handler_begin(fd, role, err);

	if (r < 0)
		return r;
	late_library_watch(crash_handler_list_images);
	resolve_watch_threads(thread_begins, thread_ends);
	return 0;
}

void crash_process_begin_child(int fd, const char *role)
{
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		crash_process_begin(fd, role, NULL);
}

void crash_process_begin_told(const char *role)
{
	const char *told = getenv(TOLD_BY);
	char *end = NULL;
	long fd = told ? strtol(told, &end, 10) : -1;

	if (told && *told && !*end && fd > STDERR_FILENO && fd < 1024)
		crash_process_begin_child((int)fd, role);
	if (told)
		unsetenv(TOLD_BY);
}
