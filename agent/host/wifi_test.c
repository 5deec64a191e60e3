/* When done() is called, and what is left behind. What a supplicant says is tests/agent/test_wifi.py's. */
#include "agent/host/wifi.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/loop/loop.h"

struct place {
	char ours[32], sockets[32], path[64];
	int supplicant; /* its socket */
	struct loop *loop;
	struct wifi_ask *ask;
	int done;
	struct wifi_status status;
};

static int place_begin(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	assert_non_null(p);
	strcpy(p->ours, "/tmp/wifi-test-XXXXXX");
	strcpy(p->sockets, "/tmp/wifi-test-XXXXXX");
	assert_non_null(mkdtemp(p->ours));
	assert_non_null(mkdtemp(p->sockets));
	snprintf(p->path, sizeof(p->path), "%s/wlan0", p->sockets);
	strcpy(at.sun_path, p->path);
	p->supplicant = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->supplicant, (const void *)&at, sizeof(at)), 0);
	assert_int_equal(loop_open(LOOP_BODY_EPOLL, &p->loop, NULL), 0);
	*state = p;
	return 0;
}

static int place_end(void **state)
{
	struct place *p = *state;

	wifi_cancel(p->ask);
	loop_close(p->loop);
	close(p->supplicant);
	unlink(p->path);
	assert_int_equal(rmdir(p->sockets), 0);
	assert_int_equal(rmdir(p->ours), 0); /* so nothing is in it */
	free(p);
	return 0;
}

static void on_done(void *owner, const struct wifi_status *status)
{
	struct place *p = owner;

	p->done++;
	p->status = *status;
	p->ask = wifi_cancel(p->ask);
	loop_stop(p->loop);
}

static void begin(struct place *p, const char *interface)
{
	const struct wifi_options o = { .interface = interface,
		                        .directory = p->ours,
		                        .supplicant = p->sockets };

	assert_int_equal(wifi_ask(p->loop, &o, on_done, p, &p->ask, NULL), 0);
	assert_int_equal(p->done, 0);
}

static void run(struct place *p)
{
	loop_run(p->loop, loop_now_ns(p->loop) + 10 * NS_PER_S, NULL);
	assert_int_equal(p->done, 1);
}

static int entries(const char *directory)
{
	DIR *d = opendir(directory);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

static void R43_what_is_not_there_is_told_from_the_loop(void **state)
{
	struct place *p = *state;

	begin(p, "wlan9");
	assert_int_equal(entries(p->ours), 0);
	run(p);
	assert_int_equal(p->status.link, WIFI_NOT_KNOWN);
}

static void cancelled_it_leaves_nothing_and_says_nothing(void **state)
{
	struct place *p = *state;

	begin(p, "wlan0");
	assert_int_equal(entries(p->ours), 1);
	p->ask = wifi_cancel(p->ask);
	assert_null(p->ask);
	assert_int_equal(entries(p->ours), 0);
	loop_run(p->loop, loop_now_ns(p->loop) + 20 * NS_PER_MS, NULL);
	assert_int_equal(p->done, 0);
}

static void cancelled_before_it_is_told(void **state)
{
	struct place *p = *state;

	begin(p, "wlan9");
	p->ask = wifi_cancel(p->ask);
	loop_run(p->loop, loop_now_ns(p->loop) + 20 * NS_PER_MS, NULL);
	assert_int_equal(p->done, 0);
}

/* Nobody reads: once its queue is full, it is as if nobody were there. */
static void a_full_queue_is_no_wait(void **state)
{
	struct place *p = *state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int filler = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uint64_t begun_ns = loop_now_ns(p->loop);

	strcpy(at.sun_path, p->path);
	while (sendto(filler, "x", 1, 0, (const void *)&at, sizeof(at)) == 1)
		;
	close(filler);
	begin(p, "wlan0");
	run(p);
	assert_int_equal(p->status.link, WIFI_NOT_KNOWN);
	assert_true(loop_now_ns(p->loop) - begun_ns < WIFI_WAIT_NS);
}

int main(void)
{
#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_begin, place_end)
	const struct CMUnitTest tests[] = {
		PLACED(R43_what_is_not_there_is_told_from_the_loop),
		PLACED(cancelled_it_leaves_nothing_and_says_nothing),
		PLACED(cancelled_before_it_is_told),
		PLACED(a_full_queue_is_no_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
