/* What the loader's two processes say to each other, in one message each way: they are the same
 * executable, so that the layout is no question. */
#pragma once

#include "bpf/loader.h"
#include "transport/base/passing.h"

#define LOADER_DESCRIPTORS_MAX (3 + LOADER_LINKS_MAX)
_Static_assert(LOADER_DESCRIPTORS_MAX <= PASSING_DESCRIPTORS_MAX, "one message has room for all");

struct loader_request { /* with the cgroup's descriptor, if has_cgroup */
	struct loader_wish wish;
	bool has_cgroup;
};

struct loader_answer {             /* with the descriptors: three maps, then the links */
	struct loader_grant grant; /* its descriptors' numbers are the child's own */
};
