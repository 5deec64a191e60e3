#include "agent/cli/given_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/log.h"

/* NULL: nothing is wrong with it. */
static const char *what_is_wrong(int fd)
{
	struct stat st;
	char byte;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return "it is a directory";
	if (!S_ISREG(st.st_mode))
		return "it is no regular file";
	n = read(fd, &byte, 1);
	if (n < 0)
		return strerror(errno);
	return n == 0 ? "it is empty" : NULL;
}

enum exit_code given_file_check(const char *what, const char *path)
{
	/* Of a pipe nobody writes to, even open(2) would wait. */
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *wrong = what_is_wrong(fd);

	if (!wrong)
		return EXIT_DONE;
	log_error("could not read %s %s: %s", what, path, wrong);
	return EXIT_BAD_FILE;
}

bool given_file_is_same(const char *a, const char *b)
{
	struct stat of_a, of_b;

	return a && b && stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_ino == of_b.st_ino &&
	       of_a.st_dev == of_b.st_dev && S_ISREG(of_a.st_mode);
}
