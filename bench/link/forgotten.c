#include "bench/link/forgotten.h"

#include <string.h>

/* Those that a value follows, joined or as a word of its own; and those that ask for no ping at all. */
#define WITH_VALUE "ceFiIlmMNpQsStTwW"
#define NO_PING    "hV"

static bool is_ping(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return strcmp(name, "ping") == 0 || strcmp(name, "ping6") == 0;
}

/* How many words "-…" takes; 0: it asks for no ping. */
static int words_of(const char *option)
{
	for (const char *c = option + 1; *c; c++) {
		if (strchr(NO_PING, *c))
			return 0;
		if (strchr(WITH_VALUE, *c))
			return c[1] ? 1 : 2;
	}
	return 1;
}

bool forgotten_destination(char *const *argv)
{
	int words = 0;

	if (!is_ping(argv[0]))
		return false;
	for (char *const *word = argv + 1; *word; word++) {
		if (words > 1) {
			words = 1; /* the value of the word before */
			continue;
		}
		if ((*word)[0] != '-' || !(*word)[1] || strcmp(*word, "--") == 0)
			return false;
		words = words_of(*word);
		if (words == 0)
			return false;
	}
	return words < 2;
}
