/* Where a message and an attribute end, whatever they say of themselves, and when an answer does. */
#include "agent/host/netlink_message.h"

#include <errno.h>
#include <linux/netlink.h>

#include "tests/cases.h"
#include "tests/netlink_bytes.h"
#include "transport/base/err.h"

#define SEQUENCE 7
#define TYPE     16

/* --- attributes ---------------------------------------------------------------------------------- */

struct attribute_case {
	const char *name;
	uint8_t in[16];
	size_t n;
	int count;     /* of attributes */
	size_t last_n; /* of the last one */
	uint16_t last_type;
};

static struct attribute_case attribute_cases[] = {
	{ "none", { 0 }, 0, 0, 0, 0 },
	{ "a header cut short", { 8, 0, 1 }, 3, 0, 0, 0 },
	{ "empty", { 4, 0, 3, 0 }, 4, 1, 0, 3 },
	{ "five bytes and what fills them up, two of it",
	  { 9, 0, 1, 0, 5, 0, 0, 0, 1, 0, 0, 0, 4, 0, 2, 0 },
	  16,
	  2,
	  0,
	  2 },
	{ "the last one is not filled up", { 5, 0, 1, 0, 9 }, 5, 1, 1, 1 },
	{ "shorter than its header", { 3, 0, 1, 0 }, 4, 0, 0, 0 },
	{ "of length 0, which would never end", { 0, 0, 1, 0 }, 4, 0, 0, 0 },
	{ "longer than what is left", { 9, 0, 1, 0, 1, 2, 3, 4 }, 8, 0, 0, 0 },
	{ "the second one longer than what is left", { 4, 0, 1, 0, 255, 255, 2, 0 }, 8, 1, 0, 1 },
	{ "flags are no part of the type", { 4, 0, 3, 0xc0 }, 4, 1, 0, 3 },
};

static void attributes_end(void **state)
{
	const struct attribute_case *c = *state;
	struct netlink_rest rest = netlink_rest_of(c->in, c->n, 0);
	struct netlink_attribute a = {};
	int count = 0;

	while (netlink_attribute_next(&rest, &a))
		count++;
	assert_int_equal(count, c->count);
	if (count > 0) {
		assert_int_equal(a.n, c->last_n);
		assert_int_equal(a.type, c->last_type);
	}
}

static void a_number_has_its_size(void **state)
{
	const uint8_t four[4] = { 1, 2, 3, 4 };
	struct netlink_attribute a = { .data = four, .n = sizeof(four) };
	uint8_t u8 = 9;
	uint16_t u16 = 9;
	uint32_t u32 = 9, want;

	(void)state;
	memcpy(&want, four, sizeof(want));
	assert_false(netlink_attribute_u8(&a, &u8));
	assert_false(netlink_attribute_u16(&a, &u16));
	assert_int_equal(u8 + u16, 18);
	assert_true(netlink_attribute_u32(&a, &u32));
	assert_int_equal(u32, want);
	a.n = 3;
	assert_false(netlink_attribute_u32(&a, &u32));
}

static void text_is_terminated(void **state)
{
	struct netlink_attribute a = { .data = (const uint8_t *)"eth0", .n = 4 };
	char text[5] = "";

	(void)state;
	assert_true(netlink_attribute_text(&a, text, sizeof(text)));
	assert_string_equal(text, "eth0");
	a.n = 5; /* with its NUL */
	assert_true(netlink_attribute_text(&a, text, sizeof(text)));
	assert_false(netlink_attribute_text(&a, text, 4));
	a.n = 0;
	assert_false(netlink_attribute_text(&a, text, sizeof(text)));
}

static void a_body_shorter_than_its_header_has_nothing(void **state)
{
	const uint8_t body[3] = { 4, 0, 1 };
	struct netlink_rest rest = netlink_rest_of(body, sizeof(body), 16);

	(void)state;
	assert_int_equal(rest.n, 0);
}

/* --- answers ------------------------------------------------------------------------------------- */

struct message {
	uint16_t type, flags;
	uint32_t sequence;
	int code; /* of NLMSG_ERROR, NLMSG_DONE */
};

struct answer_case {
	const char *name;
	bool dump;
	struct message messages[4];
	int want, visits;
	bool torn;
};

static struct answer_case answer_cases[] = {
	{ "one message", false, { { TYPE, 0, SEQUENCE, 0 } }, NETLINK_DONE, 1, false },
	{ "one, and no more is looked at",
	  false,
	  { { TYPE, 0, SEQUENCE, 0 }, { TYPE, 0, SEQUENCE, 0 } },
	  NETLINK_DONE,
	  1,
	  false },
	{ "a dump goes on",
	  true,
	  { { TYPE, NLM_F_MULTI, SEQUENCE, 0 }, { TYPE, NLM_F_MULTI, SEQUENCE, 0 } },
	  NETLINK_MORE,
	  2,
	  false },
	{ "a dump's end",
	  true,
	  { { TYPE, NLM_F_MULTI, SEQUENCE, 0 }, { NLMSG_DONE, NLM_F_MULTI, SEQUENCE, 0 } },
	  NETLINK_DONE,
	  1,
	  false },
	{ "a dump that ends with an error",
	  true,
	  { { NLMSG_DONE, 0, SEQUENCE, -EIO } },
	  -EIO,
	  0,
	  false },
	{ "a dump that was torn",
	  true,
	  { { TYPE, NLM_F_DUMP_INTR, SEQUENCE, 0 }, { NLMSG_DONE, 0, SEQUENCE, 0 } },
	  NETLINK_DONE,
	  1,
	  true },
	{ "torn is told at its end, too",
	  true,
	  { { NLMSG_DONE, NLM_F_DUMP_INTR, SEQUENCE, 0 } },
	  NETLINK_DONE,
	  0,
	  true },
	{ "refused", true, { { NLMSG_ERROR, 0, SEQUENCE, -EPERM } }, -EPERM, 0, false },
	{ "acknowledged", false, { { NLMSG_ERROR, 0, SEQUENCE, 0 } }, NETLINK_DONE, 0, false },
	{ "an error that is none", false, { { NLMSG_ERROR, 0, SEQUENCE, 5 } }, -EPROTO, 0, false },
	{ "overrun", true, { { NLMSG_OVERRUN, 0, SEQUENCE, 0 } }, -ENOBUFS, 0, false },
	{ "nothing, and then something",
	  false,
	  { { NLMSG_NOOP, 0, SEQUENCE, 0 }, { TYPE, 0, SEQUENCE, 0 } },
	  NETLINK_DONE,
	  1,
	  false },
	{ "another request's answer is skipped",
	  false,
	  { { NLMSG_ERROR, NLM_F_DUMP_INTR, SEQUENCE - 1, -EIO } },
	  NETLINK_MORE,
	  0,
	  false },
};

static void count_visit(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	(void)body;
	(void)n;
	assert_int_equal(type, TYPE);
	++*(int *)self;
}

static void answers_end(void **state)
{
	const struct answer_case *c = *state;
	struct netlink_bytes b = {};
	int visits = 0;
	struct netlink_answer a = {
		.sequence = SEQUENCE, .dump = c->dump, .visit = count_visit, .self = &visits
	};

	for (size_t i = 0; i < 4 && c->messages[i].type; i++)
		netlink_put_message(&b, c->messages[i].type, c->messages[i].flags,
		                    c->messages[i].sequence, &c->messages[i].code, sizeof(int));
	assert_int_equal(netlink_answer_take(&a, b.at, b.n, NULL), c->want);
	assert_int_equal(visits, c->visits);
	assert_int_equal(a.torn, c->torn);
}

/* Every length that a message may claim, in every datagram it may lie in. */
static void no_length_is_believed(void **state)
{
	uint8_t datagram[64] = { 0 };
	int visits = 0;

	(void)state;
	for (size_t n = 0; n <= sizeof(datagram); n++) {
		for (uint32_t claimed = 0; claimed < 80; claimed++) {
			struct netlink_answer a = { .dump = true,
				                    .visit = count_visit,
				                    .self = &visits };
			struct nlmsghdr head = { .nlmsg_len = claimed, .nlmsg_type = TYPE };
			int r;

			memcpy(datagram, &head, sizeof(head));
			visits = 0;
			r = netlink_answer_take(&a, datagram, n, NULL);
			if (n == 0)
				assert_int_equal(r, NETLINK_MORE);
			else if (n < sizeof(head) || claimed < sizeof(head) || claimed > n)
				assert_int_equal(r, -EPROTO);
			else
				assert_in_range(visits, 1, 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_has_its_size),
		cmocka_unit_test(text_is_terminated),
		cmocka_unit_test(a_body_shorter_than_its_header_has_nothing),
		cmocka_unit_test(no_length_is_believed),
	};
	int failed = CASES_RUN(attributes_end, attribute_cases);

	failed += CASES_RUN(answers_end, answer_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
