/* The filter of system calls, from the table's rows by libseccomp, which knows each architecture's numbers. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/sandbox/libseccomp.h"
#include "agent/sandbox/sandbox_policy.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* What is not in the table does not exist: the C library, which tries what is newer first, goes on with what is older. */
#define NOT_IN_THE_TABLE SCMP_ACT_ERRNO(ENOSYS)

#define BINARY_TREE 2 /* SCMP_FLTATR_CTL_OPTIMIZE */

struct sandbox_filter {
	struct libseccomp lib;
	scmp_filter_ctx context;
};

CLEANUP_DEFINE(sandbox_filter_freep, struct sandbox_filter *, sandbox_filter_free)

static bool kernel_has_filters(void)
{
	uint32_t action = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool sandbox_filter_is_here(const char **ret_why_not)
{
	struct libseccomp lib;

	*ret_why_not = "CONFIG_SECCOMP_FILTER";
	if (!kernel_has_filters())
		return false;
	*ret_why_not = "apt install libseccomp2";
	if (libseccomp_load(&lib, NULL) < 0)
		return false;
	libseccomp_unload(&lib);
	return true;
}

/* --- rules ------------------------------------------------------------------------------------------------ */

static uint64_t value_of(const struct sandbox_test *t, const struct sandbox_varies *v)
{
	if (t->own_pid)
		return (uint64_t)getpid();
	return t->child ? (uint64_t)v->child : t->value;
}

static uint32_t action_of(const struct sandbox_calls *set)
{
	return set->answer == SANDBOX_END ? SCMP_ACT_TRAP : SCMP_ACT_ALLOW;
}

/* A name that this architecture, or an older libseccomp, does not know is one that nobody calls. */
static int add_call(struct sandbox_filter *f, uint32_t action, const struct sandbox_call *c,
                    const struct sandbox_varies *v, struct err *err)
{
	struct scmp_arg_cmp tests[SANDBOX_TESTS_MAX];
	int number = f->lib.syscall_resolve_name(c->name), r;

	if (number == __NR_SCMP_ERROR)
		return 0;
	for (unsigned int i = 0; i < c->tests_count; i++) {
		const struct sandbox_test *t = &c->tests[i];

		if (t->child && v->child <= 0)
			return 0; /* there is none */
		tests[i] = (struct scmp_arg_cmp){ .arg = t->argument,
			                          .op = SCMP_CMP_MASKED_EQ,
			                          .datum_a = t->mask,
			                          .datum_b = value_of(t, v) };
	}
	r = f->lib.rule_add_array(f->context, action, number, c->tests_count, tests);
	if (r < 0 && r != -EDOM) /* it is not of this architecture */
		return ERR_SET(err, r, ERR_SYS, 0, "make a rule for %s", c->name);
	return 0;
}

static int add_calls(struct sandbox_filter *f, const struct sandbox_calls *set,
                     const struct sandbox_varies *v, struct err *err)
{
	const struct sandbox_call *tested = set->tested;
	char name[SANDBOX_NAME_BYTES];
	size_t at = 0;
	int r = 0;

	while (r == 0 && sandbox_next_name(set->names, &at, name))
		r = add_call(f, action_of(set), &(struct sandbox_call){ .name = name }, v, err);
	for (; tested && tested->name && r == 0; tested++)
		r = add_call(f, action_of(set), tested, v, err);
	return r;
}

static int add_policy(struct sandbox_filter *f, const struct sandbox_policy *p,
                      const struct sandbox_varies *v, struct err *err)
{
	int r = add_calls(f, &sandbox_calls_fatal, v, err);

	if (r == 0 && sandbox_is_instrumented())
		r = add_calls(f, &sandbox_calls_instruments, v, err);
	for (size_t i = 0; i < SANDBOX_SETS_MAX && p->calls[i] && r == 0; i++)
		r = add_calls(f, p->calls[i], v, err);
	return r;
}

/* --- life ------------------------------------------------------------------------------------------------- */

int sandbox_filter_make(const struct sandbox_policy *p, const struct sandbox_varies *v,
                        struct sandbox_filter **ret, struct err *err)
{
	CLEANUP(sandbox_filter_freep) struct sandbox_filter *f = NULL;
	int r;

	*ret = NULL;
	if (!kernel_has_filters())
		return SANDBOX_NOT_HERE;
	f = calloc(1, sizeof(*f));
	if (!f)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a filter");
	if (libseccomp_load(&f->lib, NULL) < 0)
		return SANDBOX_NOT_HERE;
	f->context = f->lib.init(NOT_IN_THE_TABLE);
	if (!f->context)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "begin a filter");
	f->lib.attr_set(f->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	f->lib.attr_set(f->context, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	r = add_policy(f, p, v, err);
	if (r < 0)
		return r;
	*ret = TAKE(f, NULL);
	return 0;
}

int sandbox_filter_load(struct sandbox_filter *f, struct err *err)
{
	int r = f->lib.load(f->context);

	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "load the filter of system calls") : 0;
}

struct sandbox_filter *sandbox_filter_free(struct sandbox_filter *f)
{
	if (!f)
		return NULL;
	if (f->context)
		f->lib.release(f->context);
	libseccomp_unload(&f->lib);
	free(f);
	return NULL;
}
