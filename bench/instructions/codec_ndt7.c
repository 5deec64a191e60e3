#include "bench/instructions/codec_bench.h"

#include "measure/ndt7.h"
#include "transport/base/clock.h"

#define STEP_NS (100 * NS_PER_US) /* between inputs: 64 KiB in this time are 5 Gbit/s */

static struct ndt7 t;

static void start(enum ndt7_test test)
{
	ndt7_start(&t, &(struct ndt7_options){ .role = NDT7_CLIENT, .test = test }, 1);
}

static void prepare_download(void)
{
	start(NDT7_DOWNLOAD);
}

static void prepare_upload(void)
{
	start(NDT7_UPLOAD);
}

static void download(size_t count)
{
	const struct ndt7_input in = {
		.kind = NDT7_IN_BINARY, .writable = true, .bytes = 64 * 1024, .last = true
	};

	for (size_t i = 1; i <= count; i++)
		CODEC_CHECK(!ndt7_advance(&t, &in, 1 + i * STEP_NS).finished);
}

static void upload(size_t count)
{
	const struct ndt7_input in = { .kind = NDT7_IN_WAKE, .writable = true };

	for (size_t i = 1; i <= count; i++)
		CODEC_CHECK(ndt7_advance(&t, &in, 1 + i * STEP_NS).send == NDT7_SEND_BINARY);
}

const struct codec_case ndt7_cases[] = {
	{ "ndt7_download", "message received", 50000, prepare_download, download },
	{ "ndt7_upload", "message sent", 50000, prepare_upload, upload },
	{},
};
