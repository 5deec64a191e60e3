#include "bpf/kernel_types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"

struct source {
	void *data;
	size_t bytes;
	bool mapped;
};

static void source_end(struct source *s)
{
	if (s->mapped)
		munmap(s->data, s->bytes);
	else
		free(s->data);
}

int kernel_types_open(struct kernel_types *ret, struct err *err)
{
	struct kernel_types k = { .fd = memfd_create("kernel_types", MFD_CLOEXEC) };

	if (k.fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a file in memory");
	snprintf(k.path, sizeof(k.path), "/proc/self/fd/%d", k.fd);
	*ret = k;
	return 0;
}

void kernel_types_close(struct kernel_types *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

static int read_all(int fd, struct source *s)
{
	size_t got = 0;

	s->data = malloc(s->bytes);
	if (!s->data)
		return -ENOMEM;
	while (got < s->bytes) {
		ssize_t n = read(fd, (char *)s->data + got, s->bytes - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		got += (size_t)n;
	}
	return 0;
}

/* Since Linux 6.16 (a539e2a6d51d) it can be mapped; before, each read(2) gives a page. */
static int load(int fd, struct source *s)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 1 || st.st_size > KERNEL_TYPES_BYTES_MAX)
		return -EPROTO;
	s->bytes = (size_t)st.st_size;
	s->data = mmap(NULL, s->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	s->mapped = s->data != MAP_FAILED;
	if (s->mapped)
		return 0;
	return read_all(fd, s);
}

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int kernel_types_cut(struct kernel_types *k, const char *from, struct btf_name *names, size_t count,
                     struct err *err)
{
	CLEANUP(fd_closep) int fd = open(from, O_RDONLY | O_CLOEXEC);
	CLEANUP(source_end) struct source source = {};
	CLEANUP(freep) void *data = NULL;
	struct btf_cut cut = {};
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", from);
	r = load(fd, &source);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "read %s", from);
	r = btf_cut(source.data, source.bytes, names, count, &cut, err);
	if (r < 0)
		return r;
	data = cut.data;
	r = write_all(k->fd, data, cut.bytes);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "write %zu bytes into memory", cut.bytes) : 0;
}
