#include "agent/base/environment.h"

#include "transport/base/log.h"
#include "transport/cpu.h"

void environment_check(void)
{
	const char *aes = cpu_aes_ignored();

	if (aes)
		log_warning("RADAR_POD_CPU_AES takes yes or no, not \"%.40s\": ignored", aes);
}
