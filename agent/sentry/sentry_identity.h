/* What is the same in every error report of a run: program, system, device; nothing that names a person, a
 * network or this very machine. */
#pragma once

#include <stdint.h>

#define SENTRY_ID_BYTES 33 /* 32 hexadecimal digits */

struct sentry_identity {
	char program[32];                   /* "radar-pod" */
	char version[32], build[48];        /* build may be "" */
	char environment[32];               /* "production" */
	char installation[SENTRY_ID_BYTES]; /* random, made once; "": not told */
	char arch[32], kernel[72];
	char distribution[32], distribution_version[32]; /* os-release(5): ID, VERSION_ID */
	uint64_t memory_bytes;
	unsigned int processors;
	uint64_t started_utc_ns;
};

/* Of this program on this machine, started now. */
void sentry_identity_read(struct sentry_identity *ret);

/* 32 new random digits, as an UUID of version 4 has them. */
void sentry_id_make(char ret[SENTRY_ID_BYTES]);

/* Those of 16 bytes that are random already. */
void sentry_id_of(const uint8_t random[16], char ret[SENTRY_ID_BYTES]);
