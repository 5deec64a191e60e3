/* The kernel that we run on. */
#include "agent/host/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

static struct netlink *opened(int protocol)
{
	struct netlink *nl = NULL;

	assert_int_equal(netlink_open(protocol, &nl, NULL), 0);
	return nl;
}

static void a_family_has_its_number(void **state)
{
	struct netlink *nl = opened(NETLINK_GENERIC);
	uint16_t number = 0;

	(void)state;
	assert_int_equal(netlink_family(nl, "nlctrl", &number, NULL), 0);
	assert_int_equal(number, 16); /* GENL_ID_CTRL */
	netlink_close(nl);
}

static void a_family_that_is_not_there_is_told(void **state)
{
	struct netlink *nl = opened(NETLINK_GENERIC);
	uint16_t number = 5;
	struct err err = {};

	(void)state;
	assert_int_equal(netlink_family(nl, "no such thing", &number, &err), -ENOENT);
	assert_int_equal(number, 5);
	assert_int_equal(err.code, -ENOENT);
	netlink_close(nl);
}

static void see_loopback(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct ifinfomsg m;

	assert_int_equal(type, RTM_NEWLINK);
	assert_true(n >= sizeof(m));
	memcpy(&m, body, sizeof(m));
	*(bool *)self |= (m.ifi_flags & IFF_LOOPBACK) != 0;
}

/* Also after a request that was refused: what is left of it is no answer to the next. */
static void a_dump_comes_whole(void **state)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC },
			       none = { .ifi_index = 0x7fffffff };
	struct netlink *nl = opened(NETLINK_ROUTE);
	struct netlink_request q;
	bool seen = false;

	(void)state;
	for (int i = 0; i < 3; i++) {
		netlink_request_begin(&q, RTM_GETLINK, 0, &none, sizeof(none));
		assert_int_equal(netlink_ask(nl, &q, see_loopback, &seen, NULL), -ENODEV);
		netlink_request_begin(&q, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
		seen = false;
		assert_in_range(netlink_ask(nl, &q, see_loopback, &seen, NULL), NETLINK_DONE,
		                NETLINK_TORN);
		assert_true(seen);
	}
	netlink_close(nl);
}

static void no_such_protocol_is_told(void **state)
{
	struct netlink *nl = NULL;

	(void)state;
	assert_int_equal(netlink_open(31, &nl, NULL), -EPROTONOSUPPORT);
	assert_null(nl);
	assert_null(netlink_close(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_has_its_number),
		cmocka_unit_test(a_family_that_is_not_there_is_told),
		cmocka_unit_test(a_dump_comes_whole),
		cmocka_unit_test(no_such_protocol_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
