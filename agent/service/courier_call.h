/* One request at the courier, and its answer as it comes: the daemon's side, for agent/service/courier.c. */
#pragma once

#include "agent/service/courier.h"
#include "agent/service/courier_frame.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

struct courier_call {
	struct courier *courier;
	uint32_t id;
	int order_fd; /* the request; -1: the child has it */
	uint32_t head_bytes;
	char *ca_file;    /* that it names; NULL: none */
	bool turned_away; /* a child had ended before it could be given to it */
	size_t body_bytes_max;
	struct loop_timer deadline;
	http_done done;
	void *owner;

	bool answering, over; /* its answer has begun; there is something to tell */
	bool was_sent;
	struct err err; /* over, without an answer */
	struct http_answer answer;
	char *body;
	size_t body_bytes; /* of answer.body_bytes, so far */
	char texts[1 + HTTP_WANTED_MAX][COURIER_FIELD_BYTES_MAX + 1]; /* what answer points to */
};

/* Writes the order. Its courier, id, deadline and owner are the caller's to fill in. As courier_ask(). */
int courier_call_new(const struct http_request *request, struct courier_call **ret,
                     struct err *err);

/* The caller has taken it out of its courier, which may be gone. */
void courier_call_free(struct courier_call *call);

enum courier_call_outcome {
	COURIER_CALL_GOES_ON = 0,
	COURIER_CALL_OVER, /* its answer is whole, or it has failed: call->err says so */
};

/* Takes what the courier says to it. -EPROTO: it is not as agreed; -ENOMEM */
int courier_call_hear(struct courier_call *call, const struct courier_said *said, struct err *err);
