/* What is cut out of a kernel's types, and what is no description of types at all. */
#include "bpf/btf_cut.h"

#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

/* --- BTF of the test's own ----------------------------------------------------------------------------- */

struct maker {
	uint32_t types[256];
	char strings[256];
	uint32_t words, strings_bytes;
};

static uint32_t name_of(struct maker *m, const char *name)
{
	uint32_t at = m->strings_bytes;

	if (!*name)
		return 0;
	strcpy(m->strings + at, name);
	m->strings_bytes += (uint32_t)strlen(name) + 1;
	return at;
}

static void add(struct maker *m, uint32_t word)
{
	m->types[m->words++] = word;
}

static void add_type(struct maker *m, const char *name, uint32_t kind, uint32_t vlen,
                     uint32_t size_or_type)
{
	add(m, name_of(m, name));
	add(m, kind << 24 | vlen);
	add(m, size_or_type);
}

static void add_member(struct maker *m, const char *name, uint32_t type, uint32_t bit)
{
	add(m, name_of(m, name));
	add(m, type);
	add(m, bit);
}

enum { INT = 1, POINTER, LIST, INNER, WANTED, CONSTANT, COLOUR, FAR, TRACE, SECOND, TAG };

static struct maker sample(void)
{
	struct maker m = { .strings_bytes = 1 };

	add_type(&m, "int", BTF_KIND_INT, 0, 4);
	add(&m, 32);
	add_type(&m, "", BTF_KIND_PTR, 0, FAR);
	add_type(&m, "", BTF_KIND_ARRAY, 0, 0);
	add(&m, INT), add(&m, INT), add(&m, 4);
	add_type(&m, "inner", BTF_KIND_STRUCT, 1, 4);
	add_member(&m, "x", INT, 0);
	add_type(&m, "wanted", BTF_KIND_STRUCT, 4, 40);
	add_member(&m, "pointer", POINTER, 0);
	add_member(&m, "list", LIST, 64);
	add_member(&m, "inner", CONSTANT, 192);
	add_member(&m, "colour", COLOUR, 224);
	add_type(&m, "", BTF_KIND_CONST, 0, INNER);
	add_type(&m, "colour", BTF_KIND_ENUM, 1, 4);
	add(&m, name_of(&m, "red")), add(&m, 0);
	add_type(&m, "far", BTF_KIND_STRUCT, 1, 4);
	add_member(&m, "secret", INT, 0);
	add_type(&m, "wanted_trace", BTF_KIND_TYPEDEF, 0, POINTER);
	add_type(&m, "wanted", BTF_KIND_UNION, 1, 4);
	add_member(&m, "other", INT, 0);
	add_type(&m, "tag", BTF_KIND_DECL_TAG, 0, WANTED);
	add(&m, 0);
	return m;
}

static size_t assemble(const struct maker *m, uint8_t out[2048])
{
	struct btf_header h = { .magic = BTF_MAGIC,
		                .version = BTF_VERSION,
		                .hdr_len = sizeof(h),
		                .type_len = m->words * 4,
		                .str_off = m->words * 4,
		                .str_len = m->strings_bytes };

	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), m->types, h.type_len);
	memcpy(out + sizeof(h) + h.type_len, m->strings, h.str_len);
	return sizeof(h) + h.type_len + h.str_len;
}

#define NAMES 4

static void name_all(struct btf_name names[NAMES])
{
	names[0] = (struct btf_name){ .name = "wanted" };
	names[1] = (struct btf_name){ .name = "wanted_trace", .is_typedef = true };
	names[2] = (struct btf_name){ .name = "wanted_trace" };
	names[3] = (struct btf_name){ .name = "wanted", .is_typedef = true };
}

static bool has(const struct btf_cut *cut, const char *word)
{
	return memmem(cut->data, cut->bytes, word, strlen(word) + 1);
}

/* --- what is cut out ----------------------------------------------------------------------------------- */

static void what_is_asked_for_is_cut_out(void **state)
{
	struct btf_name names[NAMES];
	struct maker m = sample();
	struct btf_cut cut, again;
	uint8_t btf[2048];

	(void)state;
	name_all(names);
	assert_int_equal(btf_cut(btf, assemble(&m, btf), names, NAMES, &cut, NULL), 0);
	assert_int_equal(names[0].id, WANTED);
	assert_int_equal(names[1].id, TRACE);
	assert_int_equal(names[2].id, 0);
	assert_int_equal(names[3].id, 0);
	assert_true(has(&cut, "wanted") && has(&cut, "inner") && has(&cut, "x"));
	assert_true(has(&cut, "colour") && has(&cut, "other"));
	assert_false(has(&cut, "far") || has(&cut, "secret") || has(&cut, "red"));
	/* a cut is BTF: of it the same is cut out, and all of it */
	assert_int_equal(btf_cut(cut.data, cut.bytes, names, 1, &again, NULL), 0);
	assert_int_equal(names[0].id, 1);
	assert_int_equal(again.bytes, cut.bytes);
	assert_memory_equal(again.data, cut.data, cut.bytes);
	free(cut.data);
	free(again.data);
}

/* "wanted" is the first: its members, and where they are. */
static void members_stay_where_they_are(void **state)
{
	static const uint32_t bits[] = { 0, 64, 192, 224 };
	struct btf_name names[NAMES];
	struct maker m = sample();
	struct btf_cut cut;
	uint8_t btf[2048];
	uint32_t word[5 + 3 * 4]; /* the wanted, and the head of what follows it */

	(void)state;
	name_all(names);
	assert_int_equal(btf_cut(btf, assemble(&m, btf), names, NAMES, &cut, NULL), 0);
	memcpy(word, (uint8_t *)cut.data + sizeof(struct btf_header), sizeof(word));
	assert_int_equal(word[1], BTF_KIND_STRUCT << 24 | 4);
	assert_int_equal(word[2], 40);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(word[3 + 3 * i + 2], bits[i]);
	free(cut.data);
}

static void nothing_is_asked_for(void **state)
{
	struct maker m = sample();
	struct btf_cut cut;
	uint8_t btf[2048];

	(void)state;
	assert_int_equal(btf_cut(btf, assemble(&m, btf), NULL, 0, &cut, NULL), 0);
	assert_int_equal(cut.bytes, sizeof(struct btf_header) + 1);
	free(cut.data);
}

/* --- what is no BTF ------------------------------------------------------------------------------------ */

struct header_case {
	const char *name;
	size_t at; /* the first byte that is other */
	size_t bytes;
	uint32_t value;
};

static const struct header_case header_cases[] = {
	{ "another magic number", 0, 2, 0xeb9e },
	{ "the other byte order", 0, 2, 0x9feb },
	{ "another version", 2, 1, 2 },
	{ "a header shorter than it is", 4, 4, 20 },
	{ "a header longer than the file", 4, 4, 1U << 31 },
	{ "types behind the end", 8, 4, 1U << 20 },
	{ "more types than there are bytes", 12, 4, UINT32_MAX - 3 },
	{ "half a type", 12, 4, 10 },
	{ "names behind the end", 16, 4, UINT32_MAX },
	{ "more names than there are bytes", 20, 4, 4096 },
	{ "no names", 20, 4, 0 },
	{ "a last name without an end", 20, 4, 3 },
	{ "a first name that is one", 16, 4, 0 },
	{ "a name behind the last", sizeof(struct btf_header), 4, 4096 },
	{ "a kind that is none", sizeof(struct btf_header) + 4, 4, 0 },
	{ "a kind of later", sizeof(struct btf_header) + 4, 4, 31U << 24 },
	{ "more members than there are bytes", sizeof(struct btf_header) + 4, 4,
	  4U << 24 | 0xffff },
};

static void a_bad_file_is_refused(void **state)
{
	const struct header_case *c = *state;
	struct btf_name names[NAMES];
	struct maker m = sample();
	struct btf_cut cut = {};
	struct err err = {};
	uint8_t btf[2048];
	size_t bytes = assemble(&m, btf);

	name_all(names);
	memcpy(btf + c->at, &c->value, c->bytes);
	assert_int_equal(btf_cut(btf, bytes, names, NAMES, &cut, &err), -EPROTO);
	assert_null(cut.data);
	assert_non_null(strstr(err.text, "types out of"));
}

/* Of a file that ends anywhere nothing is read behind its end; a sanitizer looks. */
static void a_cut_off_file_is_refused(void **state)
{
	struct btf_name names[NAMES];
	struct maker m = sample();
	struct btf_cut cut = {};
	uint8_t btf[2048];
	size_t bytes = assemble(&m, btf);

	(void)state;
	name_all(names);
	for (size_t n = 0; n < bytes; n++) {
		uint8_t *part = malloc(n + 1);

		assert_non_null(part);
		memcpy(part, btf, n);
		assert_int_equal(btf_cut(part, n, names, NAMES, &cut, NULL), -EPROTO);
		free(part);
	}
}

struct member_case {
	const char *name;
	uint32_t kind,
		type; /* a type after the sample's, and a wanted struct's member of `member` */
	uint32_t member;
	int want;
};

#define ADDED (TAG + 1)

static const struct member_case member_cases[] = {
	{ "a member of no type", BTF_KIND_CONST, INT, 0, 0 },
	{ "a member of a type that is not there", BTF_KIND_CONST, INT, 4711, -EPROTO },
	{ "a member of a tag", BTF_KIND_CONST, INT, TAG, -EPROTO },
	{ "a member of a function", BTF_KIND_FUNC, INT, ADDED, -EPROTO },
	{ "a typedef of itself", BTF_KIND_TYPEDEF, ADDED, ADDED, 0 },
	{ "a struct of itself", BTF_KIND_CONST, ADDED + 1, ADDED, 0 },
};

static void a_bad_member_is_refused(void **state)
{
	const struct member_case *c = *state;
	struct btf_name names[NAMES];
	struct maker m = sample();
	struct btf_cut cut = {};
	uint8_t btf[2048];

	name_all(names);
	add_type(&m, "", c->kind, 0, c->type);
	add_type(&m, "wanted", BTF_KIND_STRUCT, 1, 8);
	add_member(&m, "member", c->member, 0);
	assert_int_equal(btf_cut(btf, assemble(&m, btf), names, NAMES, &cut, NULL), c->want);
	free(cut.data);
}

static void more_types_than_the_ceiling(void **state)
{
	const uint32_t count = BTF_CUT_TYPES_MAX + 1;
	size_t bytes = sizeof(struct btf_header) + count * 12 + 8;
	uint8_t *btf = calloc(1, bytes);
	struct btf_header h = { .magic = BTF_MAGIC,
		                .version = BTF_VERSION,
		                .hdr_len = sizeof(h),
		                .type_len = count * 12,
		                .str_off = count * 12,
		                .str_len = 8 };
	const uint32_t head[] = { 1, BTF_KIND_STRUCT << 24, 0 };
	struct btf_name name = { .name = "wanted" };
	struct btf_cut cut = {};

	(void)state;
	assert_non_null(btf);
	memcpy(btf, &h, sizeof(h));
	for (uint32_t i = 0; i < count; i++)
		memcpy(btf + sizeof(h) + i * 12, head, sizeof(head));
	memcpy(btf + bytes - 8, "\0wanted", 8);
	assert_int_equal(btf_cut(btf, bytes, &name, 1, &cut, NULL), -E2BIG);
	free(btf);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_asked_for_is_cut_out),
	cmocka_unit_test(members_stay_where_they_are),
	cmocka_unit_test(nothing_is_asked_for),
	cmocka_unit_test(a_cut_off_file_is_refused),
	cmocka_unit_test(more_types_than_the_ceiling),
};

int main(void)
{
	int failed = CASES_RUN(a_bad_file_is_refused, header_cases);

	failed += CASES_RUN(a_bad_member_is_refused, member_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
