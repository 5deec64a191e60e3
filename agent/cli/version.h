/* What `-v` and `-vv` say. Updaters run these before they trust a new executable: quick, without
 * network, and nothing is written but standard output. */
#pragma once

#include <stdio.h>

/* The bare version in a line of its own, then "Key: value" lines. */
void version_print(FILE *to);

/* One JSON object. */
void version_print_json(FILE *to);
