/* drain_spool STATE URL COUNT: stores COUNT results and delivers them as the daemon does, by uploader and
 * courier; after each 100, a line "arrived seconds rss_kib". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/service/courier.h"
#include "agent/service/courier_child.h"
#include "agent/store/store.h"
#include "agent/upload/upload_courier.h"
#include "agent/upload/uploader.h"
#include "tests/raw_result.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define STEP       100
#define LONGEST_NS (280 * NS_PER_S)
#define RAW_ROWS_N 200
#define RAW_BYTES  (128 * 1024)

static struct loop *loop;
static struct store *store;
static uint64_t began_ns;
static unsigned long arrived, wanted;

static void must(int r, const struct err *err)
{
	char sentence[512];

	if (r >= 0)
		return;
	fprintf(stderr, "%s\n", err_sentence(err, sentence, sizeof(sentence)));
	exit(2);
}

static long rss_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void tell(void)
{
	printf("%lu %.3f %ld\n", arrived, (double)(loop_now_ns(loop) - began_ns) / 1e9, rss_kib());
	fflush(stdout);
}

static void on_arrived(void *owner, const struct store_entry *entry)
{
	(void)owner;
	(void)entry;
	arrived++;
	if (arrived % STEP == 0)
		tell();
	if (arrived == wanted)
		loop_stop(loop);
}

/* Rows whose figures differ, so that they compress as real ones do. */
static size_t write_raw(unsigned long number, char *out)
{
	size_t n = 0;

	for (int i = 0; i < RAW_ROWS_N; i++)
		n += (size_t)snprintf(
			out + n, RAW_BYTES - n,
			"{\"Key\":\"measurement\",\"Value\":{\"Origin\":\"server\",\"Test\":\"%s\","
			"\"TCPInfo\":{\"State\":1,\"RTT\":%lu,\"BytesSent\":%lu,\"BytesAcked\":%lu,"
			"\"ElapsedTime\":%d,\"MinRTT\":%lu,\"SndCwnd\":%lu,\"DeliveryRate\":%lu}}}"
			"\n",
			i < RAW_ROWS_N / 2 ? "download" : "upload", number * 7919 % 90000 + i,
			number * 104729 + i * 99991UL + 1, number * 104723 + i * 99989UL,
			i * 100000, number % 9000, number % 512, number * 15485863 % 100000000);
	return n + (size_t)snprintf(out + n, RAW_BYTES - n, "%s", RAW_RESULT);
}

static void fill(void)
{
	static char raw[RAW_BYTES];
	char object[128];
	struct err err;

	must(store_batch_begin(store, &err), &err);
	for (unsigned long i = 0; i < wanted; i++) {
		struct store_result r = { .test = "ndt7", .started_utc_ns = clock_utc_ns() };

		snprintf(r.id, sizeof(r.id), "0190f3c2-0000-7000-8000-%012x", (unsigned int)i);
		r.object = object;
		r.object_bytes = (size_t)snprintf(object, sizeof(object),
		                                  "{\"schema\":\"radar-pod/result/1\"}");
		r.raw = raw;
		r.raw_bytes = write_raw(i, raw);
		must(store_put(store, &r, true, &err), &err);
	}
	must(store_batch_end(store, &err), &err);
}

static int deliver(const char *url)
{
	struct service_identity who = { .server_url = url,
		                        .pod = "rk7m2q9xw3zt",
		                        .secret = "hT7wQ9mZp2K" };
	struct uploader_options options = { .loop = loop, .store = store, .arrived = on_arrived };
	struct upload_courier *wire = NULL;
	struct courier *courier = NULL;
	struct uploader *uploader = NULL;
	struct err err;

	must(courier_new(loop, COURIER_IDLE_NS, &courier, &err), &err);
	must(upload_courier_new(courier, &who, &wire, &err), &err);
	options.wire = upload_courier_wire(wire);
	must(uploader_new(&options, &uploader, &err), &err);
	began_ns = loop_now_ns(loop);
	tell();
	must(loop_run(loop, began_ns + LONGEST_NS, &err), &err);
	tell();
	uploader_free(uploader);
	upload_courier_free(wire);
	courier_free(courier);
	return arrived == wanted ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct store_limits limits = {};
	struct err err;
	int r;

	if (argc >= 2 && strcmp(argv[1], COURIER_ROLE) == 0)
		courier_role();
	if (argc != 4)
		return 1;
	wanted = strtoul(argv[3], NULL, 10);
	must(loop_open(LOOP_BODY_AUTO, &loop, &err), &err);
	must(store_open(argv[1], STORE_DAEMON, &limits, &store, NULL, &err), &err);
	fill();
	r = deliver(argv[2]);
	store_close(store);
	loop_close(loop);
	return r;
}
