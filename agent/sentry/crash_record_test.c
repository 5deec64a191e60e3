/* What a record says is looked at before it is believed (contract pod-service R62). */
#include "agent/sentry/crash_record.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

static struct crash_record sound(void)
{
	struct crash_record r = { .signal = SIGSEGV,
		                  .code = SEGV_MAPERR,
		                  .arch = CRASH_ARCH,
		                  .release = "0.1.0",
		                  .role = "agent",
		                  .images_count = 1,
		                  .frames_count = 1,
		                  .registers_count = 1 };

	r.images[0].build_id_bytes = 20;
	return r;
}

struct record_case {
	const char *name;
	void (*change)(struct crash_record *r);
	bool after_sealing;
	int want;
};

static void nothing(struct crash_record *r)
{
	(void)r;
}
static void other_signal(struct crash_record *r)
{
	r->signal = SIGTERM;
}
static void negative_signal(struct crash_record *r)
{
	r->signal = -1;
}
static void many_images(struct crash_record *r)
{
	r->images_count = CRASH_IMAGES_MAX + 1;
}
static void many_frames(struct crash_record *r)
{
	r->frames_count = UINT32_MAX;
}
static void many_registers(struct crash_record *r)
{
	r->registers_count = CRASH_REGISTERS_MAX + 1;
}
static void long_build_id(struct crash_record *r)
{
	r->images[0].build_id_bytes = CRASH_BUILD_ID_BYTES + 1;
}
static void other_arch(struct crash_record *r)
{
	r->arch = CRASH_ARCH + 1;
}
static void other_release(struct crash_record *r)
{
	r->version++;
}
static void other_magic(struct crash_record *r)
{
	r->magic++;
}
static void one_bit(struct crash_record *r)
{
	r->frames[5] ^= 1;
}
static void other_size(struct crash_record *r)
{
	r->bytes--;
}

static struct record_case record_cases[] = {
	{ "sound", nothing, false, CRASH_FOUND },
	{ "a signal that is not caught", other_signal, false, -EBADMSG },
	{ "a signal that is none", negative_signal, false, -EBADMSG },
	{ "too many images", many_images, false, -EBADMSG },
	{ "too many frames", many_frames, false, -EBADMSG },
	{ "too many registers", many_registers, false, -EBADMSG },
	{ "a build-id that is too long", long_build_id, false, -EBADMSG },
	{ "another architecture's", other_arch, false, -EPROTONOSUPPORT },
	{ "another release's", other_release, true, -EPROTONOSUPPORT },
	{ "another program's", other_magic, true, -EBADMSG },
	{ "another size", other_size, true, -EBADMSG },
	{ "one bit", one_bit, true, -EBADMSG },
};

static void records(void **state)
{
	const struct record_case *c = *state;
	struct crash_record r = sound(), got;
	struct err err = {};

	if (!c->after_sealing)
		c->change(&r);
	crash_record_seal(&r);
	if (c->after_sealing)
		c->change(&r);
	assert_int_equal(crash_record_read(&r, sizeof(r), &got, &err), c->want);
	assert_int_equal(err.text[0] != '\0', c->want < 0);
}

static void every_length(void **state)
{
	struct crash_record r = sound(), got;
	static char longer[sizeof(r) + 8];

	(void)state;
	crash_record_seal(&r);
	memcpy(longer, &r, sizeof(r));
	for (size_t n = 1; n < sizeof(longer); n++)
		assert_int_equal(crash_record_read(longer, n, &got, NULL),
		                 n == sizeof(r) ? CRASH_FOUND : -EBADMSG);
}

static void blank_is_none(void **state)
{
	static char blank[sizeof(struct crash_record) + 1];
	struct crash_record got;

	(void)state;
	assert_int_equal(crash_record_read(blank, 0, &got, NULL), CRASH_NONE);
	assert_int_equal(crash_record_read(blank, sizeof(blank) - 1, &got, NULL), CRASH_NONE);
	assert_int_equal(crash_record_read(blank, sizeof(blank), &got, NULL), -EBADMSG);
}

static void texts_are_ended(void **state)
{
	struct crash_record r = sound(), got;

	(void)state;
	memset(r.role, 'x', sizeof(r.role));
	memset(r.release, 'x', sizeof(r.release));
	memset(r.images[0].name, 'x', sizeof(r.images[0].name));
	memset(r.crumbs.ring, 'x', sizeof(r.crumbs.ring));
	r.crumbs.added = UINT64_MAX;
	crash_record_seal(&r);
	assert_int_equal(crash_record_read(&r, sizeof(r), &got, NULL), CRASH_FOUND);
	assert_int_equal(strlen(got.role), sizeof(got.role) - 1);
	assert_int_equal(strlen(got.release), sizeof(got.release) - 1);
	assert_int_equal(strlen(got.images[0].name), sizeof(got.images[0].name) - 1);
	for (size_t i = 0; i < breadcrumbs_count(&got.crumbs); i++)
		assert_int_equal(strlen(breadcrumbs_at(&got.crumbs, i)->message),
		                 BREADCRUMB_MESSAGE_BYTES - 1);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(crash_register_name(CRASH_X86_64, 16), "rip");
	assert_string_equal(crash_register_name(CRASH_AARCH64, 32), "pc");
	assert_null(crash_register_name(CRASH_X86_64, 18));
	assert_null(crash_register_name(CRASH_AARCH64, CRASH_REGISTERS_MAX));
	assert_null(crash_register_name(CRASH_ARCH_OTHER, 0));
	assert_string_equal(crash_code_name(SIGSEGV, SEGV_ACCERR), "SEGV_ACCERR");
	assert_string_equal(crash_code_name(SIGBUS, SI_TKILL), "SI_TKILL");
	assert_string_equal(crash_code_name(SIGBUS, 99), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length),
		cmocka_unit_test(blank_is_none),
		cmocka_unit_test(texts_are_ended),
		cmocka_unit_test(names),
	};
	int failed = CASES_RUN(records, record_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
