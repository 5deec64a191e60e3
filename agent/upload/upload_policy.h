/* What becomes of an upload by its answer, and when the next one may go (contract 4.6). Pure.
 *
 *   upload_policy_start(&p, seed);
 *   upload_policy_may(&p, now_ns, &wake_ns)                 may one go now?
 *   action = upload_policy_judge(&p, now_ns, &answer, unanswered, &waits);
 *   upload_policy_new_credentials(&p);
 *
 * Promises:
 *  - while the service or the way to it fails, one result is tried after 15 s, 30 s, … 15 min, whichever it is, each
 *    by up to a tenth off; the first that arrives ends that;
 *  - a result that fails steps behind all others, for it may be the result and not the service;
 *  - what was sent twice without an answer is not sent again by itself: it may be there already, twice; it is sent
 *    once more each time that the service shows that it is not (store_outbox_release_asked());
 *  - credentials that are refused are not tried again until they are others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/schedule/backoff.h"

#define UPLOAD_FIRST_NS       (15 * 1000000000ULL)
#define UPLOAD_MOST_NS        (15 * 60 * 1000000000ULL)
#define UPLOAD_JITTER         0.1
#define UPLOAD_UNANSWERED_MAX 2 /* attempts without an answer */

/* A result that is answered with 5xx for so long is no longer what the service waits for: contract 4.6, which has this as
 * the most that the age of a result should be. It is tried on. */
#define UPLOAD_FAILING_NS (24 * 3600 * 1000000000ULL)

enum upload_verdict {
	UPLOAD_TAKEN,   /* 201 */
	UPLOAD_DENIED,  /* 404: our credentials */
	UPLOAD_REFUSED, /* 400, 413, 422: this result */
	UPLOAD_LATER,   /* any other status */
	UPLOAD_SILENCE, /* no answer, none that is whole, or a gateway's that has none (504) */
};

struct upload_answer {
	enum upload_verdict verdict;
	bool sent;              /* UPLOAD_SILENCE: all of it may have been on its way */
	uint64_t retry_after_s; /* as the service asks; 0: it does not */
	const char *why;        /* a clause for a person */
	int status;             /* of HTTP; 0: no answer */
};

enum upload_action {
	UPLOAD_ACCEPT,     /* store_outbox_accepted() */
	UPLOAD_AGAIN,      /* store_outbox_again() after the wait */
	UPLOAD_UNCERTAIN,  /* store_outbox_unanswered(), likewise */
	UPLOAD_QUARANTINE, /* store_outbox_quarantine() */
	UPLOAD_REFUSE,     /* store_outbox_refused() */
};

struct upload_policy {
	struct backoff backoff;
	uint64_t random;
	uint64_t free_at_ns; /* none goes before */
	bool denied;
};

void upload_policy_start(struct upload_policy *p, uint64_t seed);

/* False: not before *ret_wake_ns, which is CLOCK_NEVER_NS where the credentials are refused. */
bool upload_policy_may(const struct upload_policy *p, uint64_t now_ns, uint64_t *ret_wake_ns);

/* Whether a result of so many attempts without an answer may be sent at all. */
bool upload_policy_may_send(uint32_t unanswered);

/* How long the result waits by itself. */
struct upload_waits {
	uint64_t alone_ns;  /* where no other one is due */
	uint64_t behind_ns; /* where others are */
};

/* The service has it in hand and fails, be it for this result alone: 5xx, and not a gateway's silence. */
bool upload_policy_is_server_error(const struct upload_answer *answer);

/* `unanswered`: the result's attempts without an answer, this one among them. */
enum upload_action upload_policy_judge(struct upload_policy *p, uint64_t now_ns,
                                       const struct upload_answer *answer, uint32_t unanswered,
                                       struct upload_waits *ret);

void upload_policy_new_credentials(struct upload_policy *p);
