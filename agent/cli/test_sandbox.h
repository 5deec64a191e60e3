/* What the sandbox of a test must leave open: read off its options, before anything is heard. */
#pragma once

#include <sys/types.h>

struct err;

struct test_sandbox_wish {
	const char *server;         /* NULL: one is located */
	const char *locate_url;     /* NULL: M-Lab's */
	const char *ca_file;        /* NULL: the system's */
	const char *directories[4]; /* where it makes files; NULL: none */
	pid_t loader;               /* that it may have to end; 0: none */
};

/* For good. */
int test_sandbox_enter(const struct test_sandbox_wish *wish, struct err *err);
