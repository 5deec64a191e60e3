/* OpenSSL's memory, which runs out when a test says so. scarce_memory_begin() comes before any other call of the
 * library. */
#pragma once

#include <limits.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static unsigned long scarce_memory_left = ULONG_MAX; /* allocations that succeed */

static inline void *scarce_memory_allocate(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	if (scarce_memory_left == 0)
		return NULL;
	scarce_memory_left--;
	return malloc(n);
}

static inline void *scarce_memory_resize(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	if (scarce_memory_left == 0)
		return NULL;
	scarce_memory_left--;
	return realloc(p, n);
}

static inline void scarce_memory_release(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static inline bool scarce_memory_begin(void)
{
	return CRYPTO_set_mem_functions(scarce_memory_allocate, scarce_memory_resize,
	                                scarce_memory_release);
}
