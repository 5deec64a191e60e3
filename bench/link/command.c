#include "bench/link/command.h"

#include <errno.h>
#include <stdio.h>

#include "transport/base/err.h"

void complain(const struct err *err)
{
	char sentence[sizeof(err->text) + 160];

	fprintf(stderr, "link: %s\n", err_sentence(err, sentence, sizeof(sentence)));
}

enum exit_code exit_code_of(int negative_errno)
{
	switch (-negative_errno) {
	case EINVAL:
		return EXIT_USAGE;
	case EPERM:
	case EACCES:
	case EROFS:
	case ENOSYS:
	case ENODEV:
		return EXIT_CANNOT_HERE;
	default:
		return EXIT_NOT_DONE;
	}
}
