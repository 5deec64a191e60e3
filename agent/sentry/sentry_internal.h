/* What sentry.c, which makes reports, and sentry_send.c, which sends them, share. */
#pragma once

#include "agent/schedule/backoff.h"
#include "agent/sentry/sentry.h"
#include "agent/sentry/sentry_dsn.h"
#include "agent/sentry/sentry_identity.h"
#include "agent/sentry/sentry_quota.h"
#include "agent/sentry/sentry_spool.h"

/* What is on its way. */
struct sentry_flight {
	bool active;
	bool has_item;
	struct sentry_item item;
	struct sentry_losses losses; /* told along; told again where no answer comes */
	uint64_t until_ns;           /* then it is given up, whatever the transport says */
};

struct sentry {
	struct sentry_dsn dsn;
	struct sentry_identity identity;
	struct sentry_known_list known; /* texts are ours */
	struct sentry_transport transport;
	uint64_t (*now_ns)(void);
	uint64_t (*utc_ns)(void);
	uint64_t seed;
	char operation[64];

	struct sentry_quota quota;
	struct sentry_spool spool;
	struct sentry_limits limits;
	struct sentry_flight flight;

	bool held;
	bool stopping;
	uint64_t stop_ns;        /* no longer than until then */
	uint64_t not_before_ns;  /* pacing, waits after failures: nothing comes earlier */
	uint64_t send_ns;        /* the next one; CLOCK_NEVER_NS: nothing wants to be sent */
	uint64_t losses_told_ns; /* 0: never */
	struct backoff backoff;  /* while no answer comes */
	unsigned int refused;    /* in a row */
};

void sentry_send_begin(struct sentry *s);
void sentry_send_cancel(struct sentry *s);

/* There is one more; of what is not fatal, a while may pass, so that ten thousand pods do not tell at once. */
void sentry_send_soon(struct sentry *s, bool fatal);
