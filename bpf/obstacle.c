#include "bpf/obstacle.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/cgroup.h"
#include "bpf/kernel_types.h"
#include "bpf/programs.h"
#include "transport/base/bytes.h"

const struct obstacle_where obstacle_here = {
	.btf = KERNEL_TYPES_PATH,
	.lockdown = "/sys/kernel/security/lockdown",
};

uint64_t obstacle_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, data) < 0)
		return UINT64_MAX;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static bool has(uint64_t capabilities, int capability)
{
	return capabilities >> capability & 1;
}

/* CAP_SYS_ADMIN stands for each of the three. */
bool obstacle_may_load(uint64_t capabilities)
{
	return has(capabilities, CAP_SYS_ADMIN) ||
	       (has(capabilities, CAP_BPF) && has(capabilities, CAP_PERFMON) &&
	        has(capabilities, CAP_NET_ADMIN));
}

static bool lacks_capabilities(enum tier tier, bool cgroup, uint64_t capabilities,
                               struct tier_refusal *ret)
{
	char lacking[80];
	struct text t = text_on(lacking, sizeof(lacking));

	if (has(capabilities, CAP_SYS_ADMIN))
		return false;
	if (!has(capabilities, CAP_BPF))
		text_append(&t, " CAP_BPF");
	if (tier == TIER_EBPF && !has(capabilities, CAP_PERFMON))
		text_append(&t, " CAP_PERFMON");
	if (cgroup && !has(capabilities, CAP_NET_ADMIN))
		text_append(&t, " CAP_NET_ADMIN");
	if (!*lacking)
		return false;
	tier_refuse(ret,
	            "run as root, or: setcap cap_bpf,cap_perfmon,cap_net_admin+ep on the program",
	            "missing%s", lacking);
	return true;
}

/* A map of four bytes: with these capabilities only a filter, or a kernel without BPF, says no. */
static bool bpf_is_barred(struct tier_refusal *ret)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	long fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	int error;

	if (fd >= 0) {
		close((int)fd);
		return false;
	}
	error = errno;
	if (error == ENOSYS)
		tier_refuse(ret, "a kernel with CONFIG_BPF_SYSCALL, or a seccomp filter with bpf",
		            "there is no bpf(2) here: %s", strerror(error));
	else
		tier_refuse(ret,
		            "a container's seccomp filter must allow bpf; a user namespace's own "
		            "capabilities do not count",
		            "bpf(2) is barred although the capabilities are there: %s",
		            strerror(error));
	return true;
}

/* "none integrity [confidentiality]": under the last, tracing programs may not read kernel memory. */
static bool is_locked_down(const char *path, struct tier_refusal *ret)
{
	FILE *file = fopen(path, "re");
	char line[80] = "";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		*line = '\0';
	fclose(file);
	if (!strstr(line, "[confidentiality]"))
		return false;
	tier_refuse(ret, "lockdown=integrity on the kernel's command line",
	            "the kernel is locked down (confidentiality): no tracing programs");
	return true;
}

static bool lacks_btf(const char *path, struct tier_refusal *ret)
{
	if (access(path, R_OK) == 0)
		return false;
	tier_refuse(ret, "a kernel with CONFIG_DEBUG_INFO_BTF",
	            "the kernel does not describe its types (BTF): %s: %s", path, strerror(errno));
	return true;
}

static bool lacks_cgroup(struct tier_refusal *ret)
{
	char point[CGROUP_PATH_BYTES];

	if (cgroup_mount_point(point, NULL) == 0)
		return false;
	tier_refuse(ret, "mount -t cgroup2 none /sys/fs/cgroup/unified",
	            "control groups of version 2 are not mounted");
	return true;
}

static bool lacks_programs(struct tier_refusal *ret)
{
	const char *missing = programs_get().missing;

	if (missing)
		tier_refuse(ret, "build with clang and libbpf-dev",
		            "this build has no BPF programs: %s", missing);
	return missing;
}

bool obstacle_find(enum tier tier, bool cgroup, uint64_t capabilities,
                   const struct obstacle_where *where, struct tier_refusal *ret)
{
	if (tier == TIER_TCP_INFO)
		return false;
	cgroup = cgroup || tier == TIER_SOCKOPS;
	if (lacks_programs(ret) || lacks_capabilities(tier, cgroup, capabilities, ret))
		return true;
	if (tier == TIER_EBPF &&
	    (lacks_btf(where->btf, ret) || is_locked_down(where->lockdown, ret)))
		return true;
	return (cgroup && !where->group_is_open && lacks_cgroup(ret)) || bpf_is_barred(ret);
}
