/* What a supplicant may write, and what somebody in its place may. */
#include "agent/host/wifi_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"

struct status_case {
	const char *name;
	const char *text;
	bool read;
	enum wifi_link link;
	const char *bssid, *state, *ip, *ssid;
	int mhz;
};

static struct status_case status_cases[] = {
	{ "connected",
	  "bssid=02:00:5e:aa:bb:cc\nfreq=5180\nssid=Lab\nid=0\nmode=station\npairwise_cipher=CCMP\n"
	  "wpa_state=COMPLETED\nip_address=192.0.2.40\naddress=02:00:5e:10:00:02\n",
	  true, WIFI_CONNECTED, "02:00:5e:aa:bb:cc", "COMPLETED", "192.0.2.40", "Lab", 5180 },
	{ "INACTIVE", "wpa_state=INACTIVE\naddress=02:00:5e:10:00:02\n", true, WIFI_NOT_CONNECTED,
	  "", "INACTIVE", "", "", 0 },
	{ "SCANNING", "wpa_state=SCANNING\n", true, WIFI_NOT_CONNECTED, "", "SCANNING", "", "", 0 },
	{ "in the handshake", "wpa_state=4WAY_HANDSHAKE\n", true, WIFI_CONNECTED, "",
	  "4WAY_HANDSHAKE", "", "", 0 },
	{ "W35 a value with \"=\"", "ssid=a=b==\n", true, WIFI_NOT_KNOWN, "", "", "", "a=b==", 0 },
	{ "an SSID with escapes", "ssid=Caf\\xc3\\xa9 \\\"x\\\\\n", true, WIFI_NOT_KNOWN, "", "",
	  "", "Café \"x\\", 0 },
	{ "an SSID that means to paint", "ssid=\\e[31m\\n\\x00\\xff\n", true, WIFI_NOT_KNOWN, "",
	  "", "", "?[31m???", 0 },
	{ "an SSID of 32 bytes", "ssid=0123456789abcdef0123456789abcdef\n", true, WIFI_NOT_KNOWN,
	  "", "", "", "0123456789abcdef0123456789abcdef", 0 },
	{ "an SSID of 33", "ssid=0123456789abcdef0123456789abcdefX\n", true, WIFI_NOT_KNOWN, "", "",
	  "", "", 0 },
	{ "an escape that is none", "ssid=a\\q\n", true, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "an escape cut short", "ssid=a\\x1", true, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "a backslash at the end", "ssid=a\\\n", true, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "no SSID", "ssid=\n", true, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "a BSSID that is none",
	  "bssid=02:00:5e:aa:bb\nbssid=02:00:5e:aa:bb:cc:dd\nbssid=<script>....\n", true,
	  WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "an address of IPv6", "ip_address=2001:db8::40\n", true, WIFI_NOT_KNOWN, "", "",
	  "2001:db8::40", "", 0 },
	{ "an address that is none", "ip_address=192.0.2\nip_address=\"};\n", true, WIFI_NOT_KNOWN,
	  "", "", "", "", 0 },
	{ "a state that is none", "wpa_state=Completed\nwpa_state=\n", true, WIFI_NOT_KNOWN, "", "",
	  "", "", 0 },
	{ "a state that has no room", "wpa_state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", true,
	  WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "a frequency that is none", "freq=5180x\nfreq=\nfreq=-5\nfreq=99999999999999999999\n",
	  true, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "without a last line feed", "wpa_state=COMPLETED", true, WIFI_CONNECTED, "", "COMPLETED",
	  "", "", 0 },
	{ "the same key at the end of another", "x_wpa_state=COMPLETED\nwpa_statex=COMPLETED\n",
	  false, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "refused", "FAIL\n", false, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "not known", "UNKNOWN COMMAND\n", false, WIFI_NOT_KNOWN, "", "", "", "", 0 },
	{ "nothing", "", false, WIFI_NOT_KNOWN, "", "", "", "", 0 },
};

static void status_is(void **state)
{
	const struct status_case *c = *state;
	struct wifi_status s = {};

	assert_int_equal(wifi_text_status(c->text, strlen(c->text), &s), c->read);
	assert_int_equal(s.link, c->link);
	assert_string_equal(s.bssid, c->bssid);
	assert_string_equal(s.state, c->state);
	assert_string_equal(s.ip, c->ip);
	assert_string_equal(s.ssid, c->ssid);
	assert_int_equal(s.frequency_mhz.known ? (int)s.frequency_mhz.value : 0, c->mhz);
}

struct signal_case {
	const char *name;
	const char *text;
	bool read;
	int signal, noise, speed, mhz; /* 0: not known */
	const char *width;
};

static struct signal_case signal_cases[] = {
	{ "all of it",
	  "RSSI=-57\nLINKSPEED=433\nNOISE=-92\nFREQUENCY=5180\nWIDTH=80 "
	  "MHz\nCENTER_FRQ1=5210\nAVG_RSSI=-55\n",
	  true, -57, -92, 433, 5180, "80 MHz" },
	{ "a driver that does not know its noise", "RSSI=-57\nNOISE=9999\n", true, -57, 0, 0, 0,
	  "" },
	{ "a driver that does not know its speed", "LINKSPEED=65535\n", true, 0, 0, 0, 0, "" },
	{ "percents, no dBm", "RSSI=70\n", true, 0, 0, 0, 0, "" },
	{ "0", "RSSI=0\nLINKSPEED=0\nNOISE=0\nFREQUENCY=0\n", true, 0, 0, 0, 0, "" },
	{ "widths", "WIDTH=80+80 MHz\n", true, 0, 0, 0, 0, "80+80 MHz" },
	{ "no HT", "WIDTH=20 MHz (no HT)\n", true, 0, 0, 0, 0, "20 MHz (no HT)" },
	{ "a width that is not known", "WIDTH=unknown\n", true, 0, 0, 0, 0, "" },
	{ "a width that is none", "WIDTH=80 MHz\"}\n", true, 0, 0, 0, 0, "" },
	{ "a fraction", "RSSI=-57.5\n", true, 0, 0, 0, 0, "" },
	{ "not connected", "FAIL\n", false, 0, 0, 0, 0, "" },
};

static int value(struct figure f)
{
	return f.known ? (int)f.value : 0;
}

static void signal_is(void **state)
{
	const struct signal_case *c = *state;
	struct wifi_status s = {};

	assert_int_equal(wifi_text_signal(c->text, strlen(c->text), &s), c->read);
	assert_int_equal(value(s.signal_dbm), c->signal);
	assert_int_equal(value(s.noise_dbm), c->noise);
	assert_int_equal(value(s.tx_speed_mbps), c->speed);
	assert_int_equal(value(s.frequency_mhz), c->mhz);
	assert_string_equal(s.width, c->width);
}

/* Half of "5180" would be another frequency. */
static void a_line_that_is_cut_is_not_taken(void **state)
{
	static const char end[] = "\nfreq=51";
	char *text = malloc(WIFI_TEXT_BYTES_MAX + 2);
	struct wifi_status s = {};

	(void)state;
	memset(text, 'x', WIFI_TEXT_BYTES_MAX);
	memcpy(text + WIFI_TEXT_BYTES_MAX - strlen(end), end, sizeof(end));
	memcpy(text + WIFI_TEXT_BYTES_MAX, "80", 2);
	assert_false(wifi_text_status(text, WIFI_TEXT_BYTES_MAX, &s));
	assert_false(wifi_text_status(text, WIFI_TEXT_BYTES_MAX + 2, &s));
	assert_false(s.frequency_mhz.known);
	free(text);
}

static void bytes_of_zero_are_in_no_value(void **state)
{
	static const char text[] = "ssid=a\0b\nwpa_state=COMPLETED\0\nfreq=2412\n";
	struct wifi_status s = {};

	(void)state;
	assert_true(wifi_text_status(text, sizeof(text) - 1, &s));
	assert_string_equal(s.ssid, "");
	assert_int_equal(s.link, WIFI_NOT_KNOWN);
	assert_int_equal(value(s.frequency_mhz), 2412);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_is_cut_is_not_taken),
		cmocka_unit_test(bytes_of_zero_are_in_no_value),
	};
	int failed = CASES_RUN(status_is, status_cases);

	failed += CASES_RUN(signal_is, signal_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
