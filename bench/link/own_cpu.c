#include "bench/link/own_cpu.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>

#include "bench/link/lock.h"

#define WORD_BITS 32 /* of a mask, between commas */

static int first_of(const cpu_set_t *cpus)
{
	int cpu = 0;

	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, cpus))
		cpu++;
	return cpu;
}

int own_cpu_claim(const char *folder, int *ret_fd)
{
	char path[PATH_MAX];
	cpu_set_t usable;

	if (sched_getaffinity(0, sizeof(usable), &usable) < 0)
		return OWN_CPU_NONE;
	for (int cpu = CPU_SETSIZE - 1; cpu > first_of(&usable); cpu--) {
		if (!CPU_ISSET(cpu, &usable))
			continue;
		snprintf(path, sizeof(path), "%s/.cpu-%d", folder, cpu);
		if (lock_file(path, O_CREAT, LOCK_EX | LOCK_NB, ret_fd) == 0)
			return cpu;
	}
	return OWN_CPU_NONE;
}

static uint32_t word_of(const cpu_set_t *usable, int but, int word)
{
	uint32_t bits = 0;

	for (int i = 0; i < WORD_BITS; i++)
		if (word * WORD_BITS + i != but && CPU_ISSET(word * WORD_BITS + i, usable))
			bits |= 1U << i;
	return bits;
}

/* No leading zeros: the kernel refuses a mask that is longer than its own, even of zeros. */
void own_cpu_mask(const cpu_set_t *usable, int but, char ret[OWN_CPU_MASK_BYTES])
{
	size_t n = 0;

	ret[0] = '\0';
	for (int word = CPU_SETSIZE / WORD_BITS - 1; word >= 0; word--) {
		uint32_t bits = word_of(usable, but, word);

		if (bits || n > 0)
			n += (size_t)snprintf(ret + n, OWN_CPU_MASK_BYTES - n, n ? ",%08x" : "%x",
			                      bits);
	}
}
