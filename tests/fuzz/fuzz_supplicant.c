/* Any bytes as what a supplicant answers: what is taken has the shape that it is said to have. Input: where the
 * answer to STATUS ends, two bytes, then both answers. */
#include <stdlib.h>
#include <string.h>

#include "agent/host/wifi_text.h"
#include "transport/base/bytes.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_text(const char *text, size_t room)
{
	char copy[64];

	CHECK(strnlen(text, room) < room);
	strcpy(copy, text);
	bytes_make_printable(copy);
	CHECK(strcmp(copy, text) == 0);
	CHECK(!strpbrk(text, "\r\n\033"));
}

static void check_figure(struct figure f, double min, double max)
{
	CHECK(!f.known || (f.value >= min && f.value <= max && f.value == (double)(long)f.value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct wifi_status s = {};
	size_t split;

	if (n < 2)
		return 0;
	split = bytes_load_be16(data) % (n - 1);
	wifi_text_status((const char *)data + 2, split, &s);
	wifi_text_signal((const char *)data + 2 + split, n - 2 - split, &s);
	check_text(s.ssid, sizeof(s.ssid));
	check_text(s.state, sizeof(s.state));
	check_text(s.width, sizeof(s.width));
	check_text(s.ip, sizeof(s.ip));
	check_text(s.bssid, sizeof(s.bssid));
	CHECK(!*s.bssid || strlen(s.bssid) == 17);
	check_figure(s.signal_dbm, WIFI_RADIO_DB_MIN, -1);
	check_figure(s.noise_dbm, WIFI_RADIO_DB_MIN, -1);
	check_figure(s.tx_speed_mbps, 1, WIFI_SPEED_MAX);
	check_figure(s.frequency_mhz, 1, 100000);
	return 0;
}
