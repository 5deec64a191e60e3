/* What a trace's lines foretell of its flows' sizes, as they are written here and as others write them. */
#include "measure/report/trace_finals.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "tests/trace_text.h"
#include "transport/base/err.h"

static struct trace_text file;

#define HEADER     "{\"schema\":\"radar-pod/trace/1\",\"record\":\"header\"}\n"
#define CSV_HEADER "# {\"schema\":\"radar-pod/trace/1\",\"record\":\"header\"}\n"
#define FLOW(n)    "{\"record\":\"flow\",\"flow\":" n "}\n"
#define SAMPLE(flow, bytes)                                                                        \
	"{\"at_ns\":1,\"flow\":" flow                                                              \
	",\"event\":\"ack\",\"bytes_acked\":0,\"bytes_received\":" bytes "}\n"
#define END "{\"record\":\"end\",\"flows\":2,\"samples\":3}\n"
#define X100                                                                                       \
	"                                                                                "         \
	"                    "

static struct final_case {
	const char *name;
	const char *text;
	int want;
	uint32_t want_count;
	uint32_t want_flows[4];
	uint64_t want_bytes[4];
} final_cases[] = {
	{ "no samples", HEADER FLOW("1") END, 0, 0, {}, {} },
	{ "the last one of each",
	  HEADER SAMPLE("1", "9") SAMPLE("2", "3") SAMPLE("1", "4") END,
	  0,
	  2,
	  { 1, 2 },
	  { 4, 3 } },
	{ "one whose counters fall",
	  HEADER SAMPLE("1", "9") SAMPLE("1", "2") END,
	  0,
	  1,
	  { 1 },
	  { 2 } },
	{ "without bytes",
	  HEADER "{\"at_ns\":1,\"flow\":3,\"event\":\"ack\"}\n" END,
	  0,
	  1,
	  { 3 },
	  { 0 } },
	{ "both ways",
	  HEADER
	  "{\"at_ns\":1,\"flow\":1,\"event\":\"ack\",\"bytes_acked\":5,\"bytes_received\":6}\n",
	  0,
	  1,
	  { 1 },
	  { 11 } },
	{ "more than there are numbers for",
	  HEADER "{\"at_ns\":1,\"flow\":1,\"event\":\"ack\",\"bytes_acked\":18446744073709551615,"
	         "\"bytes_received\":6}\n",
	  0,
	  1,
	  { 1 },
	  { UINT64_MAX } },
	{ "as others write it",
	  HEADER "{\"flow\": 7, \"bytes_received\": 8, \"bytes_acked\": 1, \"event\": \"ack\", "
	         "\"at_ns\": 1}\n",
	  0,
	  1,
	  { 7 },
	  { 9 } },
	{ "a line that is long",
	  HEADER "{\"at_ns\":1,\"flow\":2,\"event\":\"ack\",\"bytes_acked\":5" X100 X100 X100 X100
	          X100 X100 X100 X100 X100 X100 ",\"bytes_received\":6}\n" SAMPLE("1", "3"),
	  0,
	  2,
	  { 2, 1 },
	  { 11, 3 } },
	{ "a short one behind a long one",
	  HEADER "{\"at_ns\":1,\"flow\":1,\"event\":\"ack\",\"bytes_acked\":5" X100 X100 X100 X100
	          X100 X100 X100 X100 X100 X100 ",\"bytes_received\":6}\n" SAMPLE("1", "3"),
	  0,
	  1,
	  { 1 },
	  { 3 } },
	{ "cut off within a line",
	  HEADER SAMPLE("1", "9") "{\"at_ns\":1,\"flow\":1,\"ev",
	  0,
	  1,
	  { 1 },
	  { 9 } },
	{ "rows",
	  CSV_HEADER "at_ns,flow,event,bytes_acked,bytes_received\n# "
	             "{\"record\":\"flow\",\"flow\":1}\n1,1,ack,1,2\n1,2,ack,,\n1,1,ack,5,6\n",
	  0,
	  2,
	  { 1, 2 },
	  { 11, 0 } },
	{ "rows in another order",
	  CSV_HEADER "bytes_acked,bytes_received,at_ns,event,flow\n1,2,1,ack,4\n5,6,1,ack,3\n",
	  0,
	  2,
	  { 3, 4 },
	  { 11, 3 } },
	{ "flow 0", HEADER "{\"at_ns\":1,\"flow\":0,\"event\":\"ack\"}\n", -EBADMSG, 0, {}, {} },
	{ "more flows than there may be",
	  HEADER SAMPLE("16385", "1") SAMPLE("16384", "1"),
	  0,
	  1,
	  { 16384 },
	  { 1 } },
	{ "a last line that is none",
	  HEADER "{\"at_ns\":1,\"flow\":1,\"event\":7}\n",
	  -EBADMSG,
	  0,
	  {},
	  {} },
	{ "no trace", "{}\n", -EBADMSG, 0, {}, {} },
};

static void the_ends_are_found(void **state)
{
	const struct final_case *c = *state;
	struct largest l = {};

	file.bytes = strlen(c->text);
	file.at = 0;
	memcpy(file.text, c->text, file.bytes);
	assert_int_equal(
		trace_finals_largest((struct trace_input){ trace_text_read, &file }, &l, NULL),
		c->want);
	assert_int_equal(l.count, c->want_count);
	for (uint32_t i = 0; i < l.count; i++) {
		assert_int_equal(l.flows[i], c->want_flows[i]);
		assert_int_equal(l.bytes[i], c->want_bytes[i]);
	}
}

int main(void)
{
	return CASES_RUN(the_ends_are_found, final_cases) != 0;
}
