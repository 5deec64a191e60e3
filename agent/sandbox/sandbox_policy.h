/* The table of what each role keeps; sandbox.c enters it. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/sandbox/sandbox.h"

/* --- system calls -------------------------------------------------------------------------------------- */

/* A call is allowed where every test of its arguments holds: (argument & mask) == value. */
#define SANDBOX_TESTS_MAX 3

struct sandbox_test {
	uint8_t argument;
	bool own_pid, child; /* `value` is this process's id, or that of sandbox_varies.child */
	uint64_t mask, value;
};

struct sandbox_call {
	const char *name;
	unsigned int tests_count;
	struct sandbox_test tests[SANDBOX_TESTS_MAX];
};

enum sandbox_answer {
	SANDBOX_ALLOW,
	SANDBOX_END, /* SIGSYS */
};

/* Calls that a role keeps, or not, as a whole. */
struct sandbox_calls {
	enum sandbox_answer answer;
	const char *names; /* of those that are answered so whatever their arguments; words */
	const struct sandbox_call
		*tested; /* others, by their arguments; until one without a name; NULL: none */
};

#define SANDBOX_NAME_BYTES 32

/* The next word of names, from *at on, which begins as 0. False: there is none. */
bool sandbox_next_name(const char *names, size_t *at, char ret[SANDBOX_NAME_BYTES]);

/* --- files ---------------------------------------------------------------------------------------------- */

enum sandbox_access {
	SANDBOX_LIST,    /* a directory and those below it: their names, no contents */
	SANDBOX_READ,    /* a file, or a directory and all below it */
	SANDBOX_DEVICE,  /* a device file: read and written */
	SANDBOX_SOCKETS, /* a directory: sockets and directories made and removed in it */
	SANDBOX_WRITE, /* a directory: its files read, written, made, replaced, removed; directories likewise */
};

struct sandbox_path {
	const char *path; /* what is not there is left out */
	enum sandbox_access access;
};

/* --- roles ------------------------------------------------------------------------------------------------ */

#define SANDBOX_SETS_MAX 10

enum sandbox_ports {
	SANDBOX_NO_PORTS,
	SANDBOX_SOME_PORTS, /* to connect to: sandbox_varies's, and those of names over TCP */
	SANDBOX_ANY_PORT,   /* to connect to; to listen on, none */
};

struct sandbox_policy {
	const char *name;
	uint64_t capabilities;                               /* that it keeps, of those it has */
	const struct sandbox_calls *calls[SANDBOX_SETS_MAX]; /* until a NULL */
	const struct sandbox_path *paths[SANDBOX_SETS_MAX];  /* lists that end with a NULL */
	enum sandbox_ports ports;
	bool rings; /* io_uring, restricted to what transport/loop/loop_uring.c asks of it */
};

const struct sandbox_policy *sandbox_policy_of(enum sandbox_role role);

/* For every role: what ends it, and, in builds for tests, what their instruments need. */
extern const struct sandbox_calls sandbox_calls_fatal, sandbox_calls_instruments;

/* The row `instruments`: this build is for tests, and its roles keep more. */
bool sandbox_is_instrumented(void);

/* --- how it is entered ------------------------------------------------------------------------------------- */

struct err;

/* 0, or SANDBOX_NOT_HERE where kernel or machine lack it, or what there is failed. */
#define SANDBOX_NOT_HERE 1

/* no_new_privs, capabilities, and nothing that a crash could spill. */
int sandbox_drop_privileges(uint64_t keep, struct err *err);

/* ret_ports: TCP ports are held, too. */
int sandbox_hold_files(const struct sandbox_policy *p, const struct sandbox_varies *v,
                       bool *ret_ports, struct err *err);
int sandbox_landlock_version(void); /* 0: none */

/* Two steps, as the library is a file, and what it needs is not what the role keeps. */
struct sandbox_filter;
int sandbox_filter_make(const struct sandbox_policy *p, const struct sandbox_varies *v,
                        struct sandbox_filter **ret, struct err *err);
int sandbox_filter_load(struct sandbox_filter *f, struct err *err);
struct sandbox_filter *sandbox_filter_free(struct sandbox_filter *f);
bool sandbox_filter_is_here(const char **ret_why_not);
