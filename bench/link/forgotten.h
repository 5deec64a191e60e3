/* What a shell that knows no LINK_SERVER makes of the first command that people try on a link:
 *
 *   link cable.link -- ping -c 5 $LINK_SERVER          ping -c 5
 *
 * A ping that pings nobody can only mean the other side. Pure.
 */
#pragma once

#include <stdbool.h>

/* Whether a command is ping(8), of iputils or busybox, with options only. */
bool forgotten_destination(char *const *argv);
