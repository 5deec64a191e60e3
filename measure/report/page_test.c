/* A page of whatever there is: a result, a trace, both, and nothing hostile gets out of its place. */
#include "measure/report/page.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "tests/trace_samples.h"
#include "tests/trace_text.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define PAGE_ROOM (4 * 1024 * 1024)

static char page[PAGE_ROOM];
static size_t page_bytes;

static int take(void *self, const void *data, size_t bytes, struct err *err)
{
	(void)self;
	(void)err;
	assert_true(page_bytes + bytes < sizeof(page));
	memcpy(page + page_bytes, data, bytes);
	page_bytes += bytes;
	page[page_bytes] = '\0';
	return 0;
}

static struct trace_text file;

/* Of one flow with this name and these samples; the end only where it is wanted. */
static struct trace_view *trace_of(const char *comm, const char *result, uint32_t samples,
                                   bool ended)
{
	struct trace_record r = { .kind = TRACE_HEADER };
	struct trace_view *v = NULL;
	uint64_t seed = 7;

	file.bytes = file.at = 0;
	snprintf(r.header.result, sizeof(r.header.result), "%s", result);
	trace_text_put(&file, &r);
	r = (struct trace_record){ .kind = TRACE_FLOW, .flow = 1, .met = trace_flow_example(1) };
	snprintf(r.met.comm, sizeof(r.met.comm), "%s", comm);
	r.met.test[0] = '\0';
	trace_text_put(&file, &r);
	for (uint32_t i = 0; i < samples; i++) {
		r = (struct trace_record){ .kind = TRACE_SAMPLE, .flow = 1 };
		r.sample = trace_draw_sample(&seed, 1, (1000 + i) * NS_PER_MS);
		trace_text_put(&file, &r);
	}
	r = (struct trace_record){ .kind = TRACE_END };
	r.end = (struct trace_end){ .samples = samples, .lost = 3, .missed = { 41, true } };
	if (ended)
		trace_text_put(&file, &r);
	assert_int_equal(
		trace_view_read((struct trace_source){ .input = { trace_text_read, &file } }, &v,
	                        NULL),
		0);
	return v;
}

static void make_page(struct trace_view *v, const char *json)
{
	struct told_result told;
	struct report r = { .trace_name = "t.jsonl", .trace = v, .utc_ns = NS_PER_S };
	struct err err = {};

	if (json) {
		assert_int_equal(result_read(json, strlen(json), &told, &err), 0);
		r.result_text = json;
		r.result_bytes = strlen(json);
		r.result = &told;
	}
	page_bytes = 0;
	assert_int_equal(report_write(&r, (struct html_output){ take, NULL }, &err), 0);
	trace_view_free(v);
}

static void assert_says(const char *words)
{
	if (!strstr(page, words))
		fail_msg("the page does not say: %s", words);
}

static void assert_does_not_say(const char *words)
{
	if (strstr(page, words))
		fail_msg("the page says: %s", words);
}

#define SCHEMA "\"schema\":\"radar-pod/result/1\""

static const char result[] =
	"{" SCHEMA ",\"id\":\"0190f3c2\",\"started_at\":\"2026-01-01T00:00:00.000Z\","
	"\"server\":{\"url\":\"wss://x/\",\"machine\":\"mlab1\",\"city\":\"Z\\u00fcrich\"},"
	"\"download\":{\"goodput_mbps\":187.42,\"steady_mbps\":191,\"steady_ci95_mbps\":[190.2,191."
	"8],"
	"\"limits_percent\":{\"network\":97.1,\"receiver\":2.9,\"sender\":0,\"application\":0,"
	"\"cpu\":0}},"
	"\"upload\":null,\"latency\":{\"idle_ms\":11.9,\"loaded_down_ms\":222,\"loaded_up_ms\":"
	"null},"
	"\"warnings\":[\"be wary\"],\"errors\":[{\"test\":\"upload\",\"error\":\"it was "
	"refused\"}]}";

static void a_result_alone(void **state)
{
	(void)state;
	make_page(NULL, result);
	assert_says("<b>187.4</b> <span>Mbit/s</span>");
	assert_says("steady 191.0 Mbit/s ± 0.42 %");
	assert_says("<bdi>mlab1</bdi>, <bdi>Zürich</bdi>");
	assert_says("much slower");
	assert_says("The upload could not be measured: <bdi>it was refused</bdi>");
	assert_says("<bdi>be wary</bdi>");
	assert_says("network 97.1 %");
	assert_says("There is no trace of this test");
	assert_says("<bdi>download.steady_ci95_mbps.1</bdi></th><td><bdi>191.8</bdi>");
	assert_does_not_say("<script");
}

static void a_rate_that_was_not_steady(void **state)
{
	(void)state;
	make_page(NULL, "{" SCHEMA ",\"upload\":null,\"download\":{\"goodput_mbps\":5000,"
	                "\"steady_mbps\":5210,\"steady_ci95_mbps\":[1302.5,9117.5]}}");
	assert_says("<p>not steady: up and down around 5.21 Gbit/s</p>");
	assert_does_not_say("±");
	assert_says("<td data-value=\"9117.500000\">9.12 Gbit/s</td>");
}

static void both_directions_null(void **state)
{
	(void)state;
	make_page(NULL, "{" SCHEMA ",\"download\":null,\"upload\":null}");
	assert_says("not measured");
	assert_does_not_say("data-value");
	assert_does_not_say("This connection");
}

static void a_trace_alone(void **state)
{
	(void)state;
	make_page(trace_of("curl", "", 500, true), NULL);
	assert_says("<h1>TCP connections</h1>");
	assert_says("1 TCP connection in 0.5 s");
	assert_says("Lost while the trace was taken: 3 samples");
	assert_says("The trace may lack up to 41 segments: so many");
	assert_says("missed_at_most</th><td>41<");
	assert_says("<script type=\"application/json\" id=\"data\">{");
	assert_does_not_say("The whole result");
}

static void of_different_tests(void **state)
{
	(void)state;
	make_page(trace_of("curl", "0190f3c3", 5, true), result);
	assert_says("of different tests");
	make_page(trace_of("curl", "0190f3c2", 5, true), result);
	assert_does_not_say("of different tests");
}

static void cut_off(void **state)
{
	(void)state;
	make_page(trace_of("curl", "", 5, false), NULL);
	assert_says("The trace was cut off");
	assert_does_not_say("may lack");
}

static void no_samples(void **state)
{
	(void)state;
	make_page(trace_of("curl", "", 0, true), NULL);
	assert_says("The trace has no samples");
	assert_does_not_say("<script");
}

static void hostile_names_stay_names(void **state)
{
	static const char hostile[] =
		"{" SCHEMA ",\"id\":\"</script><script>alert(1)</script>\",\"server\":{\"machine\":"
		"\"<img src=x onerror=alert(1)>\"},\"warnings\":[\"\\u003cb\\u003e\\\"'&\"],"
		"\"<i>\":\"\\u001b[2J\"}";

	(void)state;
	make_page(trace_of("</script><b>", "", 20, true), hostile);
	assert_does_not_say("<img");
	assert_does_not_say("</script><b>");
	assert_does_not_say("<script>alert");
	assert_does_not_say("<i>");
	assert_says("&lt;img src=x onerror=alert(1)&gt;");
	assert_says("&lt;b&gt;&quot;&#39;&amp;");
	assert_says("\\u003c/script>\\u003cb>");
}

/* Ours are told by their hashes; nothing else runs, and nothing is fetched. */
static void its_policy_allows_what_is_there(void **state)
{
	const char *policy, *end;

	(void)state;
	make_page(trace_of("curl", "", 20, true), NULL);
	policy = strstr(page, "Content-Security-Policy");
	assert_non_null(policy);
	end = strchr(policy, '>');
	assert_non_null(memmem(policy, (size_t)(end - policy), "default-src 'none'", 18));
	assert_null(memmem(policy, (size_t)(end - policy), "unsafe", 6));
	assert_does_not_say("sourceMappingURL");
	assert_does_not_say(" src=");
	assert_does_not_say(" href=");
	assert_says("Permission is hereby granted"); /* of the chart library */
	*strstr(page, "<script type") = '\0';
	assert_does_not_say(" style=\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_result_alone),
		cmocka_unit_test(a_rate_that_was_not_steady),
		cmocka_unit_test(both_directions_null),
		cmocka_unit_test(a_trace_alone),
		cmocka_unit_test(of_different_tests),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(no_samples),
		cmocka_unit_test(hostile_names_stay_names),
		cmocka_unit_test(its_policy_allows_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
