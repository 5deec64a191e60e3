/* How an upload reaches the service: the one thing of it that the uploader does not do itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/upload/upload_policy.h"

struct err;
struct store_result;

struct upload_wire {
	/* Sends the result, whose memory stays until `done`, as `style`. done() is called once, from the loop, within a
	 * bounded time; not when this fails, which is as if there were no network. */
	int (*send)(void *self, const struct store_result *result, const char *style,
	            void (*done)(void *owner, const struct upload_answer *answer), void *owner,
	            struct err *err);

	/* What is under way is not heard of any more. */
	void (*cancel)(void *self);
	void *self;
};
