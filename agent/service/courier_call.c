#include "agent/service/courier_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/service/courier_order.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"

void courier_call_free(struct courier_call *call)
{
	fd_closep(&call->order_fd);
	free(call->body);
	free(call->ca_file);
	free(call);
}

CLEANUP_DEFINE(call_freep, struct courier_call *, courier_call_free)

int courier_call_new(const struct http_request *request, struct courier_call **ret, struct err *err)
{
	CLEANUP(call_freep) struct courier_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a request");
	call->body_bytes_max = request->answer_bytes_max;
	call->order_fd = -1;
	if (request->ca_file && !(call->ca_file = strdup(request->ca_file)))
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a request");
	r = courier_order_write(request, &call->order_fd, &call->head_bytes, err);
	if (r < 0)
		return r;
	*ret = TAKE(call, NULL);
	return 0;
}

bool courier_was_sent(const struct courier_call *call)
{
	return call->was_sent;
}

/* --- its answer ----------------------------------------------------------------------------------- */

static const char *keep_text(struct courier_call *call, size_t i, const char *text)
{
	bytes_copy_text(call->texts[i], sizeof(call->texts[i]), text);
	return call->texts[i];
}

static int begin_answer(struct courier_call *call, const struct courier_said *said, struct err *err)
{
	if (call->answering || said->answer.body_bytes > call->body_bytes_max)
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "take an answer of %zu bytes",
		               said->answer.body_bytes);
	call->body = calloc(1, said->answer.body_bytes + 1);
	if (!call->body)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an answer of %zu bytes",
		               said->answer.body_bytes);
	call->answering = true;
	call->was_sent = said->was_sent;
	call->answer = said->answer;
	call->answer.body = call->body;
	call->answer.content_type = keep_text(call, 0, said->answer.content_type);
	for (size_t i = 0; i < HTTP_WANTED_MAX; i++)
		call->answer.wanted[i] = keep_text(call, i + 1, said->answer.wanted[i]);
	return said->answer.body_bytes == 0 ? COURIER_CALL_OVER : COURIER_CALL_GOES_ON;
}

static int go_on_with_answer(struct courier_call *call, const struct courier_said *said,
                             struct err *err)
{
	if (!call->answering || said->data_bytes > call->answer.body_bytes - call->body_bytes)
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "take %zu bytes more of an answer",
		               said->data_bytes);
	memcpy(call->body + call->body_bytes, said->data, said->data_bytes);
	call->body_bytes += said->data_bytes;
	return call->body_bytes == call->answer.body_bytes ? COURIER_CALL_OVER
	                                                   : COURIER_CALL_GOES_ON;
}

static int end_with_failure(struct courier_call *call, const struct courier_said *said,
                            struct err *err)
{
	char text[COURIER_FIELD_BYTES_MAX + 1];

	if (call->answering)
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "take a failure for an answer");
	bytes_copy_text(text, sizeof(text), said->text);
	bytes_make_printable(text);
	ERR_SET(&call->err, said->code, (enum err_domain)said->domain, (long)said->detail, "%s",
	        text);
	call->was_sent = said->was_sent;
	return COURIER_CALL_OVER;
}

int courier_call_hear(struct courier_call *call, const struct courier_said *said, struct err *err)
{
	if (said->kind == COURIER_ANSWER)
		return begin_answer(call, said, err);
	if (said->kind == COURIER_BODY)
		return go_on_with_answer(call, said, err);
	return end_with_failure(call, said, err);
}
