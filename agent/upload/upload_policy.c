#include "agent/upload/upload_policy.h"

#include "transport/base/clock.h"

/* What a service may ask for; a day of Retry-After would be a mistake. */
#define ASKED_MOST_S 3600

void upload_policy_start(struct upload_policy *p, uint64_t seed)
{
	*p = (struct upload_policy){
		.backoff = { .first_ns = UPLOAD_FIRST_NS,
		             .most_ns = UPLOAD_MOST_NS,
		             .jitter = UPLOAD_JITTER },
		.random = seed,
	};
}

bool upload_policy_may(const struct upload_policy *p, uint64_t now_ns, uint64_t *ret_wake_ns)
{
	*ret_wake_ns = p->denied ? CLOCK_NEVER_NS : p->free_at_ns;
	return now_ns >= *ret_wake_ns;
}

bool upload_policy_may_send(uint32_t unanswered)
{
	return unanswered < UPLOAD_UNANSWERED_MAX;
}

void upload_policy_new_credentials(struct upload_policy *p)
{
	p->denied = false;
	p->free_at_ns = 0;
	backoff_reset(&p->backoff);
}

/* The service's own word is a lower bound: all whom it tells the same must not come back together. */
static uint64_t hold_back(struct upload_policy *p, uint64_t now_ns, uint64_t asked_s)
{
	uint64_t wait_ns = backoff_next(&p->backoff, &p->random);

	asked_s = asked_s < ASKED_MOST_S ? asked_s : ASKED_MOST_S;
	if (asked_s > 0)
		wait_ns += asked_s * NS_PER_S;
	p->free_at_ns = now_ns + wait_ns;
	return wait_ns;
}

static void put_off(struct upload_policy *p, uint64_t now_ns, uint64_t asked_s,
                    struct upload_waits *ret)
{
	struct backoff behind = { .first_ns = UPLOAD_MOST_NS,
		                  .most_ns = UPLOAD_MOST_NS,
		                  .jitter = UPLOAD_JITTER };

	ret->alone_ns = hold_back(p, now_ns, asked_s);
	ret->behind_ns = backoff_next(&behind, &p->random);
	if (ret->behind_ns < ret->alone_ns)
		ret->behind_ns = ret->alone_ns;
}

bool upload_policy_is_server_error(const struct upload_answer *answer)
{
	return answer->verdict == UPLOAD_LATER && answer->status >= 500 && answer->status < 600;
}

static bool is_silence(const struct upload_answer *a)
{
	return a->verdict == UPLOAD_SILENCE && a->sent;
}

enum upload_action upload_policy_judge(struct upload_policy *p, uint64_t now_ns,
                                       const struct upload_answer *answer, uint32_t unanswered,
                                       struct upload_waits *ret)
{
	*ret = (struct upload_waits){};
	switch (answer->verdict) {
	case UPLOAD_TAKEN:
	case UPLOAD_REFUSED:
		p->free_at_ns = 0;
		backoff_reset(&p->backoff);
		return answer->verdict == UPLOAD_TAKEN ? UPLOAD_ACCEPT : UPLOAD_REFUSE;
	case UPLOAD_DENIED:
		p->denied = true;
		return UPLOAD_AGAIN;
	case UPLOAD_LATER:
	case UPLOAD_SILENCE:
		break;
	}
	put_off(p, now_ns, answer->retry_after_s, ret);
	if (!is_silence(answer))
		return UPLOAD_AGAIN;
	return upload_policy_may_send(unanswered) ? UPLOAD_UNCERTAIN : UPLOAD_QUARANTINE;
}
