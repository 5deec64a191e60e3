/* Whether the service can read a raw result, before it is sent: the service answers 201 to anything, and a text that
 * its job cannot bear is lost there without a word (contract 4.4, 4.5, S2). Pure, over any bytes.
 *
 *   raw_check(RAW_NDT7, text, n, &figures, &err);     err says which line, and what is wrong with it
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;

enum raw_style { RAW_NDT7, RAW_OOKLA };

const char *
raw_style_name(enum raw_style s); /* "NDT7", "OOKLA": as the service wants it, and no other word */

/* What the service will make of it. */
struct raw_figures {
	double download_mbps, upload_mbps;     /* above 0 */
	uint64_t download_bytes, upload_bytes; /* likewise */
};

/*   -EBADMSG  the service would stumble over it, or count a direction that was not measured
 *   -EFBIG    more than STORE_RAW_BYTES_MAX */
int raw_check(enum raw_style style, const char *text, size_t n, struct raw_figures *ret,
              struct err *err);
