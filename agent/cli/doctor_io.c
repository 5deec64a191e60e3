/* The two event loops. By system call, each part by itself, as transport/loop answers with the loop it
 * chose; then the loop itself is asked whether what is there is enough for it. */
#include "agent/cli/doctor.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

static int ring_setup(unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };

	return (int)syscall(__NR_io_uring_setup, 4, &p); /* close-on-exec by itself */
}

static bool has_buffer_rings(int ring)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)page, .ring_entries = 4 };
	bool has;

	if (page == MAP_FAILED)
		return false;
	has = syscall(__NR_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &reg, 1) == 0;
	if (has)
		syscall(__NR_io_uring_register, ring, IORING_UNREGISTER_PBUF_RING, &reg, 1);
	munmap(page, bytes);
	return has;
}

/* Multishot receive came with Linux 6.0, and so did IORING_OP_SEND_ZC, which can be asked for. */
static bool has_multishot_receive(int ring)
{
	_Alignas(struct io_uring_probe) unsigned char
		buffer[sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op)] = {};
	struct io_uring_probe *probe = (struct io_uring_probe *)buffer;

	if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_PROBE, probe, 256) < 0)
		return false;
	return probe->last_op >= IORING_OP_SEND_ZC &&
	       probe->ops[IORING_OP_SEND_ZC].flags & IO_URING_OP_SUPPORTED;
}

/* The flags the loop would choose, newest first. */
static int open_best(const char **ret_flags)
{
	static const struct {
		unsigned int flags;
		const char *names;
	} choices[] = {
		{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		  "single_issuer, defer_taskrun" },
		{ IORING_SETUP_SINGLE_ISSUER, "single_issuer, no defer_taskrun" },
		{ 0, "neither single_issuer nor defer_taskrun" },
	};
	int fd = -1;

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices) && fd < 0; i++) {
		fd = ring_setup(choices[i].flags);
		*ret_flags = choices[i].names;
		if (fd < 0 && errno != EINVAL)
			break;
	}
	return fd;
}

static void explain_barred(struct finding *f, int error)
{
	char sysctl[16];
	bool known = doctor_read_line("/proc/sys/kernel/io_uring_disabled", sysctl, sizeof(sysctl));

	f->state = FINDING_LESS;
	f->follows = "the epoll loop is used: the same figures, more CPU for each byte";
	if (known && strcmp(sysctl, "0") != 0) {
		finding_say(f, "barred by kernel.io_uring_disabled=%s (%s)", sysctl,
		            strerror(error));
		f->remedy = "sysctl kernel.io_uring_disabled=0";
	} else if (error == ENOSYS) {
		finding_say(f, "not in this kernel, or hidden by a system call filter");
		f->remedy = "Linux 6.1 or newer; in a container, a seccomp profile that allows it";
	} else if (error == EPERM || error == EACCES) {
		finding_say(f, "barred by a system call filter or security module (%s)",
		            strerror(error));
		f->remedy = "in a container, a seccomp profile that allows io_uring_setup";
	} else {
		finding_say(f, "cannot be set up: %s", strerror(error));
	}
}

/* The loop has the last word: it has received through its ring, or says why not. */
static void judge_by_the_loop(struct finding *f)
{
	struct loop *loop = NULL;
	struct err err = {};

	if (loop_open(LOOP_BODY_IO_URING, &loop, &err) == 0) {
		f->follows = "tests run on it";
	} else {
		f->state = FINDING_LESS;
		finding_say(f, "all parts are there, but it could not %s", err.text);
		f->follows = "the epoll loop is used: the same figures, more CPU for each byte";
	}
	loop_close(loop);
}

void doctor_io_uring(struct finding *f)
{
	const char *flags = "";
	CLEANUP(fd_closep) int ring = open_best(&flags);
	bool buffers, multishot;

	if (ring < 0) {
		explain_barred(f, errno);
		return;
	}
	buffers = has_buffer_rings(ring);
	multishot = has_multishot_receive(ring);
	finding_say(f, "%s, %s, %s", flags, buffers ? "buffer rings" : "no buffer rings",
	            multishot ? "multishot receive" : "no multishot receive");
	if (buffers && multishot) {
		judge_by_the_loop(f);
		return;
	}
	f->state = FINDING_LESS;
	f->follows = "the kernel is older than the loop wants; epoll may be used instead";
	f->remedy = "Linux 6.1 or newer";
}

void doctor_epoll(struct finding *f)
{
	CLEANUP(fd_closep) int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd >= 0) {
		finding_say(f, "there");
		return;
	}
	f->state = FINDING_BROKEN;
	finding_say(f, "cannot be set up: %s", strerror(errno));
	f->follows = "without io_uring too, no test can run";
}
