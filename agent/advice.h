/* What a person can do about a test that failed: the last third of the message. */
#pragma once

#include <stdbool.h>

struct err;

/* One clause, or NULL where the failure itself says all there is to say. `of_locate`: it was the
 * locate service that failed, not a server. */
const char *advice_on(const struct err *e, bool of_locate);
