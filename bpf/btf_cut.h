/* A few types, cut out of the description of all of a kernel's types (BTF): so much as CO-RE looks at when
 * it asks where a member of them lies.
 *
 * libbpf reads the whole, five megabytes that describe 130,000 types, to find nine of them. Here one pass goes
 * over the types' heads, and copies those that were asked for by name, with all that they hold by value. What a
 * pointer points to is left out, and is void in the cut; so are the names of an enum's values.
 *
 * Pure. Where the description is not as linux/btf.h has it, there is no cut, never half of one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define BTF_CUT_TYPES_MAX 4096
#define BTF_CUT_BYTES_MAX (1U << 20) /* of its types, and of its names */

struct btf_name {
	const char *name;
	bool is_typedef; /* then only its number is wanted; else a struct or union, to be cut out */
	uint32_t id; /* answered: the kernel's number of the first of that name; 0: it has none */
};

struct btf_cut {
	void *data; /* BTF as the kernel's is; free(3) it */
	size_t bytes;
};

/* All of one name are cut out, should there be several.
 *   -EPROTO  it is no BTF of this machine's byte order, or of a kind that is not known here
 *   -E2BIG   a ceiling is reached
 *   -ENOMEM */
int btf_cut(const void *btf, size_t bytes, struct btf_name *names, size_t count,
            struct btf_cut *ret, struct err *err);
