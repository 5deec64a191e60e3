#include "bpf/btf_cut.h"

#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define RECORD_BYTES sizeof(struct btf_type)

struct whole {
	const uint8_t *types;
	const char *strings; /* the last ends where they end */
	uint32_t types_bytes, strings_bytes;
	uint32_t count;
	uint32_t *at; /* where each type is among the types; the first is number 1 */
};

struct cutting {
	struct whole whole;
	uint32_t *number; /* in the cut, of each type of the whole; 0: not in it */
	uint32_t *kept;   /* types of the whole, in the cut's order */
	uint32_t kept_count;
	uint8_t *types; /* of the cut */
	char *strings;
	size_t types_bytes, strings_bytes;
	int failure; /* the first; later steps do nothing that matters */
};

static void cutting_end(struct cutting *c)
{
	free(c->whole.at);
	free(c->number);
	free(c->kept);
	free(c->types);
	free(c->strings);
}

static uint32_t fail(struct cutting *c, int code)
{
	if (!c->failure)
		c->failure = code;
	return 0;
}

/* --- the whole --------------------------------------------------------------------------------------- */

static bool is_within(uint32_t offset, uint32_t length, size_t bytes)
{
	return offset <= bytes && length <= bytes - offset;
}

static bool find_sections(const uint8_t *btf, size_t bytes, struct whole *w)
{
	struct btf_header h;

	if (bytes < sizeof(h))
		return false;
	memcpy(&h, btf, sizeof(h));
	if (h.magic != BTF_MAGIC || h.version != BTF_VERSION || h.hdr_len < sizeof(h) ||
	    h.hdr_len > bytes)
		return false;
	btf += h.hdr_len;
	bytes -= h.hdr_len;
	if (!is_within(h.type_off, h.type_len, bytes) || !is_within(h.str_off, h.str_len, bytes) ||
	    h.str_len == 0)
		return false;
	w->types = btf + h.type_off;
	w->types_bytes = h.type_len;
	w->strings = (const char *)btf + h.str_off;
	w->strings_bytes = h.str_len;
	return w->strings[0] == '\0' && w->strings[h.str_len - 1] == '\0';
}

static struct btf_type type_at(const struct whole *w, uint32_t at)
{
	struct btf_type t;

	memcpy(&t, w->types + at, sizeof(t));
	return t;
}

/* What follows a type's head. false: a kind that is not known here, and so not how long it is. */
static bool tail_bytes(uint32_t info, size_t *ret)
{
	static const struct {
		bool known;
		uint8_t once, each;
	} kinds[] = {
		[BTF_KIND_INT] = { true, 4, 0 },        [BTF_KIND_PTR] = { true, 0, 0 },
		[BTF_KIND_ARRAY] = { true, 12, 0 },     [BTF_KIND_STRUCT] = { true, 0, 12 },
		[BTF_KIND_UNION] = { true, 0, 12 },     [BTF_KIND_ENUM] = { true, 0, 8 },
		[BTF_KIND_FWD] = { true, 0, 0 },        [BTF_KIND_TYPEDEF] = { true, 0, 0 },
		[BTF_KIND_VOLATILE] = { true, 0, 0 },   [BTF_KIND_CONST] = { true, 0, 0 },
		[BTF_KIND_RESTRICT] = { true, 0, 0 },   [BTF_KIND_FUNC] = { true, 0, 0 },
		[BTF_KIND_FUNC_PROTO] = { true, 0, 8 }, [BTF_KIND_VAR] = { true, 4, 0 },
		[BTF_KIND_DATASEC] = { true, 0, 12 },   [BTF_KIND_FLOAT] = { true, 0, 0 },
		[BTF_KIND_DECL_TAG] = { true, 4, 0 },   [BTF_KIND_TYPE_TAG] = { true, 0, 0 },
		[BTF_KIND_ENUM64] = { true, 0, 12 },
	};
	uint32_t kind = BTF_INFO_KIND(info);

	if (kind >= sizeof(kinds) / sizeof(*kinds) || !kinds[kind].known)
		return false;
	*ret = kinds[kind].once + (size_t)kinds[kind].each * BTF_INFO_VLEN(info);
	return true;
}

/* --- the cut ----------------------------------------------------------------------------------------- */

/* Answers its number in the cut, where it is copied later. */
static uint32_t keep(struct cutting *c, uint32_t id)
{
	if (id == 0)
		return 0; /* void */
	if (id > c->whole.count)
		return fail(c, -EPROTO);
	if (c->number[id])
		return c->number[id];
	if (c->kept_count == BTF_CUT_TYPES_MAX)
		return fail(c, -E2BIG);
	c->kept[c->kept_count++] = id;
	return c->number[id] = c->kept_count;
}

static uint32_t copy_name(struct cutting *c, uint32_t name)
{
	uint32_t at = (uint32_t)c->strings_bytes;
	size_t bytes;

	if (name == 0)
		return 0;
	if (name >= c->whole.strings_bytes)
		return fail(c, -EPROTO);
	bytes = strlen(c->whole.strings + name) + 1;
	if (bytes > BTF_CUT_BYTES_MAX - c->strings_bytes)
		return fail(c, -E2BIG);
	memcpy(c->strings + at, c->whole.strings + name, bytes);
	c->strings_bytes += bytes;
	return at;
}

static void append(struct cutting *c, const void *data, size_t bytes)
{
	if (bytes > BTF_CUT_BYTES_MAX - c->types_bytes) {
		fail(c, -E2BIG);
		return;
	}
	memcpy(c->types + c->types_bytes, data, bytes);
	c->types_bytes += bytes;
}

static void copy_members(struct cutting *c, const uint8_t *from, uint32_t count)
{
	for (; count > 0 && !c->failure; count--, from += sizeof(struct btf_member)) {
		struct btf_member m;

		memcpy(&m, from, sizeof(m));
		m.name_off = copy_name(c, m.name_off);
		m.type = keep(c, m.type);
		append(c, &m, sizeof(m));
	}
}

static void copy_array(struct cutting *c, const uint8_t *from)
{
	struct btf_array a;

	memcpy(&a, from, sizeof(a));
	a.type = keep(c, a.type);
	a.index_type = keep(c, a.index_type);
	append(c, &a, sizeof(a));
}

/* Its head as the cut has it. */
static struct btf_type translate(struct cutting *c, struct btf_type t)
{
	t.name_off = copy_name(c, t.name_off);
	switch (BTF_INFO_KIND(t.info)) {
	case BTF_KIND_PTR:
		t.type = 0;
		break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		t.type = keep(c, t.type);
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		t.info -= BTF_INFO_VLEN(t.info);
		break;
	case BTF_KIND_INT:
	case BTF_KIND_ARRAY:
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_FWD:
	case BTF_KIND_FLOAT:
		break;
	default: /* of functions, variables and tags nothing is held by value */
		fail(c, -EPROTO);
	}
	return t;
}

static void copy_type(struct cutting *c, uint32_t id)
{
	uint32_t at = c->whole.at[id];
	const uint8_t *tail = c->whole.types + at + RECORD_BYTES;
	struct btf_type t = translate(c, type_at(&c->whole, at));

	append(c, &t, sizeof(t));
	switch (BTF_INFO_KIND(t.info)) {
	case BTF_KIND_INT:
		append(c, tail, 4);
		break;
	case BTF_KIND_ARRAY:
		copy_array(c, tail);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		copy_members(c, tail, BTF_INFO_VLEN(t.info));
		break;
	default:
		break;
	}
}

/* --- the pass ---------------------------------------------------------------------------------------- */

static void meet(struct cutting *c, const struct btf_type *t, uint32_t id, struct btf_name *names,
                 size_t count)
{
	uint32_t kind = BTF_INFO_KIND(t->info);
	bool is_typedef = kind == BTF_KIND_TYPEDEF;
	const char *name = c->whole.strings + t->name_off;

	if (!is_typedef && kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION)
		return;
	for (size_t i = 0; i < count; i++) {
		if (names[i].is_typedef != is_typedef || *names[i].name != *name ||
		    strcmp(names[i].name, name) != 0)
			continue;
		if (names[i].id == 0)
			names[i].id = id;
		if (!is_typedef)
			c->kept[c->kept_count++] = id;
		return;
	}
}

/* Where each type is, and which of them are asked for. */
static int pass_over(struct cutting *c, struct btf_name *names, size_t count)
{
	struct whole *w = &c->whole;
	size_t tail = 0;

	for (uint32_t at = 0; at < w->types_bytes; at += (uint32_t)(RECORD_BYTES + tail)) {
		struct btf_type t;

		if (w->types_bytes - at < RECORD_BYTES)
			return -EPROTO;
		t = type_at(w, at);
		if (!tail_bytes(t.info, &tail) || tail > w->types_bytes - at - RECORD_BYTES ||
		    t.name_off >= w->strings_bytes)
			return -EPROTO;
		if (c->kept_count == BTF_CUT_TYPES_MAX)
			return -E2BIG;
		w->at[++w->count] = at;
		meet(c, &t, w->count, names, count);
	}
	return 0;
}

static int make_room(struct cutting *c)
{
	/* untouched, these cost nothing */
	size_t most = c->whole.types_bytes / RECORD_BYTES + 1;

	c->whole.at = malloc(most * sizeof(*c->whole.at));
	c->number = calloc(most, sizeof(*c->number));
	c->kept = malloc(BTF_CUT_TYPES_MAX * sizeof(*c->kept));
	c->types = malloc(BTF_CUT_BYTES_MAX);
	c->strings = malloc(BTF_CUT_BYTES_MAX);
	if (!c->whole.at || !c->number || !c->kept || !c->types || !c->strings)
		return -ENOMEM;
	c->strings[0] = '\0';
	c->strings_bytes = 1;
	return 0;
}

static int finish(const struct cutting *c, struct btf_cut *ret)
{
	struct btf_header h = { .magic = BTF_MAGIC,
		                .version = BTF_VERSION,
		                .hdr_len = sizeof(h),
		                .type_len = (uint32_t)c->types_bytes,
		                .str_off = (uint32_t)c->types_bytes,
		                .str_len = (uint32_t)c->strings_bytes };
	uint8_t *data = malloc(sizeof(h) + c->types_bytes + c->strings_bytes);

	if (!data)
		return -ENOMEM;
	memcpy(data, &h, sizeof(h));
	memcpy(data + sizeof(h), c->types, c->types_bytes);
	memcpy(data + sizeof(h) + c->types_bytes, c->strings, c->strings_bytes);
	ret->data = data;
	ret->bytes = sizeof(h) + c->types_bytes + c->strings_bytes;
	return 0;
}

int btf_cut(const void *btf, size_t bytes, struct btf_name *names, size_t count,
            struct btf_cut *ret, struct err *err)
{
	CLEANUP(cutting_end) struct cutting c = {};
	int r = find_sections(btf, bytes, &c.whole) ? make_room(&c) : -EPROTO;

	for (size_t i = 0; i < count; i++)
		names[i].id = 0;
	if (r == 0)
		r = pass_over(&c, names, count);
	for (uint32_t i = 0; r == 0 && i < c.kept_count; i++)
		c.number[c.kept[i]] = i + 1;
	for (uint32_t i = 0; r == 0 && i < c.kept_count; i++) { /* which grows meanwhile */
		copy_type(&c, c.kept[i]);
		r = c.failure;
	}
	if (r == 0)
		r = finish(&c, ret);
	return r < 0 ? ERR_SET(err, r, ERR_BPF, 0, "cut %zu types out of %zu bytes of BTF", count,
	                       bytes)
	             : 0;
}
