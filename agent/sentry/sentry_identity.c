#include "agent/sentry/sentry_identity.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "agent/host/sysinfo.h"
#include "agent/sentry/sentry_text.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"

/* os-release(5): NAME=value, in quotes or not. */
static void take_release_line(struct sentry_identity *i, char *line)
{
	char *equals = strchr(line, '='), *value;

	if (!equals)
		return;
	*equals = '\0';
	value = equals + 1 + strspn(equals + 1, "\"'");
	value[strcspn(value, "\"'\n")] = '\0';
	if (strcmp(line, "ID") == 0)
		sentry_text_name(value, i->distribution, sizeof(i->distribution));
	if (strcmp(line, "VERSION_ID") == 0)
		sentry_text_name(value, i->distribution_version, sizeof(i->distribution_version));
}

static void read_distribution(struct sentry_identity *i)
{
	FILE *f = fopen("/etc/os-release", "re");
	char line[256];

	for (int lines = 0; f && lines < 100 && fgets(line, sizeof(line), f); lines++)
		take_release_line(i, line);
	if (f)
		fclose(f);
}

void sentry_identity_read(struct sentry_identity *ret)
{
	char release[SYSINFO_RELEASE_BYTES], machine[SYSINFO_RELEASE_BYTES];
	struct sysinfo memory = {};

	*ret = (struct sentry_identity){
		.program = "radar-pod",
		.version = POD_VERSION,
		.environment = "production",
		.started_utc_ns = clock_utc_ns(),
	};
	sysinfo_kernel(release, machine);
	sentry_text_name(release, ret->kernel, sizeof(ret->kernel));
	sentry_text_name(machine, ret->arch, sizeof(ret->arch));
	read_distribution(ret);
	ret->processors = (unsigned int)get_nprocs();
	if (sysinfo(&memory) == 0)
		ret->memory_bytes = (uint64_t)memory.totalram * memory.mem_unit;
}

void sentry_id_of(const uint8_t random[16], char ret[SENTRY_ID_BYTES])
{
	for (size_t i = 0; i < 16; i++) {
		unsigned int byte = random[i];

		if (i == 6)
			byte = (byte & 0x0f) | 0x40; /* RFC 9562 5.4: version 4 */
		if (i == 8)
			byte = (byte & 0x3f) | 0x80; /* and its variant */
		snprintf(ret + 2 * i, 3, "%02x", byte);
	}
}

void sentry_id_make(char ret[SENTRY_ID_BYTES])
{
	uint8_t random[16];

	bytes_random(random, sizeof(random));
	sentry_id_of(random, ret);
}
