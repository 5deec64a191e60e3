/*   codec_bench --list    a line for each case: name, count, what is counted
 *   codec_bench NAME      does it once */
#include "bench/instructions/codec_bench.h"

#include <string.h>

static const struct codec_case *const groups[] = { ws_cases, json_cases, ndt7_cases, tls_cases,
	                                           trace_cases };

/* Only what happens in here is counted: callgrind --toggle-collect. */
static __attribute__((noinline)) void counted_work(const struct codec_case *c)
{
	c->work(c->count);
	__asm__ volatile(""); /* there is something left to do: no jump instead of the call */
}

static const struct codec_case *find(const char *name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (const struct codec_case *c = groups[i]; c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (const struct codec_case *c = groups[i]; c->name; c++)
			printf("%s\t%zu\t%s\n", c->name, c->count, c->per);
}

int main(int argc, char **argv)
{
	const struct codec_case *c;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list();
		return 0;
	}
	c = argc == 2 ? find(argv[1]) : NULL;
	if (!c) {
		fprintf(stderr, "usage: codec_bench --list | NAME\n");
		return 2;
	}
	if (c->prepare)
		c->prepare();
	counted_work(c);
	return 0;
}
