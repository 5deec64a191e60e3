/* What the process under test holds and runs on. */
#pragma once

enum loop_body;
struct loop;

/* Its descriptors, or of those what proc(5) names by that beginning: "socket:"; NULL counts all. */
int process_descriptors(const char *kind);

int process_threads(void);

/* How many threads it has while none of its own runs: to be asked for before it starts any. */
int process_threads_at_rest(void);

/* Waits until it has no more than that, 10 s at most; answers how many it has. */
int process_threads_await(int at_rest);

/* An open loop; skips the row where this machine bars that body, by the kernel's own word. */
struct loop *process_loop(enum loop_body body);

/* Skips a row in which a thread answers, where none would: valgrind runs one thread at a time, and
 * changes to no other while io_uring_enter(2) waits. */
void process_needs_threads(enum loop_body body);

/* Likewise a row that resolves `host`, unless that is an address. */
void process_needs_lookup(enum loop_body body, const char *host);

/* Ends a test of what watches processes as skipped where none can be: valgrind 3.19 does not know pidfd_open(2). To be
 * called before its first row. */
void process_needs_pidfd(void);

/* From now on the system call of that number answers -error, in this process for good; to be called in a
 * child. Ends it as skipped where no filter can be set. */
void process_bar(int number, int error);

/* Runs `play` in a child and answers its status; skips the row where that is CASES_EXIT_SKIPPED. */
int process_in_child(int (*play)(const void *row), const void *row);
