#include "measure/measurement.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

/* --- the shape of a message, one row a member ------------------------------------------------- */

enum kind { KIND_INTEGER, KIND_TCP, KIND_TEXT, KIND_OBJECT };

struct member {
	const char *name;
	const struct object *object; /* KIND_OBJECT */
	size_t offset;               /* in struct measurement */
	size_t bytes;                /* KIND_TEXT: the room for it */
	int64_t min, max;            /* KIND_TCP: what may be sent */
	enum kind kind;
};

struct object {
	size_t has_offset; /* of its `has_…` in struct measurement */
	bool whole;        /* no part of it is of use */
	const struct member *members;
	size_t count;
};

#define OFFSET(member) offsetof(struct measurement, member)
#define ROOM(member)   sizeof(((struct measurement *)NULL)->member)
#define COUNT(table)   (sizeof(table) / sizeof(*(table)))
#define INTEGER(json, at)                                                                          \
	{                                                                                          \
		.name = json, .kind = KIND_INTEGER, .offset = OFFSET(at)                           \
	}
#define TEXT(json, at)                                                                             \
	{                                                                                          \
		.name = json, .kind = KIND_TEXT, .offset = OFFSET(at), .bytes = ROOM(at)           \
	}
#define OBJECT(json, of)                                                                           \
	{                                                                                          \
		.name = json, .kind = KIND_OBJECT, .object = of                                    \
	}
#define MIN_U8  0
#define MAX_U8  UINT8_MAX
#define MIN_U32 0
#define MAX_U32 UINT32_MAX
#define MIN_I32 INT32_MIN
#define MAX_I32 INT32_MAX
#define MIN_I64 INT64_MIN
#define MAX_I64 INT64_MAX

static const struct member connection_members[] = {
	TEXT("Client", connection_info.client),
	TEXT("Server", connection_info.server),
	TEXT("UUID", connection_info.uuid),
	TEXT("StartTime", connection_info.start_time),
};

static const struct member app_members[] = {
	INTEGER("NumBytes", app_info.num_bytes),
	INTEGER("ElapsedTime", app_info.elapsed_us),
};

static const struct member bbr_members[] = {
	INTEGER("BW", bbr_info.bw_bytes_per_s),      INTEGER("MinRTT", bbr_info.min_rtt_us),
	INTEGER("PacingGain", bbr_info.pacing_gain), INTEGER("CwndGain", bbr_info.cwnd_gain),
	INTEGER("ElapsedTime", bbr_info.elapsed_us),
};

static const struct member tcp_members[] = {
#define X(json, at, T)                                                                             \
	[MEASUREMENT_TCP_##json] = { .name = #json,                                                \
		                     .kind = KIND_TCP,                                             \
		                     .offset = OFFSET(tcp_info.at),                                \
		                     .min = MIN_##T,                                               \
		                     .max = MAX_##T },
	MEASUREMENT_TCP_FIELDS(X)
#undef X
};
static_assert(MEASUREMENT_TCP_FIELD_COUNT <= 64, "a bit of `present` a field");

static const struct object connection = { OFFSET(has_connection_info), false, connection_members,
	                                  COUNT(connection_members) };
static const struct object app = { OFFSET(has_app_info), true, app_members, COUNT(app_members) };
static const struct object bbr = { OFFSET(has_bbr_info), true, bbr_members, COUNT(bbr_members) };
static const struct object tcp = { OFFSET(has_tcp_info), false, tcp_members, COUNT(tcp_members) };

static const struct member root_members[] = {
	OBJECT("ConnectionInfo", &connection),
	OBJECT("AppInfo", &app),
	OBJECT("BBRInfo", &bbr),
	OBJECT("TCPInfo", &tcp),
	TEXT("Origin", origin),
	TEXT("Test", test),
};

static void *at(struct measurement *m, size_t offset)
{
	return (char *)m + offset;
}

static const void *const_at(const struct measurement *m, size_t offset)
{
	return (const char *)m + offset;
}

void measurement_tcp_set(struct measurement_tcp_info *t, enum measurement_tcp_field field,
                         int64_t value)
{
	size_t offset = tcp_members[field].offset - OFFSET(tcp_info);

	*(int64_t *)((char *)t + offset) = value;
	t->present |= 1ULL << field;
}

/* --- reading ------------------------------------------------------------------------------------ */

static int read_object(struct json *j, const struct member *members, size_t count,
                       struct measurement *m, uint64_t *ret_seen, struct err *err);

/* A text that cannot be kept whole is as missing. */
static bool take_text(const struct member *member, const struct json_token *value,
                      struct measurement *m)
{
	char text[ROOM(connection_info.uuid)]; /* the longest */

	if (value->kind != JSON_STRING || json_text_copy(value, text, member->bytes) < 0)
		return false;
	return bytes_copy_text(at(m, member->offset), member->bytes, text);
}

static bool take_integer(const struct member *member, const struct json_token *value,
                         struct measurement *m)
{
	if (value->kind != JSON_INTEGER)
		return false;
	if (member->kind == KIND_TCP)
		measurement_tcp_set(&m->tcp_info,
		                    (enum measurement_tcp_field)(member - tcp_members),
		                    value->integer);
	else
		*(int64_t *)at(m, member->offset) = value->integer;
	return true;
}

static int take_object(struct json *j, const struct object *o, const struct json_token *value,
                       struct measurement *m, struct err *err)
{
	uint64_t seen = 0;
	int r;

	if (value->kind != JSON_OBJECT_BEGIN)
		return json_skip(j, value, err);
	r = read_object(j, o->members, o->count, m, &seen, err);
	if (r < 0)
		return r;
	if (!o->whole || seen == (1ULL << o->count) - 1)
		*(bool *)at(m, o->has_offset) = true;
	return 0;
}

static const struct member *find_member(const struct member *members, size_t count,
                                        const struct json_token *key)
{
	for (size_t i = 0; i < count; i++) {
		if (json_text_is(key, members[i].name))
			return &members[i];
	}
	return NULL;
}

/* From behind its brace to its end; *ret_seen: a bit for each member that had a usable value. */
static int read_object(struct json *j, const struct member *members, size_t count,
                       struct measurement *m, uint64_t *ret_seen, struct err *err)
{
	struct json_token token;
	const struct member *member;
	bool took;
	int r;

	while ((r = json_next(j, &token, err)) == 0 && token.kind != JSON_OBJECT_END) {
		member = find_member(members, count, &token);
		r = json_next(j, &token, err);
		if (r < 0)
			return r;
		if (member && member->kind == KIND_OBJECT) {
			r = take_object(j, member->object, &token, m, err);
			if (r < 0)
				return r;
			continue;
		}
		took = member && (member->kind == KIND_TEXT ? take_text(member, &token, m)
		                                            : take_integer(member, &token, m));
		if (took)
			*ret_seen |= 1ULL << (member - members);
		r = json_skip(j, &token, err);
		if (r < 0)
			return r;
	}
	return r;
}

int measurement_parse(const char *json, size_t n, struct measurement *ret, struct err *err)
{
	struct measurement m = {};
	struct json_token token;
	struct json j;
	uint64_t seen = 0;
	int r;

	json_open(&j, json, n, MEASUREMENT_DEPTH_MAX);
	r = json_next(&j, &token, err);
	if (r < 0)
		return r;
	if (token.kind != JSON_OBJECT_BEGIN)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "read a measurement: it is no JSON object");
	r = read_object(&j, root_members, COUNT(root_members), &m, &seen, err);
	if (r < 0)
		return r;
	r = json_next(&j, &token, err); /* JSON_END, or there is something behind the object */
	if (r < 0)
		return r;
	*ret = m;
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------ */

/* Puts a comma between the members of an object. */
static void put_name(struct text *out, const char *name)
{
	bool first = out->bytes == 0 || out->at[out->bytes - 1] == '{';

	text_append(out, "%s\"%s\":", first ? "" : ",", name);
}

static void put_text(struct text *out, const char *name, const char *value)
{
	char quoted[6 * sizeof(((struct measurement_connection_info *)NULL)->uuid) + 3];

	if (!value[0] || json_quote(value, quoted, sizeof(quoted)) < 0)
		return;
	put_name(out, name);
	text_append(out, "%s", quoted);
}

static void put_integer(struct text *out, const char *name, int64_t value)
{
	put_name(out, name);
	text_append(out, "%" PRId64, value);
}

static void put_tcp(struct text *out, const struct member *member, const struct measurement *m)
{
	int64_t value = *(const int64_t *)const_at(m, member->offset);

	if (measurement_has(&m->tcp_info, (enum measurement_tcp_field)(member - tcp_members)) &&
	    value >= member->min && value <= member->max)
		put_integer(out, member->name, value);
}

static void put_object(struct text *out, const struct member *members, size_t count,
                       const struct measurement *m)
{
	text_append(out, "{");
	for (const struct member *member = members; member < members + count; member++) {
		switch (member->kind) {
		case KIND_TEXT:
			put_text(out, member->name, const_at(m, member->offset));
			break;
		case KIND_INTEGER:
			put_integer(out, member->name,
			            *(const int64_t *)const_at(m, member->offset));
			break;
		case KIND_TCP:
			put_tcp(out, member, m);
			break;
		case KIND_OBJECT:
			if (!*(const bool *)const_at(m, member->object->has_offset))
				break;
			put_name(out, member->name);
			put_object(out, member->object->members, member->object->count, m);
			break;
		}
	}
	text_append(out, "}");
}

int measurement_write(const struct measurement *m, char *out, size_t out_bytes)
{
	struct text text;

	if (out_bytes == 0)
		return -ENOSPC;
	text = text_on(out, out_bytes);
	put_object(&text, root_members, COUNT(root_members), m);
	return text.overflow ? -ENOSPC : (int)text.bytes;
}
