#include "agent/host/wifi_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bytes.h"

/* --- values -------------------------------------------------------------------------------------- */

#define VALUE_BYTES 160 /* an SSID of 32 bytes, each as \x00, is the longest that means something */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What follows a backslash, as one byte; *at is moved behind it. -1: no escape of a supplicant's. */
static int unescape(const char **at)
{
	static const char from[] = "\\\"enrt", to[] = "\\\"\033\n\r\t";
	const char *known = **at ? strchr(from, **at) : NULL;
	int high, low;

	if (known) {
		(*at)++;
		return to[known - from];
	}
	if (**at != 'x' || (high = hex_digit((*at)[1])) < 0 || (low = hex_digit((*at)[2])) < 0)
		return -1;
	*at += 3;
	return high * 16 + low;
}

/* An SSID is 32 bytes of anything. */
static void take_ssid(struct wifi_status *s, const char *value)
{
	char ssid[WIFI_SSID_BYTES];
	size_t n = 0;

	while (*value) {
		int byte = (unsigned char)*value++;

		if (byte == '\\' && (byte = unescape(&value)) < 0)
			return;
		if (n == sizeof(ssid) - 1)
			return;
		ssid[n++] = byte ? (char)byte : '?';
	}
	ssid[n] = '\0';
	bytes_make_printable(ssid);
	memcpy(s->ssid, ssid, n + 1);
}

static void take_bssid(struct wifi_status *s, const char *value)
{
	for (size_t i = 0; i < WIFI_BSSID_BYTES - 1; i++)
		if (i % 3 == 2 ? value[i] != ':' : hex_digit(value[i]) < 0)
			return;
	bytes_copy_text(s->bssid, sizeof(s->bssid), value);
}

/* wpa_supplicant's own names: in these the radio has its access point. */
static bool is_connected(const char *state)
{
	static const char *const names[] = { "ASSOCIATED", "4WAY_HANDSHAKE", "GROUP_HANDSHAKE",
		                             "COMPLETED" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(state, names[i]) == 0)
			return true;
	return false;
}

static void take_state(struct wifi_status *s, const char *value)
{
	if (!*value || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(value) ||
	    !bytes_copy_text(s->state, sizeof(s->state), value))
		return;
	s->link = is_connected(value) ? WIFI_CONNECTED : WIFI_NOT_CONNECTED;
}

static void take_ip(struct wifi_status *s, const char *value)
{
	uint8_t address[16];

	if (inet_pton(AF_INET, value, address) == 1 || inet_pton(AF_INET6, value, address) == 1)
		bytes_copy_text(s->ip, sizeof(s->ip), value);
}

/* "80 MHz", "80+80 MHz", "20 MHz (no HT)"; "unknown" is none. */
static void take_width(struct wifi_status *s, const char *value)
{
	if (isdigit((unsigned char)*value) &&
	    strspn(value, "0123456789+ MHz(noT)") == strlen(value))
		bytes_copy_text(s->width, sizeof(s->width), value);
}

static bool whole_number(const char *value, long *ret)
{
	const char *digits = value + (*value == '-');
	size_t n = strspn(digits, "0123456789");

	if (n == 0 || n > 9 || digits[n])
		return false;
	*ret = strtol(value, NULL, 10);
	return true;
}

static void take_frequency(struct wifi_status *s, const char *value)
{
	long mhz;

	if (whole_number(value, &mhz))
		wifi_take_frequency(s, mhz);
}

static void take_signal(struct wifi_status *s, const char *value)
{
	long dbm;

	if (whole_number(value, &dbm))
		wifi_take_dbm(&s->signal_dbm, dbm);
}

static void take_noise(struct wifi_status *s, const char *value)
{
	long dbm;

	if (whole_number(value, &dbm))
		wifi_take_dbm(&s->noise_dbm, dbm);
}

/* 65535 is a driver that does not know. */
static void take_speed(struct wifi_status *s, const char *value)
{
	long mbps;

	if (whole_number(value, &mbps) && mbps != 65535)
		wifi_take_speed(s, mbps);
}

/* --- lines --------------------------------------------------------------------------------------- */

struct key {
	const char *name;
	void (*take)(struct wifi_status *s, const char *value);
};

static const struct key status_keys[] = {
	{ "bssid", take_bssid },     { "freq", take_frequency }, { "ssid", take_ssid },
	{ "wpa_state", take_state }, { "ip_address", take_ip },  { NULL, NULL },
};

static const struct key signal_keys[] = {
	{ "RSSI", take_signal }, { "LINKSPEED", take_speed },     { "NOISE", take_noise },
	{ "WIDTH", take_width }, { "FREQUENCY", take_frequency }, { NULL, NULL },
};

/* False where the line is none of these keys'. */
static bool take_line(const struct key *keys, const char *line, size_t n, struct wifi_status *s)
{
	const char *equals = memchr(line, '=', n);
	size_t key_bytes = equals ? (size_t)(equals - line) : 0;
	size_t value_bytes = equals ? n - key_bytes - 1 : 0;
	char value[VALUE_BYTES];

	if (!equals || value_bytes >= sizeof(value) || memchr(equals, '\0', value_bytes + 1))
		return false;
	memcpy(value, equals + 1, value_bytes);
	value[value_bytes] = '\0';
	for (; keys->name; keys++) {
		if (strlen(keys->name) != key_bytes || memcmp(keys->name, line, key_bytes) != 0)
			continue;
		keys->take(s, value);
		return true;
	}
	return false;
}

/* A line without its end is the last one, or what was cut there: half of a number is another number. */
static bool take_lines(const struct key *keys, const char *text, size_t n, struct wifi_status *s)
{
	bool cut = n >= WIFI_TEXT_BYTES_MAX, any = false;
	const char *end = text + (cut ? WIFI_TEXT_BYTES_MAX : n);

	while (text < end) {
		const char *feed = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((feed ? feed : end) - text);

		if (!feed && cut)
			break;
		any |= take_line(keys, text, length, s);
		text += length + 1;
	}
	return any;
}

bool wifi_text_status(const char *text, size_t n, struct wifi_status *into)
{
	return take_lines(status_keys, text, n, into);
}

bool wifi_text_signal(const char *text, size_t n, struct wifi_status *into)
{
	return take_lines(signal_keys, text, n, into);
}
