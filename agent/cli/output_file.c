/* What is written is held in memory until commit: a test that is killed, or whose result is refused,
 * has touched nothing. */
#include "agent/cli/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/interrupt.h"
#include "agent/base/whole_file.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

CLEANUP_DEFINE(output_file_closep, struct output_file *, output_file_close)

/* standard_output_begin() puts something unwritable where it was closed. */
static bool stdout_is_closed(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	return flags < 0 || (flags & O_ACCMODE) == O_RDONLY;
}

int output_file_open(const char *path, bool whole, struct output_file **ret, struct err *err)
{
	CLEANUP(output_file_closep) struct output_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the output");
	if (!path && stdout_is_closed())
		return ERR_SET(err, -EBADF, ERR_SYS, 0, "write to standard output");
	r = path ? whole_file_open(path, &f->file, err) : 0;
	if (r < 0)
		return r;
	f->to = path || whole ? open_memstream(&f->text, &f->text_bytes) : stdout;
	if (!f->to)
		return ERR_SET(err, -errno, ERR_SYS, 0, "allocate the output");
	*ret = TAKE(f, NULL);
	return 0;
}

/* A result that has no file is not lost. */
static int give_to_stdout(const struct output_file *f, int r, struct err *err)
{
	if (stdout_is_closed())
		return r;
	fwrite(f->text, 1, f->text_bytes, stdout);
	return ERR_SET(err, r, ERR_SYS, 0, "write %s (the result is on standard output)",
	               whole_file_path(f->file));
}

int output_file_commit(struct output_file *f, struct err *err)
{
	int r;

	if (f->to != stdout && fflush(f->to) == EOF)
		return ERR_SET(err, -errno, ERR_SYS, 0, "hold the result");
	if (!f->file) {
		if (f->to != stdout)
			fwrite(f->text, 1, f->text_bytes, stdout);
		return 0;
	}
	if (f->text_bytes == 0)
		return 0; /* nothing was said: what is there is better */
	interrupt_hold(true);
	r = whole_file_write(f->file, f->text, f->text_bytes, err);
	if (r == 0)
		r = whole_file_commit(f->file, err);
	interrupt_hold(false);
	return r < 0 ? give_to_stdout(f, r, err) : 0;
}

const char *output_file_directory(const struct output_file *f)
{
	return f && f->file ? whole_file_directory(f->file) : NULL;
}

struct output_file *output_file_close(struct output_file *f)
{
	if (!f)
		return NULL;
	if (f->to && f->to != stdout)
		fclose(f->to);
	whole_file_close(f->file);
	free(f->text);
	free(f);
	return NULL;
}
