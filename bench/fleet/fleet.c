/* fleet PODS SPREAD_S SEED FOLDER: what arrives at the service of that many pods when all of them lose it, or are told
 * something, in the same second (docs/fleet.md). Each scenario goes on from the same steady state, in a process of its
 * own. Prints a line of CSV for each, and writes what arrived in each ten seconds to FOLDER/SCENARIO.csv. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/fleet/world.h"
#include "transport/base/clock.h"

#define START_MS  600000 /* pods start from 0 to it */
#define STEADY_MS 1200000
#define EVENT_MS  1800000
#define END_MS    3300000
#define BEFORE_MS 60000 /* of the event, that is written too */

static void lose(struct world *w, enum manner manner, uint64_t for_ms)
{
	world_set_manner(w, manner);
	world_run(w, world_now_ms(w) + for_ms);
	world_set_manner(w, SERVES);
}

static void restart(struct world *w)
{
	lose(w, REFUSES, 5000);
}

static void refuse(struct world *w)
{
	lose(w, REFUSES, 600000);
}

static void be_unavailable(struct world *w)
{
	lose(w, UNAVAILABLE, 600000);
}

static void cut_off(struct world *w)
{
	lose(w, SILENT, 600000);
}

static void lose_sockets(struct world *w)
{
	lose(w, SOCKETLESS, 600000);
}

static void order_without_sockets(struct world *w)
{
	world_set_manner(w, SOCKETLESS);
	world_run(w, world_now_ms(w) + 300000);
	world_order_tests(w);
	world_run(w, world_now_ms(w) + 300000);
	world_set_manner(w, SERVES);
}

static void nothing(struct world *w)
{
	(void)w;
}

static const struct scenario {
	const char *name;
	void (*happens)(struct world *w);
} scenarios[] = {
	{ "steady", nothing },
	{ "restart", restart },
	{ "refused", refuse },
	{ "unavailable", be_unavailable },
	{ "cut-off", cut_off },
	{ "no-sockets", lose_sockets },
	{ "tests", world_order_tests },
	{ "tests-without-sockets", order_without_sockets },
	{ "update", world_order_update },
};

static double a_second(uint64_t n, uint64_t ms)
{
	return (double)n * 1000 / (double)ms;
}

static void write_rows(const struct world *w, const char *folder, const char *name)
{
	const struct arrivals *a = world_arrivals(w);
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.csv", folder, name);
	f = fopen(path, "w");
	if (!f)
		err(2, "write %s", path);
	fprintf(f, "at_s");
	for (int k = 0; k < ARRIVAL_KINDS; k++)
		fprintf(f, ",%s", arrival_name(k));
	for (uint64_t at = EVENT_MS - BEFORE_MS; at < END_MS; at += ARRIVALS_WINDOW_MS) {
		fprintf(f, "\n%lld", ((long long)at - EVENT_MS) / 1000);
		for (int k = 0; k < ARRIVAL_KINDS; k++)
			fprintf(f, ",%llu",
			        (unsigned long long)arrivals_between(a, k, at,
			                                             at + ARRIVALS_WINDOW_MS));
	}
	fprintf(f, "\n");
	if (fclose(f) != 0)
		err(2, "write %s", path);
}

static void print_unseen(struct world *w)
{
	uint32_t *ms;
	size_t n = world_unseen(w, &ms);

	if (n == 0)
		printf(",0,,,");
	else
		printf(",%zu,%.1f,%.1f,%.1f", n, ms[n / 2] / 1e3, ms[n - 1 - n / 100] / 1e3,
		       ms[n - 1] / 1e3);
	free(ms);
}

static void print_result(struct world *w, const char *name)
{
	const struct arrivals *a = world_arrivals(w);
	double steady = a_second(arrivals_between(a, ARRIVAL_KINDS, STEADY_MS, EVENT_MS),
	                         EVENT_MS - STEADY_MS);
	uint64_t at_ms, kind_at_ms;
	double worst = a_second(arrivals_worst(a, ARRIVAL_KINDS, EVENT_MS, END_MS, &at_ms),
	                        ARRIVALS_WINDOW_MS);

	printf("%s,%.1f,%.1f,%.3f,%.1f", name, steady, worst, worst / steady,
	       ((double)at_ms - EVENT_MS) / 1000);
	for (int k = 0; k < ARRIVAL_KINDS; k++)
		printf(",%.1f", a_second(arrivals_worst(a, k, EVENT_MS, END_MS, &kind_at_ms),
		                         ARRIVALS_WINDOW_MS));
	print_unseen(w);
	printf("\n");
	fflush(stdout);
}

static void play(struct world *w, const struct scenario *s, const char *folder)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		err(2, "fork");
	if (child == 0) {
		s->happens(w);
		world_run(w, END_MS);
		write_rows(w, folder, s->name);
		print_result(w, s->name);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0)
		errx(2, "scenario %s ended with status %d", s->name, status);
}

static void print_head(void)
{
	printf("scenario,steady_per_s,worst_per_s,times_steady,at_s");
	for (int k = 0; k < ARRIVAL_KINDS; k++)
		printf(",%s_per_s", arrival_name(k));
	printf(",unseen,seen_p50_s,seen_p99_s,seen_max_s\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct world_options o = { .start_ms = START_MS, .end_ms = END_MS };
	struct world *w;

	if (argc != 5)
		errx(1, "usage: fleet PODS SPREAD_S SEED FOLDER");
	o.pods = (uint32_t)strtoul(argv[1], NULL, 10);
	o.spread_ns = (uint64_t)(strtod(argv[2], NULL) * NS_PER_S);
	o.seed = strtoull(argv[3], NULL, 10);
	if (o.pods < 1 || o.pods > 1000000)
		errx(1, "PODS is from 1 to 1000000");
	w = world_new(&o);
	world_run(w, EVENT_MS);
	print_head();
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		play(w, &scenarios[i], argv[4]);
	return 0;
}
