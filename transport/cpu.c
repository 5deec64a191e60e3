#include "transport/cpu.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) || defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* AES-GCM needs both, the cipher and the carry-less product; a CPU with one of them alone is slow.
 */
static bool cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned int eax, ebx, ecx, edx;
	const unsigned int needed = bit_AES | bit_PCLMUL;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & needed) == needed;
#elif defined(__aarch64__)
	const unsigned long needed = HWCAP_AES | HWCAP_PMULL;

	return (getauxval(AT_HWCAP) & needed) == needed;
#elif defined(__arm__)
	const unsigned long needed = HWCAP2_AES | HWCAP2_PMULL;

	return (getauxval(AT_HWCAP2) & needed) == needed;
#else
	return false;
#endif
}

#if defined(__x86_64__)
#define XCR0_AVX512 0xe6 /* SSE, AVX, opmask, and both halves of ZMM */

static unsigned int xcr0(void)
{
	unsigned int eax, edx;

	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return eax;
}

bool cpu_has_vaes(void)
{
	const unsigned int plain = bit_AES | bit_PCLMUL | bit_AVX | bit_MOVBE | bit_OSXSAVE;
	const unsigned int vectors = bit_AVX2 | bit_BMI2 | bit_SHA | bit_AVX512F | bit_AVX512DQ |
	                             bit_AVX512CD | bit_AVX512BW | bit_AVX512VL | bit_AVX512IFMA;
	const unsigned int ciphers = bit_VAES | bit_VPCLMULQDQ | bit_GFNI;
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & plain) != plain)
		return false;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & vectors) == vectors &&
	       (ecx & ciphers) == ciphers && (xcr0() & XCR0_AVX512) == XCR0_AVX512;
}
#else
bool cpu_has_vaes(void)
{
	return false;
}
#endif

static const char *wanted_aes(void)
{
	return getenv("RADAR_POD_CPU_AES");
}

const char *cpu_aes_ignored(void)
{
	const char *wanted = wanted_aes();

	if (!wanted || !*wanted || strcmp(wanted, "yes") == 0 || strcmp(wanted, "no") == 0)
		return NULL;
	return wanted;
}

struct cpu_aes cpu_aes(void)
{
	const char *wanted = wanted_aes();

	if (wanted && strcmp(wanted, "yes") == 0)
		return (struct cpu_aes){ true, "RADAR_POD_CPU_AES=yes" };
	if (wanted && strcmp(wanted, "no") == 0)
		return (struct cpu_aes){ false, "RADAR_POD_CPU_AES=no" };
	if (cpu_has_aes())
		return (struct cpu_aes){ true, "cpu has aes instructions" };
	return (struct cpu_aes){ false, "cpu has no aes instructions" };
}

const char *cpu_default_scheme(const struct cpu_aes *aes)
{
	return aes->available ? "wss" : "ws";
}
