#include "agent/sentry/sentry_courier.h"

#include <errno.h>

#include "agent/service/courier.h"

enum wanted { RATE_LIMITS, RETRY_AFTER, DATE };

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

/* What is no whole answer, whyever, is none. */
static void on_answer(void *self, const struct http_answer *answer, const struct err *err)
{
	struct sentry_courier *c = self;
	struct sentry_reply reply = {};

	(void)err;
	c->call = NULL;
	if (answer)
		reply = (struct sentry_reply){
			.status = answer->status,
			.rate_limits = or_null(answer->wanted[RATE_LIMITS]),
			.retry_after = or_null(answer->wanted[RETRY_AFTER]),
			.date = or_null(answer->wanted[DATE]),
		};
	c->done(c->owner, &reply);
	if (c->options.after)
		c->options.after(c->options.self);
}

static int post(void *self, const struct sentry_request *request, sentry_done done, void *owner)
{
	struct sentry_courier *c = self;
	struct http_request ask = {
		.method = HTTP_POST,
		.url = request->url,
		.user_agent = request->user_agent,
		.header_count = SENTRY_HEADERS,
		.gzip = true,
		.body = { .data = request->body, .bytes = request->body_bytes },
		.wanted = { [RATE_LIMITS] = "X-Sentry-Rate-Limits",
		            [RETRY_AFTER] = "Retry-After",
		            [DATE] = "Date" },
		.ca_file = c->options.ca_file,
		.interface = c->options.interface,
		.answer_bytes_max = request->reply_bytes_max,
		.timeout_ns = request->timeout_ns,
	};

	if (c->call)
		return -EBUSY;
	for (size_t i = 0; i < SENTRY_HEADERS; i++)
		ask.headers[i] = request->headers[i];
	c->done = done;
	c->owner = owner;
	return courier_ask(c->options.courier, &ask, on_answer, c, &c->call, NULL);
}

static void cancel(void *self)
{
	struct sentry_courier *c = self;

	c->call = courier_cancel(c->call);
}

void sentry_courier_begin(struct sentry_courier *c, const struct sentry_courier_options *options)
{
	*c = (struct sentry_courier){ .options = *options };
}

struct sentry_transport sentry_courier_transport(struct sentry_courier *c)
{
	return (struct sentry_transport){ c, post, cancel };
}
