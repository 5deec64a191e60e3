#include "agent/host/sysinfo.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "transport/base/bytes.h"

/* The names of the published builds are Go's, because the first agent was written in it. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#elif defined(__arm__)
#define ARCHITECTURE "arm"
#elif defined(__i386__)
#define ARCHITECTURE "386"
#elif defined(__riscv)
#define ARCHITECTURE "riscv64"
#else
#define ARCHITECTURE "unknown"
#endif

const char *sysinfo_distribution(void)
{
	return "linux-" ARCHITECTURE;
}

void sysinfo_kernel(char release[SYSINFO_RELEASE_BYTES], char machine[SYSINFO_RELEASE_BYTES])
{
	struct utsname u = {};

	uname(&u);
	bytes_copy_text(release, SYSINFO_RELEASE_BYTES, u.release);
	bytes_copy_text(machine, SYSINFO_RELEASE_BYTES, u.machine);
}

void sysinfo_process_name(unsigned int pid, char ret[SYSINFO_COMM_BYTES])
{
	char path[32];
	FILE *f;

	*ret = '\0';
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(ret, SYSINFO_COMM_BYTES, f))
		*ret = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	bytes_make_printable(ret);
	fclose(f);
}

/* "  eth0: 1296 …": two lines of headings, then one for each. Not getifaddrs(3), which opens a
 * netlink socket, nor /sys/class/net, which shows the namespace it was mounted in. */
void sysinfo_interfaces(struct sysinfo_interfaces *ret)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	char line[512];

	ret->count = 0;
	if (!f)
		return;
	while (ret->count < SYSINFO_INTERFACES_MAX && fgets(line, sizeof(line), f)) {
		char *name = line + strspn(line, " ");
		char *colon = strchr(name, ':');

		if (!colon)
			continue;
		*colon = '\0';
		if (bytes_copy_text(ret->names[ret->count], IF_NAMESIZE, name))
			ret->count++;
	}
	fclose(f);
}
