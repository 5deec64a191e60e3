#include "agent/service/courier_frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/cases.h"
#include "transport/base/err.h"

static struct http_request full_request(void)
{
	return (struct http_request){
		.method = HTTP_POST,
		.url = "https://pods.example/x",
		.user_agent = "RadarPodsAgent/1",
		.accept = "application/json",
		.headers = { "A: b", "C: d" },
		.header_count = 2,
		.body = { .bytes = 7 },
		.parts = { { "name", "file.json", "text/plain", { .bytes = 3 } },
		           { "plain", NULL, NULL, { .bytes = 5 } } },
		.part_count = 2,
		.wanted = { "Date", NULL, "Retry-After" },
		.interface = "eth0",
		.gzip = true,
		.insecure = true,
		.family = AF_INET6,
		.answer_bytes_max = 1000,
		.timeout_ns = 30,
		.redirects_max = 5,
	};
}

static void request_goes_over(void **state)
{
	struct http_request q = full_request(), got;
	uint8_t head[1024];
	size_t n;

	(void)state;
	assert_int_equal(courier_head_write(&q, head, sizeof(head), &n, NULL), 0);
	assert_int_equal(courier_head_read(head, n, 9, &got, NULL), 0);
	assert_int_equal(got.method, HTTP_POST);
	assert_string_equal(got.url, q.url);
	assert_string_equal(got.accept, q.accept);
	assert_null(got.bearer);
	assert_int_equal(got.header_count, 2);
	assert_string_equal(got.headers[1], "C: d");
	assert_int_equal(got.body.fd, 9);
	assert_int_equal(got.body.offset, n);
	assert_string_equal(got.parts[0].filename, "file.json");
	assert_int_equal(got.parts[0].content.offset, n + 7);
	assert_null(got.parts[1].type);
	assert_int_equal(got.parts[1].content.offset, n + 10);
	assert_null(got.wanted[1]);
	assert_string_equal(got.wanted[2], "Retry-After");
	assert_true(got.gzip);
	assert_true(got.insecure);
	assert_int_equal(got.timeout_ns, 30);
	assert_int_equal(got.redirects_max, 5);
}

static void no_part_of_a_request_is_one(void **state)
{
	struct http_request q = full_request();
	uint8_t head[1025];
	size_t n;

	(void)state;
	assert_int_equal(courier_head_write(&q, head, 1024, &n, NULL), 0);
	head[n] = 0;
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(courier_head_read(head, cut, 9, &q, NULL), -EPROTO);
	assert_int_equal(courier_head_read(head, n + 1, 9, &q, NULL), -EPROTO);
	q = full_request();
	assert_int_equal(courier_head_write(&q, head, n - 1, &n, NULL), -EMSGSIZE);
}

static struct ceiling_case {
	const char *name;
	struct http_request request;
} ceiling_cases[] = {
	{ "an answer of any size", { .answer_bytes_max = COURIER_ANSWER_BYTES_MAX + 1 } },
	{ "a day's time", { .timeout_ns = COURIER_TIMEOUT_NS_MAX + 1 } },
	{ "a large body", { .body.bytes = COURIER_CONTENT_BYTES_MAX + 1 } },
	{ "a large part",
	  { .parts[0].content.bytes = COURIER_CONTENT_BYTES_MAX + 1, .part_count = 1 } },
	{ "too many parts", { .part_count = HTTP_PARTS_MAX + 1 } },
	{ "too many headers", { .header_count = HTTP_HEADERS_MAX + 1 } },
};

static void ceiling_is_kept(void **state)
{
	const struct ceiling_case *c = *state;
	uint8_t head[1024];
	size_t n;

	assert_int_equal(courier_head_write(&c->request, head, sizeof(head), &n, NULL), -EINVAL);
}

static void answer_goes_over(void **state)
{
	static uint8_t message[COURIER_SAID_BYTES_MAX];
	static char long_value[COURIER_FIELD_BYTES_MAX + 2];
	struct courier_said said = { .kind = COURIER_ANSWER, .id = 77, .was_sent = true }, got;
	size_t n;

	(void)state;
	memset(long_value, 'x', sizeof(long_value) - 1);
	said.answer = (struct http_answer){ .status = 201,
		                            .content_type = "text/html",
		                            .body_bytes = 5,
		                            .retry_after_s = 60,
		                            .wanted = { "a", "", long_value, "" } };
	n = courier_said_write(&said, message);
	assert_int_equal(courier_said_read(message, n, &got, NULL), 0);
	assert_int_equal(got.id, 77);
	assert_true(got.was_sent);
	assert_int_equal(got.answer.status, 201);
	assert_int_equal(got.answer.body_bytes, 5);
	assert_int_equal(got.answer.retry_after_s, 60);
	assert_string_equal(got.answer.content_type, "text/html");
	assert_string_equal(got.answer.wanted[0], "a");
	assert_int_equal(strlen(got.answer.wanted[2]), COURIER_FIELD_BYTES_MAX);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(courier_said_read(message, cut, &got, NULL), -EPROTO);
}

static void failure_goes_over(void **state)
{
	static uint8_t message[COURIER_SAID_BYTES_MAX];
	struct courier_said said = { .kind = COURIER_FAILED,
		                     .id = 1,
		                     .code = -EACCES,
		                     .domain = ERR_TLS,
		                     .detail = -5,
		                     .text = "trust it" };
	struct courier_said got;

	(void)state;
	assert_int_equal(courier_said_read(message, courier_said_write(&said, message), &got, NULL),
	                 0);
	assert_int_equal(got.kind, COURIER_FAILED);
	assert_int_equal(got.code, -EACCES);
	assert_int_equal(got.domain, ERR_TLS);
	assert_int_equal(got.detail, -5);
	assert_string_equal(got.text, "trust it");
}

static void a_whole_piece_fits(void **state)
{
	static uint8_t message[COURIER_SAID_BYTES_MAX], data[COURIER_DATA_BYTES_MAX];
	struct courier_said said = { .kind = COURIER_BODY,
		                     .data = data,
		                     .data_bytes = sizeof(data) };
	struct courier_said got;

	(void)state;
	memset(data, 'x', sizeof(data));
	assert_int_equal(courier_said_read(message, courier_said_write(&said, message), &got, NULL),
	                 0);
	assert_int_equal(got.data_bytes, sizeof(data));
	assert_memory_equal(got.data, data, sizeof(data));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_goes_over),  cmocka_unit_test(no_part_of_a_request_is_one),
		cmocka_unit_test(answer_goes_over),   cmocka_unit_test(failure_goes_over),
		cmocka_unit_test(a_whole_piece_fits),
	};
	int failed = CASES_RUN(ceiling_is_kept, ceiling_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
