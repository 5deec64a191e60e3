/* What the kernel knows of radios, by nl80211 (generic netlink). The parsing is pure; the asking is a few requests
 * that the kernel answers at once.
 *
 * What is needed of a connection is in three answers: the interface's (SSID, frequency, width), its access point's as
 * a station (BSSID, signal, rate), and the survey's of the channel in use (noise). Scan results have no more.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct wifi_status;

/* Calls back for each interface that has a radio; for none where the kernel has no nl80211. */
void nl80211_each_interface(void (*visit)(void *self, unsigned int index), void *self);

/* Adds what is not known yet; nothing of an index that no interface has. */
void nl80211_fill(unsigned int index, struct wifi_status *s);

/* --- the answers, each a netlink message's body ------------------------------------------------------ */

/* The interface's index; 0: it has none (a P2P device), or this is no such message. */
unsigned int nl80211_index(const uint8_t *body, size_t n);

enum nl80211_role { NL80211_NO_STATION, NL80211_STATION };

/* NL80211_STATION: it is a client of an access point's, or may be one. */
enum nl80211_role nl80211_take_interface(const uint8_t *body, size_t n, struct wifi_status *s);
void nl80211_take_station(const uint8_t *body, size_t n, struct wifi_status *s);
void nl80211_take_survey(const uint8_t *body, size_t n, struct wifi_status *s);
