/* A report as it leaves: exact, within its ceilings, grouped as it should be (contract sentry.md 3 to 5). */
#include "agent/sentry/sentry_event.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sentry/crash_record.h"
#include "agent/sentry/sentry_envelope.h"
#include "agent/sentry/sentry_losses.h"
#include "agent/sentry/sentry_scrub.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

#define ID      "0123456789ab4def8123456789abcdef"
#define NOON_NS (1767614400125 * NS_PER_MS) /* 2026-01-05T12:00:00.125Z */

static const struct sentry_identity identity = {
	.program = "radar-pod",
	.version = "0.1.0",
	.build = "deb12",
	.environment = "production",
	.installation = "fedcba9876544210b123456789abcdef",
	.arch = "aarch64",
	.kernel = "6.1.0",
	.distribution = "debian",
	.distribution_version = "12",
	.memory_bytes = 536870912,
	.processors = 4,
	.started_utc_ns = NOON_NS - 60 * NS_PER_S,
};

static struct sentry_event full_disk(void)
{
	return (struct sentry_event){
		.id = ID,
		.utc_ns = NOON_NS,
		.level = SENTRY_ERROR,
		.component = "store",
		.class = "WRITE_FAILED",
		.message = "write 4096 bytes of store.db: No space left on device",
		.error = -ENOSPC,
		.operation = "test.ndt7",
	};
}

static char *written(const struct sentry_event *e, size_t *ret_n)
{
	char *text = NULL, *clean = NULL;
	size_t n = 0;

	assert_int_equal(sentry_event_write(&identity, e, &text, &n, NULL), 0);
	assert_int_equal(strlen(text), n);
	assert_int_equal(sentry_scrub(text, n, NULL, &clean, ret_n, NULL), 0);
	free(text);
	return clean;
}

static void the_whole_of_one(void **state)
{
	struct sentry_event e = full_disk();
	struct breadcrumbs crumbs = {};
	char *text;
	size_t n;

	(void)state;
	breadcrumbs_add(&crumbs, NOON_NS - NS_PER_S, SENTRY_INFO, "runner", "test begins");
	e.crumbs = &crumbs;
	e.suppressed = 3;
	text = written(&e, &n);
	assert_string_equal(
		text,
		"{\"event_id\":\"" ID
		"\",\"timestamp\":\"2026-01-05T12:00:00.125Z\",\"platform\":\"c\","
		"\"level\":\"error\",\"release\":\"radar-pod@0.1.0+deb12\",\"environment\":"
		"\"production\","
		"\"dist\":\"aarch64\",\"logger\":\"store\",\"transaction\":\"test.ndt7\","
		"\"fingerprint\":[\"agent\",\"store\",\"WRITE_FAILED\",\"ENOSPC\"],"
		"\"tags\":{\"component\":\"store\",\"errno\":\"ENOSPC\"},"
		"\"user\":{\"id\":\"fedcba9876544210b123456789abcdef\"},"
		"\"contexts\":{\"os\":{\"name\":\"Linux\",\"kernel_version\":\"6.1.0\","
		"\"distribution\":{\"name\":\"debian\",\"version\":\"12\"}},"
		"\"device\":{\"arch\":\"aarch64\",\"memory_size\":536870912,\"processor_count\":4},"
		"\"app\":{\"app_name\":\"radar-pod\",\"app_version\":\"0.1.0\","
		"\"app_start_time\":\"2026-01-05T11:59:00.125Z\"},\"reporter\":{\"suppressed_"
		"count\":3}},"
		"\"exception\":{\"values\":[{\"type\":\"WRITE_FAILED\","
		"\"value\":\"write 4096 bytes of store.db: No space left on "
		"device\",\"module\":\"store\","
		"\"mechanism\":{\"type\":\"errno\",\"handled\":true,"
		"\"meta\":{\"errno\":{\"number\":28,\"name\":\"ENOSPC\"}}}}]},"
		"\"breadcrumbs\":{\"values\":[{\"timestamp\":\"2026-01-05T11:59:59.125Z\","
		"\"category\":\"runner\",\"level\":\"info\",\"message\":\"test begins\"}]},"
		"\"sdk\":{\"name\":\"radar-pod\",\"version\":\"0.1.0\"}}");
	free(text);
}

struct value_case {
	const char *name;
	const char *message;
	const char *want; /* in the JSON */
};

static char long_message[3 * SENTRY_MESSAGE_BYTES];

static struct value_case value_cases[] = {
	{ "none", NULL, "\"value\":\"\"" },
	{ "not UTF-8", "a\xff", "\"value\":\"a\uFFFD\"" },
	{ "control characters", "a\x01\n\"", "\"value\":\"a\\u0001\\n\\\"\"" },
	{ "too long", long_message, "\u00e9…\"" },
};

static void values(void **state)
{
	const struct value_case *c = *state;
	struct sentry_event e = full_disk();
	char *text;
	size_t n;

	for (size_t i = 0; i + 3 < sizeof(long_message); i += 3)
		memcpy(long_message + i, "\u00e9 ", 3);
	e.message = c->message;
	text = written(&e, &n);
	assert_non_null(strstr(text, c->want));
	assert_true(n < 4096);
	free(text);
}

static void no_errno(void **state)
{
	struct sentry_event e = full_disk();
	char *text;
	size_t n;

	(void)state;
	e.error = 0;
	text = written(&e, &n);
	assert_non_null(strstr(text, "\"WRITE_FAILED\",\"0\"]"));
	assert_non_null(strstr(text, "\"mechanism\":{\"type\":\"generic\",\"handled\":true}"));
	free(text);
}

/* 50 crumbs of what JSON makes most of, and everything else as long as it may be. */
static void the_largest_is_within_the_ceiling(void **state)
{
	struct sentry_event e = full_disk();
	static struct breadcrumbs crumbs;
	char message[BREADCRUMB_MESSAGE_BYTES] = "";
	char *text;
	size_t n;

	(void)state;
	memset(message, '\x01', sizeof(message) - 1);
	memset(long_message, '\x01', sizeof(long_message) - 1);
	for (int i = 0; i < BREADCRUMBS_MAX; i++)
		breadcrumbs_add(&crumbs, NOON_NS, SENTRY_INFO, message, message);
	e.crumbs = &crumbs;
	e.message = e.operation = long_message;
	text = written(&e, &n);
	assert_true(n < SENTRY_EVENT_BYTES_MAX);
	free(text);
}

static void names_are_made_fit(void **state)
{
	struct sentry_event e = full_disk();
	char *text, line[SENTRY_FINGERPRINT_BYTES];
	size_t n;

	(void)state;
	e.component = "a b/c\n";
	e.class = "";
	text = written(&e, &n);
	assert_non_null(strstr(text, "\"logger\":\"a_b_c_\""));
	assert_non_null(strstr(text, "\"type\":\"unknown\""));
	free(text);
	sentry_event_fingerprint(&e, line);
	assert_string_equal(line, "a_b_c_ unknown ENOSPC");
}

static void the_minimal_one(void **state)
{
	struct sentry_event e = full_disk();
	char *text;
	size_t n;

	(void)state;
	assert_int_equal(sentry_event_write_minimal(&identity, &e, &text, &n, NULL), 0);
	assert_string_equal(
		text,
		"{\"event_id\":\"" ID "\",\"timestamp\":\"2026-01-05T12:00:00.125Z\","
		"\"platform\":\"c\",\"level\":\"error\",\"release\":\"radar-pod@0.1.0+deb12\","
		"\"exception\":{\"values\":[{\"type\":\"WRITE_FAILED\"}]}}");
	free(text);
}

/* --- crashes ---------------------------------------------------------------------------------------- */

static struct crash_record *crashed(size_t frames)
{
	struct crash_record *c = calloc(1, sizeof(*c));

	*c = (struct crash_record){
		.release = "0.0.9",
		.role = "measure",
		.arch = CRASH_X86_64,
		.images_count = 2,
		.images = { { .base_address = 0x1000,
		              .size_bytes = 0x2000,
		              .build_id_bytes = 20,
		              .build_id = { 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07,
		                            0x18, 0x29, 0x3a, 0x4b, 0x5c, 0x6d, 0x7e,
		                            0x8f, 0x90, 0x01, 0x02, 0x03, 0x04 },
		              .name = "radar-pod" },
		            { .name = "[vdso]" } },
		.signal = SIGSEGV,
		.code = SEGV_MAPERR,
		.fault_address = 8,
		.utc_ns = NOON_NS,
		.pid = 7,
		.tid = 9,
		.registers_count = 18,
		.frames_count = (uint32_t)frames,
	};
	c->registers[16] = 0x1234;
	for (size_t i = 0; i < frames; i++)
		c->frames[i] = 0x1000 + i;
	return c;
}

static char *written_crash(struct crash_record *c)
{
	struct sentry_event e = { .id = ID,
		                  .utc_ns = NOON_NS,
		                  .level = SENTRY_FATAL,
		                  .component = "measure",
		                  .crash = c };
	size_t n;

	return written(&e, &n);
}

static void a_crash(void **state)
{
	struct crash_record *c = crashed(2);
	char *text = written_crash(c);

	(void)state;
	assert_non_null(strstr(text, "\"platform\":\"native\",\"level\":\"fatal\","
	                             "\"release\":\"radar-pod@0.0.9+deb12\""));
	assert_non_null(strstr(
		text, "\"fingerprint\":[\"agent\",\"measure\",\"SIGSEGV\",\"{{ default }}\"]"));
	assert_non_null(strstr(
		text,
		"\"type\":\"SIGSEGV\",\"value\":\"SIGSEGV: SEGV_MAPERR\",\"thread_id\":9,"
		"\"mechanism\":{\"type\":\"signalhandler\",\"handled\":false,\"meta\":{\"signal\":"
		"{\"number\":11,\"name\":\"SIGSEGV\",\"code\":1,\"code_name\":\"SEGV_MAPERR\"}}}"));
	assert_non_null(strstr(text,
	                       "\"frames\":[{\"instruction_addr\":\"0x1001\"},"
	                       "{\"instruction_addr\":\"0x1000\"}],\"registers\":{\"r8\":\"0x0\""));
	assert_non_null(strstr(text, "\"rip\":\"0x1234\""));
	assert_non_null(
		strstr(text, "\"threads\":{\"values\":[{\"id\":9,\"crashed\":true,\"current\":true,"
	                     "\"main\":false}]}"));
	assert_non_null(strstr(text, "\"images\":[{\"type\":\"elf\",\"code_file\":\"radar-pod\","
	                             "\"code_id\":\"a1b2c3d4e5f60718293a4b5c6d7e8f9001020304\","
	                             "\"debug_id\":\"d4c3b2a1-f6e5-1807-293a-4b5c6d7e8f90\","
	                             "\"image_addr\":\"0x1000\",\"image_size\":8192}]"));
	free(text);
	free(c);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void of_many_frames_both_ends(void **state)
{
	struct crash_record *c = crashed(CRASH_FRAMES_MAX);
	char *text = written_crash(c);

	(void)state;
	assert_int_equal(count(text, "instruction_addr"), SENTRY_FRAMES_MAX);
	assert_non_null(
		strstr(text, "\"frames\":[{\"instruction_addr\":\"0x107f\"}")); /* who began */
	assert_non_null(strstr(text, "{\"instruction_addr\":\"0x1000\"}]"));    /* the crash */
	assert_non_null(strstr(text, "\"0x1027\""));
	assert_null(strstr(text, "\"0x1028\""));
	free(text);
	free(c);
}

/* --- envelopes -------------------------------------------------------------------------------------- */

static void an_envelope(void **state)
{
	static const char event[] = "{\"event_id\":\"" ID "\",\"a\":\"x\"}";
	struct sentry_losses losses = {
		.count = { [SENTRY_LOSS_SEND_ERROR] = 2, [SENTRY_LOSS_QUEUE_OVERFLOW] = 1 }
	};
	char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(sentry_envelope_write(&identity, event, strlen(event), &losses, NOON_NS,
	                                       &text, &n, NULL),
	                 0);
	assert_string_equal(
		text, "{\"event_id\":\"" ID "\",\"sent_at\":\"2026-01-05T12:00:00.125Z\","
		      "\"sdk\":{\"name\":\"radar-pod\",\"version\":\"0.1.0\"}}\n"
		      "{\"type\":\"event\",\"length\":55}\n"
		      "{\"event_id\":\"" ID "\",\"a\":\"x\"}\n"
		      "{\"type\":\"client_report\",\"length\":177}\n"
		      "{\"timestamp\":\"2026-01-05T12:00:00.125Z\",\"discarded_events\":["
		      "{\"reason\":\"queue_overflow\",\"category\":\"error\",\"quantity\":1},"
		      "{\"reason\":\"send_error\",\"category\":\"error\",\"quantity\":2}]}\n");
	assert_int_equal(strlen(event), 55);
	assert_int_equal(n, strlen(text));
	free(text);
}

/* Check 3: what is sent again is the same report at another time. */
static void sent_again(void **state)
{
	static const char event[] = "{\"event_id\":\"" ID "\"}";
	char *first = NULL, *second = NULL;
	size_t n;

	(void)state;
	assert_int_equal(sentry_envelope_write(&identity, event, strlen(event), NULL, NOON_NS,
	                                       &first, &n, NULL),
	                 0);
	assert_int_equal(sentry_envelope_write(&identity, event, strlen(event), NULL,
	                                       NOON_NS + NS_PER_S, &second, &n, NULL),
	                 0);
	assert_non_null(strstr(first, "\"sent_at\":\"2026-01-05T12:00:00.125Z\""));
	assert_non_null(strstr(second, "\"sent_at\":\"2026-01-05T12:00:01.125Z\""));
	assert_int_equal(count(second, ID), 2);
	free(first);
	free(second);
}

static void only_losses(void **state)
{
	struct sentry_losses losses = { .count = { [SENTRY_LOSS_BACKPRESSURE] = UINT32_MAX } };
	char *text = NULL;
	size_t n;

	(void)state;
	sentry_losses_add(&losses, &losses);
	assert_int_equal(
		sentry_envelope_write(&identity, NULL, 0, &losses, NOON_NS, &text, &n, NULL), 0);
	assert_null(strstr(text, "event_id"));
	assert_non_null(strstr(
		text,
		"\"reason\":\"backpressure\",\"category\":\"error\",\"quantity\":4294967295"));
	free(text);
}

struct id_case {
	const char *name;
	const char *event;
};

static struct id_case id_cases[] = {
	{ "no id", "{\"a\":1}" },
	{ "an id that is not the report's", "{\"a\":{\"event_id\":\"" ID "\"}}" },
	{ "an id that is a number", "{\"event_id\":1}" },
	{ "an id in capitals", "{\"event_id\":\"0123456789AB4DEF8123456789ABCDEF\"}" },
	{ "an id that is short", "{\"event_id\":\"0123\"}" },
	{ "not JSON", "event_id" },
	{ "nothing", "" },
};

static void without_an_id(void **state)
{
	const struct id_case *c = *state;
	char *text = NULL;
	size_t n;

	assert_int_equal(sentry_envelope_write(&identity, c->event, strlen(c->event), NULL, NOON_NS,
	                                       &text, &n, NULL),
	                 -EBADMSG);
	assert_null(text);
}

static void ids_are_of_version_4(void **state)
{
	char a[SENTRY_ID_BYTES], b[SENTRY_ID_BYTES];

	(void)state;
	sentry_id_make(a);
	sentry_id_make(b);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), 32);
	assert_int_equal(a[12], '4');
	assert_non_null(strchr("89ab", a[16]));
}

/* Of this machine, none of its names. */
static void the_identity_of_this_machine(void **state)
{
	struct sentry_event e = full_disk();
	struct sentry_identity here;
	char host[256] = "", *text = NULL;
	size_t n;

	(void)state;
	sentry_identity_read(&here);
	assert_true(here.memory_bytes > 0 && here.processors > 0 && *here.kernel && *here.arch);
	gethostname(host, sizeof(host) - 1);
	assert_int_equal(sentry_event_write(&here, &e, &text, &n, NULL), 0);
	if (strlen(host) >= SENTRY_KNOWN_BYTES_MIN)
		assert_null(strstr(text, host));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_of_one),
		cmocka_unit_test(no_errno),
		cmocka_unit_test(the_largest_is_within_the_ceiling),
		cmocka_unit_test(names_are_made_fit),
		cmocka_unit_test(the_minimal_one),
		cmocka_unit_test(a_crash),
		cmocka_unit_test(of_many_frames_both_ends),
		cmocka_unit_test(an_envelope),
		cmocka_unit_test(sent_again),
		cmocka_unit_test(only_losses),
		cmocka_unit_test(ids_are_of_version_4),
		cmocka_unit_test(the_identity_of_this_machine),
	};
	int failed = CASES_RUN(values, value_cases);

	failed += CASES_RUN(without_an_id, id_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
