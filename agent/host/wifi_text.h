/* What a supplicant answers at its control socket, as text of whoever is there: lines of "key=value". Pure; what
 * is not of the shape a value has is not taken.
 *
 * A value ends with its line, and may hold further "=". The SSID comes with escapes (\xc3, \", \\, \e, \n, \r, \t).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/host/wifi_status.h"

#define WIFI_TEXT_BYTES_MAX                                                                        \
	4096 /* as much as a supplicant writes; what is beyond it is not looked at */

/* The answer to STATUS. False: it is none ("FAIL", "UNKNOWN COMMAND"). */
bool wifi_text_status(const char *text, size_t n, struct wifi_status *into);

/* The answer to SIGNAL_POLL, likewise. */
bool wifi_text_signal(const char *text, size_t n, struct wifi_status *into);
