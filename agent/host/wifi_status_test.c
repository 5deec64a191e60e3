/* Contract §8.3, R46: channels, and what the service is told. */
#include "agent/host/wifi_status.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "tests/cases.h"

struct channel_case {
	const char *name;
	unsigned int mhz, want;
};

static struct channel_case channel_cases[] = {
	{ "R46 1", 2412, 1 },
	{ "R46 12", 2467, 12 },
	{ "R46 13", 2472, 13 },
	{ "R46 14", 2484, 14 },
	{ "R46 36", 5180, 36 },
	{ "R46 144", 5720, 144 },
	{ "R46 165", 5825, 165 },
	{ "R46 177", 5885, 177 },
	{ "R46 6 GHz, 1", 5955, 1 },
	{ "R46 6 GHz, 93", 6415, 93 },
	{ "R46 6 GHz, 233", 7115, 233 },
	{ "6 GHz, 2, which is out of the row", 5935, 2 },
	{ "4.9 GHz, 184", 4920, 184 },
	{ "60 GHz, 2", 60480, 2 },
	{ "between two channels", 2413, 0 },
	{ "where the first agent had 12", 2465, 0 },
	{ "beneath all", 2407, 0 },
	{ "between the bands", 3500, 0 },
	{ "900 MHz", 902, 0 },
	{ "0", 0, 0 },
	{ "beyond all", 4000000000, 0 },
};

static void channel_is(void **state)
{
	const struct channel_case *c = *state;

	assert_int_equal(wifi_channel(c->mhz), c->want);
}

struct json_case {
	const char *name;
	struct wifi_status s;
	const char *want;
};

static struct json_case json_cases[] = {
	{ "the contract's",
	  { WIFI_CONNECTED,
	    "02:00:5e:aa:bb:cc",
	    "COMPLETED",
	    "192.0.2.40",
	    "80 MHz",
	    "Lab",
	    { true, -57 },
	    { true, -92 },
	    { true, 433 },
	    { true, 5180 } },
	  "{\"bssid\":\"02:00:5e:aa:bb:cc\",\"status\":\"COMPLETED\",\"ip\":\"192.0.2.40\","
	  "\"signal\":-57,"
	  "\"tx_speed\":433,\"frequency\":5180,\"channel\":36,\"width\":\"80 MHz\",\"noise\":-92,"
	  "\"ssid\":\"Lab\"}" },
	{ "connected, and nothing else is known",
	  { .link = WIFI_CONNECTED },
	  "{\"bssid\":null,\"status\":null,\"ip\":null,\"signal\":null,\"tx_speed\":null,"
	  "\"frequency\":null,"
	  "\"channel\":null,\"width\":null,\"noise\":null,\"ssid\":null}" },
	{ "a frequency that is no channel",
	  { .link = WIFI_CONNECTED, .frequency_mhz = { true, 3500 } },
	  "{\"bssid\":null,\"status\":null,\"ip\":null,\"signal\":null,\"tx_speed\":null,"
	  "\"frequency\":3500,"
	  "\"channel\":null,\"width\":null,\"noise\":null,\"ssid\":null}" },
	{ "not connected", { .link = WIFI_NOT_CONNECTED, .state = "INACTIVE" }, "null" },
	{ "R43 not known", { .link = WIFI_NOT_KNOWN }, "null" },
};

static void json_is(void **state)
{
	const struct json_case *c = *state;
	struct json_text t;
	char *text, *alone = wifi_json_text(&c->s);

	assert_true(json_text_begin(&t));
	wifi_put_json(&t.w, NULL, &c->s);
	text = json_text_end(&t);
	assert_string_equal(text, c->want);
	if (strcmp(text, "null") == 0)
		assert_null(alone);
	else
		assert_string_equal(alone, text);
	free(text);
	free(alone);
}

static void figures_that_are_none_are_not_taken(void **state)
{
	const long no_dbm[] = { 0, 70, 9999, -9999, 255 }, no_speed[] = { 0, -1, 1000001 };
	struct wifi_status s = {};

	(void)state;
	for (size_t i = 0; i < sizeof(no_dbm) / sizeof(*no_dbm); i++)
		wifi_take_dbm(&s.noise_dbm, no_dbm[i]);
	for (size_t i = 0; i < sizeof(no_speed) / sizeof(*no_speed); i++)
		wifi_take_speed(&s, no_speed[i]);
	assert_false(s.noise_dbm.known || s.tx_speed_mbps.known);
	wifi_take_dbm(&s.noise_dbm, -92);
	wifi_take_dbm(&s.noise_dbm, -50); /* the first one counts */
	assert_int_equal((int)s.noise_dbm.value, -92);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(figures_that_are_none_are_not_taken) };
	int failed = CASES_RUN(channel_is, channel_cases);

	failed += CASES_RUN(json_is, json_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
