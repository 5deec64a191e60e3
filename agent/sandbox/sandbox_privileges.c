/* Capabilities, and that none come back. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/sandbox/sandbox_policy.h"
#include "transport/base/err.h"

/* Only who has CAP_SETPCAP can empty the bounding set. Without it, no_new_privs says the same. */
static void empty_bounding_set(void)
{
	for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;)
		capability++;
}

static int keep_only(uint64_t keep, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	bool has_any = false;

	if (syscall(SYS_capget, &header, data) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "read the capabilities");
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		has_any |= data[i].permitted || data[i].inheritable;
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (!has_any)
		return 0; /* a service manager's filter may bar the call */
	if (syscall(SYS_capset, &header, data) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "give up the capabilities");
	return 0;
}

/* A core would hold tokens, wherever kernel.core_pattern takes it; and who is not dumpable is not read by others of
 * the same user. Where the instruments of a build read their own process it stays so. */
static int spill_nothing(struct err *err)
{
	static const struct rlimit none = {};
	struct rlimit now = { 1, 1 };

	getrlimit(RLIMIT_CORE, &now);
	if ((now.rlim_max > 0 && setrlimit(RLIMIT_CORE, &none) < 0) ||
	    (!sandbox_is_instrumented() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
		return ERR_SET(err, -errno, ERR_SYS, 0, "leave no core");
	return 0;
}

int sandbox_drop_privileges(uint64_t keep, struct err *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "set no_new_privs");
	empty_bounding_set();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = keep_only(keep, err);
	return r < 0 ? r : spill_nothing(err);
}
