/* This machine, as the service and the result name it. Read-only; no socket is opened. */
#pragma once

#include <net/if.h>
#include <stddef.h>

/* "linux-amd64", "linux-arm64", …: the name under which this build is published. */
const char *sysinfo_distribution(void);

#define SYSINFO_RELEASE_BYTES 65
/* uname(2): "6.12.1", "x86_64". */
void sysinfo_kernel(char release[SYSINFO_RELEASE_BYTES], char machine[SYSINFO_RELEASE_BYTES]);

#define SYSINFO_COMM_BYTES 16
/* A process's name, as the kernel has it; "" where there is no such process. */
void sysinfo_process_name(unsigned int pid, char ret[SYSINFO_COMM_BYTES]);

#define SYSINFO_INTERFACES_MAX 64

struct sysinfo_interfaces {
	size_t count;
	char names[SYSINFO_INTERFACES_MAX][IF_NAMESIZE]; /* in the kernel's order */
};

/* Those of our network namespace; none where /proc is not mounted. */
void sysinfo_interfaces(struct sysinfo_interfaces *ret);
