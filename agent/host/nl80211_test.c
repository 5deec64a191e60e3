/* What nl80211 answers, as the kernel's net/wireless/nl80211.c writes it. */
#include "agent/host/nl80211.h"

#include <linux/genetlink.h>
#include <linux/nl80211.h>

#include "agent/host/wifi_status.h"
#include "tests/cases.h"
#include "tests/netlink_bytes.h"

#define INDEX 5

static const uint8_t bssid[6] = { 0x02, 0x00, 0x5e, 0xaa, 0xbb, 0xcc };

static void begin(struct netlink_bytes *b, uint8_t command)
{
	const struct genlmsghdr head = { .cmd = command, .version = 1 };

	netlink_put(b, &head, sizeof(head));
	netlink_put_u32(b, NL80211_ATTR_IFINDEX, INDEX);
}

static struct netlink_bytes an_interface(uint32_t kind)
{
	struct netlink_bytes b = {};

	begin(&b, NL80211_CMD_NEW_INTERFACE);
	netlink_put_text(&b, NL80211_ATTR_IFNAME, "wlan0");
	netlink_put_u32(&b, NL80211_ATTR_WIPHY, 0);
	netlink_put_u32(&b, NL80211_ATTR_IFTYPE, kind);
	netlink_put_u32(&b, NL80211_ATTR_WIPHY_FREQ, 5180);
	netlink_put_u32(&b, NL80211_ATTR_CHANNEL_WIDTH, NL80211_CHAN_WIDTH_80);
	netlink_put_attribute(&b, NL80211_ATTR_SSID, "Lab", 3);
	return b;
}

static struct netlink_bytes a_station(uint16_t narrow, uint32_t wide)
{
	struct netlink_bytes b = {};
	size_t info, rate;

	begin(&b, NL80211_CMD_NEW_STATION);
	netlink_put_attribute(&b, NL80211_ATTR_MAC, bssid, sizeof(bssid));
	info = netlink_nest(&b, NL80211_ATTR_STA_INFO);
	netlink_put_u32(&b, NL80211_STA_INFO_INACTIVE_TIME, 12);
	netlink_put_u8(&b, NL80211_STA_INFO_SIGNAL, (uint8_t)-57);
	rate = netlink_nest(&b, NL80211_STA_INFO_TX_BITRATE);
	if (wide)
		netlink_put_u32(&b, NL80211_RATE_INFO_BITRATE32, wide);
	if (narrow)
		netlink_put_u16(&b, NL80211_RATE_INFO_BITRATE, narrow);
	netlink_nest_end(&b, rate);
	netlink_nest_end(&b, info);
	return b;
}

static struct netlink_bytes a_survey(bool in_use, int noise_dbm)
{
	struct netlink_bytes b = {};
	size_t info;

	begin(&b, NL80211_CMD_NEW_SURVEY_RESULTS);
	info = netlink_nest(&b, NL80211_ATTR_SURVEY_INFO);
	netlink_put_u32(&b, NL80211_SURVEY_INFO_FREQUENCY, 5180);
	netlink_put_u8(&b, NL80211_SURVEY_INFO_NOISE, (uint8_t)noise_dbm);
	if (in_use)
		netlink_put_attribute(&b, NL80211_SURVEY_INFO_IN_USE, NULL, 0);
	netlink_nest_end(&b, info);
	return b;
}

static void an_interface_has_its_index(void **state)
{
	struct netlink_bytes b = an_interface(NL80211_IFTYPE_STATION), device = {};
	const struct genlmsghdr head = { .cmd = NL80211_CMD_NEW_INTERFACE };

	(void)state;
	netlink_put(&device, &head, sizeof(head)); /* P2P: a wdev, and no interface */
	assert_int_equal(nl80211_index(b.at, b.n), INDEX);
	assert_int_equal(nl80211_index(device.at, device.n), 0);
	b = a_station(1, 0);
	assert_int_equal(nl80211_index(b.at, b.n), 0);
}

static void a_client_says_where_it_is(void **state)
{
	struct netlink_bytes b = an_interface(NL80211_IFTYPE_STATION);
	struct wifi_status s = {};

	(void)state;
	assert_int_equal(nl80211_take_interface(b.at, b.n, &s), NL80211_STATION);
	assert_string_equal(s.ssid, "Lab");
	assert_string_equal(s.width, "80 MHz");
	assert_true(s.frequency_mhz.known);
	assert_int_equal((int)s.frequency_mhz.value, 5180);
	assert_int_equal(s.link, WIFI_NOT_KNOWN); /* that is the station's to say */
}

static void an_access_point_of_ours_is_no_client(void **state)
{
	struct netlink_bytes b = an_interface(NL80211_IFTYPE_AP);
	struct wifi_status s = {};

	(void)state;
	assert_int_equal(nl80211_take_interface(b.at, b.n, &s), NL80211_NO_STATION);
	b = an_interface(NL80211_IFTYPE_P2P_CLIENT);
	assert_int_equal(nl80211_take_interface(b.at, b.n, &s), NL80211_STATION);
}

static void a_station_is_the_access_point(void **state)
{
	struct netlink_bytes b = a_station(4333, 0);
	struct wifi_status s = {};

	(void)state;
	nl80211_take_station(b.at, b.n, &s);
	assert_int_equal(s.link, WIFI_CONNECTED);
	assert_string_equal(s.bssid, "02:00:5e:aa:bb:cc");
	assert_int_equal((int)s.signal_dbm.value, -57);
	assert_int_equal((int)s.tx_speed_mbps.value, 433);
}

static void a_fast_station_needs_32_bits(void **state)
{
	struct netlink_bytes b = a_station(0, 96078), both = a_station(4333, 4333);
	struct wifi_status s = {};

	(void)state;
	nl80211_take_station(b.at, b.n, &s);
	assert_int_equal((int)s.tx_speed_mbps.value, 9607);
	s = (struct wifi_status){};
	nl80211_take_station(both.at, both.n, &s);
	assert_int_equal((int)s.tx_speed_mbps.value, 433);
}

static void only_the_channel_in_use_has_our_noise(void **state)
{
	struct netlink_bytes other = a_survey(false, -80), ours = a_survey(true, -92);
	struct wifi_status s = {};

	(void)state;
	nl80211_take_survey(other.at, other.n, &s);
	assert_false(s.noise_dbm.known);
	nl80211_take_survey(ours.at, ours.n, &s);
	assert_int_equal((int)s.noise_dbm.value, -92);
}

static void what_is_known_stays(void **state)
{
	struct netlink_bytes interface = an_interface(NL80211_IFTYPE_STATION);
	struct netlink_bytes station = a_station(10, 0), survey = a_survey(true, -10);
	struct wifi_status s = { .link = WIFI_CONNECTED,
		                 .bssid = "02:00:5e:00:00:01",
		                 .width = "20 MHz",
		                 .ssid = "Other",
		                 .signal_dbm = { true, -1 },
		                 .noise_dbm = { true, -2 },
		                 .tx_speed_mbps = { true, 3 },
		                 .frequency_mhz = { true, 2412 } };
	struct wifi_status before = s;

	(void)state;
	nl80211_take_interface(interface.at, interface.n, &s);
	nl80211_take_station(station.at, station.n, &s);
	nl80211_take_survey(survey.at, survey.n, &s);
	assert_memory_equal(&s, &before, sizeof(s));
}

static void an_ssid_is_any_bytes(void **state)
{
	struct netlink_bytes b = {}, too_long = {};
	struct wifi_status s = {};

	(void)state;
	begin(&b, NL80211_CMD_NEW_INTERFACE);
	netlink_put_attribute(&b, NL80211_ATTR_SSID, "a\0\x1b\xff=b", 6);
	nl80211_take_interface(b.at, b.n, &s);
	assert_string_equal(s.ssid, "a??"
	                            "?=b");
	begin(&too_long, NL80211_CMD_NEW_INTERFACE);
	netlink_put_attribute(&too_long, NL80211_ATTR_SSID, "0123456789abcdef0123456789abcdefX",
	                      33);
	s = (struct wifi_status){};
	nl80211_take_interface(too_long.at, too_long.n, &s);
	assert_string_equal(s.ssid, "");
}

static void count(void *self, unsigned int index)
{
	assert_int_not_equal(index, 0);
	++*(int *)self;
}

/* Whether it has radios or not: it answers, and what has none says nothing. */
static void this_machine_answers(void **state)
{
	struct wifi_status s = {}, nothing = {};
	int radios = 0;

	(void)state;
	nl80211_each_interface(count, &radios);
	nl80211_fill(1, &s); /* loopback */
	assert_memory_equal(&s, &nothing, sizeof(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_has_its_index),
		cmocka_unit_test(a_client_says_where_it_is),
		cmocka_unit_test(an_access_point_of_ours_is_no_client),
		cmocka_unit_test(a_station_is_the_access_point),
		cmocka_unit_test(a_fast_station_needs_32_bits),
		cmocka_unit_test(only_the_channel_in_use_has_our_noise),
		cmocka_unit_test(what_is_known_stays),
		cmocka_unit_test(an_ssid_is_any_bytes),
		cmocka_unit_test(this_machine_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
