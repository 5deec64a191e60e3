/* The value of a key, word by word: "32packets gap 2ms".
 *
 * Words stand apart by white space; a comma is a word of its own. A number may stand apart from its
 * unit ("300 Mbit/s"), as the SI writes it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/link/lines.h"

struct words {
	char text[2 * LINES_MAX_BYTES + 1]; /* the words, each NUL-terminated */
	const char *at, *end;
	char refused[120];
};

/* `value` is at most a line. */
void words_open(struct words *w, const char *value);

/* The next one, "" where there is none; it stays. */
const char *words_peek(const struct words *w);
const char *words_next(struct words *w); /* takes it */

/* Takes the next one if it is `word`. */
bool words_take(struct words *w, const char *word);

/* Says why the value cannot be; answers -EINVAL. */
int words_refuse(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next word has to be `word`; nothing may be left. */
int words_expect(struct words *w, const char *word);
int words_end(struct words *w);

/* What stands next, taken; where it cannot be, it stays, and `refused` says why.
 *   -EINVAL  it is nothing of the kind;  -ERANGE  outside [min, max] */
int words_number(struct words *w, uint64_t min, uint64_t max, uint64_t *ret);
int words_rate(struct words *w, uint64_t *ret_bps); /* to SCENARIO_RATE_MAX_BPS, not 0 */
int words_duration(struct words *w, uint64_t min_ns,
                   uint64_t *ret_ns); /* to SCENARIO_TIME_MAX_NS */

/* With its unit, which tells it from a number of packets. */
int words_size(struct words *w, uint64_t min, uint64_t max, uint64_t *ret_bytes);
int words_packets(struct words *w, uint64_t max, uint64_t *ret); /* "32packets", "1packet" */

/* "0.1%", to 100%: a whole number of WORDS_SHARE_STEPS-ths, 0.000000001%, which a double holds. */
#define WORDS_SHARE_STEPS 100000000000ULL
int words_share(struct words *w, double *ret);
