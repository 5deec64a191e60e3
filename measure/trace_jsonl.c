/* Samples, of which there are millions, have a quick path: read by expecting the members in the order in
 * which they are written, with the spaces and in the order that other programs may give them. What it does
 * not expect is left to the careful one, which takes any JSON. */
#include "measure/trace_jsonl.h"

#include <errno.h>

#include "measure/trace_field.h"
#include "measure/trace_line.h"
#include "measure/trace_object.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

#define AT_KEY    "{\"at_ns\":"
#define FLOW_KEY  ",\"flow\":"
#define EVENT_KEY ",\"event\":\""

/* --- writing ------------------------------------------------------------------------------------------ */

char *trace_jsonl_write_sample(char *at, uint32_t flow, const struct tcp_sample *s)
{
	at = TRACE_PUT(at, AT_KEY);
	at = trace_put_count(at, s->at_ns);
	at = TRACE_PUT(at, FLOW_KEY);
	at = trace_put_count(at, flow);
	at = TRACE_PUT(at, EVENT_KEY);
	at = trace_put_event(at, s);
	*at++ = '"';
	for (const struct trace_field *f = trace_fields; f < trace_fields + TRACE_FIELDS; f++) {
		uint64_t value;

		if (!(s->present & f->group))
			continue;
		value = trace_load(s, f->offset, f->width);
		memcpy(at, f->key, sizeof(f->key)); /* what is too much is written over */
		at += f->key_bytes;
		if (f->is_flag)
			at = value ? TRACE_PUT(at, "true") : TRACE_PUT(at, "false");
		else
			at = trace_put_value(at, f, value, true);
	}
	return TRACE_PUT(at, "}\n");
}

/* --- a sample as it is written, or nearly so -------------------------------------------------------- */

static const char *skip_spaces(const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	return at;
}

/* The place of the field whose key stands at `at`, from `i` on, or one that is no field. */
static unsigned int next_field(unsigned int i, const char *at, const char *end)
{
	while (i < TRACE_FIELDS &&
	       (end - at < trace_fields[i].key_bytes ||
	        !trace_is_same(at, trace_fields[i].key, trace_fields[i].key_bytes)))
		i++;
	return i;
}

static bool is_named(unsigned int i, const char *name, size_t n)
{
	size_t known_bytes;
	const char *known = trace_field_name(i, &known_bytes);

	return known_bytes == n && memcmp(known, name, n) == 0;
}

/* With spaces around it, or out of its turn. Answers where the value begins, or NULL: none that is known,
 * or not so simple. */
static const char *read_loose_key(unsigned int *i, const char *at, const char *end)
{
	const char *name = TRACE_EXPECT(skip_spaces(at, end), end, "\"");
	const char *behind = name ? memchr(name, '"', (size_t)(end - name)) : NULL;

	if (!behind)
		return NULL;
	if (!is_named(*i, name, (size_t)(behind - name)))
		*i = trace_field_named(name, (size_t)(behind - name));
	if (*i == TRACE_COLUMN_UNKNOWN)
		return NULL;
	behind = TRACE_EXPECT(skip_spaces(behind + 1, end), end, ":");
	return behind ? skip_spaces(behind, end) : NULL;
}

/* `at` is behind a value. *i is the field that is expected, and becomes the one that is there. */
static const char *read_plain_key(unsigned int *i, const char *at, const char *end)
{
	unsigned int next = end - at > 1 && at[1] == '"' ? next_field(*i, at, end) : TRACE_FIELDS;

	if (next < TRACE_FIELDS) {
		*i = next;
		return at + trace_fields[next].key_bytes;
	}
	at = TRACE_EXPECT(skip_spaces(at, end), end, ",");
	return at ? read_loose_key(i, at, end) : NULL;
}

/* Answers where the value ends, or NULL: not so simple. */
static const char *read_plain_value(unsigned int i, const char *at, const char *end,
                                    struct trace_record *ret)
{
	const char *text, *behind;
	uint64_t value;

	if (i == TRACE_COLUMN_EVENT || (i < TRACE_FIELDS && trace_fields[i].words)) {
		text = TRACE_EXPECT(at, end, "\"");
		behind = text ? memchr(text, '"', (size_t)(end - text)) : NULL;
		if (!behind || !trace_read_field(i, text, (size_t)(behind - text), ret))
			return NULL;
		return behind + 1;
	}
	if (i >= TRACE_FIELDS) {
		behind = trace_read_count(at, end, &value);
		return behind && trace_read_field(i, at, (size_t)(behind - at), ret) ? behind
		                                                                     : NULL;
	}
	if (trace_fields[i].is_flag) {
		behind = TRACE_EXPECT(at, end, "true");
		value = behind != NULL;
		if (!behind)
			behind = TRACE_EXPECT(at, end, "false");
	} else {
		behind = trace_read_count(at, end, &value);
	}
	return behind && trace_store(&ret->sample, trace_fields[i].offset, trace_fields[i].width,
	                             value)
	               ? behind
	               : NULL;
}

static const char *read_plain_lead(const char *at, const char *end, struct trace_record *ret)
{
	uint64_t flow;

	at = TRACE_EXPECT(at, end, AT_KEY);
	at = at ? trace_read_count(at, end, &ret->sample.at_ns) : NULL;
	at = at ? TRACE_EXPECT(at, end, FLOW_KEY) : NULL;
	at = at ? trace_read_count(at, end, &flow) : NULL;
	at = at && flow <= UINT32_MAX ? TRACE_EXPECT(at, end, EVENT_KEY) : NULL;
	if (!at)
		return NULL;
	ret->flow = (uint32_t)flow;
	return read_plain_value(TRACE_COLUMN_EVENT, at - 1, end, ret); /* from its quote on */
}

uint32_t trace_jsonl_flow(const char *line, size_t n)
{
	const char *end = line + n, *at = TRACE_EXPECT(line, end, AT_KEY);
	uint64_t value;

	at = at ? trace_read_count(at, end, &value) : NULL;
	at = at ? TRACE_EXPECT(at, end, FLOW_KEY) : NULL;
	at = at ? trace_read_count(at, end, &value) : NULL;
	return at && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static bool is_over(const char *at, const char *end)
{
	at = skip_spaces(at, end);
	return end - at == 1 && *at == '}';
}

/* Its value; *i becomes the field that is expected next. */
static const char *read_plain_member(unsigned int *i, const char *at, const char *end,
                                     struct trace_record *ret, uint64_t *seen)
{
	*seen |= 1ULL << *i;
	at = read_plain_value(*i, at, end, ret);
	*i = *i + 1 < TRACE_COLUMN_UNKNOWN ? *i + 1 : 0;
	return at;
}

/* False: not as it is written here, or by who writes it again; which is no error. */
static bool parse_plain_sample(const char *line, const char *end, struct trace_record *ret,
                               uint64_t *ret_seen)
{
	const char *at = read_plain_lead(line, end, ret);
	unsigned int i = at ? 0 : TRACE_COLUMN_AT;

	*ret_seen = at ? TRACE_LEAD_SEEN : 0;
	if (!at) {
		at = TRACE_EXPECT(line, end, "{");
		at = at ? read_loose_key(&i, at, end) : NULL;
		at = at ? read_plain_member(&i, at, end, ret, ret_seen) : NULL;
	}
	while (at && !is_over(at, end)) {
		at = read_plain_key(&i, at, end);
		at = at ? read_plain_member(&i, at, end, ret, ret_seen) : NULL;
	}
	return at != NULL;
}

/* --- any JSON ---------------------------------------------------------------------------------------- */

static int take_sample_member(const struct json_token *key, const struct json_token *value,
                              struct trace_record *ret, uint64_t *seen, struct err *err)
{
	unsigned int i = trace_field_named(key->text, key->n);
	bool is_word = i == TRACE_COLUMN_EVENT || (i < TRACE_FIELDS && trace_fields[i].words);

	if (i == TRACE_COLUMN_UNKNOWN || value->kind == JSON_NULL)
		return 0;
	if ((value->kind == JSON_STRING && !is_word) || value->kind == JSON_OBJECT_BEGIN ||
	    value->kind == JSON_ARRAY_BEGIN || !trace_read_field(i, value->text, value->n, ret))
		return trace_refuse_field(i, value->text, value->n, err);
	*seen |= 1ULL << i;
	return 0;
}

static int read_sample(const char *text, size_t n, struct trace_record *ret, struct err *err)
{
	struct json_token key, value;
	uint64_t seen = 0;
	struct json j;
	int r = trace_object_open(&j, text, n, err);

	trace_sample_begin(ret);
	while (r == 0 && (r = trace_object_next(&j, &key, &value, err)) == 0) {
		r = take_sample_member(&key, &value, ret, &seen, err);
		if (r == 0 && json_skip(&j, &value, err) < 0)
			r = -EBADMSG;
	}
	return r < 0 ? r : trace_sample_finish(seen, ret, err);
}

int trace_jsonl_parse(const char *line, size_t n, struct trace_record *ret, struct err *err)
{
	enum trace_kind kind = TRACE_SAMPLE;
	uint64_t seen;
	int r;

	trace_sample_begin(ret);
	if (parse_plain_sample(line, line + n, ret, &seen))
		return trace_sample_finish(seen, ret, err);
	r = trace_object_kind(line, n, &kind, err);
	if (r != TRACE_LINE_RECORD)
		return r;
	return kind == TRACE_SAMPLE ? read_sample(line, n, ret, err)
	                            : trace_object_read(kind, line, n, ret, err);
}
