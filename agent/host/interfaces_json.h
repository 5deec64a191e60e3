/* Interfaces as the pod service takes them (`net_interfaces`, `network_interfaces`): an array, in any case. */
#pragma once

#include "agent/host/interfaces.h"

struct json_writer;

/* [{"name":"eth0","mac":"02:00:5e:10:00:01","ips":[{"IP":"192.0.2.17","Mask":"////AA=="}],"default":true,
 *   "is_wlan":false}]; an empty list is []. */
void interfaces_put_json(struct json_writer *w, const char *name, const struct interfaces *list);

/* The same as text, the caller's to free(3); NULL: short of memory. */
char *interfaces_json_text(const struct interfaces *list);
