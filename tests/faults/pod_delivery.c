/* pod_delivery STATE URL PROGRAM    runs one test as PROGRAM, stores its result and delivers it
 * pod_delivery STATE URL            delivers what is there
 * pod_delivery STATE URL asked      the service still asks for the test whose result this has, and then as before
 * pod_delivery STATE URL PROGRAM COUNT each|last [LOCATE_URL]    one test after the other, and delivers after each, or
 *                                   after the last and a line, or the end, of standard input
 * as the daemon does: runner, store, uploader, courier. Says "stored ID", or "held ID" where the store has no room,
 * and "arrived ID"; with COUNT also "cost RSS_KIB DESCRIPTORS THREADS" before each test and at the end. Ends when nothing is
 * due. 0: everything has arrived; 3: something waits or is in quarantine. */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config/config.h"
#include "agent/run/runner.h"
#include "agent/service/courier.h"
#include "agent/service/courier_child.h"
#include "agent/store/store.h"
#include "agent/upload/upload_courier.h"
#include "agent/upload/uploader.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define LONGEST_NS (60 * NS_PER_S)
#define TEST_NS    (30 * NS_PER_S) /* likewise, of each of several: what ends a hang */
#define AGAIN_NS   (100 * NS_PER_MS)

static struct config config;
static struct loop *loop;
static struct store *store;
static struct uploader *uploader;
static struct runner *runner;
static struct loop_timer look;
static unsigned long tests_left;
static bool deliver_each = true, wants_costs, is_asked;

/* Written at once: what was said before a kill is heard. */
static void say(const char *what, const char *id)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s %s\n", what, id);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		exit(4);
}

static void must(int r, const struct err *err)
{
	char sentence[512];

	if (r >= 0)
		return;
	fprintf(stderr, "%s\n", err_sentence(err, sentence, sizeof(sentence)));
	exit(2);
}

static void on_arrived(void *owner, const struct store_entry *entry)
{
	(void)owner;
	say("arrived", entry->id);
}

static int entries_of(const char *folder)
{
	DIR *d = opendir(folder);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void say_cost(void)
{
	char line[64];
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		exit(4);
	fclose(f);
	snprintf(line, sizeof(line), "%ld %d %d", pages * (sysconf(_SC_PAGESIZE) / 1024),
	         entries_of("/proc/self/fd") - 3, entries_of("/proc/self/task") - 2);
	say("cost", line);
}

static void look_again(void)
{
	loop_timer_set(loop, &look, loop_now_ns(loop) + 5 * NS_PER_MS);
}

static void begin_test(void);

/* Ends when nothing is under way and nothing is due. */
static void on_look(void *owner)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct store_clock now;
	struct store_entry e;
	uint64_t wait_ns;

	(void)owner;
	if (!deliver_each && tests_left > 0) {
		begin_test();
		return;
	}
	if (!deliver_each) {
		deliver_each = poll(&in, 1, 0) > 0;
		uploader_hold(uploader, !deliver_each);
		look_again();
		return;
	}
	store_clock_read(&now);
	if (uploader_is_busy(uploader) ||
	    store_outbox_next(store, &now, &e, &wait_ns, NULL) == STORE_OK)
		look_again();
	else if (tests_left > 0)
		begin_test();
	else
		loop_stop(loop);
}

static void deliver(void)
{
	uploader_hold(uploader, !deliver_each);
	look_again();
}

static bool is_stored(const char *id)
{
	struct store_result *r = NULL;
	bool is = store_get(store, id, &r, NULL) == STORE_OK;

	free(r);
	return is;
}

static void on_test(void *owner, const struct runner_end *end)
{
	(void)owner;
	if (!end->measured) {
		fprintf(stderr, "%s\n", end->why);
		exit(2);
	}
	say(is_stored(end->id) ? "stored" : "held", end->id);
	deliver();
}

/* As the daemon does where it hears the request once more (daemon_round.c). */
static void hear_request(void)
{
	struct err err;

	must(store_outbox_release_asked(store, UPLOAD_UNANSWERED_MAX, &err), &err);
}

static void begin_test(void)
{
	struct runner_test test = { .kind = CONFIG_RUNNER_NDT7,
		                    .cause = STORE_ASKED,
		                    .interface = "" };
	struct err err;

	if (wants_costs)
		say_cost();
	uploader_hold(uploader, true);
	tests_left--;
	must(runner_start(runner, &test, on_test, NULL, &err), &err);
}

static int outcome(void)
{
	struct store_counts counts;
	struct err err;

	must(store_count(store, &counts, &err), &err);
	return counts.waiting ? 3 : 0;
}

static void open_runner(const char *program)
{
	struct runner_options options = { .loop = loop,
		                          .store = store,
		                          .config = &config,
		                          .executable = program,
		                          .again_ns = AGAIN_NS };
	struct err err;

	must(runner_new(&options, &runner, &err), &err);
}

static int run(const char *state, const char *url, const char *program)
{
	struct service_identity who = { .server_url = url,
		                        .pod = "rk7m2q9xw3zt",
		                        .secret = "hT7wQ9mZp2K" };
	struct uploader_options options = { .seed = 1,
		                            .again_ns = AGAIN_NS,
		                            .arrived = on_arrived };
	struct store_limits limits = {};
	struct upload_courier *wire = NULL;
	struct courier *courier = NULL;
	struct err err;
	int code;

	must(loop_open(LOOP_BODY_EPOLL, &loop, &err),
	     &err); /* each of its steps is a system call */
	must(store_open(state, STORE_DAEMON, &limits, &store, NULL, &err), &err);
	must(courier_new(loop, COURIER_IDLE_NS, &courier, &err), &err);
	must(upload_courier_new(courier, &who, &wire, &err), &err);
	options.loop = loop;
	options.store = store;
	options.wire = upload_courier_wire(wire);
	must(uploader_new(&options, &uploader, &err), &err);
	uploader_hold(uploader, true);
	look = (struct loop_timer){ .fire = on_look };
	if (program) {
		open_runner(program);
		begin_test();
	} else {
		if (is_asked)
			hear_request();
		deliver();
	}
	must(loop_run(loop, loop_now_ns(loop) + LONGEST_NS + tests_left * TEST_NS, &err), &err);
	if (wants_costs)
		say_cost();
	runner_free(runner);
	uploader_free(uploader);
	upload_courier_free(wire);
	courier_free(courier);
	code = outcome();
	store_close(store);
	loop_close(loop);
	return code;
}

static void read_config(const char *locate_url)
{
	char text[CONFIG_URL_BYTES];
	int n = snprintf(text, sizeof(text), "locate_url=%s\n", locate_url);
	struct err err;

	must(config_parse("c", text, (size_t)n, &config, NULL, &err), &err);
}

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], COURIER_ROLE) == 0)
		courier_role();
	if (argc < 3 || argc == 5)
		return 1;
	is_asked = argc == 4 && strcmp(argv[3], "asked") == 0;
	tests_left = argc > 4 ? strtoul(argv[4], NULL, 10) : argc > 3 && !is_asked;
	wants_costs = argc > 4;
	deliver_each = argc < 6 || strcmp(argv[5], "last") != 0;
	read_config(argc > 6 ? argv[6] : "");
	return run(argv[1], argv[2], argc > 3 && !is_asked ? argv[3] : NULL);
}
