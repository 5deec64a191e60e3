/* The server's door, in virtual time: who gets in, who gets a place, and who is sent away. The kernel's
 * part, accepting and carrying bytes, is played. */
#include "measure/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "measure/ndt7.h"
#include "tests/cases.h"
#include "tests/tcp_pair.h"
#include "transport/base/clock.h"
#include "transport/loop/loop.h"
#include "transport/loop/loop_script.h"

#define TEST_REQUEST                                                                               \
	"GET /ndt/v7/upload HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"                 \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                                     \
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"                                          \
	"Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n"

struct door {
	struct loop *loop;
	struct serve *serve;
	int listener;
	unsigned int heard[600]; /* by status */
	bool drained;
};

/* A client's end, of which nothing is read, and ours, which the loop closes. */
struct visitor {
	int far_fd, fd;
};

static void on_serve_event(void *owner, const struct serve_event *e)
{
	struct door *d = owner;

	if (e->status != 101 || !e->ended)
		d->heard[e->status]++;
}

static void run_ms(struct door *d, uint64_t ms)
{
	assert_int_equal(loop_run(d->loop, loop_now_ns(d->loop) + ms * NS_PER_MS, NULL),
	                 LOOP_DEADLINE);
}

static void open_door(struct door *d, unsigned int max_clients)
{
	struct serve_options o = { .wss_port = -1, .max_clients = max_clients };
	struct loop_request request;

	*d = (struct door){};
	assert_int_equal(loop_script_open(&d->loop, NULL), 0);
	assert_int_equal(serve_open(d->loop, &o, on_serve_event, d, &d->serve, NULL), 0);
	assert_int_equal(loop_script_requests(d->loop, &request, 1), 1);
	assert_int_equal(request.tag.op, LOOP_OP_ACCEPT);
	d->listener = request.fd;
}

static void close_door(struct door *d)
{
	serve_close(d->serve);
	loop_close(d->loop);
}

static struct visitor visit(struct door *d)
{
	struct visitor v;
	int fd[2];

	tcp_pair(fd);
	v = (struct visitor){ .far_fd = fd[0], .fd = fd[1] };
	loop_script_answer(d->loop, d->listener, LOOP_OP_ACCEPT, v.fd);
	run_ms(d, 1);
	return v;
}

/* Answers the status of what the visitor is told. */
static int ask(struct door *d, const struct visitor *v, const char *request)
{
	char answer[4096] = "";
	int status = 0;

	assert_int_equal(loop_script_deliver(d->loop, v->fd, request, strlen(request)),
	                 strlen(request));
	run_ms(d, 1);
	loop_script_take(d->loop, v->fd, answer, sizeof(answer) - 1);
	run_ms(d, 1);
	assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
	return status;
}

static void leave(struct door *d, const struct visitor *v)
{
	loop_script_answer(d->loop, v->fd, LOOP_OP_RECEIVE, -ECONNRESET);
	run_ms(d, 1);
	close(v->far_fd);
}

static void counts_are(const struct door *d, unsigned int clients, unsigned int asking,
                       uint64_t refused)
{
	struct serve_stats s = serve_stats(d->serve);

	assert_int_equal(s.clients, clients);
	assert_int_equal(s.asking, asking);
	assert_int_equal(s.refused, refused);
}

static void who_has_not_asked_takes_no_place(void **state)
{
	struct visitor silent[5], v;
	struct door d;

	(void)state;
	open_door(&d, 1);
	for (size_t i = 0; i < 5; i++)
		silent[i] = visit(&d);
	counts_are(&d, 0, 5, 0);
	v = visit(&d);
	assert_int_equal(ask(&d, &v, TEST_REQUEST), 101);
	counts_are(&d, 1, 5, 0);
	assert_int_equal(serve_stats(d.serve).tests, 1);
	leave(&d, &v);
	for (size_t i = 0; i < 5; i++)
		leave(&d, &silent[i]);
	counts_are(&d, 0, 0, 0);
	close_door(&d);
}

static void place_is_given_once_and_again(void **state)
{
	struct visitor first, second, third;
	struct door d;

	(void)state;
	open_door(&d, 1);
	first = visit(&d);
	second = visit(&d);
	assert_int_equal(ask(&d, &first, TEST_REQUEST), 101);
	assert_int_equal(ask(&d, &second, TEST_REQUEST), 503);
	counts_are(&d, 1, 1, 1);
	run_ms(&d, 600); /* it has had its answer */
	counts_are(&d, 1, 0, 1);
	leave(&d, &first);
	third = visit(&d);
	assert_int_equal(ask(&d, &third, TEST_REQUEST), 101);
	counts_are(&d, 1, 0, 1);
	assert_int_equal(d.heard[101], 2);
	assert_int_equal(d.heard[503], 1);
	close(second.far_fd);
	close(third.far_fd);
	close_door(&d);
}

static void list_of_servers_needs_no_place(void **state)
{
	struct visitor first, second;
	struct door d;

	(void)state;
	open_door(&d, 1);
	first = visit(&d);
	second = visit(&d);
	assert_int_equal(ask(&d, &first, TEST_REQUEST), 101);
	assert_int_equal(
		ask(&d, &second, "GET " SERVE_LOCATE_PATH " HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		200);
	counts_are(&d, 1, 1, 0);
	close(first.far_fd);
	close(second.far_fd);
	close_door(&d);
}

static void door_is_shut_to_a_crowd(void **state)
{
	static struct visitor crowd[SERVE_ASKING_MAX];
	struct visitor v;
	struct door d;

	(void)state;
	open_door(&d, 1);
	for (size_t i = 0; i < SERVE_ASKING_MAX; i++)
		crowd[i] = visit(&d);
	counts_are(&d, 0, SERVE_ASKING_MAX, 0);
	v = visit(&d);
	counts_are(&d, 0, SERVE_ASKING_MAX, 1);
	assert_int_equal(fcntl(v.fd, F_GETFD), -1); /* closed, unheard */
	close(v.far_fd);
	assert_int_equal(ask(&d, &crowd[0], TEST_REQUEST), 101); /* who is in is served */
	v = visit(&d);
	counts_are(&d, 1, SERVE_ASKING_MAX, 1);
	run_ms(&d, SERVE_REQUEST_NS / NS_PER_MS); /* none of them asks in time */
	assert_int_equal(serve_stats(d.serve).asking, 0);
	close(v.far_fd);
	for (size_t i = 0; i < SERVE_ASKING_MAX; i++)
		close(crowd[i].far_fd);
	close_door(&d);
}

static void on_drained(void *owner)
{
	struct door *d = owner;

	assert_false(d->drained);
	d->drained = true;
}

static void stop_drains_within_a_second(void **state)
{
	struct visitor tested, silent;
	struct door d;

	(void)state;
	open_door(&d, 2);
	tested = visit(&d);
	silent = visit(&d);
	assert_int_equal(ask(&d, &tested, TEST_REQUEST), 101);
	serve_stop(d.serve, on_drained, &d);
	serve_stop(d.serve, on_drained, &d); /* impatience changes nothing */
	run_ms(&d, 5);
	assert_null(loop_script_request(d.loop, d.listener, LOOP_OP_ACCEPT));
	counts_are(&d, 1, 0, 0);
	run_ms(&d, 1000);
	assert_true(d.drained);
	counts_are(&d, 0, 0, 0);
	close(tested.far_fd);
	close(silent.far_fd);
	close_door(&d);
}

static struct accept_case {
	const char *name;
	int result;
	uint64_t want_again_ms; /* 0: it never stopped */
} accept_cases[] = {
	{ "a connection that was aborted", -ECONNABORTED, 0 },
	{ "no descriptors", -EMFILE, 100 },
	{ "no memory", -ENOMEM, 100 },
};

static void accepting_goes_on(void **state)
{
	const struct accept_case *c = *state;
	struct visitor v;
	struct door d;

	open_door(&d, 1);
	loop_script_answer(d.loop, d.listener, LOOP_OP_ACCEPT, c->result);
	run_ms(&d, 10);
	assert_int_equal(loop_script_request(d.loop, d.listener, LOOP_OP_ACCEPT) != NULL,
	                 c->want_again_ms == 0);
	run_ms(&d, c->want_again_ms);
	v = visit(&d);
	counts_are(&d, 0, 1, 0);
	close(v.far_fd);
	close_door(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_not_asked_takes_no_place),
		cmocka_unit_test(place_is_given_once_and_again),
		cmocka_unit_test(list_of_servers_needs_no_place),
		cmocka_unit_test(door_is_shut_to_a_crowd),
		cmocka_unit_test(stop_drains_within_a_second),
	};
	int failed = CASES_RUN(accepting_goes_on, accept_cases);

	failed += cmocka_run_group_tests_name("serve", tests, NULL, NULL);
	return failed != 0;
}
