/* One client of the lab server in virtual time, from its first byte to gone(): what serve_test sees from
 * the door only. The kernel's part is played; the socket is real, as TCP_INFO and names are read of it. */
#include "measure/serve_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "measure/measurement.h"
#include "measure/ndt7.h"
#include "tests/cases.h"
#include "tests/tcp_pair.h"
#include "transport/base/clock.h"
#include "transport/head.h"
#include "transport/loop/loop.h"
#include "transport/loop/loop_script.h"
#include "transport/ws.h"

#define REQUEST_OF(path)                                                                           \
	"GET " path " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"                       \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                                     \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                                          \
	"Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n"
#define UPLOAD   REQUEST_OF(NDT7_UPLOAD_PATH)
#define DOWNLOAD REQUEST_OF(NDT7_DOWNLOAD_PATH)

/* A client's masked frames: an empty Close, and a text of nothing. */
#define CLOSE_FRAME "\x88\x80\x01\x02\x03\x04"
#define TEXT_FRAME  "\x81\x80\x01\x02\x03\x04"

#define STARTED_UTC_NS (1700000000 * NS_PER_S)

struct visit {
	struct serve_client_shared shared;
	struct serve_client *client;
	int fd, far_fd;
	bool full;
	unsigned int refused, began, gone;
	struct serve_event last; /* heard */
	char ending[32];
};

static bool is_full(void *owner)
{
	return ((struct visit *)owner)->full;
}

static void on_refused(void *owner)
{
	((struct visit *)owner)->refused++;
}

static void on_began(void *owner)
{
	((struct visit *)owner)->began++;
}

static void on_gone(void *owner, struct serve_client *c)
{
	struct visit *v = owner;

	assert_ptr_equal(c, v->client);
	v->gone++;
	v->client = serve_client_free(c);
}

static void on_heard(void *owner, const struct serve_event *event)
{
	struct visit *v = owner;

	v->last = *event;
	snprintf(v->ending, sizeof(v->ending), "%s", event->ending ? event->ending : "");
}

static void run_ms(struct visit *v, uint64_t ms)
{
	struct loop *l = v->shared.loop;

	assert_int_equal(loop_run(l, loop_now_ns(l) + ms * NS_PER_MS, NULL), LOOP_DEADLINE);
}

static void begin(struct visit *v)
{
	int pair[2];

	tcp_pair(pair);
	*v = (struct visit){ .fd = pair[1], .far_fd = pair[0] };
	v->shared = (struct serve_client_shared){ .started_utc_ns = STARTED_UTC_NS,
		                                  .hear = on_heard,
		                                  .hear_owner = v,
		                                  .full = is_full,
		                                  .refused = on_refused,
		                                  .test_began = on_began,
		                                  .gone = on_gone,
		                                  .owner = v };
	assert_int_equal(loop_script_open(&v->shared.loop, NULL), 0);
	assert_int_equal(serve_client_start(&v->shared, v->fd, NULL, &v->client, NULL), 0);
	run_ms(v, 1);
}

static void end(struct visit *v)
{
	serve_client_free(v->client);
	loop_close(v->shared.loop);
	close(v->far_fd);
}

static void say(struct visit *v, const void *data, size_t n)
{
	assert_int_equal(loop_script_deliver(v->shared.loop, v->fd, data, n), n);
	run_ms(v, 1);
}

/* What the server sends now; it is with the kernel then. */
static size_t take(struct visit *v, char *out, size_t max)
{
	size_t n = loop_script_take(v->shared.loop, v->fd, out, max - 1);

	out[n] = '\0';
	run_ms(v, 1);
	return n;
}

/* --- requests ----------------------------------------------------------------------------------- */

static struct answer_case {
	const char *name;
	const char *request;
	bool full;
	const char *want; /* its answer begins so */
	bool want_place;
} answer_cases[] = {
	{ "N54 upload", UPLOAD, false,
	  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	  "Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n",
	  true },
	{ "download", DOWNLOAD, false, "HTTP/1.1 101 ", true },
	{ "no place is left", UPLOAD, true, "HTTP/1.1 503 ", false },
	{ "N52 another path", REQUEST_OF("/nothing"), false, "HTTP/1.1 404 ", false },
	{ "no HTTP", "hello\r\n\r\n", false, "HTTP/1.1 400 ", false },
};

/* Byte by byte: nothing is answered before the head is whole. */
static void request_is_answered(void **state)
{
	const struct answer_case *c = *state;
	size_t last = strlen(c->request) - 1;
	char said[4096];
	struct visit v;

	begin(&v);
	v.full = c->full;
	for (size_t i = 0; i < last; i++)
		say(&v, c->request + i, 1);
	if (strncmp(c->request, "GET", 3) == 0)
		assert_null(loop_script_request(v.shared.loop, v.fd, LOOP_OP_SEND));
	say(&v, c->request + last, 1);
	take(&v, said, sizeof(said));
	assert_memory_equal(said, c->want, strlen(c->want));
	assert_int_equal(serve_client_has_place(v.client), c->want_place);
	assert_int_equal(v.began, c->want_place);
	assert_int_equal(v.refused, c->full);
	assert_int_equal(v.last.ended, !c->want_place);
	run_ms(&v, 600); /* who got a short answer is gone */
	assert_int_equal(v.gone, !c->want_place);
	end(&v);
}

static void head_has_a_ceiling(void **state)
{
	static char filler[HEAD_BYTES_MAX + 1];
	char said[4096];
	struct visit v;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	memcpy(filler, "GET /", 5);
	begin(&v);
	say(&v, filler, HEAD_BYTES_MAX);
	say(&v, filler, 1);
	take(&v, said, sizeof(said));
	assert_memory_equal(said, "HTTP/1.1 431 ", 13);
	end(&v);
}

static void silence_has_a_deadline(void **state)
{
	struct visit v;

	(void)state;
	begin(&v);
	say(&v, "GET", 3);
	run_ms(&v, SERVE_REQUEST_NS / NS_PER_MS - 10);
	assert_int_equal(v.gone, 0);
	run_ms(&v, 20);
	assert_int_equal(v.gone, 1);
	end(&v);
}

/* --- frames that come early ----------------------------------------------------------------------- */

static void frames_behind_the_request_are_the_tests(void **state)
{
	char said[4096];
	struct visit v;

	(void)state;
	begin(&v);
	say(&v, UPLOAD CLOSE_FRAME, sizeof(UPLOAD CLOSE_FRAME) - 1);
	take(&v, said, sizeof(said)); /* the 101; then the test begins, and has its end at hand */
	assert_int_equal(v.began, 1);
	assert_int_equal(take(&v, said, sizeof(said)), 2);
	assert_memory_equal(said, "\x88\x00", 2); /* echoed empty, N66 */
	assert_int_equal(v.gone, 1);
	assert_string_equal(v.ending, "close");
	end(&v);
}

static void frames_before_the_101_is_out_are_kept_up_to_a_ceiling(void **state)
{
	static char flood[HEAD_BYTES_MAX];
	char said[4096];
	struct visit v;

	(void)state;
	begin(&v);
	say(&v, UPLOAD, sizeof(UPLOAD) - 1);
	say(&v, TEXT_FRAME, sizeof(TEXT_FRAME) - 1);
	say(&v, CLOSE_FRAME, sizeof(CLOSE_FRAME) - 1);
	assert_int_equal(v.began, 0);
	take(&v, said, sizeof(said));
	take(&v, said, sizeof(said));
	assert_memory_equal(said, "\x88\x00", 2);
	end(&v);

	begin(&v);
	say(&v, UPLOAD, sizeof(UPLOAD) - 1);
	say(&v, flood, sizeof(flood));
	assert_int_equal(v.gone, 1);
	end(&v);
}

/* --- what it is told ------------------------------------------------------------------------------ */

/* The payload of an unmasked text below 64 KiB. */
static const char *payload_of(const char *frame, size_t n, size_t *ret_bytes)
{
	struct ws_header h;

	assert_int_equal(ws_header_parse((const uint8_t *)frame, n, &h, NULL), WS_OK);
	assert_int_equal(h.opcode, WS_TEXT);
	*ret_bytes = (size_t)h.payload_bytes;
	return frame + h.header_bytes;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t at_bytes = sizeof(at);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
	return ntohs(at.sin_port);
}

static void measurement_names_the_connection(void **state) /* N57, N59 */
{
	struct measurement m;
	char said[8192], client[64], server[64];
	size_t n, bytes;
	const char *text;
	struct visit v;

	(void)state;
	begin(&v);
	say(&v, UPLOAD, sizeof(UPLOAD) - 1);
	take(&v, said, sizeof(said));
	run_ms(&v, 700); /* the longest gap is 625 ms */
	n = take(&v, said, sizeof(said));
	text = payload_of(said, n, &bytes);
	assert_int_equal(text[bytes - 1], '\n');
	assert_int_equal(measurement_parse(text, bytes, &m, NULL), 0);
	snprintf(client, sizeof(client), "127.0.0.1:%u", port_of(v.far_fd));
	snprintf(server, sizeof(server), "127.0.0.1:%u", port_of(v.fd));
	assert_string_equal(m.connection_info.client, client);
	assert_string_equal(m.connection_info.server, server);
	assert_non_null(strstr(m.connection_info.uuid, "_1700000000_"));
	assert_true(m.has_tcp_info && m.has_bbr_info);
	assert_in_range(m.tcp_info.elapsed_us, 25000, 710000);
	take(&v, said, sizeof(said));
	assert_int_equal((uint8_t)said[0], 0x89); /* its ping */
	end(&v);
}

/* --- ends ----------------------------------------------------------------------------------------- */

static struct end_case {
	const char *name;
	const char *request; /* NULL: none yet */
	bool granted;        /* and the 101 is out */
	bool stop;           /* we end it; else the peer's FIN */
	uint64_t want_ms;    /* gone by then */
	const char *want_ending;
} end_cases[] = {
	{ "FIN before the request", NULL, false, false, 1, "" },
	{ "FIN in a download", DOWNLOAD, true, false, 1, "eof" },
	{ "7.5: FIN in an upload is no end", UPLOAD, true, false, 10001, "eof" },
	{ "7.5: nor is one before the 101 is out", UPLOAD, false, false, 10001, "eof" },
	{ "stopped before the request", NULL, false, true, 1, "" },
	{ "stopped before the 101 is out", UPLOAD, false, true, 1, "" },
	{ "stopped in a test", UPLOAD, true, true, 1000, "stop" },
};

/* Whatever is sent meanwhile is taken. */
static void run_taking(struct visit *v, uint64_t ms)
{
	char said[8192];

	for (uint64_t i = 0; i < ms && v->gone == 0; i++) {
		run_ms(v, 1);
		while (v->gone == 0 && loop_script_request(v->shared.loop, v->fd, LOOP_OP_SEND))
			take(v, said, sizeof(said));
	}
}

static void ends(void **state)
{
	const struct end_case *c = *state;
	char said[8192];
	struct visit v;

	begin(&v);
	if (c->request)
		say(&v, c->request, strlen(c->request));
	if (c->granted)
		take(&v, said, sizeof(said));
	if (c->stop)
		serve_client_stop(v.client);
	else
		loop_script_answer(v.shared.loop, v.fd, LOOP_OP_RECEIVE, 0);
	run_taking(&v, c->want_ms > 1000 ? c->want_ms - 200 : 0);
	assert_int_equal(v.gone, 0);
	run_taking(&v, c->want_ms);
	assert_int_equal(v.gone, 1);
	assert_string_equal(v.ending, c->want_ending);
	end(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_has_a_ceiling),
		cmocka_unit_test(silence_has_a_deadline),
		cmocka_unit_test(frames_behind_the_request_are_the_tests),
		cmocka_unit_test(frames_before_the_101_is_out_are_kept_up_to_a_ceiling),
		cmocka_unit_test(measurement_names_the_connection),
	};
	int failed = CASES_RUN(request_is_answered, answer_cases);

	failed += CASES_RUN(ends, end_cases);
	failed += cmocka_run_group_tests_name("serve_client", tests, NULL, NULL);
	return failed != 0;
}
