#include "measure/trace_object.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "measure/trace_field.h"
#include "measure/trace_line.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

/* Deeper than any version of the format. */
#define DEPTH_MAX 8

#define COOKIE_DIGITS 16

/* --- what stands in them ---------------------------------------------------------------------------- */

enum member_kind {
	MEMBER_TEXT,
	MEMBER_COUNT,
	MEMBER_KNOWN_COUNT, /* 0 is not known */
	MEMBER_MISSED,      /* a count, where end.missed is known */
	MEMBER_COOKIE,      /* 16 hexadecimal digits, as in a result */
	MEMBER_IP,
	MEMBER_ROLE,
	MEMBER_UTC, /* for people; reading goes by utc_ns */
};

struct member {
	const char *name;
	enum member_kind kind;
	uint16_t offset, width; /* in struct trace_record */
};

#define MEMBER(name_, kind_, member)                                                               \
	{                                                                                          \
		.name = name_, .kind = MEMBER_##kind_,                                             \
		.offset = offsetof(struct trace_record, member),                                   \
		.width = sizeof(((struct trace_record *)NULL)->member)                             \
	}

static const struct member header_members[] = {
	MEMBER("version", TEXT, header.version),
	MEMBER("kernel", TEXT, header.kernel),
	MEMBER("arch", TEXT, header.arch),
	MEMBER("source", TEXT, header.source),
	MEMBER("result", TEXT, header.result),
	MEMBER("command", TEXT, header.command),
	MEMBER("interval_ns", COUNT, header.interval_ns),
	MEMBER("monotonic_ns", COUNT, header.anchor.monotonic_ns),
	MEMBER("utc_ns", COUNT, header.anchor.utc_ns),
	MEMBER("utc", UTC, header.anchor.utc_ns),
	MEMBER("anchor_error_ns", COUNT, header.anchor.error_ns),
	MEMBER("memory_bytes", COUNT, header.memory_bytes),
	MEMBER("spill_bytes", COUNT, header.spill_bytes),
};

static const struct member flow_members[] = {
	MEMBER("flow", COUNT, flow),
	MEMBER("cookie", COOKIE, met.cookie),
	MEMBER("at_ns", COUNT, met.at_ns),
	MEMBER("local_ip", IP, met.local_ip),
	MEMBER("local_port", KNOWN_COUNT, met.local_port),
	MEMBER("remote_ip", IP, met.remote_ip),
	MEMBER("remote_port", KNOWN_COUNT, met.remote_port),
	MEMBER("role", ROLE, met.role),
	MEMBER("test", TEXT, met.test),
	MEMBER("congestion", TEXT, met.congestion),
	MEMBER("pid", KNOWN_COUNT, met.pid),
	MEMBER("comm", TEXT, met.comm),
	MEMBER("ending", TEXT, met.ending),
};

static const struct member end_members[] = {
	MEMBER("flows", COUNT, end.flows),
	MEMBER("samples", COUNT, end.samples),
	MEMBER("info", COUNT, end.events[TCP_SAMPLE_INFO]),
	MEMBER("ack", COUNT, end.events[TCP_SAMPLE_ACK]),
	MEMBER("retransmit", COUNT, end.events[TCP_SAMPLE_RETRANSMIT]),
	MEMBER("state", COUNT, end.events[TCP_SAMPLE_STATE]),
	MEMBER("congestion", COUNT, end.events[TCP_SAMPLE_CONGESTION]),
	MEMBER("lost", COUNT, end.lost),
	MEMBER("lost_for_space", COUNT, end.lost_for_space),
	MEMBER("left_out", KNOWN_COUNT, end.left_out),
	MEMBER("missed_at_most", MISSED, end.missed.segments_at_most),
};

struct form {
	const char *record; /* what its member "record" says */
	const struct member *members;
	size_t count;
};

static const struct form forms[] = {
	[TRACE_HEADER] = { "header", header_members, TRACE_LENGTH(header_members) },
	[TRACE_FLOW] = { "flow", flow_members, TRACE_LENGTH(flow_members) },
	[TRACE_END] = { "end", end_members, TRACE_LENGTH(end_members) },
};

/* --- writing ---------------------------------------------------------------------------------------- */

static void append_text(struct text *t, const char *text)
{
	char quoted[6 * sizeof(((struct trace_header *)NULL)->command) + 3];

	json_quote(text, quoted, sizeof(quoted));
	text_append(t, "%s", quoted);
}

static bool is_zero(const void *at, size_t n)
{
	static const unsigned char zeros[64];

	return n <= sizeof(zeros) && memcmp(at, zeros, n) == 0;
}

static bool is_known(const struct member *m, const struct trace_record *r)
{
	const char *at = (const char *)r + m->offset;

	if (m->kind == MEMBER_TEXT)
		return *at != '\0';
	if (m->kind == MEMBER_ROLE)
		return trace_load(r, m->offset, m->width) - 1 < trace_roles.count - 1UL;
	if (m->kind == MEMBER_MISSED)
		return r->end.missed.known;
	return m->kind == MEMBER_COUNT || !is_zero(at, m->width);
}

static void append_ip(struct text *t, const struct in6_addr *address)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(address);
	char ip[INET6_ADDRSTRLEN];

	text_append(t, "\"%s\"",
	            inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &address->s6_addr[12] : (void *)address,
	                      ip, sizeof(ip)));
}

static void append_member(struct text *t, const struct member *m, const struct trace_record *r)
{
	const char *at = (const char *)r + m->offset;
	uint64_t value = m->width <= sizeof(value) ? trace_load(r, m->offset, m->width) : 0;
	char utc[CLOCK_UTC_TEXT_BYTES];
	struct in6_addr address;

	text_append(t, ",\"%s\":", m->name);
	switch (m->kind) {
	case MEMBER_TEXT:
		append_text(t, at);
		break;
	case MEMBER_COUNT:
	case MEMBER_KNOWN_COUNT:
	case MEMBER_MISSED:
		text_append(t, "%llu", (unsigned long long)value);
		break;
	case MEMBER_COOKIE:
		text_append(t, "\"%016llx\"", (unsigned long long)value);
		break;
	case MEMBER_IP:
		memcpy(&address, at, sizeof(address));
		append_ip(t, &address);
		break;
	case MEMBER_ROLE:
		text_append(t, "\"%s\"", trace_roles.at[value].text);
		break;
	case MEMBER_UTC:
		text_append(t, "\"%s\"", clock_utc_text(value, 9, utc));
		break;
	}
}

size_t trace_object_write(const char *lead, const struct trace_record *r, char *out,
                          size_t out_bytes)
{
	const struct form *form = &forms[r->kind];
	struct text t = text_on(out, out_bytes);

	text_append(&t, "%s{", lead);
	if (r->kind == TRACE_HEADER)
		text_append(&t, "\"schema\":\"" TRACE_SCHEMA "\",");
	text_append(&t, "\"record\":\"%s\"", form->record);
	for (size_t i = 0; i < form->count; i++)
		if (is_known(&form->members[i], r))
			append_member(&t, &form->members[i], r);
	text_append(&t, "}\n");
	assert(!t.overflow);
	return t.bytes;
}

/* --- reading ---------------------------------------------------------------------------------------- */

int trace_object_next(struct json *j, struct json_token *key, struct json_token *value,
                      struct err *err)
{
	int r = json_next(j, key, err);

	if (r == 0 && key->kind == JSON_OBJECT_END)
		return json_next(j, key, err) < 0 ? -EBADMSG : 1;
	if (r == 0)
		r = json_next(j, value, err);
	return r < 0 ? -EBADMSG : 0;
}

int trace_object_open(struct json *j, const char *text, size_t n, struct err *err)
{
	struct json_token token;

	json_open(j, text, n, DEPTH_MAX);
	if (json_next(j, &token, err) < 0)
		return -EBADMSG;
	return token.kind == JSON_OBJECT_BEGIN ? 0 : TRACE_REFUSE(err, "not an object");
}

static bool read_ip(const char *text, void *into)
{
	struct in6_addr address = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (inet_pton(AF_INET, text, &address.s6_addr[12]) != 1 &&
	    inet_pton(AF_INET6, text, &address) != 1)
		return false;
	memcpy(into, &address, sizeof(address));
	return true;
}

static bool read_cookie(const char *text, uint64_t *ret)
{
	size_t n = strlen(text);
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = strchr(digits, text[i]);

		if (!digit || n > COOKIE_DIGITS)
			return false;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	*ret = value;
	return n > 0;
}

static bool read_text_member(const struct member *m, const char *text, struct trace_record *ret)
{
	uint64_t cookie, role;

	switch (m->kind) {
	case MEMBER_TEXT:
		return bytes_copy_text((char *)ret + m->offset, m->width, text);
	case MEMBER_IP:
		return read_ip(text, (char *)ret + m->offset);
	case MEMBER_COOKIE:
		return read_cookie(text, &cookie) && trace_store(ret, m->offset, m->width, cookie);
	case MEMBER_ROLE:
		role = trace_word_index(&trace_roles, text, strlen(text));
		return role == trace_roles.count || trace_store(ret, m->offset, m->width, role);
	default:
		return false;
	}
}

static int take_member(const struct form *form, const struct json_token *key,
                       const struct json_token *value, struct trace_record *ret, struct err *err)
{
	const struct member *m = form->members, *end = m + form->count;
	bool taken = false;
	uint64_t count = 0;
	char text[sizeof(ret->header.command)];

	while (m < end && !json_text_is(key, m->name))
		m++;
	if (m == end || m->kind == MEMBER_UTC || value->kind == JSON_NULL)
		return 0;
	if (value->kind == JSON_STRING && json_text_copy(value, text, sizeof(text)) == 0)
		taken = read_text_member(m, text, ret);
	else if (m->kind == MEMBER_COUNT || m->kind == MEMBER_KNOWN_COUNT ||
	         m->kind == MEMBER_MISSED)
		taken = value->kind != JSON_STRING &&
		        trace_read_whole_count(value->text, value->n, &count) &&
		        trace_store(ret, m->offset, m->width, count);
	if (taken && m->kind == MEMBER_MISSED)
		ret->end.missed.known = true;
	if (taken)
		return 0;
	return TRACE_REFUSE(err, "%s: \"%.*s\" is no value of it", m->name,
	                    (int)(value->n < 40 ? value->n : 40), value->text);
}

static int check_schema(const struct json_token *value, struct err *err)
{
	static const char name[] = TRACE_SCHEMA_NAME;
	uint64_t version;

	if (json_text_is(value, TRACE_SCHEMA))
		return 0;
	if (value->kind != JSON_STRING ||
	    !trace_expect(value->text, value->text + value->n, name, strlen(name)))
		return TRACE_REFUSE(err, "schema: not a trace of radar-pod");
	if (!trace_read_whole_count(value->text + strlen(name), value->n - strlen(name), &version))
		return TRACE_REFUSE(err, "schema: no version of a trace");
	return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
	               "it is of version %llu of the format, and this program reads version %d",
	               (unsigned long long)version, TRACE_VERSION);
}

int trace_object_kind(const char *text, size_t n, enum trace_kind *ret, struct err *err)
{
	struct json_token key, value;
	enum trace_kind kind = TRACE_SAMPLE;
	bool has_schema = false, unknown = false;
	struct json j;
	int r = trace_object_open(&j, text, n, err);

	while (r == 0 && (r = trace_object_next(&j, &key, &value, err)) == 0) {
		if (json_text_is(&key, "schema")) {
			r = check_schema(&value, err);
			has_schema = true;
		} else if (json_text_is(&key, "record")) {
			unknown = true;
			for (unsigned int i = 0; i < TRACE_LENGTH(forms); i++) {
				if (!forms[i].record || !json_text_is(&value, forms[i].record))
					continue;
				kind = (enum trace_kind)i;
				unknown = false;
			}
		}
		if (r == 0 && json_skip(&j, &value, err) < 0)
			r = -EBADMSG;
	}
	if (r < 0)
		return r;
	if (has_schema != (kind == TRACE_HEADER))
		return TRACE_REFUSE(err, "schema: it belongs to the header, and to it alone");
	*ret = kind;
	return unknown ? TRACE_LINE_NOTHING : TRACE_LINE_RECORD;
}

int trace_object_read(enum trace_kind kind, const char *text, size_t n, struct trace_record *ret,
                      struct err *err)
{
	struct json_token key, value;
	struct json j;
	int r = trace_object_open(&j, text, n, err);

	*ret = (struct trace_record){ .kind = kind };
	while (r == 0 && (r = trace_object_next(&j, &key, &value, err)) == 0) {
		r = take_member(&forms[kind], &key, &value, ret, err);
		if (r == 0 && json_skip(&j, &value, err) < 0)
			r = -EBADMSG;
	}
	if (r < 0)
		return r;
	if (kind == TRACE_FLOW && ret->flow == 0)
		return TRACE_REFUSE(err, "flow: they are counted from 1");
	return TRACE_LINE_RECORD;
}
