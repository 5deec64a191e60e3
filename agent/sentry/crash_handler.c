/* The record is static and filled as far as it can be before anything happens. A crash adds to it, writes it, and
 * only then asks the unwinder, whose tables or stack may be what is broken: should that fault, the first writing
 * stands. Every signal is blocked in the handler, so that the kernel answers a second fault with the default action
 * at once.
 *
 * The unwinder is _Unwind_Backtrace() of libgcc, by the tables that every library of the distribution has; frame
 * pointers they do not keep (docs/decisions/0019-unwinding-by-tables.md). */
#include "agent/sentry/crash_handler.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "agent/sentry/crash_record.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* What the unwinder and fsync(2) need, beside the frame that the kernel pushes. */
#define STACK_BYTES (64 * 1024)

static const int caught[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };
#define CAUGHT (sizeof(caught) / sizeof(*caught))

static struct crash_record record;
static struct sigaction before[CAUGHT]; /* who had the signal */
static int record_fd = -1;
static pid_t record_pid; /* a child of fork(2) must not write into its parent's */
static atomic_int crashing_tid;
static bool begun;

/* --- after the crash: async-signal-safe calls only -------------------------------------------------------- */

static uint64_t read_clock(clockid_t id)
{
	struct timespec t = {};

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

#if defined(__x86_64__)
static uint64_t take_registers(const ucontext_t *u)
{
	record.registers_count = REG_EFL + 1; /* in the order of sys/ucontext.h */
	for (size_t i = 0; i < record.registers_count; i++)
		record.registers[i] = (uint64_t)u->uc_mcontext.gregs[i];
	return (uint64_t)u->uc_mcontext.gregs[REG_RIP];
}

/* Behind a call to nowhere, the address to return to is on the top of the stack. */
static uint64_t caller_of_nowhere(void)
{
	uint64_t stack = record.registers[REG_RSP];

	return stack && stack % sizeof(uint64_t) == 0 ? *(const uint64_t *)stack : 0;
}
#elif defined(__aarch64__)
static uint64_t take_registers(const ucontext_t *u)
{
	size_t n = sizeof(u->uc_mcontext.regs) / sizeof(*u->uc_mcontext.regs);

	for (size_t i = 0; i < n; i++)
		record.registers[i] = u->uc_mcontext.regs[i];
	record.registers[n] = u->uc_mcontext.sp;
	record.registers[n + 1] = u->uc_mcontext.pc;
	record.registers[n + 2] = u->uc_mcontext.pstate;
	record.registers_count = (uint32_t)n + 3;
	return u->uc_mcontext.pc;
}

static uint64_t caller_of_nowhere(void)
{
	return record.registers[30]; /* the link register */
}
#else
static uint64_t take_registers(const ucontext_t *u)
{
	(void)u;
	return 0;
}

static uint64_t caller_of_nowhere(void)
{
	return 0;
}
#endif

static void take_crash(int signal, const siginfo_t *info, const ucontext_t *u)
{
	record.signal = signal;
	record.code = info->si_code;
	record.fault_address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0;
	record.utc_ns = read_clock(CLOCK_REALTIME);
	record.monotonic_ns = read_clock(CLOCK_MONOTONIC);
	record.pid = (uint32_t)record_pid;
	record.tid = (uint32_t)gettid();
	record.frames[0] = take_registers(u);
	record.frames_count = 1;
}

struct walk {
	uint64_t from; /* frames before it are this handler's own */
	bool found;
	uint32_t count;
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *c, void *self)
{
	struct walk *w = self;
	uint64_t address = (uint64_t)_Unwind_GetIP(c);

	w->found |= address == w->from;
	if (!w->found)
		return _URC_NO_REASON;
	record.frames[w->count++] = address;
	return w->count < CRASH_FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void take_frames(void)
{
	struct walk w = { .from = record.frames[0] };

	_Unwind_Backtrace(take_frame, &w);
	if (w.count > 0)
		record.frames_count = w.count;
	if (record.frames_count == 1)
		record.frames[1] = caller_of_nowhere();
	if (record.frames_count == 1 && record.frames[1])
		record.frames_count = 2;
}

static void write_record(void)
{
	const char *at = (const char *)&record;
	size_t left = sizeof(record);

	crash_record_seal(&record);
	if (record_fd < 0 || lseek(record_fd, 0, SEEK_SET) < 0)
		return;
	while (left > 0) {
		ssize_t n = write(record_fd, at, left);

		if (n <= 0)
			return; /* every signal is blocked: nothing interrupts */
		at += n;
		left -= (size_t)n;
	}
}

/* Who had the signal before us; a default action comes after. */
static void call_before(int signal, siginfo_t *info, void *context)
{
	for (size_t i = 0; i < CAUGHT; i++) {
		if (caught[i] != signal)
			continue;
		if (before[i].sa_flags & SA_SIGINFO)
			before[i].sa_sigaction(signal, info, context);
		else if (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN)
			before[i].sa_handler(signal);
	}
}

/* Sent again with all that the kernel had said of it, which is what a core will show. */
static void die(int signal, siginfo_t *info)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t one;

	sigaction(signal, &standard, NULL);
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal, info) < 0)
		syscall(SYS_tgkill, getpid(), gettid(), signal);
	sigemptyset(&one);
	sigaddset(&one, signal);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	_exit(128 + signal); /* the first process of a container is spared by default actions */
}

static void on_crash(int signal, siginfo_t *info, void *context)
{
	int nobody = 0, tid = gettid();

	if (getpid() != record_pid)
		die(signal, info);
	if (!atomic_compare_exchange_strong(&crashing_tid, &nobody, tid)) {
		if (nobody == tid)
			die(signal, info); /* of the handler itself */
		for (;;)
			pause(); /* the other thread ends the process */
	}
	take_crash(signal, info, context);
	write_record();
	take_frames();
	write_record();
	if (record_fd >= 0)
		fsync(record_fd);
	call_before(signal, info, context);
	die(signal, info);
}

/* --- before ------------------------------------------------------------------------------------------------ */

static void take_build_id(struct crash_image *image, const char *notes, size_t bytes)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)notes;
		size_t name = (note->n_namesz + 3U) & ~(size_t)3,
		       data = (note->n_descsz + 3U) & ~(size_t)3;
		size_t whole = sizeof(*note) + name + data;

		if (whole > bytes)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof("GNU") &&
		    note->n_descsz <= CRASH_BUILD_ID_BYTES) {
			image->build_id_bytes = note->n_descsz;
			memcpy(image->build_id, notes + sizeof(*note) + name, note->n_descsz);
			return;
		}
		notes += whole;
		bytes -= whole;
	}
}

static void take_name(struct crash_image *image, const char *path)
{
	const char *name = *path ? basename(path) : program_invocation_short_name;
	size_t n = strnlen(name, sizeof(image->name) - 1);

	memcpy(image->name, name, n);
}

static int take_image(struct dl_phdr_info *info, size_t size, void *self)
{
	struct crash_image *image = &record.images[record.images_count];
	uint64_t begin = UINT64_MAX, end = 0;

	(void)size;
	(void)self;
	if (record.images_count == CRASH_IMAGES_MAX)
		return 1;
	*image = (struct crash_image){};
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_NOTE && image->build_id_bytes == 0)
			take_build_id(image, (const char *)(info->dlpi_addr + p->p_vaddr),
			              p->p_memsz);
		if (p->p_type != PT_LOAD)
			continue;
		begin = p->p_vaddr < begin ? p->p_vaddr : begin;
		end = p->p_vaddr + p->p_memsz > end ? p->p_vaddr + p->p_memsz : end;
	}
	if (begin >= end)
		return 0;
	image->base_address = info->dlpi_addr + begin;
	image->size_bytes = end - begin;
	take_name(image, info->dlpi_name);
	record.images_count++;
	return 0;
}

void crash_handler_list_images(void)
{
	record.images_count = 0;
	dl_iterate_phdr(take_image, NULL);
}

struct breadcrumbs *crash_handler_crumbs(void)
{
	return &record.crumbs;
}

/* Of a signal that is blocked the kernel makes the default action, and there would be no record. */
static void unblock_signals(void)
{
	sigset_t ours;

	sigemptyset(&ours);
	for (size_t i = 0; i < CAUGHT; i++)
		sigaddset(&ours, caught[i]);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

int crash_handler_thread_begin(struct crash_stack *ret, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), frame = getauxval(AT_MINSIGSTKSZ);
	size_t bytes = (STACK_BYTES + (frame ? frame : MINSIGSTKSZ) + 2 * page - 1) / page * page;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	stack_t stack = { .ss_sp = memory + page, .ss_size = bytes - page };

	if (memory == MAP_FAILED)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a stack of %zu bytes for crashes",
		               bytes);
	/* below it a page that faults */
	if (mprotect(memory, page, PROT_NONE) < 0 || sigaltstack(&stack, NULL) < 0) {
		int code = -errno;

		munmap(memory, bytes);
		return ERR_SET(err, code, ERR_SYS, 0, "set the stack for crashes");
	}
	unblock_signals();
	*ret = (struct crash_stack){ memory, bytes };
	return 0;
}

void crash_handler_thread_end(struct crash_stack *s)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	if (!s->memory)
		return;
	sigaltstack(&none, NULL);
	munmap(s->memory, s->bytes);
	*s = (struct crash_stack){};
}

static _Unwind_Reason_Code see_frame(struct _Unwind_Context *c, void *self)
{
	(void)self;
	return _Unwind_GetIP(c) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static int catch_signals(struct err *err)
{
	struct sigaction ours = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigfillset(&ours.sa_mask);
	for (size_t i = 0; i < CAUGHT; i++)
		if (sigaction(caught[i], &ours, &before[i]) < 0)
			return ERR_SET(err, -errno, ERR_SYS, 0, "catch signal %d", caught[i]);
	return 0;
}

int crash_handler_begin(int fd, const char *role, struct err *err)
{
	static struct crash_stack stack; /* until the process ends */
	int r;

	record_fd = fd;
	record_pid = getpid();
	memset(record.role, 0, sizeof(record.role));
	memcpy(record.role, role, strnlen(role, sizeof(record.role) - 1));
	if (begun)
		return 0;
	record.arch = CRASH_ARCH;
	record.started_utc_ns = clock_utc_ns();
	bytes_random(record.event_id, sizeof(record.event_id));
	_Static_assert(sizeof(POD_VERSION) <= sizeof(record.release), "a version fits");
	memcpy(record.release, POD_VERSION, sizeof(POD_VERSION));
	crash_handler_list_images();
	_Unwind_Backtrace(see_frame, NULL); /* what it does once is done */
	r = crash_handler_thread_begin(&stack, err);
	if (r == 0)
		r = catch_signals(err);
	begun = r == 0;
	return r;
}
