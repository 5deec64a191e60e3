/* Any bytes as what netlink answers: no length is believed, and what is made of it keeps its promises: ceilings,
 * terminated and printable names, prefixes within their addresses, and JSON that can be read. */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/host/interface_counters.h"
#include "agent/host/interfaces_json.h"
#include "agent/host/interfaces_parse.h"
#include "agent/host/netlink_message.h"
#include "agent/host/nl80211.h"
#include "agent/host/wifi_status.h"
#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/json.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct taker {
	struct interfaces_builder builder;
	struct wifi_status wifi;
	netlink_visit visit;
};

/* --- what is promised ---------------------------------------------------------------------------- */

static void check_printable(const char *text, size_t room)
{
	char copy[64];

	CHECK(strnlen(text, room) < room);
	strcpy(copy, text);
	bytes_make_printable(copy);
	CHECK(strcmp(copy, text) == 0);
}

static void check_json(const char *text, size_t n)
{
	struct json_token token = {};
	struct json j;

	json_open(&j, text, n, 8);
	do
		CHECK(json_next(&j, &token, NULL) == 0);
	while (token.kind != JSON_END);
}

static void check_interfaces(const struct interfaces *list)
{
	size_t addresses = 0;

	CHECK(list->count <= INTERFACES_MAX);
	for (size_t i = 0; i < list->count; i++) {
		CHECK(i == 0 || list->all[i - 1].index < list->all[i].index);
		CHECK(list->all[i].name[0] && memchr(list->all[i].name, '\0', IF_NAMESIZE));
		CHECK(list->all[i].addresses <= INTERFACE_ADDRESSES_MAX);
		addresses += list->all[i].addresses;
	}
	CHECK(addresses == list->addresses_count);
	for (size_t i = 0; i < list->addresses_count; i++)
		CHECK(list->addresses[i].prefix_bits <=
		      (list->addresses[i].family == AF_INET ? 32 : 128));
}

static void check_all(const struct taker *t)
{
	struct json_text json;
	char *text;

	CHECK(json_text_begin(&json));
	check_interfaces(&t->builder.list);
	check_printable(t->wifi.ssid, sizeof(t->wifi.ssid));
	check_printable(t->wifi.bssid, sizeof(t->wifi.bssid));
	json_begin_array(&json.w, NULL);
	interfaces_put_json(&json.w, NULL, &t->builder.list);
	wifi_put_json(&json.w, NULL, &t->wifi);
	json_end_array(&json.w);
	text = json_text_end(&json);
	CHECK(text);
	check_json(text, strlen(text));
	free(text);
}

/* --- what is given ------------------------------------------------------------------------------- */

static void take_radio(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct taker *t = self;
	struct interface_counters counters;

	(void)type;
	nl80211_index(body, n);
	nl80211_take_interface(body, n, &t->wifi);
	nl80211_take_station(body, n, &t->wifi);
	nl80211_take_survey(body, n, &t->wifi);
	interface_counters_parse(body, n, &counters);
}

static void take_by_type(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct taker *t = self;

	t->visit(&t->builder, type, body, n);
}

static void answer(struct taker *t, netlink_visit visit, const uint8_t *data, size_t n)
{
	struct netlink_answer a = { .dump = true, .visit = visit, .self = t };
	struct err err = {};
	int r = netlink_answer_take(&a, data, n, &err);

	CHECK(r == NETLINK_DONE || r == NETLINK_MORE || (r < 0 && err.code == r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const netlink_visit order[] = { interfaces_take_route, interfaces_take_link,
		                               interfaces_take_address };
	struct taker t = {};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		t.visit = order[i];
		answer(&t, take_by_type, data, n);
		interfaces_sort(&t.builder.list);
	}
	answer(&t, take_radio, data, n);
	check_all(&t);
	interfaces_free(&t.builder.list);
	return 0;
}
