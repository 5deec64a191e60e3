/* What who takes a link down is told, by whatever is at its socket. Live, where this process may write to
 * the links' folder; else skipped. */
#include "bench/link/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/link/lock.h"
#include "bench/link/namespaces.h"
#include "tests/cases.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* The folder of a link whose owner lives, as far as others can see. */
struct folder {
	char name[NAMESPACES_NAME_MAX + 1];
	int lock_fd, listen_fd;
};

static const char *in_folder(const struct folder *f, const char *file)
{
	static char path[NAMESPACES_PATH_BYTES];

	assert_int_equal(namespaces_path(f->name, file, path, NULL), 0);
	return path;
}

static void make_folder(struct folder *f)
{
	*f = (struct folder){ .lock_fd = -1, .listen_fd = -1 };
	snprintf(f->name, sizeof(f->name), "control-%d", (int)getpid());
	mkdir(NAMESPACES_FOLDER, 0755);
	if (mkdir(in_folder(f, ""), 0755) < 0) {
		print_message("control: skipped, no folder: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(lock_file(in_folder(f, "lock"), O_CREAT, LOCK_EX, &f->lock_fd), 0);
}

static void hear(struct folder *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_folder(f, "control"));
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listen_fd, 1), 0);
}

static void remove_folder(struct folder *f)
{
	static const char *const files[] = { "control", "lock" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(in_folder(f, files[i]));
	rmdir(in_folder(f, ""));
	fd_closep(&f->listen_fd);
	fd_closep(&f->lock_fd);
}

static void nobody_listens(void **state)
{
	enum exit_code code = EXIT_DONE;
	char text[CONTROL_TEXT_BYTES];
	struct folder f;

	(void)state;
	make_folder(&f);
	assert_int_equal(control_ask(f.name, NS_PER_S, &code, text, NULL), -ENOENT);
	remove_folder(&f);
}

/* Its process is stopped: the kernel has taken the connection, and nothing more comes. */
static void a_link_that_is_stopped_is_not_waited_for(void **state)
{
	enum exit_code code = EXIT_DONE;
	char text[CONTROL_TEXT_BYTES];
	struct err err = {};
	struct folder f;

	(void)state;
	make_folder(&f);
	hear(&f);
	assert_int_equal(control_ask(f.name, 20 * NS_PER_MS, &code, text, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "link list"));
	remove_folder(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(a_link_that_is_stopped_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
