/* Where error reports go: the one text that Sentry gives an operator, taken apart. Pure; fuzzed.
 *
 *   scheme://KEY[:SECRET]@HOST[:PORT][/PREFIX]/PROJECT
 *
 * Who has it can send reports in our name: it never goes into a log or an error's text.
 */
#pragma once

#include <stddef.h>

struct err;

#define SENTRY_DSN_BYTES  1024 /* of the whole text, with the terminating NUL */
#define SENTRY_KEY_BYTES  129
#define SENTRY_PATH_BYTES (SENTRY_DSN_BYTES + 32) /* of the endpoint */

struct sentry_dsn {
	char key[SENTRY_KEY_BYTES];
	char secret[SENTRY_KEY_BYTES];    /* "": none, as in all that are given out today */
	char project[SENTRY_KEY_BYTES];   /* digits today, but a text */
	char endpoint[SENTRY_PATH_BYTES]; /* scheme://HOST[:PORT][/PREFIX]/api/PROJECT/envelope/ */
};

/*   -EINVAL, -EPROTONOSUPPORT  with what is wrong in err, and nothing of the text itself */
int sentry_dsn_parse(const char *text, struct sentry_dsn *ret, struct err *err);

#define SENTRY_AUTH_BYTES (3 * SENTRY_KEY_BYTES + 80)

/* The value of X-Sentry-Auth; `client` is NAME/VERSION.  -ENOSPC */
int sentry_dsn_auth(const struct sentry_dsn *d, const char *client, char *out, size_t out_bytes);
