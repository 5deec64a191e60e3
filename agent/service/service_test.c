#include "agent/service/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

#define POD    "rk7m2q9xw3zt"
#define SECRET "hT7wQ9mZp2K"
/* base64 of POD ":" SECRET */
#define TOKEN "Authorization: ClientToken cms3bTJxOXh3M3p0OmhUN3dROW1acDJL"

static const struct service_identity pod = { .server_url = "https://svc.example",
	                                     .pod = POD,
	                                     .secret = SECRET };

static void assert_common(const struct service_request *q, enum http_method method, const char *url,
                          bool authorized)
{
	bool found = false;

	assert_int_equal(q->http.method, method);
	assert_string_equal(q->http.url, url);
	assert_string_equal(q->http.accept, "application/json"); /* R9 */
	assert_true(q->http.timeout_ns > 0 && q->http.answer_bytes_max > 0);
	for (size_t i = 0; i < q->http.header_count; i++)
		found |= strcmp(q->http.headers[i], TOKEN) == 0;
	assert_int_equal(found, authorized);
}

static bool has_header(const struct service_request *q, const char *header)
{
	for (size_t i = 0; i < q->http.header_count; i++)
		if (strcmp(q->http.headers[i], header) == 0)
			return true;
	return false;
}

/* --- requests --------------------------------------------------------------------------------- */

static struct register_case {
	const char *name;
	struct service_registration wish;
	const char *want;
} register_cases[] = {
	{ "R1 the three keys, null where there is nothing",
	  { NULL, NULL, NULL },
	  "{\"registration_token\":null,\"name\":null,\"register_label\":null}" },
	{ "R1 with everything",
	  { "t", "n", "shelf-07" },
	  "{\"registration_token\":\"t\",\"name\":\"n\",\"register_label\":\"shelf-07\"}" },
	{ "signs that JSON escapes",
	  { NULL, "a\"b\n", NULL },
	  "{\"registration_token\":null,\"name\":\"a\\\"b\\n\",\"register_label\":null}" },
};

static void registration_is_built(void **state)
{
	const struct register_case *c = *state;
	struct service_identity nobody = { .server_url = "http://127.0.0.1:3000" };
	struct service_request q;

	assert_int_equal(service_register_request(&nobody, &c->wish, &q, NULL), 0);
	assert_common(&q, HTTP_POST, "http://127.0.0.1:3000/api/v1/clients", false);
	assert_string_equal(q.body, c->want);
	assert_int_equal(q.http.body.bytes, strlen(c->want));
	assert_true(has_header(&q, "Content-Type: application/json"));
	service_request_end(&q);
}

static struct assign_case {
	const char *name;
	bool has_network;
	struct service_network network;
	const char *want; /* NULL: refused */
} assign_cases[] = {
	{ "an account alone", false, {}, "{\"token\":\"Vd3\"}" },
	{ "R5 an address without coordinates",
	  true,
	  { .name = "Library", .address = "1 Main St" },
	  "{\"token\":\"Vd3\",\"network\":{\"id\":null,\"name\":\"Library\",\"address\":\"1 Main "
	  "St\"}}" },
	{ "R5 a coordinate that is 0",
	  true,
	  { .name = "Buoy", .has_latitude = true, .has_longitude = true, .longitude = -122.33 },
	  "{\"token\":\"Vd3\",\"network\":{\"id\":null,\"name\":\"Buoy\",\"latitude\":0,"
	  "\"longitude\":-122.33}}" },
	{ "expected rates",
	  true,
	  { .name = "A",
	    .has_download_mbps = true,
	    .download_mbps = 200,
	    .has_upload_mbps = true,
	    .upload_mbps = 0.5 },
	  "{\"token\":\"Vd3\",\"network\":{\"id\":null,\"name\":\"A\",\"expected_mbps_down\":200,"
	  "\"expected_mbps_up\":0.5}}" },
	{ "a network that is there",
	  true,
	  { .id = "42" },
	  "{\"token\":\"Vd3\",\"network\":{\"id\":42}}" },
	{ "an id that is no number", true, { .id = "42}" }, NULL },
};

static void assignment_is_built(void **state)
{
	const struct assign_case *c = *state;
	struct service_request q = {};
	int r = service_assign_request(&pod, "Vd3", c->has_network ? &c->network : NULL, &q, NULL);

	assert_int_equal(r, c->want ? 0 : -EINVAL);
	if (c->want) {
		assert_common(&q, HTTP_POST, "https://svc.example/api/v1/clients/assign", true);
		assert_string_equal(q.body, c->want);
	}
	service_request_end(&q);
}

static void probe_is_built(void **state)
{
	struct service_request q;

	(void)state;
	assert_int_equal(service_me_request(&pod, &q, NULL), 0);
	assert_common(&q, HTTP_GET, "https://svc.example/api/v1/clients/me", true);
	assert_null(q.body);
	service_request_end(&q);
}

static void heartbeat_is_built(void **state)
{
	struct service_status s = { .version = "0.1.0",
		                    .distribution = "linux-amd64",
		                    .os_version = "linux",
		                    .hardware_platform = "amd64",
		                    .interfaces = "[{\"name\":\"eth0\"}]",
		                    .first = true };
	struct service_request q;

	(void)state;
	assert_int_equal(service_status_request(&pod, &s, &q, NULL), 0);
	assert_common(&q, HTTP_POST, "https://svc.example/clients/" POD "/status", true);
	assert_string_equal(q.body, /* R11: the flag is a string */
	                    "{\"version\":\"0.1.0\",\"distribution\":\"linux-amd64\","
	                    "\"watchdog_version\":\"\",\"os_version\":\"linux\","
	                    "\"hardware_platform\":\"amd64\",\"service_first_ping\":\"true\","
	                    "\"network_interfaces\":[{\"name\":\"eth0\"}]}");
	service_request_end(&q);
	s.first = false;
	assert_int_equal(service_status_request(&pod, &s, &q, NULL), 0);
	assert_non_null(strstr(q.body, "\"service_first_ping\":\"false\""));
	service_request_end(&q);
	s.disk_full = true;
	assert_int_equal(service_status_request(&pod, &s, &q, NULL), 0);
	assert_non_null(strstr(q.body, ",\"disk_full\":true}"));
	service_request_end(&q);
}

struct part_text {
	const char *name, *filename, *type, *text;
};

static struct upload_case {
	const char *name;
	struct service_upload upload;
	size_t want_parts;
	struct part_text want[6];
} upload_cases[] = {
	{ "R29 R30 by cable",
	  { "0190f3c2", "NDT7", "", false, "{\"signal\":-40}", { .data = "{}\n", .bytes = 3 } },
	  5,
	  { { "measurement[style]", NULL, NULL, "NDT7" },
	    { "client_secret", NULL, NULL, SECRET },
	    { "measurement[interface]", NULL, NULL, "" },
	    { "measurement[wireless]", NULL, NULL, "false" },
	    { "measurement[result]", "result.json", "application/octet-stream", "{}\n" } } },
	{ "R29 R30 by radio",
	  { "0190f3c2", "OOKLA", "wlan0", true, "{\"signal\":-40}", { .data = "{}", .bytes = 2 } },
	  6,
	  { { "measurement[style]", NULL, NULL, "OOKLA" },
	    { "client_secret", NULL, NULL, SECRET },
	    { "measurement[interface]", NULL, NULL, "wlan0" },
	    { "measurement[wireless]", NULL, NULL, "true" },
	    { "connection_info", NULL, NULL, "{\"signal\":-40}" },
	    { "measurement[result]", "result.json", "application/octet-stream", "{}" } } },
};

static void upload_is_built(void **state)
{
	const struct upload_case *c = *state;
	struct service_request q;

	assert_int_equal(service_upload_request(&pod, &c->upload, &q, NULL), 0);
	assert_common(&q, HTTP_POST, "https://svc.example/clients/" POD "/measurements", true);
	assert_true(has_header(&q, "Idempotency-Key: 0190f3c2"));
	assert_int_equal(q.http.part_count, c->want_parts);
	for (size_t i = 0; i < c->want_parts; i++) {
		const struct http_part *part = &q.http.parts[i];
		const struct part_text *want = &c->want[i];

		assert_string_equal(part->name, want->name);
		assert_string_equal(part->filename ? part->filename : "none",
		                    want->filename ? want->filename : "none");
		assert_string_equal(part->type ? part->type : "none",
		                    want->type ? want->type : "none");
		assert_int_equal(part->content.bytes, strlen(want->text));
		assert_memory_equal(part->content.data, want->text, strlen(want->text));
	}
	service_request_end(&q);
}

static struct refused_case {
	const char *name;
	const char *pod, *secret, *style, *id;
} refused_cases[] = {
	{ "no credentials", NULL, NULL, "NDT7", "a" },
	{ "a pod that is a path", "../x", SECRET, "NDT7", "a" },
	{ "a pod with a space", "a b", SECRET, "NDT7", "a" },
	{ "a pod that is too long",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", SECRET, "NDT7",
	  "a" },
	{ "R35 another kind", POD, SECRET, "ndt7", "a" },
	{ "an id that breaks a line", POD, SECRET, "NDT7", "a\r\nX: b" },
	{ "no id", POD, SECRET, "NDT7", "" },
};

static void request_is_refused(void **state)
{
	const struct refused_case *c = *state;
	struct service_identity who = { "https://svc.example", c->pod, c->secret, NULL, NULL };
	struct service_upload u = { .id = c->id, .style = c->style, .interface = "" };
	struct service_request q = {};
	struct err err = {};

	assert_int_equal(service_upload_request(&who, &u, &q, &err), -EINVAL);
	assert_null(strstr(err.text, SECRET)); /* R8 */
	service_request_end(&q);
}

/* --- statuses --------------------------------------------------------------------------------- */

static struct verdict_case {
	const char *name;
	enum service_endpoint endpoint;
	int status;
	enum service_verdict want;
} verdict_cases[] = {
	{ "registered", SERVICE_REGISTER, 201, SERVICE_DONE },
	{ "R2 any other status has not registered", SERVICE_REGISTER, 200, SERVICE_LATER },
	{ "assigned", SERVICE_ASSIGN, 200, SERVICE_DONE },
	{ "R4 401 to assign", SERVICE_ASSIGN, 401, SERVICE_DENIED },
	{ "R4 404 to assign is the network's", SERVICE_ASSIGN, 404, SERVICE_REFUSED },
	{ "401 to me", SERVICE_ME, 401, SERVICE_DENIED },
	{ "R14 403 to a heartbeat", SERVICE_STATUS, 403, SERVICE_DENIED },
	{ "404 to a heartbeat is not about us", SERVICE_STATUS, 404, SERVICE_LATER },
	{ "uploaded", SERVICE_UPLOAD, 201, SERVICE_DONE },
	{ "R38 200 to an upload is not the service's", SERVICE_UPLOAD, 200, SERVICE_LATER },
	{ "R38 404 to an upload is the secret's", SERVICE_UPLOAD, 404, SERVICE_DENIED },
	{ "R38 422 to an upload", SERVICE_UPLOAD, 422, SERVICE_REFUSED },
	{ "R38 500 to an upload", SERVICE_UPLOAD, 500, SERVICE_LATER },
	{ "R38 503 to an upload", SERVICE_UPLOAD, 503, SERVICE_LATER },
	{ "a redirect to an upload", SERVICE_UPLOAD, 302, SERVICE_LATER },
};

static void status_is_judged(void **state)
{
	const struct verdict_case *c = *state;

	assert_int_equal(service_verdict(c->endpoint, c->status), c->want);
}

static struct reason_case {
	const char *name;
	enum service_endpoint endpoint;
	int status;
	const char *body;
	const char *want;
} reason_cases[] = {
	{ "a bare status", SERVICE_REGISTER, 503, "", "the service answers 503" },
	{ "S12 what 500 means", SERVICE_ASSIGN, 500, "<html>",
	  "the service answers 500: it failed, as it does where it does not know the token" },
	{ "fields", SERVICE_REGISTER, 400,
	  "{\"errors\":{\"name\":[\"is too long\",\"is \\u003c3\"],\"label\":[\"x\"]}}",
	  "the service answers 400; name is too long is <3; label x" },
	{ "no terminal's signs", SERVICE_REGISTER, 400, "{\"errors\":{\"a\":[\"\\u001b[2J\"]}}",
	  "the service answers 400; a ?[2J" },
	{ "errors of another shape", SERVICE_REGISTER, 400, "{\"errors\":[1,{}]}",
	  "the service answers 400" },
	{ "cut short", SERVICE_REGISTER, 400, "{\"errors\":{\"a\":[\"b",
	  "the service answers 400; a" },
};

static void reason_is_told(void **state)
{
	const struct reason_case *c = *state;
	struct http_answer answer = { .status = c->status,
		                      .body = c->body,
		                      .body_bytes = strlen(c->body) };
	char out[SERVICE_REASON_BYTES];

	service_reason(c->endpoint, &answer, out);
	assert_string_equal(out, c->want);
}

/* --- answers ---------------------------------------------------------------------------------- */

static struct pod_case {
	const char *name;
	enum service_endpoint endpoint;
	const char *body;
	int want;
	int64_t want_account;
} pod_cases[] = {
	{ "a row as the contract has it", SERVICE_REGISTER,
	  "{\"id\":4711,\"unix_user\":\"" POD "\",\"secret\":\"" SECRET
	  "\",\"location_id\":null,\"account_id\":null,\"name\":null,\"more\":[{\"a\":{}}]}",
	  0, 0 },
	{ "of an account, without a secret", SERVICE_ASSIGN,
	  "{\"id\":4711,\"unix_user\":\"" POD "\",\"account_id\":12}", 0, 12 },
	{ "a number above 2^53", SERVICE_ME,
	  "{\"unix_user\":\"" POD "\",\"account_id\":9007199254740993}", 0, 9007199254740993 },
	{ "registered without a secret", SERVICE_REGISTER, "{\"unix_user\":\"" POD "\"}",
	  -EBADMSG },
	{ "without a pod", SERVICE_ASSIGN, "{\"id\":1}", -EBADMSG },
	{ "a pod that is null", SERVICE_ASSIGN, "{\"unix_user\":null}", -EBADMSG },
	{ "a pod of another type", SERVICE_ASSIGN, "{\"unix_user\":{\"a\":1}}", -EBADMSG },
	{ "a pod with a line feed", SERVICE_ASSIGN, "{\"unix_user\":\"a\\nb\"}", -EBADMSG },
	{ "a pod that is too long", SERVICE_ASSIGN,
	  "{\"unix_user\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	  -EBADMSG },
	{ "no object", SERVICE_ASSIGN, "[]", -EBADMSG },
	{ "no JSON", SERVICE_ASSIGN, "<html>", -EBADMSG },
	{ "nothing", SERVICE_ASSIGN, "", -EBADMSG },
	{ "something behind it", SERVICE_ASSIGN, "{\"unix_user\":\"" POD "\"}{}", -EBADMSG },
	{ "too deep", SERVICE_ASSIGN,
	  "{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]],\"unix_user\":\"" POD "\"}", -EBADMSG },
};

static void pod_is_read(void **state)
{
	const struct pod_case *c = *state;
	struct service_pod p = {};
	struct err err = {};

	assert_int_equal(service_pod_read(c->endpoint, c->body, strlen(c->body), &p, &err),
	                 c->want);
	assert_int_equal(p.account_id, c->want_account);
	if (c->want == 0)
		assert_string_equal(p.pod, POD);
	else
		assert_int_equal(err.code, -EBADMSG);
	if (c->want == 0 && c->endpoint == SERVICE_REGISTER)
		assert_string_equal(p.secret, SECRET);
}

static struct heartbeat_case {
	const char *name;
	const char *body;
	int want;
	bool want_test, want_update;
} heartbeat_cases[] = {
	{ "R12 a test", "{\"test_requested\":true,\"url\":\"x\"}", 0, true, false },
	{ "R12 null is no test", "{\"test_requested\":null}", 0, false, false },
	{ "R12 absent is no test", "{}", 0, false, false },
	{ "R12 a word is no test", "{\"test_requested\":\"true\"}", 0, false, false },
	{ "an update",
	  "{\"update\":{\"version\":\"2.5.0\",\"url\":\"https://svc.example/d?signed=true\"}}", 0,
	  false, true },
	{ "a null update", "{\"update\":null}", 0, false, false },
	{ "an update without a URL", "{\"update\":{\"version\":\"2.5.0\"}}", 0, false, false },
	{ "R13 an update elsewhere, and a test",
	  "{\"update\":{\"version\":\"2.5.0\",\"url\":\"https://evil.example/\"},"
	  "\"test_requested\":true}",
	  0, true, false },
	{ "garbage", "\xff\xfe", -EBADMSG, false, false },
};

static void heartbeat_is_read(void **state)
{
	const struct heartbeat_case *c = *state;
	struct service_heartbeat h = {};

	assert_int_equal(
		service_heartbeat_read("https://svc.example", c->body, strlen(c->body), &h, NULL),
		c->want);
	assert_int_equal(h.test_requested, c->want_test);
	assert_int_equal(h.update, c->want_update);
	if (strstr(c->body, "evil"))
		assert_non_null(strstr(h.update_refused, "another host"));
}

static struct update_case {
	const char *name;
	const char *base, *given;
	int want;
	const char *want_url;
} update_cases[] = {
	{ "R13 absolute", "https://svc.example", "https://svc.example/a?signed=true", 0,
	  "https://svc.example/a?signed=true" },
	{ "R13 a path", "https://svc.example:8443", "/a?signed=true", 0,
	  "https://svc.example:8443/a?signed=true" },
	{ "R13 a path without TLS", "http://127.0.0.1:3000", "/a", 0, "http://127.0.0.1:3000/a" },
	{ "R13 with more protection", "http://svc.example", "https://svc.example/a", 0,
	  "https://svc.example/a" },
	{ "R13 with less protection", "https://svc.example", "http://svc.example/a", -EACCES, "" },
	{ "R13 another host", "https://svc.example", "https://evil.example/a", -EACCES, "" },
	{ "R13 another host, as a part of ours", "https://svc.example",
	  "https://svc.example.evil/a", -EACCES, "" },
	{ "R13 another host, with ours as its user", "https://svc.example",
	  "https://svc.example@evil/a", -EINVAL, "" },
	{ "R13 another host without a scheme", "https://svc.example", "//evil.example/a", -EACCES,
	  "" },
	{ "R13 a file", "https://svc.example", "file:///etc/passwd", -EINVAL, "" },
	{ "R13 a WebSocket", "https://svc.example", "wss://svc.example/a", -EINVAL, "" },
	{ "R13 neither", "https://svc.example", "a/b", -EINVAL, "" },
	{ "R13 nothing", "https://svc.example", "", -EINVAL, "" },
};

static void update_url_is_judged(void **state)
{
	const struct update_case *c = *state;
	char out[CONFIG_URL_BYTES];

	assert_int_equal(service_update_url(c->base, c->given, out, sizeof(out), NULL), c->want);
	assert_string_equal(out, c->want_url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_is_built),
		cmocka_unit_test(heartbeat_is_built),
	};
	int failed = CASES_RUN(registration_is_built, register_cases);

	failed += CASES_RUN(assignment_is_built, assign_cases);
	failed += CASES_RUN(upload_is_built, upload_cases);
	failed += CASES_RUN(request_is_refused, refused_cases);
	failed += CASES_RUN(status_is_judged, verdict_cases);
	failed += CASES_RUN(reason_is_told, reason_cases);
	failed += CASES_RUN(pod_is_read, pod_cases);
	failed += CASES_RUN(heartbeat_is_read, heartbeat_cases);
	failed += CASES_RUN(update_url_is_judged, update_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
