/* What this process may do. */
#include "agent/cli/doctor.h"

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/sandbox/sandbox.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"

/* A try: since Linux 5.7 an unbound socket may be bound to a device without CAP_NET_RAW. */
void doctor_bind(struct finding *f)
{
	CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")) == 0) {
		finding_say(f, "allowed");
		f->follows = "--interface binds to the device";
		return;
	}
	f->state = FINDING_LESS;
	finding_say(f, "not allowed: %s", strerror(errno));
	f->follows = "--interface binds to its address only; another route may still be taken";
	f->remedy = "run with CAP_NET_RAW";
}

static bool effective_capabilities(uint64_t *ret)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	bool found = false;

	if (!status)
		return false;
	while (!found && fgets(line, sizeof(line), status)) {
		if (strncmp(line, "CapEff:", 7) != 0)
			continue;
		*ret = strtoull(line + 7, NULL, 16);
		found = true;
	}
	fclose(status);
	return found;
}

void doctor_capabilities(struct finding *f)
{
	static const struct {
		const char *name;
		int bit;
	} wanted[] = {
		{ "NET_RAW", CAP_NET_RAW },
		{ "NET_ADMIN", CAP_NET_ADMIN },
		{ "BPF", CAP_BPF },
		{ "PERFMON", CAP_PERFMON },
	};
	char has[64], lacks[64];
	struct text t = text_on(has, sizeof(has)), u = text_on(lacks, sizeof(lacks));
	uint64_t effective;

	if (!effective_capabilities(&effective)) {
		finding_say(f, "cannot be read: /proc is not mounted");
		return;
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		text_append(effective >> wanted[i].bit & 1 ? &t : &u, " %s", wanted[i].name);
	finding_say(f, "has:%s; lacks:%s", *has ? has : " none", *lacks ? lacks : " none");
	if (!*lacks)
		return;
	f->state = FINDING_LESS;
	f->follows = "measuring needs none of them; the kernel's figures at each ACK do";
}

void doctor_sandbox(struct finding *f)
{
	struct sandbox_lacks lacks;

	sandbox_lacking(&lacks);
	if (!*lacks.text) {
		finding_say(f, "seccomp filters; Landlock for files and TCP ports");
		return;
	}
	f->state = FINDING_LESS;
	finding_say(f, "lacks %s", lacks.text);
	f->follows = "a test, the daemon or the lab server that is taken over reaches further";
}
