/* Tables say what stands in a record; the same tables write and read. Samples, of which there are
 * millions, have a quick path in both directions: written from text that stands ready, read by expecting
 * the members in the order in which they are written. What the quick path does not expect is left to the
 * careful one, which takes any JSON. */
#include "measure/trace_line.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* Deeper than any version of the format. */
#define DEPTH_MAX 8

#define COOKIE_DIGITS 16

/* --- words -------------------------------------------------------------------------------------- */

struct words {
	uint8_t count;
	uint8_t of_nothing; /* 1: value 0 has no word, and stands for what is not known */
	const char *const *at;
};

static const char *const event_names[] = {
	[TCP_SAMPLE_INFO] = "info",
	[TCP_SAMPLE_ACK] = "ack",
	[TCP_SAMPLE_RETRANSMIT] = "retransmit",
	[TCP_SAMPLE_STATE] = "state",
	[TCP_SAMPLE_CONGESTION] = "congestion",
};
static_assert(LENGTH(event_names) == TCP_SAMPLE_EVENTS, "each event has its word");

/* enum tcp_ca_state */
static const char *const ca_state_names[] = { "open", "disorder", "cwr", "recovery", "loss" };

/* enum of TCP_ESTABLISHED; the words are those of ss(8) */
static const char *const state_names[] = {
	"none",      "established", "syn-sent",   "syn-recv", "fin-wait-1", "fin-wait-2",
	"time-wait", "close",       "close-wait", "last-ack", "listen",     "closing",
};

static const char *const role_names[] = {
	[TCP_FLOW_CLIENT] = "client",
	[TCP_FLOW_SERVER] = "server",
};

static const struct words events = { LENGTH(event_names), 0, event_names };
static const struct words ca_states = { LENGTH(ca_state_names), 0, ca_state_names };
static const struct words states = { LENGTH(state_names), 0, state_names };
static const struct words roles = { LENGTH(role_names), 1, role_names };

/* Answers words->count where there is none. */
static unsigned int word_index(const struct words *words, const char *text, size_t n)
{
	unsigned int i = words->of_nothing;

	while (i < words->count &&
	       (strlen(words->at[i]) != n || memcmp(words->at[i], text, n) != 0))
		i++;
	return i;
}

const char *trace_event_name(enum tcp_sample_event event)
{
	return event_names[event];
}

enum tcp_sample_event trace_event_named(const char *word, size_t n)
{
	return (enum tcp_sample_event)word_index(&events, word, n);
}

/* --- what stands in a sample ---------------------------------------------------------------------- */

struct field {
	const char *key; /* as it is written in JSON: ,"srtt_us": */
	uint8_t key_bytes;
	uint8_t offset, width; /* in struct tcp_sample */
	bool is_flag;
	uint32_t group; /* enum tcp_sample_field */
	const struct words *words;
};

#define FIELD(member, group_, ...)                                                                 \
	{                                                                                          \
		.key = ",\"" #member "\":", .key_bytes = sizeof(",\"" #member "\":") - 1,          \
		.offset = offsetof(struct tcp_sample, member),                                     \
		.width = sizeof(((struct tcp_sample *)NULL)->member),                              \
		.group = TCP_SAMPLE_##group_, __VA_ARGS__                                          \
	}

/* In the order in which they are written. */
static const struct field fields[] = {
	FIELD(srtt_us, RTT),
	FIELD(rttvar_us, RTTVAR),
	FIELD(latest_rtt_us, LATEST_RTT),
	FIELD(min_rtt_us, MIN_RTT),
	FIELD(rcv_rtt_us, RCV_RTT),
	FIELD(snd_cwnd_segments, CWND),
	FIELD(ssthresh_segments, CWND),
	FIELD(bytes_acked, BYTES),
	FIELD(bytes_received, BYTES),
	FIELD(bytes_sent, BYTES_SENT),
	FIELD(bytes_retrans, BYTES_SENT),
	FIELD(delivery_rate_bps, DELIVERY_RATE),
	FIELD(pacing_rate_bps, PACING_RATE),
	FIELD(inflight_segments, SEGMENTS),
	FIELD(lost_segments, SEGMENTS),
	FIELD(sacked_segments, SEGMENTS),
	FIELD(snd_wnd_bytes, SND_WND),
	FIELD(rcv_wnd_bytes, RCV_WND),
	FIELD(notsent_bytes, NOTSENT),
	FIELD(ooo_segments, OOO),
	FIELD(busy_us, LIMITS),
	FIELD(rwnd_limited_us, LIMITS),
	FIELD(sndbuf_limited_us, LIMITS),
	FIELD(app_limited, DELIVERY_RATE, .is_flag = true),
	FIELD(ca_state, CA_STATE, .words = &ca_states),
	FIELD(state, TCP_STATE, .words = &states),
};

#define FIELDS LENGTH(fields)
static_assert(FIELDS <= 32, "a set of them is a uint32_t");
static_assert(sizeof(struct tcp_sample) <= UINT8_MAX, "offsets are bytes");

/* What leads a sample, and is a column of its own. */
enum { COLUMN_AT = FIELDS, COLUMN_FLOW, COLUMN_EVENT, COLUMN_UNKNOWN };

static const char *const lead_names[] = { "at_ns", "flow", "event" };

#define AT_KEY    "{\"at_ns\":"
#define FLOW_KEY  ",\"flow\":"
#define EVENT_KEY ",\"event\":\""

static const char *field_name(unsigned int i, size_t *ret_bytes)
{
	if (i >= COLUMN_AT) {
		*ret_bytes = strlen(lead_names[i - COLUMN_AT]);
		return lead_names[i - COLUMN_AT];
	}
	*ret_bytes = fields[i].key_bytes - strlen(",\"\":");
	return fields[i].key + strlen(",\"");
}

static uint64_t load(const void *from, size_t offset, size_t width)
{
	uint64_t value = 0;

	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low bytes come first");
	memcpy(&value, (const char *)from + offset, width);
	return value;
}

/* False where it does not fit. */
static bool store(void *into, size_t offset, size_t width, uint64_t value)
{
	if (width < sizeof(value) && value >> (8 * width))
		return false;
	memcpy((char *)into + offset, &value, width);
	return true;
}

/* --- writing a sample ------------------------------------------------------------------------------ */

static char *put(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	return at + n;
}

#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static char *put_count(char *at, uint64_t value)
{
	char digits[20];
	char *first = digits + sizeof(digits);

	do {
		*--first = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return put(at, first, (size_t)(digits + sizeof(digits) - first));
}

/* A word where the value has one, else its number. */
static char *put_value(char *at, const struct field *f, uint64_t value, bool quoted)
{
	if (!f->words || value >= f->words->count)
		return put_count(at, value);
	if (quoted)
		*at++ = '"';
	at = put(at, f->words->at[value], strlen(f->words->at[value]));
	if (quoted)
		*at++ = '"';
	return at;
}

static char *put_event(char *at, const struct tcp_sample *s)
{
	const char *name = event_names[s->event];

	return put(at, name, strlen(name));
}

static char *write_json_sample(char *at, uint32_t flow, const struct tcp_sample *s)
{
	at = PUT(at, AT_KEY);
	at = put_count(at, s->at_ns);
	at = PUT(at, FLOW_KEY);
	at = put_count(at, flow);
	at = PUT(at, EVENT_KEY);
	at = put_event(at, s);
	*at++ = '"';
	for (const struct field *f = fields; f < fields + FIELDS; f++) {
		uint64_t value;

		if (!(s->present & f->group))
			continue;
		value = load(s, f->offset, f->width);
		at = put(at, f->key, f->key_bytes);
		if (f->is_flag)
			at = value ? PUT(at, "true") : PUT(at, "false");
		else
			at = put_value(at, f, value, true);
	}
	return PUT(at, "}\n");
}

static char *write_csv_sample(char *at, uint32_t flow, const struct tcp_sample *s)
{
	at = put_count(at, s->at_ns);
	*at++ = ',';
	at = put_count(at, flow);
	*at++ = ',';
	at = put_event(at, s);
	for (const struct field *f = fields; f < fields + FIELDS; f++) {
		*at++ = ',';
		if (s->present & f->group)
			at = put_value(at, f, load(s, f->offset, f->width), false);
	}
	*at++ = '\n';
	return at;
}

size_t trace_line_columns(char out[TRACE_LINE_BYTES])
{
	char *at = out;
	size_t n;

	for (unsigned int i = COLUMN_AT; i < COLUMN_UNKNOWN; i++) {
		const char *name = field_name(i, &n);

		at = put(at, name, n);
		*at++ = ',';
	}
	for (unsigned int i = 0; i < FIELDS; i++) {
		const char *name = field_name(i, &n);

		at = put(at, name, n);
		*at++ = i + 1 < FIELDS ? ',' : '\n';
	}
	return (size_t)(at - out);
}

/* --- what stands in the other records -------------------------------------------------------------- */

enum member_kind {
	MEMBER_TEXT,
	MEMBER_COUNT,
	MEMBER_KNOWN_COUNT, /* 0 is not known */
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
};

struct form {
	const char *record; /* what its member "record" says */
	const struct member *members;
	size_t count;
};

static const struct form forms[] = {
	[TRACE_HEADER] = { "header", header_members, LENGTH(header_members) },
	[TRACE_FLOW] = { "flow", flow_members, LENGTH(flow_members) },
	[TRACE_END] = { "end", end_members, LENGTH(end_members) },
};

/* --- writing them ------------------------------------------------------------------------------------ */

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
		return load(r, m->offset, m->width) - 1 < roles.count - 1UL;
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
	uint64_t value = m->width <= sizeof(value) ? load(r, m->offset, m->width) : 0;
	char utc[CLOCK_UTC_TEXT_BYTES];
	struct in6_addr address;

	text_append(t, ",\"%s\":", m->name);
	switch (m->kind) {
	case MEMBER_TEXT:
		append_text(t, at);
		break;
	case MEMBER_COUNT:
	case MEMBER_KNOWN_COUNT:
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
		text_append(t, "\"%s\"", role_names[value]);
		break;
	case MEMBER_UTC:
		text_append(t, "\"%s\"", clock_utc_text(value, 9, utc));
		break;
	}
}

static size_t write_object(enum trace_syntax syntax, const struct trace_record *r, char *out)
{
	const struct form *form = &forms[r->kind];
	struct text t = text_on(out, TRACE_LINE_BYTES);

	text_append(&t, "%s{", syntax == TRACE_CSV ? "# " : "");
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

size_t trace_line_write(enum trace_syntax syntax, const struct trace_record *r,
                        char out[TRACE_LINE_BYTES])
{
	if (r->kind != TRACE_SAMPLE)
		return write_object(syntax, r, out);
	if (syntax == TRACE_CSV)
		return (size_t)(write_csv_sample(out, r->flow, &r->sample) - out);
	return (size_t)(write_json_sample(out, r->flow, &r->sample) - out);
}

/* --- reading values ----------------------------------------------------------------------------------- */

#define REFUSE(err, ...) ERR_SET((err), -EBADMSG, ERR_SYS, 0, __VA_ARGS__)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits and nothing else, as JSON has them: no zero leads. Answers where they end, or NULL. */
static const char *read_count(const char *at, const char *end, uint64_t *ret)
{
	const char *first = at;
	uint64_t value = 0;

	for (; at < end && is_digit(*at); at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		/* 19 digits always fit. */
		if (at - first < 19)
			value = value * 10 + digit;
		else if (__builtin_mul_overflow(value, 10, &value) ||
		         __builtin_add_overflow(value, digit, &value))
			return NULL;
	}
	if (at == first || (*first == '0' && at - first > 1))
		return NULL;
	*ret = value;
	return at;
}

static bool read_whole_count(const char *text, size_t n, uint64_t *ret)
{
	return read_count(text, text + n, ret) == text + n;
}

/* A word that stands for a number, or the number. */
static bool read_word(const struct words *words, const char *text, size_t n, uint64_t *ret)
{
	*ret = word_index(words, text, n);
	return *ret < words->count || read_whole_count(text, n, ret);
}

/* Fills a member of a sample from its text; a flag is true, false, 1 or 0. */
static bool read_field(unsigned int i, const char *text, size_t n, struct trace_record *ret)
{
	uint64_t value;

	if (i == COLUMN_EVENT) {
		value = word_index(&events, text, n);
		ret->sample.event = (uint8_t)value;
		return value < events.count;
	}
	if (i < FIELDS && fields[i].words) {
		if (!read_word(fields[i].words, text, n, &value))
			return false;
	} else if (i < FIELDS && fields[i].is_flag && n >= 4) {
		value = n == 4;
		if (memcmp(text, value ? "true" : "false", n < 5 ? n : 5) != 0 || n > 5)
			return false;
	} else if (!read_whole_count(text, n, &value)) {
		return false;
	}
	if (i == COLUMN_AT)
		return store(ret, offsetof(struct trace_record, sample.at_ns), 8, value);
	if (i == COLUMN_FLOW)
		return store(ret, offsetof(struct trace_record, flow), 4, value);
	if (fields[i].is_flag && value > 1)
		return false;
	return store(&ret->sample, fields[i].offset, fields[i].width, value);
}

static int refuse_field(unsigned int i, const char *text, size_t n, struct err *err)
{
	size_t name_bytes;
	const char *name = field_name(i, &name_bytes);

	return REFUSE(err, "%.*s: \"%.*s\" is no value of it", (int)name_bytes, name,
	              (int)(n < 40 ? n : 40), text);
}

/* What was read of a sample: a bit for each of the fields, and of the columns that lead. */
#define LEAD_SEEN (1ULL << COLUMN_AT | 1ULL << COLUMN_FLOW | 1ULL << COLUMN_EVENT)

/* A group is present where all its fields are. */
static int finish_sample(uint64_t seen, struct trace_record *ret, struct err *err)
{
	uint32_t whole = 0, torn = 0;

	if ((seen & LEAD_SEEN) != LEAD_SEEN)
		return REFUSE(err, "a sample without at_ns, flow or event");
	if (ret->flow == 0)
		return REFUSE(err, "flow: they are counted from 1");
	for (unsigned int i = 0; i < FIELDS; i++) {
		if (seen >> i & 1)
			whole |= fields[i].group;
		else
			torn |= fields[i].group;
	}
	ret->sample.present = whole & ~torn;
	for (unsigned int i = 0; whole & torn && i < FIELDS; i++)
		if (fields[i].group & torn)
			store(&ret->sample, fields[i].offset, fields[i].width, 0);
	return TRACE_LINE_RECORD;
}

static void begin_sample(struct trace_record *ret)
{
	ret->kind = TRACE_SAMPLE;
	ret->flow = 0;
	ret->sample = (struct tcp_sample){};
}

/* --- a sample as it is written ---------------------------------------------------------------------- */

static const char *expect(const char *at, const char *end, const char *text, size_t n)
{
	return (size_t)(end - at) >= n && memcmp(at, text, n) == 0 ? at + n : NULL;
}

#define EXPECT(at, end, literal) expect((at), (end), (literal), sizeof(literal) - 1)

/* The place of the field whose key stands at `at`, from `i` on, or FIELDS. */
static unsigned int next_field(unsigned int i, const char *at, const char *end)
{
	while (i < FIELDS && !expect(at, end, fields[i].key, fields[i].key_bytes))
		i++;
	return i;
}

/* Answers where the value ends, or NULL: not so simple. */
static const char *read_plain_value(unsigned int i, const char *at, const char *end,
                                    struct trace_record *ret)
{
	const char *text, *behind;
	uint64_t value;

	if (i == COLUMN_EVENT || fields[i].words) {
		text = EXPECT(at, end, "\"");
		behind = text ? memchr(text, '"', (size_t)(end - text)) : NULL;
		if (!behind || !read_field(i, text, (size_t)(behind - text), ret))
			return NULL;
		return behind + 1;
	}
	if (fields[i].is_flag) {
		behind = EXPECT(at, end, "true");
		value = behind != NULL;
		if (!behind)
			behind = EXPECT(at, end, "false");
	} else {
		behind = read_count(at, end, &value);
	}
	return behind && store(&ret->sample, fields[i].offset, fields[i].width, value) ? behind
	                                                                               : NULL;
}

static const char *read_plain_lead(const char *at, const char *end, struct trace_record *ret)
{
	uint64_t flow;

	at = EXPECT(at, end, AT_KEY);
	at = at ? read_count(at, end, &ret->sample.at_ns) : NULL;
	at = at ? EXPECT(at, end, FLOW_KEY) : NULL;
	at = at ? read_count(at, end, &flow) : NULL;
	at = at && flow <= UINT32_MAX ? EXPECT(at, end, EVENT_KEY) : NULL;
	if (!at)
		return NULL;
	ret->flow = (uint32_t)flow;
	return read_plain_value(COLUMN_EVENT, at - 1, end, ret); /* from its quote on */
}

/* False: not as it is written here, which is no error. */
static bool parse_plain_sample(const char *at, const char *end, struct trace_record *ret,
                               uint64_t *ret_seen)
{
	*ret_seen = LEAD_SEEN;
	at = read_plain_lead(at, end, ret);
	for (unsigned int i = 0; at; i++) {
		i = next_field(i, at, end);
		if (i == FIELDS)
			return end - at == 1 && *at == '}';
		*ret_seen |= 1ULL << i;
		at = read_plain_value(i, at + fields[i].key_bytes, end, ret);
	}
	return false;
}

/* --- any JSON ---------------------------------------------------------------------------------------- */

static unsigned int field_named(const char *name, size_t n)
{
	size_t name_bytes;

	for (unsigned int i = 0; i < COLUMN_UNKNOWN; i++) {
		const char *known = field_name(i, &name_bytes);

		if (name_bytes == n && memcmp(known, name, n) == 0)
			return i;
	}
	return COLUMN_UNKNOWN;
}

/* Steps to the next member of the outermost object: 0 and its key and value (of which a container is
 * only the beginning), or 1 at its end. */
static int next_member(struct json *j, struct json_token *key, struct json_token *value,
                       struct err *err)
{
	int r = json_next(j, key, err);

	if (r == 0 && key->kind == JSON_OBJECT_END)
		return json_next(j, key, err) < 0 ? -EBADMSG : 1;
	if (r == 0)
		r = json_next(j, value, err);
	return r < 0 ? -EBADMSG : 0;
}

static int open_object(struct json *j, const char *text, size_t n, struct err *err)
{
	struct json_token token;

	json_open(j, text, n, DEPTH_MAX);
	if (json_next(j, &token, err) < 0)
		return -EBADMSG;
	return token.kind == JSON_OBJECT_BEGIN ? 0 : REFUSE(err, "not an object");
}

static int take_sample_member(const struct json_token *key, const struct json_token *value,
                              struct trace_record *ret, uint64_t *seen, struct err *err)
{
	unsigned int i = field_named(key->text, key->n);
	bool is_word = i == COLUMN_EVENT || (i < FIELDS && fields[i].words);

	if (i == COLUMN_UNKNOWN || value->kind == JSON_NULL)
		return 0;
	if ((value->kind == JSON_STRING && !is_word) || value->kind == JSON_OBJECT_BEGIN ||
	    value->kind == JSON_ARRAY_BEGIN || !read_field(i, value->text, value->n, ret))
		return refuse_field(i, value->text, value->n, err);
	*seen |= 1ULL << i;
	return 0;
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
		return read_cookie(text, &cookie) && store(ret, m->offset, m->width, cookie);
	case MEMBER_ROLE:
		role = word_index(&roles, text, strlen(text));
		return role == roles.count || store(ret, m->offset, m->width, role);
	default:
		return false;
	}
}

static int take_member(const struct form *form, const struct json_token *key,
                       const struct json_token *value, struct trace_record *ret, struct err *err)
{
	const struct member *m = form->members, *end = m + form->count;
	bool taken = false;
	uint64_t count;
	char text[sizeof(ret->header.command)];

	while (m < end && !json_text_is(key, m->name))
		m++;
	if (m == end || m->kind == MEMBER_UTC || value->kind == JSON_NULL)
		return 0;
	if (value->kind == JSON_STRING && json_text_copy(value, text, sizeof(text)) == 0)
		taken = read_text_member(m, text, ret);
	else if (m->kind == MEMBER_COUNT || m->kind == MEMBER_KNOWN_COUNT)
		taken = value->kind != JSON_STRING &&
		        read_whole_count(value->text, value->n, &count) &&
		        store(ret, m->offset, m->width, count);
	if (taken)
		return 0;
	return REFUSE(err, "%s: \"%.*s\" is no value of it", m->name,
	              (int)(value->n < 40 ? value->n : 40), value->text);
}

/* --- which record -------------------------------------------------------------------------------------- */

static int check_schema(const struct json_token *value, struct err *err)
{
	static const char name[] = TRACE_SCHEMA_NAME;
	uint64_t version;

	if (json_text_is(value, TRACE_SCHEMA))
		return 0;
	if (value->kind != JSON_STRING ||
	    !expect(value->text, value->text + value->n, name, strlen(name)))
		return REFUSE(err, "schema: not a trace of radar-pod");
	if (!read_whole_count(value->text + strlen(name), value->n - strlen(name), &version))
		return REFUSE(err, "schema: no version of a trace");
	return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
	               "it is of version %llu of the format, and this program reads version %d",
	               (unsigned long long)version, TRACE_VERSION);
}

/* *ret is TRACE_SAMPLE where nothing says which. TRACE_LINE_NOTHING: a record of a kind that is not
 * known, which is for others. */
static int find_kind(const char *text, size_t n, enum trace_kind *ret, struct err *err)
{
	struct json_token key, value;
	enum trace_kind kind = TRACE_SAMPLE;
	bool has_schema = false, unknown = false;
	struct json j;
	int r = open_object(&j, text, n, err);

	while (r == 0 && (r = next_member(&j, &key, &value, err)) == 0) {
		if (json_text_is(&key, "schema")) {
			r = check_schema(&value, err);
			has_schema = true;
		} else if (json_text_is(&key, "record")) {
			unknown = true;
			for (unsigned int i = 0; i < LENGTH(forms); i++) {
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
		return REFUSE(err, "schema: it belongs to the header, and to it alone");
	*ret = kind;
	return unknown ? TRACE_LINE_NOTHING : TRACE_LINE_RECORD;
}

static int fill(const char *text, size_t n, struct trace_record *ret, uint64_t *seen,
                struct err *err)
{
	struct json_token key, value;
	struct json j;
	int r = open_object(&j, text, n, err);

	while (r == 0 && (r = next_member(&j, &key, &value, err)) == 0) {
		r = ret->kind == TRACE_SAMPLE
		            ? take_sample_member(&key, &value, ret, seen, err)
		            : take_member(&forms[ret->kind], &key, &value, ret, err);
		if (r == 0 && json_skip(&j, &value, err) < 0)
			r = -EBADMSG;
	}
	return r < 0 ? r : 0;
}

static int parse_object(const char *text, size_t n, struct trace_record *ret, struct err *err)
{
	enum trace_kind kind = TRACE_SAMPLE;
	uint64_t seen = 0;
	int r = find_kind(text, n, &kind, err);

	if (r != TRACE_LINE_RECORD)
		return r;
	*ret = (struct trace_record){ .kind = kind };
	r = fill(text, n, ret, &seen, err);
	if (r < 0)
		return r;
	if (kind == TRACE_SAMPLE)
		return finish_sample(seen, ret, err);
	if (kind == TRACE_FLOW && ret->flow == 0)
		return REFUSE(err, "flow: they are counted from 1");
	return TRACE_LINE_RECORD;
}

static int parse_jsonl(const char *line, size_t n, struct trace_record *ret, struct err *err)
{
	uint64_t seen;

	begin_sample(ret);
	if (parse_plain_sample(line, line + n, ret, &seen))
		return finish_sample(seen, ret, err);
	return parse_object(line, n, ret, err);
}

/* --- CSV ------------------------------------------------------------------------------------------------ */

static int parse_columns(struct trace_lines *lines, const char *at, const char *end,
                         struct err *err)
{
	uint64_t seen = 0;

	for (uint8_t count = 0; count < TRACE_COLUMNS_MAX; at++) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		unsigned int i = field_named(at, (size_t)(stop - at));

		if (seen >> i & 1 && i != COLUMN_UNKNOWN)
			return REFUSE(err, "the columns: %.*s is there twice", (int)(stop - at),
			              at);
		seen |= 1ULL << i;
		lines->column[count++] = (uint8_t)i;
		at = stop;
		if (at < end)
			continue;
		if ((seen & LEAD_SEEN) != LEAD_SEEN)
			return REFUSE(err, "the columns: at_ns, flow or event is missing");
		lines->columns = count;
		return TRACE_LINE_NOTHING;
	}
	return REFUSE(err, "the columns: more than %d", TRACE_COLUMNS_MAX);
}

static int parse_row(const struct trace_lines *lines, const char *at, const char *end,
                     struct trace_record *ret, struct err *err)
{
	uint64_t seen = 0;

	begin_sample(ret);
	for (unsigned int c = 0; c < lines->columns; c++) {
		const char *stop = at;
		unsigned int i = lines->column[c];

		while (stop < end && *stop != ',')
			stop++;
		if ((stop == end) != (c + 1 == lines->columns))
			return REFUSE(err, "a row of %s than %u columns",
			              stop == end ? "less" : "more", lines->columns);
		if (stop > at && i != COLUMN_UNKNOWN) {
			if (!read_field(i, at, (size_t)(stop - at), ret))
				return refuse_field(i, at, (size_t)(stop - at), err);
			seen |= 1ULL << i;
		}
		at = stop + 1;
	}
	return finish_sample(seen, ret, err);
}

/* A remark of anybody's is no record; the header is, and comes first. */
static int parse_comment(const char *text, size_t n, struct trace_record *ret, struct err *err)
{
	int r;

	while (n > 0 && *text == ' ') {
		text++;
		n--;
	}
	if (n == 0 || *text != '{')
		return TRACE_LINE_NOTHING;
	r = parse_object(text, n, ret, err);
	if (r == TRACE_LINE_RECORD && ret->kind == TRACE_SAMPLE)
		return TRACE_LINE_NOTHING;
	return r;
}

int trace_line_parse(struct trace_lines *lines, const char *line, size_t n,
                     struct trace_record *ret, struct err *err)
{
	if (lines->syntax == TRACE_JSONL)
		return parse_jsonl(line, n, ret, err);
	if (n > 0 && *line == '#')
		return parse_comment(line + 1, n - 1, ret, err);
	if (lines->columns == 0)
		return parse_columns(lines, line, line + n, err);
	return parse_row(lines, line, line + n, ret, err);
}
