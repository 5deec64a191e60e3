#include "tests/store_rig.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/clock.h"

#define RAW_MAX 65536

static char directory[128];

const char *store_rig_make(void)
{
	snprintf(directory, sizeof(directory), "%s/store_test.XXXXXX",
	         access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(directory))
		abort();
	return directory;
}

static int remove_one(const char *at, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	return ftw->level > 0 ? remove(at) : 0;
}

/* In this process: a sweep does it thousands of times. */
void store_rig_empty(void)
{
	if (nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0)
		abort();
}

void store_rig_remove(void)
{
	store_rig_empty();
	rmdir(directory);
}

const char *store_rig_path(const char *name, char out[512])
{
	snprintf(out, 512, "%s/%s", directory, name);
	return out;
}

const char *store_rig_id(unsigned int number, char out[STORE_ID_BYTES])
{
	snprintf(out, STORE_ID_BYTES, "0190f3c2-0000-7000-8000-%012x", number);
	return out;
}

/* Lines that are alike and not the same, as measurements are. */
static size_t write_raw(unsigned int number, size_t bytes, char out[RAW_MAX])
{
	size_t n = 0;

	while (n + 128 < bytes)
		n += (size_t)sprintf(
			out + n,
			"{\"Key\":\"measurement\",\"Value\":{\"AppInfo\":{\"NumBytes\":"
			"%zu,\"ElapsedTime\":%u}}}\n",
			n * 7919 + number, number + 250034);
	return n + (size_t)sprintf(out + n, "{\"Download\":{\"Value\":%u}}\n", number);
}

struct store_result store_rig_result(unsigned int number, size_t raw_bytes)
{
	static char object[128], raw[RAW_MAX];
	struct store_result r = {
		.test = "ndt7",
		.interface = "eth0",
		.cause = STORE_SCHEDULED,
		.started_utc_ns = clock_utc_ns() / NS_PER_S * NS_PER_S,
		.bytes_used = 1000,
		.wireless = number % 2,
		.connection_info = number % 2 ? "{\"signal\":-57}" : NULL,
		.object = object,
		.raw = raw,
		.raw_bytes = write_raw(number, raw_bytes, raw),
	};

	store_rig_id(number, r.id);
	r.object_bytes = (size_t)sprintf(
		object, "{\"schema\":\"radar-pod/result/1\",\"id\":\"%s\"}\n", r.id);
	return r;
}

int store_rig_put(struct store *s, unsigned int number, bool upload)
{
	struct store_result r = store_rig_result(number, 3000);

	return store_put(s, &r, upload, NULL);
}

bool store_rig_is(const struct store_result *r, unsigned int number)
{
	struct store_result want = store_rig_result(number, 3000);

	return strcmp(r->id, want.id) == 0 && strcmp(r->test, want.test) == 0 &&
	       strcmp(r->interface, want.interface) == 0 && r->cause == want.cause &&
	       r->bytes_used == want.bytes_used && r->wireless == want.wireless &&
	       !r->connection_info == !want.connection_info &&
	       r->object_bytes == want.object_bytes &&
	       memcmp(r->object, want.object, want.object_bytes) == 0 && r->raw &&
	       r->raw_bytes == want.raw_bytes && memcmp(r->raw, want.raw, want.raw_bytes) == 0;
}
