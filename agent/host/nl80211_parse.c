/* The pure half of nl80211.h. */
#include <linux/genetlink.h>
#include <linux/nl80211.h>
#include <stdio.h>
#include <string.h>

#include "agent/host/netlink_message.h"
#include "agent/host/nl80211.h"
#include "agent/host/wifi_status.h"
#include "transport/base/bytes.h"

#define ETHERNET_BYTES 6

/* The attributes behind the header, if the message is of this command; else none. */
static struct netlink_rest attributes_of(const uint8_t *body, size_t n, uint8_t command)
{
	struct genlmsghdr head;

	if (n < sizeof(head))
		return (struct netlink_rest){ body, 0 };
	memcpy(&head, body, sizeof(head));
	return netlink_rest_of(body, head.cmd == command ? n : 0, GENL_HDRLEN);
}

unsigned int nl80211_index(const uint8_t *body, size_t n)
{
	struct netlink_rest rest = attributes_of(body, n, NL80211_CMD_NEW_INTERFACE);
	struct netlink_attribute a;
	uint32_t index = 0;

	while (netlink_attribute_next(&rest, &a))
		if (a.type == NL80211_ATTR_IFINDEX)
			netlink_attribute_u32(&a, &index);
	return index;
}

/* --- the interface ------------------------------------------------------------------------------- */

static void take_ssid(const struct netlink_attribute *a, struct wifi_status *s)
{
	char ssid[WIFI_SSID_BYTES];

	if (*s->ssid || a->n >= sizeof(ssid))
		return;
	for (size_t i = 0; i < a->n; i++)
		ssid[i] = a->data[i] ? (char)a->data[i] : '?';
	ssid[a->n] = '\0';
	bytes_make_printable(ssid);
	memcpy(s->ssid, ssid, a->n + 1);
}

/* In the supplicant's words. */
static void take_width(uint32_t width, struct wifi_status *s)
{
	static const char *const names[] = {
		[NL80211_CHAN_WIDTH_20_NOHT] = "20 MHz (no HT)",
		[NL80211_CHAN_WIDTH_20] = "20 MHz",
		[NL80211_CHAN_WIDTH_40] = "40 MHz",
		[NL80211_CHAN_WIDTH_80] = "80 MHz",
		[NL80211_CHAN_WIDTH_80P80] = "80+80 MHz",
		[NL80211_CHAN_WIDTH_160] = "160 MHz",
		[NL80211_CHAN_WIDTH_5] = "5 MHz",
		[NL80211_CHAN_WIDTH_10] = "10 MHz",
		[NL80211_CHAN_WIDTH_320] = "320 MHz",
	};

	if (!*s->width && width < sizeof(names) / sizeof(*names) && names[width])
		bytes_copy_text(s->width, sizeof(s->width), names[width]);
}

enum nl80211_role nl80211_take_interface(const uint8_t *body, size_t n, struct wifi_status *s)
{
	struct netlink_rest rest = attributes_of(body, n, NL80211_CMD_NEW_INTERFACE);
	struct netlink_attribute a;
	uint32_t kind = NL80211_IFTYPE_UNSPECIFIED, number;

	while (netlink_attribute_next(&rest, &a)) {
		if (a.type == NL80211_ATTR_SSID)
			take_ssid(&a, s);
		else if (a.type == NL80211_ATTR_IFTYPE)
			netlink_attribute_u32(&a, &kind);
		else if (a.type == NL80211_ATTR_WIPHY_FREQ && netlink_attribute_u32(&a, &number))
			wifi_take_frequency(s, number);
		else if (a.type == NL80211_ATTR_CHANNEL_WIDTH && netlink_attribute_u32(&a, &number))
			take_width(number, s);
	}
	return kind == NL80211_IFTYPE_STATION || kind == NL80211_IFTYPE_P2P_CLIENT
	               ? NL80211_STATION
	               : NL80211_NO_STATION;
}

/* --- its access point ---------------------------------------------------------------------------- */

static void take_bssid(const struct netlink_attribute *a, struct wifi_status *s)
{
	struct text t = text_on(s->bssid, sizeof(s->bssid));

	if (a->n != ETHERNET_BYTES)
		return;
	for (size_t i = 0; i < a->n; i++)
		text_append(&t, i ? ":%02x" : "%02x", a->data[i]);
}

static void take_dbm(const struct netlink_attribute *a, struct figure *into)
{
	uint8_t dbm;

	if (netlink_attribute_u8(a, &dbm))
		wifi_take_dbm(into, (int8_t)dbm);
}

/* In 100 kbit/s, in 16 bits, and since Linux 3.8 in 32 as well. */
static void take_rate(const struct netlink_attribute *rate, struct wifi_status *s)
{
	struct netlink_rest rest = netlink_rest_of(rate->data, rate->n, 0);
	uint32_t wide = 0;
	uint16_t narrow = 0;
	struct netlink_attribute a;

	while (netlink_attribute_next(&rest, &a)) {
		if (a.type == NL80211_RATE_INFO_BITRATE32)
			netlink_attribute_u32(&a, &wide);
		else if (a.type == NL80211_RATE_INFO_BITRATE)
			netlink_attribute_u16(&a, &narrow);
	}
	wifi_take_speed(s, (wide ? wide : narrow) / 10);
}

static void take_station_info(const struct netlink_attribute *info, struct wifi_status *s)
{
	struct netlink_rest rest = netlink_rest_of(info->data, info->n, 0);
	struct netlink_attribute a;

	while (netlink_attribute_next(&rest, &a)) {
		if (a.type == NL80211_STA_INFO_SIGNAL)
			take_dbm(&a, &s->signal_dbm);
		else if (a.type == NL80211_STA_INFO_TX_BITRATE)
			take_rate(&a, s);
	}
}

void nl80211_take_station(const uint8_t *body, size_t n, struct wifi_status *s)
{
	struct netlink_rest rest = attributes_of(body, n, NL80211_CMD_NEW_STATION);
	struct netlink_attribute a;

	while (netlink_attribute_next(&rest, &a)) {
		if (a.type == NL80211_ATTR_MAC && !*s->bssid)
			take_bssid(&a, s);
		else if (a.type == NL80211_ATTR_STA_INFO)
			take_station_info(&a, s);
	}
	if (*s->bssid && s->link == WIFI_NOT_KNOWN)
		s->link = WIFI_CONNECTED;
}

/* --- its channel --------------------------------------------------------------------------------- */

static void take_survey_info(const struct netlink_attribute *info, struct wifi_status *s)
{
	struct netlink_rest rest = netlink_rest_of(info->data, info->n, 0);
	struct figure noise = {};
	struct netlink_attribute a;
	bool in_use = false;

	while (netlink_attribute_next(&rest, &a)) {
		if (a.type == NL80211_SURVEY_INFO_IN_USE)
			in_use = true;
		else if (a.type == NL80211_SURVEY_INFO_NOISE)
			take_dbm(&a, &noise);
	}
	if (in_use && !s->noise_dbm.known)
		s->noise_dbm = noise;
}

void nl80211_take_survey(const uint8_t *body, size_t n, struct wifi_status *s)
{
	struct netlink_rest rest = attributes_of(body, n, NL80211_CMD_NEW_SURVEY_RESULTS);
	struct netlink_attribute a;

	while (netlink_attribute_next(&rest, &a))
		if (a.type == NL80211_ATTR_SURVEY_INFO)
			take_survey_info(&a, s);
}
