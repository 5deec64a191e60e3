#include "transport/loop/loop_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

/* A completion that waits to be taken, and then, where it has data, to be given back. */
struct told {
	struct told *next;
	struct loop_completion completion;
	uint8_t data[];
};

struct asked {
	struct loop_request request;
	bool under_way;
};

struct chunk { /* bytes on the wire */
	struct chunk *next;
	uint64_t arrives_ns;
	size_t bytes, taken_bytes;
	uint8_t data[];
};

/* What a sender may have sent beyond what is on its way, as a socket's buffer would take. */
#define WIRE_SLACK_BYTES (64 * 1024)

/* One direction of a connection inside the loop. */
struct wire {
	struct wire *next;
	int from_fd, to_fd; /* -1: has left the loop */
	uint64_t rate_bps, delay_ns;
	uint64_t idle_ns; /* when the last byte sent is on its way */
	size_t capacity_bytes, bytes;
	struct chunk *first, **last;
	bool ended; /* the receiver knows */
};

struct script {
	struct loop *loop;
	uint64_t now_ns;
	loop_script_play play;
	void *play_self;
	struct wire *wires;
	int refuse;
	bool hold_cancels;
	struct asked asked[LOOP_IO_MAX][LOOP_OPS];
	size_t slots; /* below which all requests are */
	struct told *first, **last;
};

/* --- completions ------------------------------------------------------------------------------ */

static struct asked *asked_of(struct script *s, union loop_tag tag)
{
	struct asked *a;

	if (tag.slot >= LOOP_IO_MAX || tag.op >= LOOP_OPS)
		return NULL;
	a = &s->asked[tag.slot][tag.op];
	return a->under_way && a->request.tag.u64 == tag.u64 ? a : NULL;
}

static void tell(struct script *s, union loop_tag tag, int result, bool more, const void *data,
                 size_t n)
{
	struct told *t = malloc(sizeof(*t) + n);
	struct asked *a = asked_of(s, tag);

	if (!t)
		abort(); /* a test's own memory */
	*t = (struct told){ .completion = { .tag = tag, .result = result } };
	t->completion.flags |= more ? LOOP_MORE : 0;
	if (data) {
		memcpy(t->data, data, n);
		t->completion.data = t->data;
		t->completion.flags |= LOOP_BUFFER;
	}
	*s->last = t;
	s->last = &t->next;
	if (a && !more)
		a->under_way = false;
}

static bool script_next(void *body, struct loop_completion *ret)
{
	struct script *s = body;
	struct told *t = s->first;

	if (!t)
		return false;
	s->first = t->next;
	if (!s->first)
		s->last = &s->first;
	*ret = t->completion;
	if (!(ret->flags & LOOP_BUFFER))
		free(t);
	return true;
}

static void script_release(void *body, const struct loop_completion *c)
{
	(void)body;
	free((uint8_t *)(uintptr_t)c->data - offsetof(struct told, data));
}

/* --- requests --------------------------------------------------------------------------------- */

static int script_submit(void *body, const struct loop_request *r)
{
	struct script *s = body;

	if (s->refuse < 0)
		return TAKE(s->refuse, 0);
	s->asked[r->tag.slot][r->tag.op] = (struct asked){ .request = *r, .under_way = true };
	if (s->slots <= r->tag.slot)
		s->slots = r->tag.slot + 1U;
	return 0;
}

static int script_cancel(void *body, union loop_tag tag)
{
	struct script *s = body;

	if (asked_of(s, tag) && !s->hold_cancels)
		tell(s, tag, -ECANCELED, false, NULL, 0);
	return 0;
}

static struct asked *find(struct script *s, int fd, enum loop_op op)
{
	for (size_t slot = 0; slot < s->slots; slot++) {
		struct asked *a = &s->asked[slot][op];

		if (a->under_way && a->request.fd == fd)
			return a;
	}
	return NULL;
}

const struct loop_request *loop_script_request(struct loop *l, int fd, enum loop_op op)
{
	const struct asked *a = find(loop_body_of(l), fd, op);

	return a ? &a->request : NULL;
}

size_t loop_script_requests(struct loop *l, struct loop_request *out, size_t max)
{
	struct script *s = loop_body_of(l);
	size_t n = 0;

	for (size_t slot = 0; slot < s->slots; slot++) {
		for (size_t op = 0; op < LOOP_OPS; op++) {
			if (!s->asked[slot][op].under_way)
				continue;
			if (n < max)
				out[n] = s->asked[slot][op].request;
			n++;
		}
	}
	return n;
}

size_t loop_script_message_bytes(const struct msghdr *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++)
		n += m->msg_iov[i].iov_len;
	return n;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* What one completion of this request takes of n bytes. */
static size_t share_of(const struct loop_request *r, size_t n)
{
	size_t max = r->receive.mode == LOOP_RECEIVE_STREAM ? LOOP_BUFFER_BYTES : r->receive.bytes;

	if (r->receive.mode == LOOP_RECEIVE_ONCE && max > LOOP_BUFFER_BYTES)
		max = LOOP_BUFFER_BYTES;
	return n < max ? n : max;
}

static size_t deliver(struct script *s, int fd, const uint8_t *data, size_t n)
{
	size_t taken = 0;

	while (taken < n) {
		const struct asked *a = find(s, fd, LOOP_OP_RECEIVE);
		size_t share;

		if (!a)
			break;
		share = share_of(&a->request, n - taken);
		if (a->request.receive.mode == LOOP_RECEIVE_DROP)
			tell(s, a->request.tag, (int)share, false, NULL, 0);
		else
			tell(s, a->request.tag, (int)share,
			     a->request.receive.mode == LOOP_RECEIVE_STREAM, data + taken, share);
		taken += share;
	}
	return taken;
}

size_t loop_script_deliver(struct loop *l, int fd, const void *data, size_t n)
{
	return deliver(loop_body_of(l), fd, data, n);
}

static size_t take(struct script *s, int fd, uint8_t *out, size_t max)
{
	const struct asked *a = find(s, fd, LOOP_OP_SEND);
	size_t n = 0;

	if (!a)
		return 0;
	for (size_t i = 0; i < a->request.send->msg_iovlen && n < max; i++) {
		const struct iovec *piece = &a->request.send->msg_iov[i];
		size_t part = piece->iov_len < max - n ? piece->iov_len : max - n;

		if (out && part > 0)
			memcpy(out + n, piece->iov_base, part);
		n += part;
	}
	tell(s, a->request.tag, (int)n, false, NULL, 0);
	return n;
}

size_t loop_script_take(struct loop *l, int fd, void *out, size_t max)
{
	return take(loop_body_of(l), fd, out, max);
}

static void answer(struct script *s, int fd, enum loop_op op, int result)
{
	const struct asked *a = find(s, fd, op);

	if (a)
		tell(s, a->request.tag, result, op == LOOP_OP_ACCEPT && result >= 0, NULL, 0);
}

void loop_script_answer(struct loop *l, int fd, enum loop_op op, int result)
{
	answer(loop_body_of(l), fd, op, result);
}

void loop_script_complete(struct loop *l, union loop_tag tag, int result, bool more,
                          const void *data, size_t n)
{
	tell(loop_body_of(l), tag, result, more, data, n);
}

void loop_script_refuse(struct loop *l, int error)
{
	struct script *s = loop_body_of(l);

	s->refuse = error;
}

void loop_script_hold_cancels(struct loop *l, bool on)
{
	struct script *s = loop_body_of(l);

	s->hold_cancels = on;
}

/* --- wires ------------------------------------------------------------------------------------ */

/* Puts what is being sent on the wire, as far as there is room. */
static void fill_wire(struct script *s, struct wire *w)
{
	if (w->to_fd < 0)
		answer(s, w->from_fd, LOOP_OP_SEND, -EPIPE);
	while (w->bytes < w->capacity_bytes) {
		const struct asked *a = find(s, w->from_fd, LOOP_OP_SEND);
		size_t n = w->capacity_bytes - w->bytes;
		struct chunk *c;

		if (!a)
			return;
		if (n > LOOP_BUFFER_BYTES)
			n = LOOP_BUFFER_BYTES;
		c = calloc(1, sizeof(*c) + n);
		if (!c)
			abort(); /* a test's own memory */
		c->bytes = take(s, w->from_fd, c->data, n);
		if (w->idle_ns < s->now_ns)
			w->idle_ns = s->now_ns;
		w->idle_ns += c->bytes * 8 * NS_PER_S / w->rate_bps;
		c->arrives_ns = w->idle_ns + w->delay_ns;
		w->bytes += c->bytes;
		*w->last = c;
		w->last = &c->next;
		if (s->first)
			return; /* the sender's turn; it may have more */
	}
}

static void drop_first_chunk(struct wire *w)
{
	struct chunk *c = w->first;

	w->first = c->next;
	if (!w->first)
		w->last = &w->first;
	free(c);
}

/* Hands over what has arrived; answers when the next bytes do. */
static uint64_t empty_wire(struct script *s, struct wire *w)
{
	for (; w->first; drop_first_chunk(w)) {
		struct chunk *c = w->first;
		size_t n;

		if (c->arrives_ns > s->now_ns)
			return c->arrives_ns;
		n = deliver(s, w->to_fd, c->data + c->taken_bytes, c->bytes - c->taken_bytes);
		c->taken_bytes += n;
		w->bytes -= n;
		if (c->taken_bytes < c->bytes)
			return CLOCK_NEVER_NS; /* until it is asked for */
	}
	if (w->from_fd < 0 && !w->ended && find(s, w->to_fd, LOOP_OP_RECEIVE)) {
		answer(s, w->to_fd, LOOP_OP_RECEIVE, 0);
		w->ended = true;
	}
	return CLOCK_NEVER_NS;
}

static uint64_t move_wires(struct script *s)
{
	uint64_t next_ns = CLOCK_NEVER_NS;

	for (struct wire *w = s->wires; w; w = w->next) {
		uint64_t arrival_ns;

		fill_wire(s, w);
		arrival_ns = empty_wire(s, w);
		if (arrival_ns < next_ns)
			next_ns = arrival_ns;
	}
	return next_ns;
}

static int add_wire(struct script *s, int from_fd, int to_fd, uint64_t rate_bps, uint64_t delay_ns,
                    struct err *err)
{
	struct wire *w = calloc(1, sizeof(*w));

	if (!w)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "connect two scripted descriptors");
	*w = (struct wire){
		.next = s->wires,
		.from_fd = from_fd,
		.to_fd = to_fd,
		.rate_bps = rate_bps,
		.delay_ns = delay_ns,
		.capacity_bytes =
			(size_t)((double)rate_bps / 8 * (double)delay_ns / 1e9) + WIRE_SLACK_BYTES,
	};
	w->last = &w->first;
	s->wires = w;
	return 0;
}

int loop_script_connect_ends(struct loop *l, int a_fd, int b_fd, uint64_t rate_bps,
                             uint64_t delay_ns, struct err *err)
{
	int r = add_wire(loop_body_of(l), a_fd, b_fd, rate_bps, delay_ns, err);

	return r < 0 ? r : add_wire(loop_body_of(l), b_fd, a_fd, rate_bps, delay_ns, err);
}

/* --- the clock -------------------------------------------------------------------------------- */

void loop_script_advance(struct loop *l, uint64_t ns)
{
	struct script *s = loop_body_of(l);

	s->now_ns += ns;
}

void loop_script_set_play(struct loop *l, loop_script_play play, void *self)
{
	struct script *s = loop_body_of(l);

	s->play = play;
	s->play_self = self;
}

static uint64_t script_now_ns(void *body)
{
	const struct script *s = body;

	return s->now_ns;
}

/* Where nothing comes, the clock jumps to when something may. */
static int script_wait(void *body, uint64_t until_ns)
{
	struct script *s = body;

	while (!s->first) {
		uint64_t next_ns = move_wires(s);
		uint64_t play_ns = CLOCK_NEVER_NS;

		if (!s->first && s->play)
			play_ns = s->play(s->play_self, s->loop, s->now_ns);
		if (s->first || s->now_ns >= until_ns)
			break;
		if (play_ns <= s->now_ns)
			play_ns = s->now_ns + 1; /* time goes on, whatever a play says */
		if (play_ns < next_ns)
			next_ns = play_ns;
		if (until_ns < next_ns)
			next_ns = until_ns;
		if (next_ns == CLOCK_NEVER_NS)
			return -EDEADLK; /* nothing will ever come */
		s->now_ns = next_ns;
	}
	return 0;
}

/* --- birth and end ---------------------------------------------------------------------------- */

/* Of a slot whose requests the test holds, these stay: they are answered late or never. */
static void script_forget(void *body, uint16_t slot, int fd)
{
	struct script *s = body;

	(void)slot;
	for (struct wire *w = s->wires; w; w = w->next) {
		if (w->from_fd == fd)
			w->from_fd = -1;
		if (w->to_fd == fd)
			w->to_fd = -1;
	}
}

static void script_close(void *body)
{
	struct script *s = body;
	struct loop_completion c;

	while (script_next(s, &c))
		if (c.flags & LOOP_BUFFER)
			script_release(s, &c);
	while (s->wires) {
		struct wire *w = s->wires;

		s->wires = w->next;
		while (w->first)
			drop_first_chunk(w);
		free(w);
	}
	free(s);
}

static const struct loop_body_ops script_ops = {
	.name = "script",
	.submit = script_submit,
	.cancel = script_cancel,
	.wait = script_wait,
	.next = script_next,
	.release = script_release,
	.forget = script_forget,
	.now_ns = script_now_ns,
	.close = script_close,
};

int loop_script_open(struct loop **ret, struct err *err)
{
	struct script *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a scripted loop");
	s->now_ns = LOOP_SCRIPT_START_NS;
	s->last = &s->first;
	r = loop_open_body(&script_ops, s, ret, err);
	if (r == 0)
		s->loop = *ret;
	return r;
}
