#include "agent/sentry/crash_record.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "transport/base/err.h"

#define REFUSE(err, code, what)                                                                    \
	ERR_SET((err), (code), ERR_SYS, 0, "read the record of a crash: %s", what)

/* FNV-1a over the words: finds what a disk or a cut has changed, and hides nothing from nobody. */
static uint64_t checksum(const struct crash_record *r)
{
	uint64_t hash = 0xcbf29ce484222325, word;
	const char *at = (const char *)r;

	_Static_assert(sizeof(*r) % sizeof(word) == 0, "whole words");
	for (size_t i = 0; i < sizeof(*r); i += sizeof(word)) {
		memcpy(&word, at + i, sizeof(word));
		if (i != offsetof(struct crash_record, checksum))
			hash = (hash ^ word) * 0x100000001b3;
	}
	return hash;
}

void crash_record_seal(struct crash_record *r)
{
	r->magic = CRASH_MAGIC;
	r->version = CRASH_VERSION;
	r->bytes = sizeof(*r);
	r->checksum = checksum(r);
}

static bool is_blank(const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (data[i])
			return false;
	return true;
}

static void end_text(char *text, size_t bytes)
{
	text[strnlen(text, bytes - 1)] = '\0';
}

/* What a sealed record can still say wrongly: it was written by a process that had lost its way. */
static int check(const struct crash_record *r, struct err *err)
{
	if (!crash_signal_name(r->signal))
		return REFUSE(err, -EBADMSG, "a signal that is not caught");
	if (r->images_count > CRASH_IMAGES_MAX || r->registers_count > CRASH_REGISTERS_MAX ||
	    r->frames_count > CRASH_FRAMES_MAX)
		return REFUSE(err, -EBADMSG, "more entries than it has room for");
	for (size_t i = 0; i < r->images_count; i++)
		if (r->images[i].build_id_bytes > CRASH_BUILD_ID_BYTES)
			return REFUSE(err, -EBADMSG, "a build-id that is too long");
	return 0;
}

int crash_record_read(const void *data, size_t n, struct crash_record *ret, struct err *err)
{
	struct crash_record *r = ret;
	int code;

	if (n <= sizeof(*r) && is_blank(data, n))
		return CRASH_NONE;
	if (n < offsetof(struct crash_record, checksum))
		return REFUSE(err, -EBADMSG, "it is cut short");
	memset(r, 0, sizeof(*r));
	memcpy(r, data, n < sizeof(*r) ? n : sizeof(*r));
	if (r->magic != CRASH_MAGIC)
		return REFUSE(err, -EBADMSG, "it is none");
	if (r->version != CRASH_VERSION)
		return REFUSE(err, -EPROTONOSUPPORT, "another release has written it");
	if (n != sizeof(*r) || r->bytes != sizeof(*r) || r->checksum != checksum(r))
		return REFUSE(err, -EBADMSG, "it is cut short, or was changed");
	if (r->arch != CRASH_ARCH)
		return REFUSE(err, -EPROTONOSUPPORT, "another architecture's");
	code = check(r, err);
	if (code < 0)
		return code;
	end_text(r->release, sizeof(r->release));
	end_text(r->role, sizeof(r->role));
	for (size_t i = 0; i < CRASH_IMAGES_MAX; i++)
		end_text(r->images[i].name, sizeof(r->images[i].name));
	for (size_t i = 0; i < BREADCRUMBS_MAX; i++) {
		end_text(r->crumbs.ring[i].category, BREADCRUMB_CATEGORY_BYTES);
		end_text(r->crumbs.ring[i].message, BREADCRUMB_MESSAGE_BYTES);
	}
	return CRASH_FOUND;
}

/* --- names ------------------------------------------------------------------------------------------ */

const char *crash_register_name(enum crash_arch arch, size_t i)
{
	static const char *const x86_64[] = { "r8",  "r9",  "r10", "r11", "r12", "r13",
		                              "r14", "r15", "rdi", "rsi", "rbp", "rbx",
		                              "rdx", "rax", "rcx", "rsp", "rip", "rflags" };
	static const char *const aarch64[] = { "x0",  "x1",  "x2",  "x3",  "x4",  "x5",    "x6",
		                               "x7",  "x8",  "x9",  "x10", "x11", "x12",   "x13",
		                               "x14", "x15", "x16", "x17", "x18", "x19",   "x20",
		                               "x21", "x22", "x23", "x24", "x25", "x26",   "x27",
		                               "x28", "x29", "lr",  "sp",  "pc",  "pstate" };

	if (arch == CRASH_X86_64 && i < sizeof(x86_64) / sizeof(*x86_64))
		return x86_64[i];
	if (arch == CRASH_AARCH64 && i < sizeof(aarch64) / sizeof(*aarch64))
		return aarch64[i];
	return NULL;
}

struct named {
	int signal; /* 0: any */
	int number;
	const char *name;
};

static const char *find_name(const struct named *table, size_t n, int signal, int number)
{
	for (size_t i = 0; i < n; i++)
		if ((!table[i].signal || table[i].signal == signal) && table[i].number == number)
			return table[i].name;
	return NULL;
}

#define FIND(table, signal, number)                                                                \
	find_name((table), sizeof(table) / sizeof(*(table)), (signal), (number))

const char *crash_signal_name(int signal)
{
	static const struct named signals[] = {
		{ 0, SIGSEGV, "SIGSEGV" }, { 0, SIGBUS, "SIGBUS" },   { 0, SIGILL, "SIGILL" },
		{ 0, SIGFPE, "SIGFPE" },   { 0, SIGABRT, "SIGABRT" }, { 0, SIGTRAP, "SIGTRAP" },
		{ 0, SIGSYS, "SIGSYS" },
	};

	return FIND(signals, 0, signal);
}

const char *crash_code_name(int signal, int code)
{
	static const struct named codes[] = {
		{ 0, SI_USER, "SI_USER" },
		{ 0, SI_QUEUE, "SI_QUEUE" },
		{ 0, SI_TKILL, "SI_TKILL" },
		{ 0, SI_KERNEL, "SI_KERNEL" },
		{ SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR" },
		{ SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR" },
		{ SIGSEGV, SEGV_PKUERR, "SEGV_PKUERR" },
		{ SIGBUS, BUS_ADRALN, "BUS_ADRALN" },
		{ SIGBUS, BUS_ADRERR, "BUS_ADRERR" },
		{ SIGBUS, BUS_OBJERR, "BUS_OBJERR" },
		{ SIGILL, ILL_ILLOPC, "ILL_ILLOPC" },
		{ SIGILL, ILL_ILLOPN, "ILL_ILLOPN" },
		{ SIGFPE, FPE_INTDIV, "FPE_INTDIV" },
		{ SIGFPE, FPE_INTOVF, "FPE_INTOVF" },
		{ SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT" },
		{ SIGTRAP, TRAP_TRACE, "TRAP_TRACE" },
		{ SIGSYS, 1, "SYS_SECCOMP" },
	};
	const char *name = FIND(codes, signal, code);

	return name ? name : "";
}
