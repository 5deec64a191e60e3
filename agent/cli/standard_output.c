#include "agent/cli/standard_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/err.h"
#include "transport/base/log.h"

static int first_error;

/* Read-only: a write to it is an error, not a success. */
void standard_output_begin(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
			_exit(EXIT_NOT_DONE);
}

bool standard_output_works(void)
{
	if (!ferror(stdout))
		return true;
	if (first_error == 0)
		first_error = errno ? errno : EIO;
	return false;
}

enum exit_code standard_output_complain(const struct err *err)
{
	if (standard_output_works())
		log_err(LOG_LEVEL_ERROR, err);
	return err->code == -ENOPKG ? EXIT_CANNOT_HERE : EXIT_NOT_DONE;
}

enum exit_code standard_output_end(enum exit_code code)
{
	if (fflush(stdout) == EOF && first_error == 0)
		first_error = errno;
	standard_output_works();
	/* A close is where a network file system says that its disk is full. */
	if (fclose(stdout) == EOF && first_error == 0)
		first_error = errno;
	if (first_error == 0)
		return code;
	fprintf(stderr, "radar-pod: could not write to standard output: %s\n",
	        strerror(first_error));
	return EXIT_NOT_DONE;
}
