/* config_saver PATH KEY VALUE...: saves the changes as the daemon does. 0: they are durable. */
#include <stdio.h>

#include "agent/config/config.h"
#include "transport/base/err.h"

#define CHANGES_MAX 8

int main(int argc, char **argv)
{
	struct config_change changes[CHANGES_MAX];
	size_t count = 0;
	struct err err = {};
	char sentence[512];

	for (int i = 2; i + 1 < argc && count < CHANGES_MAX; i += 2)
		changes[count++] = (struct config_change){ argv[i], argv[i + 1] };
	if (count == 0)
		return 2;
	if (config_save(argv[1], changes, count, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err_sentence(&err, sentence, sizeof(sentence)));
	return 1;
}
