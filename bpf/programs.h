/* The compiled programs, as the bytes of their ELF files. */
#pragma once

#include <stddef.h>

struct program_object {
	const void *data;
	size_t bytes;
};

struct programs {
	const char *missing; /* why this build has none; NULL: it has */
	struct program_object tcpstat;
	struct program_object sockops;
};

struct programs programs_get(void);
