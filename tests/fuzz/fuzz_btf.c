/* Any bytes as the description of a kernel's types: what is cut out of it is one, too, and of that all is cut out
 * again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/btf_cut.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct btf_name names[] = { { "wanted" }, { "inner" }, { "wanted_trace", true } };
	struct btf_cut cut, again;

	if (btf_cut(data, n, names, 3, &cut, NULL) < 0)
		return 0;
	CHECK(btf_cut(cut.data, cut.bytes, names, 2, &again, NULL) == 0);
	CHECK(again.bytes == cut.bytes && memcmp(again.data, cut.data, cut.bytes) == 0);
	free(cut.data);
	free(again.data);
	return 0;
}
