/* Whole tests in virtual time: both roles against each other over a simulated link, and each role
 * alone against a script. N… are the checks of the ndt7 contract. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ndt7.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/units.h"

#define START_NS       (77 * NS_PER_S + 1)
#define UTC_NS         1700000000000000000ULL
#define TEXT_BYTES     1150
#define MESSAGES_NOTED 160
#define TEXTS_NOTED    256

/* --- one side, and what every one of its steps must keep to ----------------------------------- */

struct side {
	struct ndt7 t;
	struct ndt7_step step; /* the last */
	bool writing;          /* a frame was asked for and is not with the kernel yet */
	/* what it asked for */
	uint64_t sent[NDT7_SEND_CLOSE + 1];
	uint64_t samples;
	uint64_t message_bytes[MESSAGES_NOTED];
	uint64_t text_ns[TEXTS_NOTED]; /* since START_NS */
	uint64_t last_text_ns;
	uint64_t close_ns;
	bool ping_must_follow;
};

static struct side client(enum ndt7_test test)
{
	struct side s = {};

	ndt7_start(&s.t, &(struct ndt7_options){ .role = NDT7_CLIENT, .test = test }, START_NS);
	return s;
}

static struct side server(enum ndt7_test test, uint64_t seed)
{
	const struct ndt7_options options = {
		.role = NDT7_SERVER, .test = test, .seed = seed, .utc_ns = UTC_NS
	};
	struct side s = {};

	ndt7_start(&s.t, &options, START_NS);
	return s;
}

static void note_text(struct side *s, uint64_t now_ns)
{
	uint64_t n = s->sent[NDT7_SEND_TEXT];

	assert_false(s->ping_must_follow);
	assert_true(n < TEXTS_NOTED);
	s->text_ns[n] = now_ns - START_NS;
	s->last_text_ns = s->text_ns[n];
	s->ping_must_follow = true;
}

static void note_frame(struct side *s, uint64_t now_ns)
{
	const struct ndt7_step *step = &s->step;

	assert_int_equal(s->sent[NDT7_SEND_CLOSE], 0); /* nothing goes after a Close */
	switch (step->send) {
	case NDT7_SEND_BINARY:
		if (s->sent[NDT7_SEND_BINARY] < MESSAGES_NOTED)
			s->message_bytes[s->sent[NDT7_SEND_BINARY]] = step->bytes;
		break;
	case NDT7_SEND_TEXT:
		note_text(s, now_ns);
		break;
	case NDT7_SEND_PING: /* N59 */
		assert_true(s->ping_must_follow);
		s->ping_must_follow = false;
		break;
	case NDT7_SEND_CLOSE:
		s->close_ns = now_ns - START_NS;
		break;
	default:
		break;
	}
	s->sent[step->send]++;
	s->writing = true;
}

/* One input. Whatever it is: no frame while one is under way, no wake-up in the past. */
static const struct ndt7_step *give(struct side *s, struct ndt7_input in, uint64_t now_ns)
{
	in.writable = !s->writing;
	s->step = ndt7_advance(&s->t, &in, now_ns);
	s->samples += s->step.sample;
	if (s->step.finished)
		assert_int_equal(s->step.send, NDT7_SEND_NOTHING);
	else
		assert_true(s->step.wake_at_ns > now_ns && s->step.wake_at_ns != CLOCK_NEVER_NS);
	if (s->step.send != NDT7_SEND_NOTHING) {
		assert_true(in.writable);
		note_frame(s, now_ns);
	}
	return &s->step;
}

#define GIVE(s, ms, ...) give((s), (struct ndt7_input){ __VA_ARGS__ }, at_ms(ms))

static uint64_t at_ms(uint64_t ms)
{
	return START_NS + ms * NS_PER_MS;
}

static const struct ndt7_step *handed(struct side *s, uint64_t ms)
{
	assert_true(s->writing);
	s->writing = false;
	return GIVE(s, ms, .kind = NDT7_IN_WAKE);
}

static const struct ndt7_step *wake(struct side *s, uint64_t ms)
{
	return GIVE(s, ms, .kind = NDT7_IN_WAKE);
}

static const struct ndt7_step *binary(struct side *s, uint64_t ms, uint64_t bytes)
{
	return GIVE(s, ms, .kind = NDT7_IN_BINARY, .bytes = bytes, .last = true);
}

/* Follows the wake-ups alone, with or without the writer, until it is finished; answers when. */
static uint64_t run_out(struct side *s, bool writer_works)
{
	uint64_t now_ns = START_NS;

	while (!s->step.finished) {
		now_ns = s->step.wake_at_ns;
		give(s, (struct ndt7_input){ .kind = NDT7_IN_WAKE }, now_ns);
		while (writer_works && s->writing) {
			s->writing = false;
			give(s, (struct ndt7_input){ .kind = NDT7_IN_WAKE }, now_ns);
		}
	}
	return now_ns - START_NS;
}

static void assert_between(uint64_t low, uint64_t value, uint64_t high)
{
	assert_in_range(value, low, high);
}

/* The size sequence of a sender: 16 * 8192, then 8 of each power of two, then 2^20 for good. */
static void assert_scaled(const struct side *s)
{
	uint64_t want = NDT7_MESSAGE_BYTES_MIN;
	uint64_t left = 16;

	for (uint64_t i = 0; i < s->sent[NDT7_SEND_BINARY] && i < MESSAGES_NOTED; i++) {
		if (left-- == 0) {
			left = 7;
			if (want < NDT7_MESSAGE_BYTES_MAX)
				want *= 2;
		}
		assert_int_equal(s->message_bytes[i], want);
	}
}

/* --- a link between two sides ----------------------------------------------------------------- */

#define PIECE_BYTES 65536
#define PIECES_MAX  16384

struct piece {
	uint64_t arrives_ns;
	struct ndt7_input in;
	uint8_t payload[NDT7_PING_BYTES_MAX];
};

struct pipe { /* one direction: a socket buffer, a rate, a delay */
	uint64_t bytes_per_s;
	uint64_t delay_ns;
	uint64_t buffer_bytes;
	uint64_t drained_ns; /* when everything sent so far has left the socket buffer */
	uint64_t handed_ns;  /* when the last frame fits into it */
	uint64_t total_bytes;
	size_t first, n;
	struct piece pieces[PIECES_MAX];
};

struct link {
	uint64_t now_ns;
	struct side client, server;
	struct pipe down, up;
};

static uint64_t drain_ns(const struct pipe *p, uint64_t bytes)
{
	return (uint64_t)((double)bytes * 1e9 / (double)p->bytes_per_s);
}

static struct piece *append(struct pipe *p, uint64_t now_ns, uint64_t bytes)
{
	struct piece *piece = &p->pieces[(p->first + p->n) % PIECES_MAX];

	assert_true(p->n++ < PIECES_MAX);
	if (p->drained_ns < now_ns)
		p->drained_ns = now_ns;
	p->drained_ns += drain_ns(p, bytes);
	*piece = (struct piece){ .arrives_ns = p->drained_ns + p->delay_ns };
	return piece;
}

static void append_control(struct pipe *p, uint64_t now_ns, const struct ndt7_step *step)
{
	static const enum ndt7_input_kind kinds[] = {
		[NDT7_SEND_TEXT] = NDT7_IN_TEXT,
		[NDT7_SEND_PING] = NDT7_IN_PING,
		[NDT7_SEND_PONG] = NDT7_IN_PONG,
		[NDT7_SEND_CLOSE] = NDT7_IN_CLOSE,
	};
	uint64_t bytes = step->send == NDT7_SEND_TEXT ? TEXT_BYTES : step->payload_bytes;
	struct piece *piece = append(p, now_ns, bytes + 2);

	piece->in = (struct ndt7_input){ .kind = kinds[step->send],
		                         .bytes = bytes,
		                         .code = step->close_code,
		                         .payload_bytes = step->payload_bytes };
	if (step->payload_bytes)
		memcpy(piece->payload, step->payload, step->payload_bytes);
}

static void append_bulk(struct pipe *p, uint64_t now_ns, uint64_t bytes)
{
	while (bytes) {
		uint64_t n = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;

		bytes -= n;
		append(p, now_ns, n)->in = (struct ndt7_input){ .kind = NDT7_IN_BINARY,
			                                        .bytes = n,
			                                        .last = bytes == 0 };
		p->total_bytes += n;
	}
}

/* What a side's step does to the world. */
static void carry_out(struct side *s, struct pipe *out, uint64_t now_ns)
{
	uint64_t drained_ns;

	if (s->step.finished) {
		append(out, now_ns, 0)->in = (struct ndt7_input){ .kind = NDT7_IN_END };
		return;
	}
	if (s->step.send == NDT7_SEND_NOTHING)
		return;
	if (s->step.send == NDT7_SEND_BINARY)
		append_bulk(out, now_ns, s->step.bytes);
	else
		append_control(out, now_ns, &s->step);
	drained_ns = out->drained_ns - drain_ns(out, out->buffer_bytes);
	out->handed_ns = drained_ns > now_ns ? drained_ns : now_ns;
	if (s->step.send == NDT7_SEND_TEXT)
		give(s, (struct ndt7_input){ .kind = NDT7_IN_SAMPLED, .bytes = out->total_bytes },
		     now_ns);
}

static uint64_t next_event_ns(const struct side *s, const struct pipe *in, const struct pipe *out)
{
	uint64_t at_ns = s->step.wake_at_ns;

	if (s->step.finished)
		return CLOCK_NEVER_NS;
	if (s->writing && out->handed_ns < at_ns)
		at_ns = out->handed_ns;
	if (in->n && in->pieces[in->first].arrives_ns < at_ns)
		at_ns = in->pieces[in->first].arrives_ns;
	return at_ns;
}

/* Lets one side live through the event that is due at now_ns. */
static void live(struct side *s, struct pipe *in, struct pipe *out, uint64_t now_ns)
{
	struct ndt7_input input = { .kind = NDT7_IN_WAKE };

	if (s->writing && out->handed_ns <= now_ns) {
		s->writing = false;
	} else if (in->n && in->pieces[in->first].arrives_ns <= now_ns) {
		struct piece *piece = &in->pieces[in->first];

		in->first = (in->first + 1) % PIECES_MAX;
		in->n--;
		input = piece->in;
		input.payload = piece->payload;
	}
	give(s, input, now_ns);
	carry_out(s, out, now_ns);
}

static void play(struct link *l)
{
	give(&l->client, (struct ndt7_input){ .kind = NDT7_IN_WAKE }, START_NS);
	carry_out(&l->client, &l->up, START_NS);
	give(&l->server, (struct ndt7_input){ .kind = NDT7_IN_WAKE }, START_NS);
	carry_out(&l->server, &l->down, START_NS);
	while (!l->client.step.finished || !l->server.step.finished) {
		uint64_t client_ns = next_event_ns(&l->client, &l->down, &l->up);
		uint64_t server_ns = next_event_ns(&l->server, &l->up, &l->down);

		l->now_ns = client_ns < server_ns ? client_ns : server_ns;
		if (client_ns <= server_ns)
			live(&l->client, &l->down, &l->up, l->now_ns);
		else
			live(&l->server, &l->up, &l->down, l->now_ns);
	}
}

static struct link *link_new(uint64_t bits_per_s, uint64_t delay_ms, uint64_t buffer_bytes)
{
	struct link *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->down.bytes_per_s = bits_per_s / 8;
	l->down.delay_ns = delay_ms * NS_PER_MS;
	l->down.buffer_bytes = buffer_bytes;
	l->up.bytes_per_s = l->down.bytes_per_s;
	l->up.delay_ns = l->down.delay_ns;
	l->up.buffer_bytes = buffer_bytes;
	return l;
}

/* --- whole tests, both roles -------------------------------------------------------------------
 */

struct whole_case {
	const char *name;
	uint64_t bits_per_s;
	uint64_t delay_ms;
	uint64_t buffer_bytes;
	uint64_t end_ms_max; /* the client is gone by then */
	enum ndt7_ending want_download;
};

/* The Close stands behind what the socket buffer holds and the message under way. */
static const struct whole_case whole_cases[] = {
	{ "20 Mbit/s, 10 ms", 20000000, 10, 256 * KIB, 10600, NDT7_ENDING_CLOSE },
	{ "1 Gbit/s, 1 ms", 1000000000, 1, 4 * MIB, 10100, NDT7_ENDING_CLOSE },
	{ "N50: 10 Gbit/s, more than 4 GiB", 10000000000, 0, 4 * MIB, 10050, NDT7_ENDING_CLOSE },
	{ "100 Mbit/s, 300 ms", 100000000, 300, 4 * MIB, 11400, NDT7_ENDING_CLOSE },
	{ "2 Mbit/s, 50 ms", 2000000, 50, 64 * KIB, 11500, NDT7_ENDING_CLOSE },
	{ "N38: 1 Mbit/s, 40 ms, 4 s of buffer", 1000000, 40, 512 * KIB, 13500, NDT7_ENDING_CAP },
	{ "64 kbit/s, 600 ms, 4 s of buffer", 64000, 600, 32 * KIB, 13500, NDT7_ENDING_CAP },
};

static void assert_server_schedule(const struct side *s)
{
	assert_int_equal(s->sent[NDT7_SEND_PING], s->sent[NDT7_SEND_TEXT]);
	for (uint64_t i = 1; i < s->sent[NDT7_SEND_TEXT]; i++) {
		uint64_t gap_ns = s->text_ns[i] - s->text_ns[i - 1];

		if (s->text_ns[i] < NDT7_DURATION_NS)
			assert_true(gap_ns >= NDT7_SERVER_SAMPLE_MIN_NS);
	}
}

static void download_plays(void **state)
{
	const struct whole_case *c = *state;
	struct link *l = link_new(c->bits_per_s, c->delay_ms, c->buffer_bytes);
	const struct ndt7_report *r = ndt7_report(&l->client.t);
	double rate_bps;

	l->client = client(NDT7_DOWNLOAD);
	l->server = server(NDT7_DOWNLOAD, 42);
	play(l);

	assert_int_equal(r->num_bytes, r->binary_bytes + r->texts * TEXT_BYTES); /* N22 */
	assert_int_equal(l->client.sent[NDT7_SEND_BINARY], 0);                   /* N23 */
	assert_int_equal(l->client.sent[NDT7_SEND_TEXT], 0);
	assert_true(l->client.samples >= 4);
	assert_int_equal(r->pings, r->pongs_sent + r->pongs_dropped + r->pings_late);
	assert_true(r->ended_ns - START_NS <= c->end_ms_max * NS_PER_MS);
	assert_scaled(&l->server); /* N56 */
	assert_server_schedule(&l->server);
	rate_bps = units_mbps(r->num_bytes, r->measured_ns) * 1e6;
	assert_int_equal(r->ending, c->want_download);
	if (r->ending == NDT7_ENDING_CLOSE) {
		assert_int_equal(r->binary_bytes, l->down.total_bytes);
		assert_int_equal(r->peer_code, 1000);
		assert_true(r->close_exchanged);
	}
	assert_true(rate_bps > 0.85 * (double)c->bits_per_s);
	assert_true(rate_bps < 1.001 * (double)c->bits_per_s);
	free(l);
}

static void upload_plays(void **state)
{
	const struct whole_case *c = *state;
	struct link *l = link_new(c->bits_per_s, c->delay_ms, c->buffer_bytes);
	const struct ndt7_report *r = ndt7_report(&l->client.t);
	const struct ndt7_report *s = ndt7_report(&l->server.t);
	double rate_bps;

	l->client = client(NDT7_UPLOAD);
	l->server = server(NDT7_UPLOAD, 43);
	play(l);

	assert_scaled(&l->client); /* N34 */
	assert_server_schedule(&l->server);
	assert_between(NDT7_DURATION_NS, l->server.last_text_ns,
	               NDT7_DURATION_NS + 100 * NS_PER_MS); /* N60 */
	assert_int_equal(s->ending, NDT7_ENDING_TIME);
	assert_int_equal(r->ending, NDT7_ENDING_TIME);
	assert_true(r->ended_ns - START_NS <= NDT7_UPLOAD_END_NS);
	assert_int_equal(r->pings, r->pongs_sent + r->pongs_dropped + r->pings_late);
	assert_int_equal(r->unexpected_bytes, 0);
	assert_true(l->client.samples >= 4);
	rate_bps = units_mbps(s->num_bytes, s->measured_ns) * 1e6;
	assert_true(rate_bps > 0.85 * (double)c->bits_per_s);
	assert_true(rate_bps < 1.001 * (double)c->bits_per_s);
	if (c->bits_per_s >= 2000000)
		assert_true(r->close_exchanged);
	free(l);
}

static void early_exit_plays(void **state)
{
	struct link *l = link_new(1000000000, 5, 4 * MIB);
	const struct ndt7_report *r = ndt7_report(&l->client.t);

	(void)state;
	l->client = client(NDT7_DOWNLOAD);
	l->server = server(NDT7_DOWNLOAD, 44);
	l->server.t.options.early_exit_bytes = NDT7_EARLY_EXIT_BYTES;
	play(l);

	assert_int_equal(ndt7_report(&l->server.t)->ending, NDT7_ENDING_EARLY);
	assert_int_equal(r->ending, NDT7_ENDING_CLOSE);
	assert_between(NDT7_EARLY_EXIT_BYTES, r->num_bytes, NDT7_EARLY_EXIT_BYTES + 90 * MB);
	assert_between(2 * NS_PER_S, r->measured_ns, 3 * NS_PER_S);
	free(l);
}

/* --- client, download ---------------------------------------------------------------------------
 */

static void download_counts(void **state)
{
	static const uint64_t sizes[] = { 1, 1023, 1024, MIB, MIB + 1, 16 * MIB };
	struct side s = client(NDT7_DOWNLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);
	uint64_t want = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) { /* N19 */
		binary(&s, 1 + i, sizes[i]);
		want += sizes[i];
	}
	GIVE(&s, 20, .kind = NDT7_IN_BINARY, .bytes = 4096); /* N21: pieces, an empty last one */
	GIVE(&s, 21, .kind = NDT7_IN_BINARY, .bytes = 4096);
	GIVE(&s, 22, .kind = NDT7_IN_BINARY, .bytes = 0, .last = true);
	GIVE(&s, 23, .kind = NDT7_IN_TEXT, .bytes = 1000);
	assert_int_equal(r->binary_bytes, want + 8192);
	assert_int_equal(r->num_bytes, want + 8192 + 1000);
	assert_int_equal(r->messages, 7);
	assert_int_equal(r->texts, 1);
	assert_int_equal(r->last_data_ns, at_ms(23));
	assert_int_equal(r->measured_ns, 23 * NS_PER_MS);
	assert_int_equal(s.sent[NDT7_SEND_PONG], 0); /* N18 */
}

static void download_counts_in_64_bits(void **state) /* N42, N50 */
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	binary(&s, 1, 1ULL << 33);
	binary(&s, 2, (1ULL << 54) + 1);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, (1ULL << 33) + (1ULL << 54) + 1);
}

static void samples_are_250_ms_apart(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	assert_false(binary(&s, 10, 1000)->sample);
	assert_false(binary(&s, 250, 1000)->sample); /* more than, not at */
	assert_true(binary(&s, 251, 1000)->sample);
	assert_false(binary(&s, 252, 1000)->sample);
	assert_false(binary(&s, 501, 1000)->sample);
	assert_false(wake(&s, 502)->sample); /* at data only */
	assert_true(binary(&s, 900, 1000)->sample);
	assert_false(binary(&s, 1000, 1000)->sample);
	assert_true(GIVE(&s, 1010, .kind = NDT7_IN_CLOSE, .code = 1000)->sample); /* the rest */
	assert_false(GIVE(&s, 1020, .kind = NDT7_IN_END)->sample);
}

struct close_case {
	const char *name;
	enum ndt7_test test;
	uint16_t code;
};

static const struct close_case close_cases[] = {
	{ "N27: download, 1000", NDT7_DOWNLOAD, 1000 },
	{ "download, no code", NDT7_DOWNLOAD, 1005 },
	{ "download, 1001", NDT7_DOWNLOAD, 1001 },
	{ "upload, 1000", NDT7_UPLOAD, 1000 },
	{ "upload, no code", NDT7_UPLOAD, 1005 },
};

static void client_answers_close(void **state)
{
	const struct close_case *c = *state;
	struct side s = client(c->test);
	const struct ndt7_report *r = ndt7_report(&s.t);

	wake(&s, 0);
	if (c->test == NDT7_UPLOAD) {
		GIVE(&s, 2000, .kind = NDT7_IN_CLOSE, .code = c->code);
		assert_int_equal(s.step.send, NDT7_SEND_NOTHING); /* behind the message under way */
		handed(&s, 2010);
	} else {
		binary(&s, 1990, 5000);
		GIVE(&s, 2010, .kind = NDT7_IN_CLOSE, .code = c->code);
	}
	assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
	assert_int_equal(s.step.close_code, c->code);
	handed(&s, 2011);
	assert_false(s.step.finished); /* the server closes TCP first */
	assert_int_equal(r->ending, NDT7_ENDING_CLOSE);
	assert_int_equal(r->measured_ns, 2010 * NS_PER_MS);
	assert_true(r->num_bytes > 0);

	GIVE(&s, 2050, .kind = NDT7_IN_END);
	assert_true(s.step.finished);
	assert_true(r->close_exchanged);
	assert_int_equal(r->peer_code, c->code);
	assert_int_equal(r->ended_ns, at_ms(2050));
	assert_true(wake(&s, 9000)->finished); /* final */
	assert_int_equal(r->ended_ns, at_ms(2050));
}

static void client_does_not_wait_for_fin_for_ever(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	binary(&s, 100, 1000);
	GIVE(&s, 5000, .kind = NDT7_IN_CLOSE, .code = 1000);
	handed(&s, 5000);
	assert_int_equal(run_out(&s, true), 7 * NS_PER_S);
}

static void early_end_has_rate_and_sample(void **state) /* N49, N28 */
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	binary(&s, 150, 250 * MB);
	assert_int_equal(s.samples, 0);
	GIVE(&s, 200, .kind = NDT7_IN_CLOSE, .code = 1000);
	assert_int_equal(s.samples, 1);
	assert_int_equal(ndt7_report(&s.t)->measured_ns, 200 * NS_PER_MS);
}

struct break_case {
	const char *name;
	enum ndt7_test test;
	int error;
	enum ndt7_ending want;
	uint64_t want_measured_ms;
};

static const struct break_case break_cases[] = {
	{ "N29: download, FIN", NDT7_DOWNLOAD, 0, NDT7_ENDING_END, 3000 },
	{ "N29: download, RST", NDT7_DOWNLOAD, -ECONNRESET, NDT7_ENDING_ERROR, 2900 },
	{ "upload, FIN", NDT7_UPLOAD, 0, NDT7_ENDING_END, 3000 },
	{ "upload, RST", NDT7_UPLOAD, -ECONNRESET, NDT7_ENDING_ERROR, 3000 },
};

static void broken_connection_keeps_the_numbers(void **state)
{
	const struct break_case *c = *state;
	struct side s = client(c->test);
	const struct ndt7_report *r = ndt7_report(&s.t);

	wake(&s, 0);
	if (c->test == NDT7_UPLOAD)
		handed(&s, 2900);
	else
		binary(&s, 2900, 8192);
	GIVE(&s, 3000, .kind = NDT7_IN_END, .error = c->error);
	assert_true(s.step.finished);
	assert_int_equal(r->ending, c->want);
	assert_int_equal(r->error, c->error);
	assert_int_equal(r->num_bytes, 8192);
	assert_int_equal(r->measured_ns, c->want_measured_ms * NS_PER_MS);
	assert_int_equal(r->peer_code, 0);
	assert_false(r->close_exchanged);
}

static void reset_behind_the_close_is_no_error(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	binary(&s, 100, 1000);
	GIVE(&s, 200, .kind = NDT7_IN_CLOSE, .code = 1000);
	GIVE(&s, 201, .kind = NDT7_IN_END, .error = -ECONNRESET);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_CLOSE);
	assert_int_equal(ndt7_report(&s.t)->error, 0);
	assert_false(ndt7_report(&s.t)->close_exchanged); /* ours was still under way */
}

static void stall_ends_download(void **state) /* N31 */
{
	struct side s = client(NDT7_DOWNLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);

	(void)state;
	binary(&s, 40, 1000);
	GIVE(&s, 60, .kind = NDT7_IN_PONG); /* heard, not counted */
	assert_int_equal(run_out(&s, true), 60 * NS_PER_MS + NDT7_STALL_NS);
	assert_int_equal(r->ending, NDT7_ENDING_STALL);
	assert_int_equal(s.sent[NDT7_SEND_CLOSE], 1);
	assert_int_equal(r->measured_ns, 40 * NS_PER_MS); /* not diluted by the silence */
	assert_int_equal(s.samples, 1);
}

static void silence_from_the_start_ends_download(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	wake(&s, 0);
	assert_int_equal(run_out(&s, true), NDT7_STALL_NS);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, 0);
	assert_int_equal(ndt7_report(&s.t)->measured_ns, 0);
	assert_int_equal(s.samples, 0);
}

/* A server that sends for ever, every 100 ms from 0 to `ms`. */
static void drip(struct side *s, uint64_t ms)
{
	for (uint64_t at = 100; at <= ms && !s->step.finished; at += 100) {
		binary(s, at, 1000);
		if (s->writing)
			handed(s, at);
	}
}

static void cap_ends_download(void **state) /* N30 */
{
	struct side s = client(NDT7_DOWNLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);

	(void)state;
	drip(&s, 20000);
	assert_between(13 * NS_PER_S, s.close_ns, 13 * NS_PER_S + 100 * NS_PER_MS);
	assert_int_equal(r->ending, NDT7_ENDING_CAP);
	assert_between(at_ms(13000), r->ended_ns, at_ms(13600));
	assert_int_equal(r->num_bytes, 130 * 1000);
	assert_true(r->late_bytes > 0);
	assert_int_equal(r->measured_ns, 13 * NS_PER_S);
}

static void cap_waits_for_an_orderly_end(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	drip(&s, 13000);
	GIVE(&s, 13100, .kind = NDT7_IN_CLOSE, .code = 1000);
	assert_false(s.step.finished);
	GIVE(&s, 13120, .kind = NDT7_IN_END);
	assert_true(s.step.finished);
	assert_true(ndt7_report(&s.t)->close_exchanged);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_CAP);
	assert_int_equal(s.sent[NDT7_SEND_CLOSE], 1);
}

static void byte_ceiling_ends_download(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	s.t.options.max_bytes = 10000;
	binary(&s, 10, 9999);
	assert_int_equal(s.step.send, NDT7_SEND_NOTHING);
	binary(&s, 20, 1);
	assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
	assert_int_equal(s.step.close_code, 1000);
	binary(&s, 30, 500);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, 10000);
	assert_int_equal(ndt7_report(&s.t)->late_bytes, 500);
	assert_int_equal(run_out(&s, true), 20 * NS_PER_MS + NDT7_ABORT_WAIT_NS);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_MAX_BYTES);
}

/* --- both clients --------------------------------------------------------------------------------
 */

struct violation_case {
	const char *name;
	enum ndt7_role role;
	enum ndt7_test test;
	uint16_t code;
};

static const struct violation_case violation_cases[] = {
	{ "N14: client, download", NDT7_CLIENT, NDT7_DOWNLOAD, 1002 },
	{ "client, upload", NDT7_CLIENT, NDT7_UPLOAD, 1002 },
	{ "N20: client, message too big", NDT7_CLIENT, NDT7_DOWNLOAD, 1009 },
	{ "N63: server, download", NDT7_SERVER, NDT7_DOWNLOAD, 1002 },
	{ "N64: server, upload, too big", NDT7_SERVER, NDT7_UPLOAD, 1009 },
};

static struct side side_of(enum ndt7_role role, enum ndt7_test test)
{
	return role == NDT7_CLIENT ? client(test) : server(test, 1);
}

static void violation_closes(void **state)
{
	const struct violation_case *c = *state;
	struct side s = side_of(c->role, c->test);

	wake(&s, 1);
	GIVE(&s, 10, .kind = NDT7_IN_VIOLATION, .code = c->code);
	if (s.step.send == NDT7_SEND_NOTHING)
		handed(&s, 11);
	assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
	assert_int_equal(s.step.close_code, c->code);
	assert_true(strlen(s.step.reason) > 0);
	handed(&s, 12);
	assert_false(s.step.finished); /* the flood that it stood in is read first */
	GIVE(&s, 20, .kind = NDT7_IN_IGNORED, .bytes = 70000);
	assert_int_equal(ndt7_report(&s.t)->ignored_bytes, 70000);
	GIVE(&s, 30, .kind = NDT7_IN_END, .error = -ECONNRESET);
	assert_true(s.step.finished);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_VIOLATION);
	assert_int_equal(ndt7_report(&s.t)->late_bytes, 0);
}

static void flood_behind_a_violation_has_ceilings(void **state)
{
	const struct violation_case *c = *state;
	struct side s = side_of(c->role, c->test);
	uint64_t asked_ns = 10 * NS_PER_MS;

	wake(&s, 1);
	GIVE(&s, 10, .kind = NDT7_IN_VIOLATION, .code = c->code);
	assert_int_equal(run_out(&s, true), asked_ns + NDT7_ABORT_WAIT_NS);

	s = side_of(c->role, c->test);
	wake(&s, 1);
	GIVE(&s, 10, .kind = NDT7_IN_VIOLATION, .code = c->code);
	GIVE(&s, 20, .kind = NDT7_IN_IGNORED, .bytes = NDT7_IGNORED_BYTES_MAX);
	assert_false(s.step.finished);
	GIVE(&s, 20, .kind = NDT7_IN_IGNORED, .bytes = 1);
	assert_true(s.step.finished);
}

struct stop_case {
	const char *name;
	enum ndt7_role role;
	enum ndt7_test test;
	bool stuck;
	uint16_t want_code;
};

static const struct stop_case stop_cases[] = {
	{ "client, download", NDT7_CLIENT, NDT7_DOWNLOAD, false, 1000 },
	{ "client, upload", NDT7_CLIENT, NDT7_UPLOAD, false, 1000 },
	{ "client, upload, writer stuck", NDT7_CLIENT, NDT7_UPLOAD, true, 1000 },
	{ "server, download", NDT7_SERVER, NDT7_DOWNLOAD, false, 1001 },
	{ "server, download, writer stuck", NDT7_SERVER, NDT7_DOWNLOAD, true, 1001 },
	{ "server, upload", NDT7_SERVER, NDT7_UPLOAD, false, 1001 },
};

static void stop_is_quick(void **state)
{
	const struct stop_case *c = *state;
	struct side s = side_of(c->role, c->test);

	wake(&s, 0);
	GIVE(&s, 1000, .kind = NDT7_IN_STOP);
	if (s.writing && s.step.send == NDT7_SEND_NOTHING && !c->stuck)
		handed(&s, 1001);
	if (!c->stuck) {
		assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
		assert_int_equal(s.step.close_code, c->want_code);
	}
	GIVE(&s, 1100, .kind = NDT7_IN_STOP); /* impatience changes nothing */
	assert_int_equal(run_out(&s, !c->stuck), 1500 * NS_PER_MS);
	assert_int_equal(s.sent[NDT7_SEND_CLOSE], c->stuck ? 0 : 1);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_STOP);
}

static void stop_shortens_the_wait_for_fin(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	GIVE(&s, 1000, .kind = NDT7_IN_CLOSE, .code = 1000);
	handed(&s, 1000);
	GIVE(&s, 1200, .kind = NDT7_IN_STOP);
	assert_int_equal(run_out(&s, true), 1700 * NS_PER_MS);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_CLOSE);
}

/* --- pings
 * ---------------------------------------------------------------------------------------- */

struct ping_case {
	const char *name;
	enum ndt7_role role;
	enum ndt7_test test;
	size_t bytes;
};

static const struct ping_case ping_cases[] = {
	{ "N15: download, empty", NDT7_CLIENT, NDT7_DOWNLOAD, 0 },
	{ "N15: download, 20 bytes", NDT7_CLIENT, NDT7_DOWNLOAD, 20 },
	{ "N15: download, 125 bytes", NDT7_CLIENT, NDT7_DOWNLOAD, 125 },
	{ "N16: upload, 19 bytes, between messages", NDT7_CLIENT, NDT7_UPLOAD, 19 },
	{ "a client's ping in download", NDT7_SERVER, NDT7_DOWNLOAD, 4 },
	{ "a client's ping in upload", NDT7_SERVER, NDT7_UPLOAD, 4 },
};

static void ping_is_answered(void **state)
{
	const struct ping_case *c = *state;
	struct side s = side_of(c->role, c->test);
	uint8_t payload[125];
	bool was_writing;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 37);
	wake(&s, 0);
	was_writing = s.writing;
	GIVE(&s, 5, .kind = NDT7_IN_PING, .payload = c->bytes ? payload : NULL,
	     .payload_bytes = c->bytes);
	if (was_writing)
		handed(&s, 6);
	assert_int_equal(s.step.send, NDT7_SEND_PONG);
	assert_int_equal(s.step.payload_bytes, c->bytes);
	assert_memory_equal(s.step.payload, payload, c->bytes);
	handed(&s, 7);
	assert_int_equal(s.step.send, was_writing ? NDT7_SEND_BINARY : NDT7_SEND_NOTHING);
	assert_int_equal(ndt7_report(&s.t)->pongs_sent, 1);
}

static void ping_between_fragments(void **state) /* N17 */
{
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	GIVE(&s, 1, .kind = NDT7_IN_BINARY, .bytes = 4096);
	GIVE(&s, 2, .kind = NDT7_IN_PING);
	assert_int_equal(s.step.send, NDT7_SEND_PONG);
	GIVE(&s, 3, .kind = NDT7_IN_BINARY, .bytes = 4096, .last = true);
	assert_int_equal(ndt7_report(&s.t)->messages, 1);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, 8192);
}

static void flood(struct side *s, uint64_t ms, unsigned int pings)
{
	for (unsigned int i = 0; i < pings; i++) {
		uint8_t payload = (uint8_t)i;

		GIVE(s, ms, .kind = NDT7_IN_PING, .payload = &payload, .payload_bytes = 1);
	}
}

static void ping_flood_drops_the_oldest(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);

	(void)state;
	s.writing = true; /* the socket buffer is full */
	flood(&s, 1, 200);
	assert_int_equal(r->pongs_dropped, 200 - NDT7_PONGS_MAX);
	for (unsigned int i = 200 - NDT7_PONGS_MAX; i < 200; i++) {
		handed(&s, 2);
		assert_int_equal(s.step.send, NDT7_SEND_PONG);
		assert_int_equal(s.step.payload[0], i);
	}
	assert_int_equal(handed(&s, 3)->send, NDT7_SEND_NOTHING);
	assert_int_equal(r->pings, r->pongs_sent + r->pongs_dropped + r->pings_late);
}

static void ping_flood_takes_turns_with_bulk(void **state)
{
	struct side s = client(NDT7_UPLOAD);

	(void)state;
	wake(&s, 0);
	for (uint64_t i = 0; i < 100; i++) {
		flood(&s, i, 3);
		handed(&s, i);
	}
	assert_int_equal(s.sent[NDT7_SEND_PONG], 50);
	assert_int_equal(s.sent[NDT7_SEND_BINARY], 51);
}

static void ping_flood_does_not_delay_the_close(void **state)
{
	struct side s = client(NDT7_DOWNLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);

	(void)state;
	s.writing = true;
	flood(&s, 1, 3);
	GIVE(&s, 2, .kind = NDT7_IN_STOP);
	flood(&s, 3, 100);          /* too late */
	for (int i = 0; i < 3; i++) /* what came before goes before */
		assert_int_equal(handed(&s, 4)->send, NDT7_SEND_PONG);
	assert_int_equal(handed(&s, 5)->send, NDT7_SEND_CLOSE);
	assert_int_equal(r->pings_late, 100);
	assert_int_equal(r->pongs_dropped, 0);
}

static void ping_too_long_is_not_answered(void **state) /* the codec refuses it before */
{
	static const uint8_t payload[NDT7_PING_BYTES_MAX + 1];
	struct side s = client(NDT7_DOWNLOAD);

	(void)state;
	GIVE(&s, 1, .kind = NDT7_IN_PING, .payload = payload, .payload_bytes = sizeof(payload));
	assert_int_equal(s.step.send, NDT7_SEND_NOTHING);
	assert_int_equal(ndt7_report(&s.t)->pongs_dropped, 1);
}

/* --- client, upload
 * -------------------------------------------------------------------------------- */

static void upload_ends_by_its_own_clock(void **state) /* N32 */
{
	struct side s = client(NDT7_UPLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);

	(void)state;
	wake(&s, 0);
	for (uint64_t ms = 10; ms < 10000; ms += 10)
		handed(&s, ms);
	handed(&s, 10000);
	assert_int_equal(s.step.send, NDT7_SEND_NOTHING);
	assert_int_equal(r->measured_ns, NDT7_DURATION_NS);
	assert_int_equal(run_out(&s, true), NDT7_UPLOAD_END_NS);
	assert_int_equal(s.close_ns, 12 * NS_PER_S);
	assert_int_equal(r->ending, NDT7_ENDING_TIME);
	assert_int_equal(r->messages, 1000);
}

static void upload_answers_the_close_after_its_end(void **state)
{
	struct side s = client(NDT7_UPLOAD);

	(void)state;
	wake(&s, 0);
	handed(&s, 10000);
	GIVE(&s, 10010, .kind = NDT7_IN_TEXT, .bytes = 1150);
	GIVE(&s, 10011, .kind = NDT7_IN_PING);
	assert_int_equal(s.step.send, NDT7_SEND_PONG);
	handed(&s, 10012);
	GIVE(&s, 10013, .kind = NDT7_IN_CLOSE, .code = 1000);
	assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
	handed(&s, 10014);
	GIVE(&s, 10020, .kind = NDT7_IN_END);
	assert_true(s.step.finished);
	assert_true(ndt7_report(&s.t)->close_exchanged);
	assert_int_equal(ndt7_report(&s.t)->texts, 1);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, 8192); /* texts are not of an upload */
}

static void upload_survives_a_server_that_does_not_read(void **state) /* N33 */
{
	struct side s = client(NDT7_UPLOAD);

	(void)state;
	wake(&s, 0);
	assert_int_equal(run_out(&s, false), NDT7_UPLOAD_END_NS);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_TIME);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, 0);
}

static void upload_stuck_with_the_close_received(void **state)
{
	struct side s = client(NDT7_UPLOAD);

	(void)state;
	wake(&s, 0);
	GIVE(&s, 10100, .kind = NDT7_IN_CLOSE, .code = 1000);
	assert_int_equal(run_out(&s, false), 10100 * NS_PER_MS + NDT7_CLOSE_WAIT_NS);
	assert_false(ndt7_report(&s.t)->close_exchanged);
}

static void upload_counts_the_message_that_was_under_way(void **state)
{
	struct side s = client(NDT7_UPLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);

	(void)state;
	wake(&s, 0);
	wake(&s, 10000);
	assert_int_equal(r->ending, NDT7_ENDING_TIME);
	assert_true(handed(&s, 10400)->sample);
	assert_int_equal(r->num_bytes, 8192);
	assert_int_equal(r->measured_ns, 10400 * NS_PER_MS);
	assert_int_equal(r->last_data_ns, at_ms(10400));
}

static void upload_discards_binary(void **state) /* N26 */
{
	struct side s = client(NDT7_UPLOAD);

	(void)state;
	wake(&s, 0);
	binary(&s, 5, 1000);
	assert_int_equal(handed(&s, 6)->send, NDT7_SEND_BINARY);
	assert_int_equal(ndt7_report(&s.t)->unexpected_bytes, 1000);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, 8192);
}

struct ceiling_case {
	const char *name;
	uint64_t max_bytes;
	uint64_t want_bytes;
};

static const struct ceiling_case ceiling_cases[] = {
	{ "less than the smallest message", 1000, 0 },
	{ "one smallest message", 1024, 1024 },
	{ "one first message", 8192, 8192 },
	{ "rounded down to 1024", 1000000, 999424 },
	{ "250 MB", 250000000, 249999360 },
};

static void byte_ceiling_ends_upload(void **state)
{
	const struct ceiling_case *c = *state;
	struct side s = client(NDT7_UPLOAD);
	const struct ndt7_report *r = ndt7_report(&s.t);

	s.t.options.max_bytes = c->max_bytes;
	wake(&s, 0);
	while (s.sent[NDT7_SEND_CLOSE] == 0) {
		GIVE(&s, 1, .kind = NDT7_IN_PONG); /* while a message is under way */
		handed(&s, 1);
	}
	assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
	assert_int_equal(r->num_bytes, c->want_bytes);
	assert_int_equal(r->ending, NDT7_ENDING_MAX_BYTES);
	handed(&s, 2);
	GIVE(&s, 700, .kind = NDT7_IN_TEXT, .bytes = 1150); /* the server's last word */
	GIVE(&s, 701, .kind = NDT7_IN_CLOSE, .code = 1000);
	GIVE(&s, 702, .kind = NDT7_IN_END);
	assert_true(s.step.finished);
	assert_true(r->close_exchanged);
}

/* --- server
 * ------------------------------------------------------------------------------------------ */

static void server_sends_bulk_at_once(void **state) /* N56 */
{
	struct side s = server(NDT7_DOWNLOAD, 1);

	(void)state;
	assert_int_equal(wake(&s, 0)->send, NDT7_SEND_BINARY);
	assert_int_equal(s.step.bytes, 8192);
	s = server(NDT7_UPLOAD, 1);
	assert_int_equal(wake(&s, 0)->send, NDT7_SEND_NOTHING); /* N57: texts only */
	run_out(&s, true);
	assert_int_equal(s.sent[NDT7_SEND_BINARY], 0);
}

static void server_schedule_is_memoryless(void **state) /* N58 */
{
	double sum = 0, sum_of_squares = 0;
	uint64_t n = 0, at_floor = 0, at_ceiling = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct side s = server(NDT7_UPLOAD, seed);
		uint64_t before_ns = 0;

		wake(&s, 0);
		run_out(&s, true);
		for (uint64_t i = 0; i + 1 < s.sent[NDT7_SEND_TEXT]; i++) { /* without the last */
			uint64_t gap_ns = s.text_ns[i] - before_ns;

			assert_between(NDT7_SERVER_SAMPLE_MIN_NS, gap_ns,
			               NDT7_SERVER_SAMPLE_MAX_NS);
			before_ns = s.text_ns[i];
			at_floor += gap_ns == NDT7_SERVER_SAMPLE_MIN_NS;
			at_ceiling += gap_ns == NDT7_SERVER_SAMPLE_MAX_NS;
			sum += (double)gap_ns / 1e6;
			sum_of_squares += (double)gap_ns / 1e6 * (double)gap_ns / 1e6;
			n++;
		}
		assert_between(25, s.sent[NDT7_SEND_TEXT], 80);
	}
	/* Exponential of mean 250 clamped to [25, 625]: mean 230.7, deviation 181.5; a tenth of the
	 * mass is at the floor, 8.2 % at the ceiling. (The 10 s cut off long last gaps: a little
	 * less.) */
	assert_between(225, (uint64_t)(sum / (double)n), 235);
	assert_between(170, (uint64_t)sqrt(sum_of_squares / (double)n - pow(sum / (double)n, 2)),
	               190);
	assert_between(85, 1000 * at_floor / n, 105);
	assert_between(65, 1000 * at_ceiling / n, 90);
}

static void server_schedule_depends_on_seed(void **state)
{
	struct side a = server(NDT7_UPLOAD, 7), b = server(NDT7_UPLOAD, 8);
	struct side again = server(NDT7_UPLOAD, 7);

	(void)state;
	assert_true(wake(&a, 0)->wake_at_ns != wake(&b, 0)->wake_at_ns);
	assert_int_equal(a.step.wake_at_ns, wake(&again, 0)->wake_at_ns);
}

static void server_pings_its_clock(void **state) /* N59 */
{
	struct side s = server(NDT7_UPLOAD, 3);
	uint64_t at_ns;
	char want[32];

	(void)state;
	at_ns = wake(&s, 0)->wake_at_ns;
	give(&s, (struct ndt7_input){ .kind = NDT7_IN_WAKE }, at_ns);
	assert_int_equal(s.step.send, NDT7_SEND_TEXT);
	s.writing = false;
	give(&s, (struct ndt7_input){ .kind = NDT7_IN_WAKE }, at_ns + 5);
	assert_int_equal(s.step.send, NDT7_SEND_PING);
	snprintf(want, sizeof(want), "%llu", (unsigned long long)(UTC_NS + at_ns + 5 - START_NS));
	assert_int_equal(s.step.payload_bytes, strlen(want));
	assert_memory_equal(s.step.payload, want, strlen(want));
}

static void server_sends_a_late_sample_when_it_can(void **state)
{
	struct side s = server(NDT7_DOWNLOAD, 5);

	(void)state;
	wake(&s, 0);
	wake(&s, 700); /* due, the writer is blocked */
	assert_int_equal(s.step.send, NDT7_SEND_NOTHING);
	assert_int_equal(s.step.wake_at_ns, at_ms(10000)); /* no use in waking for it */
	assert_int_equal(handed(&s, 3000)->send, NDT7_SEND_TEXT);
	assert_int_equal(handed(&s, 3001)->send, NDT7_SEND_PING);
	assert_int_equal(handed(&s, 3002)->send, NDT7_SEND_BINARY);
	assert_between(at_ms(3025), s.t.next_sample_ns, at_ms(3625)); /* from there */
}

/* Runs a server until its Close is with the kernel. */
static struct side server_at_its_close(enum ndt7_test test)
{
	struct side s = server(test, 9);

	wake(&s, 0);
	while (s.sent[NDT7_SEND_CLOSE] == 0 || s.writing) {
		uint64_t now_ns = s.step.wake_at_ns;

		if (s.writing) {
			s.writing = false;
			now_ns = s.sent[NDT7_SEND_CLOSE] ? at_ms(10001) : s.step.wake_at_ns;
			if (now_ns > at_ms(10001))
				now_ns = at_ms(10001);
		}
		give(&s, (struct ndt7_input){ .kind = NDT7_IN_WAKE }, now_ns);
	}
	assert_between(NDT7_DURATION_NS, s.last_text_ns, NDT7_DURATION_NS + 10 * NS_PER_MS);
	assert_false(s.ping_must_follow);
	return s;
}

static void server_closes_at_10_s(void **state) /* N60, N61 */
{
	struct side s = server_at_its_close(NDT7_DOWNLOAD);

	(void)state;
	assert_int_equal(s.t.close_code, 1000);
	assert_string_equal(s.t.close_reason, "Done sending");
	assert_false(s.step.finished);
	GIVE(&s, 10150, .kind = NDT7_IN_CLOSE, .code = 1000);
	assert_true(s.step.finished);
	assert_true(ndt7_report(&s.t)->close_exchanged);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_TIME);
}

static void server_reads_on_until_15_s(void **state) /* N61 */
{
	struct side s = server_at_its_close(NDT7_UPLOAD);

	(void)state;
	binary(&s, 12000, 5000);
	GIVE(&s, 13000, .kind = NDT7_IN_TEXT, .bytes = 50);
	assert_int_equal(ndt7_report(&s.t)->late_bytes, 5000);
	assert_int_equal(run_out(&s, true), 15 * NS_PER_S);
	assert_false(ndt7_report(&s.t)->close_exchanged);
	assert_int_equal(s.sent[NDT7_SEND_CLOSE], 1);
}

static void server_with_a_reader_that_is_gone(void **state)
{
	struct side s = server(NDT7_DOWNLOAD, 9);

	(void)state;
	wake(&s, 0);
	assert_int_equal(run_out(&s, false), 15 * NS_PER_S);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_TIME);
	assert_int_equal(s.sent[NDT7_SEND_TEXT], 0);
}

static void server_woken_far_too_late(void **state) /* a suspended machine */
{
	struct side s = server(NDT7_DOWNLOAD, 9);

	(void)state;
	wake(&s, 0);
	assert_true(wake(&s, 60000)->finished);
	s = client(NDT7_UPLOAD);
	wake(&s, 0);
	assert_true(wake(&s, 60000)->finished);
}

struct client_close_case {
	const char *name;
	enum ndt7_test test;
	uint16_t code;
};

static const struct client_close_case client_close_cases[] = {
	{ "N66: download, 1000", NDT7_DOWNLOAD, 1000 },
	{ "N66: download, empty", NDT7_DOWNLOAD, 1005 },
	{ "N66: upload, 1001", NDT7_UPLOAD, 1001 },
	{ "N66: upload, empty", NDT7_UPLOAD, 1005 },
};

static void server_echoes_close(void **state)
{
	const struct client_close_case *c = *state;
	struct side s = server(c->test, 2);

	wake(&s, 0);
	if (c->test == NDT7_UPLOAD)
		binary(&s, 1, 777);
	GIVE(&s, 2, .kind = NDT7_IN_CLOSE, .code = c->code);
	if (s.step.send == NDT7_SEND_NOTHING)
		handed(&s, 3);
	assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
	assert_int_equal(s.step.close_code, c->code);
	assert_string_equal(s.step.reason, "");
	assert_true(handed(&s, 4)->finished);
	assert_true(ndt7_report(&s.t)->close_exchanged);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_CLOSE);
}

static void server_takes_the_answer_before_its_close_is_sent(void **state)
{
	struct side s = server(NDT7_UPLOAD, 2);

	(void)state;
	GIVE(&s, 1, .kind = NDT7_IN_STOP);
	assert_int_equal(s.step.send, NDT7_SEND_CLOSE);
	GIVE(&s, 2, .kind = NDT7_IN_CLOSE, .code = 1001); /* completions cross */
	assert_false(s.step.finished);
	assert_true(handed(&s, 3)->finished);
	assert_int_equal(s.sent[NDT7_SEND_CLOSE], 1);
}

static void server_samples_on_for_half_a_connection(void **state) /* 7.5 */
{
	struct side s = server(NDT7_UPLOAD, 2);
	const struct ndt7_report *r = ndt7_report(&s.t);
	uint64_t texts;

	(void)state;
	wake(&s, 0);
	binary(&s, 1000, 4096);
	GIVE(&s, 2000, .kind = NDT7_IN_FIN);
	assert_false(s.step.finished);
	assert_int_equal(r->ending, NDT7_ENDING_END);
	assert_int_equal(r->measured_ns, 2 * NS_PER_S);
	while (s.writing) /* the text that was due */
		handed(&s, 2001);
	texts = s.sent[NDT7_SEND_TEXT];
	assert_int_equal(run_out(&s, true), NDT7_DURATION_NS); /* gone once the Close is sent */
	assert_true(s.sent[NDT7_SEND_TEXT] > texts + 10);
	assert_int_equal(s.last_text_ns, NDT7_DURATION_NS);
	assert_int_equal(s.sent[NDT7_SEND_CLOSE], 1);
	assert_int_equal(s.t.close_code, 1000);
	assert_int_equal(r->measured_ns, 2 * NS_PER_S);
}

static void server_leaves_half_a_connection_that_breaks(void **state)
{
	struct side s = server(NDT7_UPLOAD, 2);

	(void)state;
	wake(&s, 0);
	GIVE(&s, 2000, .kind = NDT7_IN_FIN);
	GIVE(&s, 2300, .kind = NDT7_IN_END, .error = -EPIPE);
	assert_true(s.step.finished);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_END);
	assert_int_equal(ndt7_report(&s.t)->error, 0);
}

struct fin_case {
	const char *name;
	enum ndt7_role role;
	enum ndt7_test test;
	enum ndt7_input_kind before; /* at 1 s */
	bool want_finished;          /* at the FIN: nothing is left to be said */
};

static const struct fin_case fin_cases[] = {
	{ "N29: client, download", NDT7_CLIENT, NDT7_DOWNLOAD, NDT7_IN_WAKE, true },
	{ "client, upload", NDT7_CLIENT, NDT7_UPLOAD, NDT7_IN_WAKE, true },
	{ "server, download", NDT7_SERVER, NDT7_DOWNLOAD, NDT7_IN_WAKE, true },
	{ "server, upload", NDT7_SERVER, NDT7_UPLOAD, NDT7_IN_WAKE, false },
	{ "server, upload, our Close under way", NDT7_SERVER, NDT7_UPLOAD, NDT7_IN_STOP, false },
	{ "server, upload, violation", NDT7_SERVER, NDT7_UPLOAD, NDT7_IN_VIOLATION, false },
};

/* Whatever it was in, no FIN keeps a side for longer, and none takes our Close away. */
static void fin_ends_or_leaves_the_last_word(void **state)
{
	const struct fin_case *c = *state;
	struct side s = side_of(c->role, c->test);

	s.t.next_sample_ns = at_ms(5000);
	wake(&s, 0);
	GIVE(&s, 1000, .kind = c->before, .code = 1002);
	GIVE(&s, 1001, .kind = NDT7_IN_FIN);
	assert_int_equal(s.step.finished, c->want_finished);
	if (c->want_finished)
		return;
	if (c->before == NDT7_IN_WAKE)
		assert_int_equal(run_out(&s, true), NDT7_DURATION_NS);
	else
		assert_true(handed(&s, 1002)->finished);
	assert_int_equal(s.sent[NDT7_SEND_CLOSE], 1);
}

static void server_drops_text_and_ping_at_close(void **state)
{
	struct side s = server(NDT7_DOWNLOAD, 2);

	(void)state;
	wake(&s, 0);
	wake(&s, 700); /* a text is due behind the message under way */
	GIVE(&s, 701, .kind = NDT7_IN_CLOSE, .code = 1000);
	assert_int_equal(handed(&s, 702)->send, NDT7_SEND_CLOSE);
	assert_true(handed(&s, 703)->finished);
}

static void server_exits_early(void **state) /* N68 */
{
	struct side s = server(NDT7_DOWNLOAD, 2);

	(void)state;
	s.t.options.early_exit_bytes = NDT7_EARLY_EXIT_BYTES;
	wake(&s, 0);
	assert_int_equal(handed(&s, 700)->send, NDT7_SEND_TEXT);
	GIVE(&s, 700, .kind = NDT7_IN_SAMPLED, .bytes = NDT7_EARLY_EXIT_BYTES - 1);
	assert_int_equal(handed(&s, 701)->send, NDT7_SEND_PING);
	assert_int_equal(handed(&s, 702)->send, NDT7_SEND_BINARY);
	assert_int_equal(handed(&s, 1400)->send, NDT7_SEND_TEXT);
	GIVE(&s, 1400, .kind = NDT7_IN_SAMPLED, .bytes = NDT7_EARLY_EXIT_BYTES);
	assert_int_equal(handed(&s, 1401)->send, NDT7_SEND_PING);
	assert_int_equal(handed(&s, 1402)->send, NDT7_SEND_CLOSE);
	assert_int_equal(s.step.close_code, 1000);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_EARLY);
}

static void server_has_no_early_exit_unasked(void **state)
{
	struct side s = server(NDT7_DOWNLOAD, 2);

	(void)state;
	GIVE(&s, 1, .kind = NDT7_IN_SAMPLED, .bytes = 1ULL << 40);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_NONE);
	s = server(NDT7_UPLOAD, 2);
	s.t.options.early_exit_bytes = 1; /* of downloads only */
	GIVE(&s, 1, .kind = NDT7_IN_SAMPLED, .bytes = 1ULL << 40);
	assert_int_equal(ndt7_report(&s.t)->ending, NDT7_ENDING_NONE);
}

static void server_is_not_moved_by_what_clients_say(void **state) /* N69, 3.7 */
{
	struct side s = server(NDT7_UPLOAD, 2);

	(void)state;
	wake(&s, 0);
	GIVE(&s, 1, .kind = NDT7_IN_TEXT, .bytes = 1 << 20);
	binary(&s, 2, 4096);
	assert_int_equal(ndt7_report(&s.t)->num_bytes, 4096);
	assert_int_equal(ndt7_report(&s.t)->texts, 1);
	s = server(NDT7_DOWNLOAD, 2);
	wake(&s, 0);
	binary(&s, 3, 4096);
	assert_int_equal(ndt7_report(&s.t)->unexpected_bytes, 4096);
	assert_int_equal(handed(&s, 4)->send, NDT7_SEND_BINARY);
}

static void endings_have_names(void **state)
{
	(void)state;
	for (enum ndt7_ending e = NDT7_ENDING_NONE; e <= NDT7_ENDING_EARLY; e++) {
		assert_non_null(ndt7_ending_name(e));
		for (enum ndt7_ending other = NDT7_ENDING_NONE; other < e; other++)
			assert_string_not_equal(ndt7_ending_name(e), ndt7_ending_name(other));
	}
	assert_string_equal(ndt7_test_name(NDT7_DOWNLOAD), "download");
	assert_string_equal(ndt7_test_name(NDT7_UPLOAD), "upload");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(early_exit_plays),
	cmocka_unit_test(download_counts),
	cmocka_unit_test(download_counts_in_64_bits),
	cmocka_unit_test(samples_are_250_ms_apart),
	cmocka_unit_test(client_does_not_wait_for_fin_for_ever),
	cmocka_unit_test(early_end_has_rate_and_sample),
	cmocka_unit_test(reset_behind_the_close_is_no_error),
	cmocka_unit_test(stall_ends_download),
	cmocka_unit_test(silence_from_the_start_ends_download),
	cmocka_unit_test(cap_ends_download),
	cmocka_unit_test(cap_waits_for_an_orderly_end),
	cmocka_unit_test(byte_ceiling_ends_download),
	cmocka_unit_test(stop_shortens_the_wait_for_fin),
	cmocka_unit_test(ping_between_fragments),
	cmocka_unit_test(ping_flood_drops_the_oldest),
	cmocka_unit_test(ping_flood_takes_turns_with_bulk),
	cmocka_unit_test(ping_flood_does_not_delay_the_close),
	cmocka_unit_test(ping_too_long_is_not_answered),
	cmocka_unit_test(upload_ends_by_its_own_clock),
	cmocka_unit_test(upload_answers_the_close_after_its_end),
	cmocka_unit_test(upload_survives_a_server_that_does_not_read),
	cmocka_unit_test(upload_stuck_with_the_close_received),
	cmocka_unit_test(upload_counts_the_message_that_was_under_way),
	cmocka_unit_test(upload_discards_binary),
	cmocka_unit_test(server_sends_bulk_at_once),
	cmocka_unit_test(server_schedule_is_memoryless),
	cmocka_unit_test(server_schedule_depends_on_seed),
	cmocka_unit_test(server_pings_its_clock),
	cmocka_unit_test(server_sends_a_late_sample_when_it_can),
	cmocka_unit_test(server_closes_at_10_s),
	cmocka_unit_test(server_reads_on_until_15_s),
	cmocka_unit_test(server_with_a_reader_that_is_gone),
	cmocka_unit_test(server_woken_far_too_late),
	cmocka_unit_test(server_takes_the_answer_before_its_close_is_sent),
	cmocka_unit_test(server_samples_on_for_half_a_connection),
	cmocka_unit_test(server_leaves_half_a_connection_that_breaks),
	cmocka_unit_test(server_drops_text_and_ping_at_close),
	cmocka_unit_test(server_exits_early),
	cmocka_unit_test(server_has_no_early_exit_unasked),
	cmocka_unit_test(server_is_not_moved_by_what_clients_say),
	cmocka_unit_test(endings_have_names),
};

int main(void)
{
	int failed = CASES_RUN(download_plays, whole_cases);

	failed += CASES_RUN(upload_plays, whole_cases);
	failed += CASES_RUN(client_answers_close, close_cases);
	failed += CASES_RUN(broken_connection_keeps_the_numbers, break_cases);
	failed += CASES_RUN(violation_closes, violation_cases);
	failed += CASES_RUN(flood_behind_a_violation_has_ceilings, violation_cases);
	failed += CASES_RUN(fin_ends_or_leaves_the_last_word, fin_cases);
	failed += CASES_RUN(stop_is_quick, stop_cases);
	failed += CASES_RUN(ping_is_answered, ping_cases);
	failed += CASES_RUN(byte_ceiling_ends_upload, ceiling_cases);
	failed += CASES_RUN(server_echoes_close, client_close_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
