/* What is known of an interface's radio, and how the pod service takes it (`connection_info`). Pure. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "measure/result.h"

struct json_writer;

#define WIFI_BSSID_BYTES  18 /* with the terminating NUL; likewise below */
#define WIFI_SSID_BYTES   33
#define WIFI_STATE_BYTES  24
#define WIFI_WIDTH_BYTES  24
#define WIFI_RADIO_DB_MIN (-150) /* what lies outside is no figure in dBm: 9999, percents, 0 */
#define WIFI_SPEED_MAX    1000000

enum wifi_link { WIFI_NOT_KNOWN, WIFI_NOT_CONNECTED, WIFI_CONNECTED };

/* Texts are printable, and "" where they are not known; figures are whole numbers. */
struct wifi_status {
	enum wifi_link link;
	char bssid[WIFI_BSSID_BYTES]; /* "02:00:5e:aa:bb:cc" */
	char state[WIFI_STATE_BYTES]; /* the supplicant's: "COMPLETED" */
	char ip[INET6_ADDRSTRLEN];
	char width[WIFI_WIDTH_BYTES]; /* "80 MHz" */
	char ssid[WIFI_SSID_BYTES];   /* may have what looks like anything */
	struct figure signal_dbm, noise_dbm, tx_speed_mbps, frequency_mhz;
};

/* Of the bands at 2.4, 4.9, 5, 6 and 60 GHz; 0: none begins there. */
unsigned int wifi_channel(unsigned int frequency_mhz);

/* Take a figure where it is one, and only where none is known yet. */
void wifi_take_dbm(struct figure *into, long dbm);
void wifi_take_frequency(struct wifi_status *s, long mhz);
void wifi_take_speed(struct wifi_status *s, long mbps);

/* {"bssid":…,"status":…,"ip":…,"signal":-57,"tx_speed":433,"frequency":5180,"channel":36,"width":"80 MHz",
 *  "noise":-92,"ssid":"Lab"}: null of each that is not known; null as a whole where nothing is connected. */
void wifi_put_json(struct json_writer *w, const char *name, const struct wifi_status *s);

/* The same as text, the caller's to free(3); NULL where nothing is connected, and where memory is short. */
char *wifi_json_text(const struct wifi_status *s);
