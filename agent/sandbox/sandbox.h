/* Each role of this executable gives up, for good, what it does not need: capabilities, system calls, files, TCP ports.
 * What each keeps is one table, sandbox_policy.c (docs/operations.md shows it as a page).
 *
 *   struct sandbox_varies varies = { .ports = { 443 }, .ports_count = 1 };
 *   r = sandbox_enter(SANDBOX_TEST, &varies, &err);      before the first byte of the network, and before any thread
 *
 * Four means, as none sees all: seccomp filters system calls and does not see what a ring does for a process; a ring is
 * restricted by who makes it (transport/loop/loop_uring.c); Landlock sees files and TCP ports by either way; capabilities
 * are gone, and no_new_privs keeps them from coming back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum sandbox_role {
	SANDBOX_LOADER, /* keeps the capabilities that it loads with: bpf/loader_child.c gives them up */
	SANDBOX_COURIER,  /* HTTP for the daemon */
	SANDBOX_TEST,     /* one measurement */
	SANDBOX_SERVE,    /* the lab server, when it listens */
	SANDBOX_AGENT,    /* the daemon: its children are begun by agent/base/spawner.h */
	SANDBOX_REGISTER, /* its identity, asked for by hand */
	SANDBOX_ROLES,
};

#define SANDBOX_PATHS_MAX 12
#define SANDBOX_PORTS_MAX 12

/* What a role's row in the table cannot know. Paths are copied by nobody: they are read before sandbox_enter() returns. */
struct sandbox_varies {
	const char *readable
		[SANDBOX_PATHS_MAX]; /* files, or directories with all below; until a NULL */
	const char
		*writable[SANDBOX_PATHS_MAX]; /* directories in which files are made and replaced */
	const char
		*sockets; /* a directory in which a directory with a socket is made; NULL: none */
	uint16_t ports[SANDBOX_PORTS_MAX]; /* to connect to */
	size_t ports_count;
	bool any_port; /* they are not known: where to is the network's word */
	pid_t child;   /* that may be ended; 0: none */
};

/* For filling it in; what is beyond its room stays closed. */
void sandbox_add_readable(struct sandbox_varies *v, const char *path); /* NULL, "": nothing */
void sandbox_add_writable(struct sandbox_varies *v, const char *path);
void sandbox_add_port(struct sandbox_varies *v, uint16_t port);

/* The authorities that the environment names (SSL_CERT_FILE; SSL_CERT_DIR, where it is one directory). */
void sandbox_add_trust(struct sandbox_varies *v);

/* What the machine did not have. It is not said in the log here: a pod would say it with each child. */
struct sandbox_lacks {
	bool seccomp, landlock, ports;
	char text[160]; /* of them, "seccomp filters (apt install libseccomp2), …"; "": nothing */
};

/* For good, and for every child. What the kernel or the machine lacks is no failure: see sandbox_lacking(). Negative where
 * something that is there could not be entered: the caller must not go on. */
int sandbox_enter(enum sandbox_role role, const struct sandbox_varies *varies, struct err *err);

/* What a role would lack here; asked of the kernel, changes nothing. */
void sandbox_lacking(struct sandbox_lacks *ret);

const char *sandbox_role_name(enum sandbox_role role);
