#include "agent/upload/upload_courier.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/service/courier.h"
#include "agent/store/store.h"
#include "transport/base/err.h"

/* A gateway passed all of it on, and waited for the service's answer in vain: that is silence. */
#define GATEWAY_TIMEOUT 504

struct upload_courier {
	struct courier *courier;
	struct service_identity who;
	struct courier_call *call; /* NULL: none is under way */
	void (*done)(void *owner, const struct upload_answer *answer);
	void *owner;
};

static enum upload_verdict verdict_of(int status)
{
	static const enum upload_verdict verdicts[] = {
		[SERVICE_DONE] = UPLOAD_TAKEN,
		[SERVICE_DENIED] = UPLOAD_DENIED,
		[SERVICE_REFUSED] = UPLOAD_REFUSED,
		[SERVICE_LATER] = UPLOAD_LATER,
	};

	return status == GATEWAY_TIMEOUT ? UPLOAD_SILENCE
	                                 : verdicts[service_verdict(SERVICE_UPLOAD, status)];
}

static void on_answer(void *owner, const struct http_answer *http, const struct err *err)
{
	struct upload_courier *u = owner;
	struct upload_answer answer = { .verdict = UPLOAD_SILENCE };
	char why[512];

	answer.sent = courier_was_sent(u->call);
	u->call = NULL;
	answer.why = why;
	if (http) {
		answer.verdict = verdict_of(http->status);
		answer.sent = true;
		answer.status = http->status;
		answer.retry_after_s = http->retry_after_s;
		service_reason(SERVICE_UPLOAD, http, why);
	} else {
		err_sentence(err, why, sizeof(why));
	}
	u->done(u->owner, &answer);
}

static int ask(void *self, const struct store_result *result, const char *style,
               void (*done)(void *owner, const struct upload_answer *answer), void *owner,
               struct err *err)
{
	struct upload_courier *u = self;
	struct service_request request = {};
	const struct service_upload upload = {
		.id = result->id,
		.style = style,
		.interface = result->interface,
		.wireless = result->wireless,
		.connection_info = result->connection_info,
		.result = { .data = result->raw, .bytes = result->raw_bytes },
	};
	int r = service_upload_request(&u->who, &upload, &request, err);

	u->done = done;
	u->owner = owner;
	if (r == 0)
		r = courier_ask(u->courier, &request.http, on_answer, u, &u->call, err);
	service_request_end(&request);
	return r;
}

static void cancel(void *self)
{
	struct upload_courier *u = self;

	if (u->call)
		u->call = courier_cancel(u->call);
}

int upload_courier_new(struct courier *courier, const struct service_identity *who,
                       struct upload_courier **ret, struct err *err)
{
	struct upload_courier *u = calloc(1, sizeof(*u));

	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the courier's uploads");
	u->courier = courier;
	u->who = *who;
	*ret = u;
	return 0;
}

void upload_courier_set_identity(struct upload_courier *u, const struct service_identity *who)
{
	u->who = *who;
}

struct upload_courier *upload_courier_free(struct upload_courier *u)
{
	if (u)
		cancel(u);
	free(u);
	return NULL;
}

struct upload_wire upload_courier_wire(struct upload_courier *u)
{
	return (struct upload_wire){ .send = ask, .cancel = cancel, .self = u };
}
