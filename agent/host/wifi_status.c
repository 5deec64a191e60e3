#include "agent/host/wifi_status.h"

#include "agent/base/json_writer.h"

/* IEEE 802.11-2020 annex E: where a band's channel numbers count from, and in which steps. */
static const struct band {
	unsigned int first_mhz, last_mhz, base_mhz, step_mhz;
} bands[] = {
	{ 2412, 2472, 2407, 5 }, { 2484, 2484, 2470, 1 }, /* 14 */
	{ 4910, 4980, 4000, 5 }, { 5005, 5895, 5000, 5 },
	{ 5935, 5935, 5933, 1 }, /* 2 of the 6 GHz band, which is out of its row */
	{ 5955, 7115, 5950, 5 }, { 58320, 70200, 56160, 2160 },
};

unsigned int wifi_channel(unsigned int frequency_mhz)
{
	for (size_t i = 0; i < sizeof(bands) / sizeof(*bands); i++) {
		const struct band *b = &bands[i];

		if (frequency_mhz >= b->first_mhz && frequency_mhz <= b->last_mhz &&
		    (frequency_mhz - b->base_mhz) % b->step_mhz == 0)
			return (frequency_mhz - b->base_mhz) / b->step_mhz;
	}
	return 0;
}

static void take(struct figure *into, long value, long min, long max)
{
	if (!into->known && value >= min && value <= max)
		*into = (struct figure){ .known = true, .value = (double)value };
}

void wifi_take_dbm(struct figure *into, long dbm)
{
	take(into, dbm, WIFI_RADIO_DB_MIN, -1);
}

void wifi_take_frequency(struct wifi_status *s, long mhz)
{
	take(&s->frequency_mhz, mhz, 1, 100000);
}

void wifi_take_speed(struct wifi_status *s, long mbps)
{
	take(&s->tx_speed_mbps, mbps, 1, WIFI_SPEED_MAX);
}

static void put_known_text(struct json_writer *w, const char *name, const char *text)
{
	json_put_text(w, name, *text ? text : NULL);
}

void wifi_put_json(struct json_writer *w, const char *name, const struct wifi_status *s)
{
	unsigned int channel =
		s->frequency_mhz.known ? wifi_channel((unsigned int)s->frequency_mhz.value) : 0;

	if (s->link != WIFI_CONNECTED) {
		json_put_null(w, name);
		return;
	}
	json_begin_object(w, name);
	put_known_text(w, "bssid", s->bssid);
	put_known_text(w, "status", s->state);
	put_known_text(w, "ip", s->ip);
	json_put_figure(w, "signal", s->signal_dbm, 0);
	json_put_figure(w, "tx_speed", s->tx_speed_mbps, 0);
	json_put_figure(w, "frequency", s->frequency_mhz, 0);
	json_put_figure(w, "channel", (struct figure){ channel > 0, channel }, 0);
	put_known_text(w, "width", s->width);
	json_put_figure(w, "noise", s->noise_dbm, 0);
	put_known_text(w, "ssid", s->ssid);
	json_end_object(w);
}

char *wifi_json_text(const struct wifi_status *s)
{
	struct json_text t;

	if (s->link != WIFI_CONNECTED || !json_text_begin(&t))
		return NULL;
	wifi_put_json(&t.w, NULL, s);
	return json_text_end(&t);
}
