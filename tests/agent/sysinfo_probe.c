/* What the pod knows of its machine, as one line of JSON, for tests to compare with the truth.
 *
 *   sysinfo_probe interfaces [TIMES]                    read so often; kinds and ceilings with them, and our memory
 *   sysinfo_probe wifi LOOP NAME DIRECTORY SOCKETS      connection_info; LOOP is io_uring or epoll
 *   sysinfo_probe traffic NAME QUIET_BPS LOOK_MS PATIENCE_MS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/json_writer.h"
#include "agent/host/cross_traffic.h"
#include "agent/host/interfaces_json.h"
#include "agent/host/wifi.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

static int fail(const struct err *err)
{
	char sentence[512];

	fprintf(stderr, "%s\n", err_sentence(err, sentence, sizeof(sentence)));
	return 1;
}

static unsigned long resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * 4;
}

/* --- interfaces ---------------------------------------------------------------------------------- */

static void put_kinds(struct json_writer *w, const struct interfaces *list)
{
	json_begin_object(w, "kinds");
	for (size_t i = 0; i < list->count; i++)
		json_put_text(w, list->all[i].name, list->all[i].kind);
	json_end_object(w);
}

/* A new list is made beside the old one, so the heap has its shape after a few. */
#define WARM_READS 3

static int probe_interfaces(int argc, char **argv)
{
	int times = argc > 0 ? atoi(argv[0]) : 1;
	struct json_writer w = { .to = stdout };
	struct interfaces list = {};
	unsigned long first_kb = 0, last_kb;
	struct err err = {};

	for (int i = 0; i < times; i++) {
		if (interfaces_read(&list, &err) < 0)
			return fail(&err);
		if (i <= WARM_READS)
			first_kb = resident_kb();
	}
	last_kb = resident_kb();
	json_begin_object(&w, NULL);
	interfaces_put_json(&w, "interfaces", &list);
	put_kinds(&w, &list);
	json_put_count(&w, "interfaces_more", list.interfaces_more);
	json_put_count(&w, "addresses_more", list.addresses_more);
	json_put_flag(&w, "torn", list.torn);
	json_put_count(&w, "first_kb", first_kb);
	json_put_count(&w, "last_kb", last_kb);
	json_end_object(&w);
	putchar('\n');
	interfaces_free(&list);
	return 0;
}

/* --- wifi ---------------------------------------------------------------------------------------- */

#define TICK_NS (10 * NS_PER_MS)

/* Beside the question the loop has something else to do, each 10 ms: how late it comes shows who waited. */
struct asking {
	struct loop *loop;
	struct loop_timer tick;
	uint64_t due_ns, latest_ns, begun_ns;
	struct wifi_ask *ask;
};

static void on_tick(void *owner)
{
	struct asking *a = owner;
	uint64_t now_ns = loop_now_ns(a->loop);

	if (now_ns - a->due_ns > a->latest_ns)
		a->latest_ns = now_ns - a->due_ns;
	a->due_ns = now_ns + TICK_NS;
	loop_timer_set(a->loop, &a->tick, a->due_ns);
}

static void on_done(void *owner, const struct wifi_status *s)
{
	static const char *const links[] = { "not known", "not connected", "connected" };
	struct json_writer w = { .to = stdout };
	struct asking *a = owner;

	json_begin_object(&w, NULL);
	json_put_text(&w, "link", links[s->link]);
	wifi_put_json(&w, "connection_info", s);
	json_put_count(&w, "took_ms", (loop_now_ns(a->loop) - a->begun_ns) / NS_PER_MS);
	json_put_count(&w, "latest_tick_ms", a->latest_ns / NS_PER_MS);
	json_put_text(&w, "loop", loop_body_name(a->loop));
	json_end_object(&w);
	putchar('\n');
	a->ask = wifi_cancel(a->ask);
	loop_stop(a->loop);
}

static int probe_wifi(int argc, char **argv)
{
	struct asking a = { .tick = { .fire = on_tick } };
	struct wifi_options o = {};
	struct err err = {};

	if (argc != 4)
		return 2;
	o = (struct wifi_options){ .interface = argv[1],
		                   .directory = argv[2],
		                   .supplicant = argv[3] };
	if (loop_open(strcmp(argv[0], "epoll") == 0 ? LOOP_BODY_EPOLL : LOOP_BODY_IO_URING, &a.loop,
	              &err) < 0)
		return fail(&err);
	a.begun_ns = loop_now_ns(a.loop);
	a.due_ns = a.begun_ns + TICK_NS;
	a.tick.owner = &a;
	loop_timer_set(a.loop, &a.tick, a.due_ns);
	if (wifi_ask(a.loop, &o, on_done, &a, &a.ask, &err) < 0 ||
	    loop_run(a.loop, a.begun_ns + 30 * NS_PER_S, &err) < 0)
		return fail(&err);
	wifi_cancel(a.ask);
	loop_close(a.loop);
	return 0;
}

/* --- cross traffic ------------------------------------------------------------------------------- */

static void sleep_until(uint64_t at_ns)
{
	struct timespec at = { .tv_sec = (time_t)(at_ns / NS_PER_S),
		               .tv_nsec = (long)(at_ns % NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static int probe_traffic(int argc, char **argv)
{
	static const char *const verdicts[] = { "look again", "quiet", "busy", "unknown" };
	struct json_writer w = { .to = stdout };
	struct cross_traffic t = {};
	struct interface_counters now;
	enum cross_traffic_verdict verdict;
	uint64_t looks = 0;

	if (argc != 4)
		return 2;
	t.limits = (struct cross_traffic_limits){ strtoull(argv[1], NULL, 10),
		                                  strtoull(argv[2], NULL, 10) * NS_PER_MS,
		                                  strtoull(argv[3], NULL, 10) * NS_PER_MS };
	for (;;) {
		bool counted = interface_counters_read(argv[0], &now, NULL) == 0;

		verdict = cross_traffic_take(&t, counted ? &now : NULL, clock_now_ns());
		if (verdict != CROSS_TRAFFIC_LOOK_AGAIN)
			break;
		looks++;
		sleep_until(t.again_ns);
	}
	json_begin_object(&w, NULL);
	json_put_text(&w, "verdict", verdicts[verdict]);
	json_put_count(&w, "busy_bps", t.busy_bps);
	json_put_count(&w, "looks", looks);
	json_end_object(&w);
	putchar('\n');
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "interfaces") == 0)
		return probe_interfaces(argc - 2, argv + 2);
	if (strcmp(what, "wifi") == 0)
		return probe_wifi(argc - 2, argv + 2);
	if (strcmp(what, "traffic") == 0)
		return probe_traffic(argc - 2, argv + 2);
	return 2;
}
