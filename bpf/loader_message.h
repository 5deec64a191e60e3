/* What the loader's two processes say to each other, in one message each way. Where systemd starts the loader the
 * two may be of different releases, and who asks may have less privilege than who answers: so the request is
 * numbers of fixed size, each of which is looked at (loader_request_read()). */
#pragma once

#include "bpf/loader.h"
#include "transport/base/passing.h"

#define LOADER_DESCRIPTORS_MAX (4 + LOADER_LINKS_MAX)
_Static_assert(LOADER_DESCRIPTORS_MAX <= PASSING_DESCRIPTORS_MAX, "one message has room for all");

#define LOADER_LAYOUT 4U /* counted up where either message changes, or what the maps hold */

struct loader_request { /* with the cgroup's descriptor, if has_cgroup */
	uint64_t interval_ns;
	uint32_t layout, ring_bytes, tiers;
	uint8_t has_cgroup, whole_cgroup, whole_btf, reserved;
};
_Static_assert(sizeof(struct loader_request) == 24, "no holes");

struct loader_answer {             /* with the descriptors of loader_answer_descriptors() */
	struct loader_grant grant; /* its descriptors' numbers are the loader's own */
};

bool loader_ring_fits(uint32_t bytes);

struct loader_request loader_request_of(const struct loader_wish *wish);

/* The wish of a request that came with `descriptors` of them, the first of which is cgroup_fd. Pure.
 *   -EPROTO  of another release, or not what loader_request_of() makes;  -EINVAL  the ring's size */
int loader_request_read(const struct loader_request *request, size_t descriptors, int cgroup_fd,
                        struct loader_wish *ret);

/* What goes with the answer: three maps, the program where there is one, the links. Answers how many. Pure. */
size_t loader_answer_descriptors(const struct loader_grant *grant, int ret[LOADER_DESCRIPTORS_MAX]);

/* The grant of an answer that came with `count` of them. Pure.
 *   -EPROTO  it speaks of another number */
int loader_answer_read(const struct loader_answer *answer, const int *fds, size_t count,
                       struct loader_grant *ret);
