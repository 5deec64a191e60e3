/* AES-GCM by the CPU's vectors of AES (VAES, VPCLMULQDQ, AVX-512), which OpenSSL has from 3.1 on and 3.0, Debian 12's, has not:
 * that of Intel's libIPSec_MB, a third of OpenSSL 3.0's time. Who moves gigabytes asks for it; without the library or
 * such a CPU everything goes by OpenSSL. Why it is used as it is: docs/decisions/0031.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define FAST_GCM_SONAME "libIPSec_MB.so.1"

/* A key's schedule and the state of one message, opaque; the library's are 1008 and 88 bytes in 1.3. To be wiped. */
struct fast_gcm_key {
	_Alignas(64) uint8_t schedule[2048];
	_Alignas(64) uint8_t state[512];
};

/* Its functions for keys of one length, in the order of their calls: set_key once, then for each message begin, any number
 * of seal or open (in place or not), and the end, which writes the tag that n bytes of it should be. A tag is compared by
 * the caller, in constant time. */
struct fast_gcm {
	void (*set_key)(const void *key, void *schedule);
	void (*begin)(const void *schedule, void *state, const uint8_t *nonce, const uint8_t *aad,
	              uint64_t aad_bytes); /* 12 bytes of nonce */
	void (*seal)(const void *schedule, void *state, uint8_t *out, const uint8_t *in,
	             uint64_t n);
	void (*open)(const void *schedule, void *state, uint8_t *out, const uint8_t *in,
	             uint64_t n);
	void (*seal_end)(const void *schedule, void *state, uint8_t *tag, uint64_t tag_bytes);
	void (*open_end)(const void *schedule, void *state, uint8_t *tag, uint64_t tag_bytes);
};

/* Loads it for the process and compares it with OpenSSL once: keys that are made from then on use it. Any thread, any number
 * of times; not while others make keys.
 *   -ENOTSUP  not to be had here: a CPU without the instructions, an OpenSSL that has them itself, or a sanitizer that
 *             would not see what is written
 *   -ENOPKG   libipsec-mb1 is not installed, or too old
 *   -EBADMSG  it does not do what OpenSSL does;  -ENOMEM  OpenSSL could not be asked */
int fast_gcm_load(struct err *err);

/* For keys of 16 or 32 bytes; NULL: not loaded, or not for such keys. */
const struct fast_gcm *fast_gcm(size_t key_bytes);
