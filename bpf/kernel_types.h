/* The running kernel's description of its own types, for libbpf: the few that are asked for, as a file. */
#pragma once

#include <stddef.h>

#include "bpf/btf_cut.h"

#define KERNEL_TYPES_PATH      "/sys/kernel/btf/vmlinux"
#define KERNEL_TYPES_BYTES_MAX (256U << 20)

struct kernel_types {
	int fd;        /* in memory; gone with the process */
	char path[32]; /* by which libbpf opens it */
};

/* An empty file, whose path can be given away before it is known what is to stand in it. */
int kernel_types_open(struct kernel_types *ret, struct err *err);

/* Fills it with what btf_cut() makes of the BTF in the file `from`, and answers as that does. */
int kernel_types_cut(struct kernel_types *k, const char *from, struct btf_name *names, size_t count,
                     struct err *err);

/* Accepts one that is closed. */
void kernel_types_close(struct kernel_types *k);
