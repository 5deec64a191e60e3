/* libbpf, loaded late, as transport/libcurl.h does with its library: it brings libelf and zlib with
 * it, which only the loader's role needs. Built against its header alone, whose name a header of ours beside this one would hide. */
#pragma once

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

struct err;

#define LIBBPF_SONAME "libbpf.so.1"

#define LIBBPF_CALLS(X)                                                                            \
	X(bpf_link__fd)                                                                            \
	X(bpf_map__fd)                                                                             \
	X(bpf_map__name)                                                                           \
	X(bpf_map__reuse_fd)                                                                       \
	X(bpf_map__set_initial_value)                                                              \
	X(bpf_map__set_max_entries)                                                                \
	X(bpf_object__close)                                                                       \
	X(bpf_object__find_map_by_name)                                                            \
	X(bpf_object__load)                                                                        \
	X(bpf_object__next_map)                                                                    \
	X(bpf_object__next_program)                                                                \
	X(bpf_object__open_mem)                                                                    \
	X(bpf_program__attach_cgroup)                                                              \
	X(bpf_program__attach_trace)                                                               \
	X(bpf_program__autoload)                                                                   \
	X(bpf_program__fd)                                                                         \
	X(bpf_program__name)                                                                       \
	X(bpf_program__set_autoload)                                                               \
	X(bpf_program__set_type)                                                                   \
	X(btf__find_by_name_kind)                                                                  \
	X(btf__free)                                                                               \
	X(btf__load_vmlinux_btf)                                                                   \
	X(libbpf_num_possible_cpus)                                                                \
	X(libbpf_register_prog_handler)                                                            \
	X(libbpf_set_print)                                                                        \
	X(libbpf_unregister_prog_handler)

struct libbpf {
#define LIBBPF_MEMBER(name) __typeof__(name) *name;
	LIBBPF_CALLS(LIBBPF_MEMBER)
#undef LIBBPF_MEMBER
};

/*   -ENOPKG  not installed, or without one of these */
int libbpf_load(const char *soname, struct libbpf *ret, struct err *err);
