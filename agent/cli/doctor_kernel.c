/* The kernel's own: clock, TCP, BPF, control groups. */
#include "agent/cli/doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/host/sysinfo.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/units.h"

void doctor_kernel(struct finding *f)
{
	char release[SYSINFO_RELEASE_BYTES], machine[SYSINFO_RELEASE_BYTES];

	sysinfo_kernel(release, machine);
	finding_say(f, "Linux %s, %s", release, machine);
}

void doctor_cpus(struct finding *f)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	finding_say(f, "%ld online", online);
	if (online > 1)
		return;
	f->state = FINDING_LESS;
	f->follows = "what else runs here takes time from a test; its cpu_percent tells";
}

void doctor_clock(struct finding *f)
{
	struct timespec resolution = {};
	char source[64];
	bool known =
		doctor_read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
	                         source, sizeof(source));

	clock_getres(CLOCK_MONOTONIC, &resolution);
	finding_say(f, "%s, resolution %llu ns", known ? source : "unknown source",
	            (unsigned long long)resolution.tv_sec * NS_PER_S +
	                    (unsigned long long)resolution.tv_nsec);
	if (resolution.tv_sec > 0 || resolution.tv_nsec > (long)NS_PER_US) {
		f->state = FINDING_LESS;
		f->follows = "instants are no finer than that";
		f->remedy = "a kernel with high resolution timers (CONFIG_HIGH_RES_TIMERS)";
	} else if (strcmp(source, "hpet") == 0 || strcmp(source, "acpi_pm") == 0) {
		f->state = FINDING_LESS;
		f->follows = "each reading of it costs about a microsecond";
		f->remedy = "clocksource=tsc on the kernel's command line, where the tsc is stable";
	}
}

void doctor_congestion(struct finding *f)
{
	char available[160], current[32];

	if (!doctor_read_line("/proc/sys/net/ipv4/tcp_congestion_control", current,
	                      sizeof(current)) ||
	    !doctor_read_line("/proc/sys/net/ipv4/tcp_available_congestion_control", available,
	                      sizeof(available))) {
		finding_say(f, "the kernel does not say");
		return;
	}
	finding_say(f, "%s in use, of: %s", current, available);
	f->follows = "an upload runs the one in use; a download the server's";
	if (strstr(available, "bbr"))
		return;
	f->state = FINDING_LESS;
	f->follows = "serve sends without BBR, unlike M-Lab's servers";
	f->remedy = "modprobe tcp_bbr";
}

/* "4096 131072 6291456": least, first, most. */
static bool read_most(const char *path, uint64_t *ret)
{
	char line[96], *last;

	if (!doctor_read_line(path, line, sizeof(line)))
		return false;
	last = strrchr(line, '\t');
	if (!last)
		last = strrchr(line, ' ');
	return last && units_parse_u64(last + 1, 0, UINT64_MAX, ret, NULL) == 0;
}

/* Of tcp_rmem the window gets a share: all but 1/2^tcp_adv_win_scale until Linux 6.6, later what
 * the ratio of payload to memory was so far. Half is what both keep. */
void doctor_buffers(struct finding *f)
{
	uint64_t receive_bytes, send_bytes;
	double mbps;

	if (!read_most("/proc/sys/net/ipv4/tcp_rmem", &receive_bytes) ||
	    !read_most("/proc/sys/net/ipv4/tcp_wmem", &send_bytes)) {
		finding_say(f, "the kernel does not say");
		return;
	}
	mbps = units_mbps(receive_bytes / 2, 100 * NS_PER_MS);
	finding_say(f, "receive up to %.1f MB, send up to %.1f MB: about %.0f Mbit/s at 100 ms",
	            (double)receive_bytes / (double)MB, (double)send_bytes / (double)MB, mbps);
	if (receive_bytes >= 4 * MB && send_bytes >= 4 * MB)
		return;
	f->state = FINDING_LESS;
	f->follows = "on a fast and long path the window limits, not the network";
	f->remedy = "sysctl net.ipv4.tcp_rmem='4096 131072 6291456' (and tcp_wmem likewise)";
}

void doctor_btf(struct finding *f)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	if (access(path, R_OK) == 0) {
		finding_say(f, "%s", path);
		return;
	}
	f->state = FINDING_LESS;
	finding_say(f, "no %s", path);
	f->follows = "the kernel's types are not known: no figures at each ACK";
	f->remedy = "a kernel with CONFIG_DEBUG_INFO_BTF";
}

/* "30 23 0:26 / /sys/fs/cgroup rw,… - cgroup2 cgroup2 rw": the mount point is the fifth word. */
static bool find_cgroup2(char *out, size_t out_bytes)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	bool found = false;

	if (!mounts)
		return false;
	while (!found && fgets(line, sizeof(line), mounts)) {
		char point[128];

		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %*s %127s", point) != 1)
			continue;
		snprintf(out, out_bytes, "%s", point);
		found = true;
	}
	fclose(mounts);
	return found;
}

void doctor_cgroup(struct finding *f)
{
	char point[128];

	if (find_cgroup2(point, sizeof(point))) {
		finding_say(f, "version 2 at %s", point);
		return;
	}
	f->state = FINDING_LESS;
	finding_say(f, "version 2 is not mounted");
	f->follows = "no tracing of other programs' flows (radar-pod record)";
	f->remedy = "mount -t cgroup2 none /sys/fs/cgroup/unified";
}
