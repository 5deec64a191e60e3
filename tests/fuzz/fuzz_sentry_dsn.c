/* Any text as a DSN: what was taken makes an endpoint that is an URL again and a header of one line; what was
 * refused says why. */
#include <stdlib.h>
#include <string.h>

#include "agent/sentry/sentry_dsn.h"
#include "transport/base/err.h"
#include "transport/url.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = strndup((const char *)data, n), auth[SENTRY_AUTH_BYTES];
	struct sentry_dsn d;
	struct err err = {};
	struct url u;

	CHECK(text);
	if (sentry_dsn_parse(text, &d, &err) == 0) {
		CHECK(url_parse(d.endpoint, &u, NULL) == 0);
		CHECK(strncmp(d.endpoint, "http", 4) == 0);
		CHECK(strcmp(d.endpoint + strlen(d.endpoint) - strlen("/envelope/"),
		             "/envelope/") == 0);
		CHECK(sentry_dsn_auth(&d, "radar-pod/0.1.0", auth, sizeof(auth)) == 0);
		CHECK(!strpbrk(auth, "\r\n"));
		CHECK(*d.key && *d.project);
	} else {
		CHECK(err.code < 0 && err.text[0]);
	}
	free(text);
	return 0;
}
