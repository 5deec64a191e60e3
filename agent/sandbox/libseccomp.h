/* libseccomp, loaded when a role enters its sandbox, and let go of as soon as its filter is the kernel's
 * (docs/decisions/0028): nobody carries it along. */
#pragma once

#include <seccomp.h>
#include <stdbool.h>

struct err;

#define LIBSECCOMP_SONAME "libseccomp.so.2"

/* What is called, without the prefix "seccomp_". */
#define LIBSECCOMP_CALLS(X)                                                                        \
	X(attr_set)                                                                                \
	X(init)                                                                                    \
	X(load)                                                                                    \
	X(release)                                                                                 \
	X(rule_add_array)                                                                          \
	X(syscall_resolve_name)

struct libseccomp {
	void *library;
#define LIBSECCOMP_MEMBER(name) __typeof__(seccomp_##name) *name;
	LIBSECCOMP_CALLS(LIBSECCOMP_MEMBER)
#undef LIBSECCOMP_MEMBER
};

/*   -ENOPKG  not installed, or one that lacks a function */
int libseccomp_load(struct libseccomp *ret, struct err *err);

/* Accepts one that was not loaded. */
void libseccomp_unload(struct libseccomp *lib);
