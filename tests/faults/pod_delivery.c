/* pod_delivery STATE URL PROGRAM    runs one test as PROGRAM, stores its result and delivers it
 * pod_delivery STATE URL            delivers what is there
 * as the daemon does: runner, store, uploader, courier. Says "stored ID", "arrived ID"; ends when nothing is due.
 * 0: everything has arrived; 3: something waits or is in quarantine. */
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
#define AGAIN_NS   (100 * NS_PER_MS)

static struct config config;
static struct loop *loop;
static struct store *store;
static struct uploader *uploader;
static struct loop_timer look;

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

/* Ends when nothing is under way and nothing is due. */
static void on_look(void *owner)
{
	struct store_clock now;
	struct store_entry e;
	uint64_t wait_ns;

	(void)owner;
	store_clock_read(&now);
	if (!uploader_is_busy(uploader) &&
	    store_outbox_next(store, &now, &e, &wait_ns, NULL) != STORE_OK)
		loop_stop(loop);
	else
		loop_timer_set(loop, &look, loop_now_ns(loop) + 5 * NS_PER_MS);
}

static void deliver(void)
{
	uploader_hold(uploader, false);
	loop_timer_set(loop, &look, loop_now_ns(loop) + 5 * NS_PER_MS);
}

static void on_test(void *owner, const struct runner_end *end)
{
	(void)owner;
	if (!end->measured) {
		fprintf(stderr, "%s\n", end->why);
		exit(2);
	}
	say("stored", end->id);
	deliver();
}

static struct runner *begin_test(const char *program)
{
	struct runner_options options = { .loop = loop,
		                          .store = store,
		                          .config = &config,
		                          .executable = program,
		                          .again_ns = AGAIN_NS };
	struct runner_test test = { .kind = CONFIG_RUNNER_NDT7, .interface = "" };
	struct runner *runner = NULL;
	struct err err;

	must(runner_new(&options, &runner, &err), &err);
	must(runner_start(runner, &test, on_test, NULL, &err), &err);
	return runner;
}

static int outcome(void)
{
	struct store_counts counts;
	struct err err;

	must(store_count(store, &counts, &err), &err);
	return counts.waiting ? 3 : 0;
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
	struct runner *runner = NULL;
	struct err err;
	int code;

	must(config_parse("c", "", 0, &config, NULL, &err), &err);
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
	if (program)
		runner = begin_test(program);
	else
		deliver();
	must(loop_run(loop, loop_now_ns(loop) + LONGEST_NS, &err), &err);
	runner_free(runner);
	uploader_free(uploader);
	upload_courier_free(wire);
	courier_free(courier);
	code = outcome();
	store_close(store);
	loop_close(loop);
	return code;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], COURIER_ROLE) == 0)
		courier_role();
	if (argc < 3)
		return 1;
	return run(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
}
