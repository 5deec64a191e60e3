/* proc_net(5): /proc/PID/net is that process's namespace. A TCP socket's fourth column is its state. */
#include "bench/link/listening.h"

#include <stdio.h>
#include <string.h>

#include "transport/base/cleanup.h"

#define TCP_LISTENING " 0A "

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Whether a line behind the heading has `what` in it. */
static bool has_line(int pid, const char *table, const char *what)
{
	CLEANUP(fclosep) FILE *f = NULL;
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, table);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		return false;
	while (fgets(line, sizeof(line), f))
		if (strstr(line, what))
			return true;
	return false;
}

bool listening(int pid)
{
	static const char *const others[] = { "udp", "udp6", "raw", "raw6", "packet" };

	if (has_line(pid, "tcp", TCP_LISTENING) || has_line(pid, "tcp6", TCP_LISTENING))
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (has_line(pid, others[i], ""))
			return true;
	return false;
}
