/* The smallest program that embeds the engine; tests/install builds it against what is installed.
 *
 *   cc embed.c $(pkg-config --cflags --libs radarpod-measure)
 */
#include <errno.h>
#include <measure/run.h>
#include <stdio.h>
#include <transport/base/err.h>

int main(int argc, char **argv)
{
	static struct test_result result;
	struct run_options options = { .server = argc > 1 ? argv[1] : "ws://127.0.0.1:1",
		                       .client_name = "embed",
		                       .client_version = "1",
		                       .download = true,
		                       .stop_fd = -1 };
	struct err err = {};

	if (run_test(&options, &result, &err) < 0)
		fprintf(stderr, "could not %s\n", err.text);
	return err.code == 0 ? 0 : 1;
}
