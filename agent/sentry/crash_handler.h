/* A process that crashes says so: a signal handler writes one record (crash_record.h) to a descriptor that was
 * opened at the start, and then lets the signal do what it would have done, so that the exit status, the core
 * and the service manager show it.
 *
 *   crash_handler_begin(fd, "agent", &err);       once, early: before it nothing is recorded
 *   breadcrumbs_add(crash_handler_crumbs(), …);   what a record will tell of before
 *   crash_handler_list_images();                  after a dlopen(3)
 *   crash_handler_thread_begin(&stack, &err);     in each thread that may overflow its stack
 *
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, on a stack of their own. In the handler nothing is
 * allocated, locked or printed. Its system calls, for who filters them: getpid gettid clock_gettime lseek write
 * fsync rt_sigaction rt_sigprocmask rt_tgsigqueueinfo tgkill rt_sigreturn exit_group, and pause of a second thread
 * that crashes meanwhile.
 */
#pragma once

#include <stddef.h>

struct breadcrumbs;
struct err;

/* `fd` has room for a record (crash_file_open()) and stays the caller's; -1: nothing is written, the handlers that
 * were there are called all the same. `role` is cut to 15 bytes. Again, after a begin: the descriptor and the role
 * are changed, nothing else.
 *   -ENOMEM, … */
int crash_handler_begin(int fd, const char *role, struct err *err);

/* Takes note anew of what is mapped for execution. */
void crash_handler_list_images(void);

/* The ring that a record has; for one thread. */
struct breadcrumbs *crash_handler_crumbs(void);

/* The alternate stack of a thread; the first thread has its own by crash_handler_begin(). In a thread that is born with
 * all signals blocked, those that are caught are no longer. */
struct crash_stack {
	void *memory; /* NULL: none */
	size_t bytes;
};

int crash_handler_thread_begin(struct crash_stack *ret, struct err *err);
void crash_handler_thread_end(struct crash_stack *s);
