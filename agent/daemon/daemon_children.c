#include "agent/daemon/daemon_children.h"

#include <stddef.h>
#include <string.h>

#include "agent/base/spawner.h"
#include "agent/service/courier_child.h"

/* A file of the state directory's, by no way round. */
static bool is_kept_by_us(const struct daemon_children *c, const char *path)
{
	size_t n = strlen(c->state_dir);

	return n > 0 && strncmp(path, c->state_dir, n) == 0 && path[n] == '/' &&
	       !strstr(path, "/../");
}

/* What each reads is the test's to judge; none of them writes. */
static bool is_harmless(const char *option)
{
	static const char *const options[] = { "--format",    "--scheme",  "--locate-url",
		                               "--interface", "--ca-file", "--trace-interval",
		                               "--warning" };

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strcmp(option, options[i]) == 0)
			return true;
	return false;
}

static bool may_test(const struct daemon_children *c, char *const *words)
{
	if (!words[0] || strcmp(words[0], "ndt7") != 0)
		return false;
	for (words++; *words; words++) {
		const char *option = *words;

		if (strcmp(option, "--no-store") == 0)
			continue;
		if (!*++words)
			return false;
		if (!is_harmless(option) &&
		    !(strcmp(option, "--result") == 0 && strcmp(*words, "/dev/fd/3") == 0) &&
		    !(strcmp(option, "--trace") == 0 && is_kept_by_us(c, *words)))
			return false;
	}
	return true;
}

bool daemon_children_may(const struct daemon_children *c, const char *program, char *const *argv)
{
	if (strcmp(program, SPAWNER_OURS) != 0)
		return *c->ookla_binary && strcmp(program, c->ookla_binary) == 0;
	if (!argv[0] || !argv[1])
		return false;
	if (strcmp(argv[1], COURIER_ROLE) == 0)
		return !argv[2] || !argv[3];
	return strcmp(argv[1], "test") == 0 && may_test(c, argv + 2);
}
