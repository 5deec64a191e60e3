/* What a process writes of its own end, and how the next one reads it. Of fixed size, so that a signal handler
 * writes it as it stands; the reader is pure, and takes nothing that it finds for granted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/sentry/breadcrumbs.h"

struct err;

#define CRASH_FRAMES_MAX     128
#define CRASH_REGISTERS_MAX  40
#define CRASH_IMAGES_MAX     48
#define CRASH_BUILD_ID_BYTES 20 /* of --build-id=sha1 */

#define CRASH_MAGIC   0x3148534152434452ULL /* "RDCRASH1" */
#define CRASH_VERSION 1

enum crash_arch { CRASH_ARCH_OTHER, CRASH_X86_64, CRASH_AARCH64 };

#if defined(__x86_64__)
#define CRASH_ARCH CRASH_X86_64
#elif defined(__aarch64__)
#define CRASH_ARCH CRASH_AARCH64
#else
#define CRASH_ARCH CRASH_ARCH_OTHER
#endif

/* A file that is mapped for execution. */
struct crash_image {
	uint64_t base_address;
	uint64_t size_bytes;
	uint8_t build_id[CRASH_BUILD_ID_BYTES];
	uint32_t build_id_bytes; /* 0: it has none */
	char name[40];           /* without its folders; cut where it is longer */
};

struct crash_record {
	uint64_t magic;
	uint32_t version;
	uint32_t bytes;    /* of the whole */
	uint64_t checksum; /* of the whole, with this as 0 */

	/* written when the process begins */
	uint64_t started_utc_ns;
	uint8_t event_id[16]; /* of the report, so that it is one however often it is sent */
	char release[32];     /* the program's version */
	char role[16];        /* "agent", "measure": which of its processes */
	uint32_t arch;        /* enum crash_arch */
	uint32_t images_count;
	struct crash_image images[CRASH_IMAGES_MAX];

	/* written when it crashes */
	int32_t signal;
	int32_t code; /* si_code */
	uint64_t fault_address;
	uint64_t utc_ns;
	uint64_t monotonic_ns;
	uint32_t pid;
	uint32_t tid;
	uint32_t registers_count;
	uint32_t frames_count;                   /* 0: the unwinder did not come back */
	uint64_t registers[CRASH_REGISTERS_MAX]; /* in the order of crash_register_name() */
	uint64_t frames[CRASH_FRAMES_MAX]; /* the first is where it crashed, then who called */

	struct breadcrumbs crumbs;
};
_Static_assert(sizeof(struct crash_record) ==
                       24 + 72 + 8 + 80 * CRASH_IMAGES_MAX + 48 + 8 * CRASH_REGISTERS_MAX +
                               8 * CRASH_FRAMES_MAX + sizeof(struct breadcrumbs),
               "a record on the disk: no holes");

/* Sets the head and the checksum. Async-signal-safe. */
void crash_record_seal(struct crash_record *r);

enum crash_outcome {
	CRASH_FOUND = 0,
	CRASH_NONE, /* the place was made and never written to: nothing crashed */
};

/*   -EBADMSG         no record, cut, or changed since it was sealed
 *   -EPROTONOSUPPORT another release's, or another architecture's
 * *ret has its texts terminated, and no count beyond its array. */
int crash_record_read(const void *data, size_t n, struct crash_record *ret, struct err *err);

/* "rip", "x0", …; NULL beyond the last. */
const char *crash_register_name(enum crash_arch arch, size_t i);

/* The seven that are caught: "SIGSEGV", …; NULL for others. */
const char *crash_signal_name(int signal);

/* What si_code says: "SEGV_MAPERR", "SI_TKILL", …; "" where there is no name. */
const char *crash_code_name(int signal, int code);
