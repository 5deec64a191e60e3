/* What this CPU offers for TLS: AES instructions or none.
 *
 * x86: CPUID leaf 1, ECX bit 25 (AESNI) and bit 1 (PCLMULQDQ, without which GCM is slow).
 * Arm: AT_HWCAP, HWCAP_AES and HWCAP_PMULL (arm64); AT_HWCAP2, HWCAP2_AES and HWCAP2_PMULL (arm).
 * RADAR_POD_CPU_AES=yes|no overrides what is found.
 */
#pragma once

#include <stdbool.h>

struct cpu_aes {
	bool available;
	const char *reason; /* "cpu has aes instructions", "cpu has no aes instructions",
	                     * "RADAR_POD_CPU_AES=yes", "RADAR_POD_CPU_AES=no" */
};

/* AES and carry-less products by vectors of 512 bits, and an operating system that keeps these: CPUID (VAES, VPCLMULQDQ,
 * GFNI, AVX-512 F, DQ, CD, BW, VL and IFMA, and what comes with them) and XCR0. x86 alone; whatever the variable says. */
bool cpu_has_vaes(void);

/* Any other value of the variable is as none. */
struct cpu_aes cpu_aes(void);

/* That other value, for a warning; NULL where there is none. */
const char *cpu_aes_ignored(void);

/* "wss" with AES instructions, "ws" without. */
const char *cpu_default_scheme(const struct cpu_aes *aes);
