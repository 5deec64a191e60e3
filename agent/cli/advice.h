/* What a person can do about a test that failed: the last third of the message. */
#pragma once

#include <stdbool.h>

struct err;

/* One clause, or NULL where the failure itself says all there is to say. `of_locate`: it was the
 * locate service that failed, not a server. */
const char *advice_on(const struct err *e, bool of_locate);

/* Likewise of a file that could not be written, and of an address that could not be listened on. */
const char *advice_on_file(const struct err *e);
const char *advice_on_listening(const struct err *e);
