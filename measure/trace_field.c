#include "measure/trace_field.h"

#include <errno.h>

#include "measure/trace_line.h"
#include "transport/base/err.h"

/* --- words -------------------------------------------------------------------------------------- */

#define WORD(text_)                                                                                \
	{                                                                                          \
		.text = text_, .bytes = sizeof(text_) - 1                                          \
	}

static const struct trace_word event_words[] = {
	[TCP_SAMPLE_INFO] = WORD("info"),
	[TCP_SAMPLE_ACK] = WORD("ack"),
	[TCP_SAMPLE_RETRANSMIT] = WORD("retransmit"),
	[TCP_SAMPLE_STATE] = WORD("state"),
	[TCP_SAMPLE_CONGESTION] = WORD("congestion"),
};
static_assert(TRACE_LENGTH(event_words) == TCP_SAMPLE_EVENTS, "each event has its word");

/* enum tcp_ca_state */
static const struct trace_word ca_state_words[] = {
	WORD("open"), WORD("disorder"), WORD("cwr"), WORD("recovery"), WORD("loss"),
};

/* enum of TCP_ESTABLISHED; the words are those of ss(8) */
static const struct trace_word state_words[] = {
	WORD("none"),       WORD("established"), WORD("syn-sent"),  WORD("syn-recv"),
	WORD("fin-wait-1"), WORD("fin-wait-2"),  WORD("time-wait"), WORD("close"),
	WORD("close-wait"), WORD("last-ack"),    WORD("listen"),    WORD("closing"),
};

static const struct trace_word role_words[] = {
	[TCP_FLOW_CLIENT] = WORD("client"),
	[TCP_FLOW_SERVER] = WORD("server"),
};

const struct trace_words trace_events = { TRACE_LENGTH(event_words), 0, event_words };
static const struct trace_words ca_states = { TRACE_LENGTH(ca_state_words), 0, ca_state_words };
static const struct trace_words states = { TRACE_LENGTH(state_words), 0, state_words };
const struct trace_words trace_roles = { TRACE_LENGTH(role_words), 1, role_words };

unsigned int trace_word_index(const struct trace_words *words, const char *text, size_t n)
{
	unsigned int i = words->of_nothing;

	while (i < words->count &&
	       (words->at[i].bytes != n || memcmp(words->at[i].text, text, n) != 0))
		i++;
	return i;
}

const char *trace_event_name(enum tcp_sample_event event)
{
	return event_words[event].text;
}

enum tcp_sample_event trace_event_named(const char *word, size_t n)
{
	return (enum tcp_sample_event)trace_word_index(&trace_events, word, n);
}

/* --- the table ------------------------------------------------------------------------------------ */

#define FIELD(member, group_, ...)                                                                 \
	{                                                                                          \
		.key = ",\"" #member "\":", .key_bytes = sizeof(",\"" #member "\":") - 1,          \
		.offset = offsetof(struct tcp_sample, member),                                     \
		.width = sizeof(((struct tcp_sample *)NULL)->member),                              \
		.group = TCP_SAMPLE_##group_, __VA_ARGS__                                          \
	}

const struct trace_field trace_fields[] = {
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

static_assert(TRACE_LENGTH(trace_fields) == TRACE_FIELDS, "each has its row");
static_assert(TRACE_FIELDS <= 32, "a set of them is a uint32_t");
static_assert(sizeof(struct tcp_sample) <= UINT8_MAX, "offsets are bytes");

static const char *const lead_names[] = { "at_ns", "flow", "event" };

const char *trace_field_name(unsigned int i, size_t *ret_bytes)
{
	if (i >= TRACE_COLUMN_AT) {
		*ret_bytes = strlen(lead_names[i - TRACE_COLUMN_AT]);
		return lead_names[i - TRACE_COLUMN_AT];
	}
	*ret_bytes = trace_fields[i].key_bytes - strlen(",\"\":");
	return trace_fields[i].key + strlen(",\"");
}

unsigned int trace_field_named(const char *name, size_t n)
{
	size_t name_bytes;

	for (unsigned int i = 0; i < TRACE_COLUMN_UNKNOWN; i++) {
		const char *known = trace_field_name(i, &name_bytes);

		if (name_bytes == n && memcmp(known, name, n) == 0)
			return i;
	}
	return TRACE_COLUMN_UNKNOWN;
}

/* --- values ------------------------------------------------------------------------------------- */

char *trace_put_value(char *at, const struct trace_field *f, uint64_t value, bool quoted)
{
	if (!f->words || value >= f->words->count)
		return trace_put_count(at, value);
	if (quoted)
		*at++ = '"';
	at = trace_put_word(at, &f->words->at[value]);
	if (quoted)
		*at++ = '"';
	return at;
}

/* A word that stands for a number, or the number. */
static bool read_word(const struct trace_words *words, const char *text, size_t n, uint64_t *ret)
{
	*ret = trace_word_index(words, text, n);
	return *ret < words->count || trace_read_whole_count(text, n, ret);
}

bool trace_read_field(unsigned int i, const char *text, size_t n, struct trace_record *ret)
{
	uint64_t value = 0;

	if (i == TRACE_COLUMN_EVENT) {
		value = trace_word_index(&trace_events, text, n);
		ret->sample.event = (uint8_t)value;
		return value < trace_events.count;
	}
	if (i < TRACE_FIELDS && trace_fields[i].words) {
		if (!read_word(trace_fields[i].words, text, n, &value))
			return false;
	} else if (i < TRACE_FIELDS && trace_fields[i].is_flag && n >= 4) {
		value = n == 4;
		if (memcmp(text, value ? "true" : "false", n < 5 ? n : 5) != 0 || n > 5)
			return false;
	} else if (!trace_read_whole_count(text, n, &value)) {
		return false;
	}
	if (i == TRACE_COLUMN_AT)
		return trace_store(ret, offsetof(struct trace_record, sample.at_ns), 8, value);
	if (i == TRACE_COLUMN_FLOW)
		return trace_store(ret, offsetof(struct trace_record, flow), 4, value);
	if (trace_fields[i].is_flag && value > 1)
		return false;
	return trace_store(&ret->sample, trace_fields[i].offset, trace_fields[i].width, value);
}

int trace_refuse_field(unsigned int i, const char *text, size_t n, struct err *err)
{
	size_t name_bytes;
	const char *name = trace_field_name(i, &name_bytes);

	return TRACE_REFUSE(err, "%.*s: \"%.*s\" is no value of it", (int)name_bytes, name,
	                    (int)(n < 40 ? n : 40), text);
}

int trace_sample_finish(uint64_t seen, struct trace_record *ret, struct err *err)
{
	uint32_t whole = 0, torn = 0;

	if ((seen & TRACE_LEAD_SEEN) != TRACE_LEAD_SEEN)
		return TRACE_REFUSE(err, "a sample without at_ns, flow or event");
	if (ret->flow == 0)
		return TRACE_REFUSE(err, "flow: they are counted from 1");
	for (unsigned int i = 0; i < TRACE_FIELDS; i++) {
		if (seen >> i & 1)
			whole |= trace_fields[i].group;
		else
			torn |= trace_fields[i].group;
	}
	ret->sample.present = whole & ~torn;
	for (unsigned int i = 0; whole & torn && i < TRACE_FIELDS; i++)
		if (trace_fields[i].group & torn)
			trace_store(&ret->sample, trace_fields[i].offset, trace_fields[i].width, 0);
	return TRACE_LINE_RECORD;
}

void trace_sample_begin(struct trace_record *ret)
{
	ret->kind = TRACE_SAMPLE;
	ret->flow = 0;
	ret->sample = (struct tcp_sample){};
}
