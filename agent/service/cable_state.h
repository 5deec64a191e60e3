/* The life of the pod's connection to its service, as pure state: instants and frames come in, and out comes what to
 * do next. No socket, no clock read.
 *
 *   cable_state_start(&s, spread_ns, now_ns, seed);
 *   while ((step = cable_state_turn(&s, now_ns, writable)).what != CABLE_WAIT)
 *           do it
 *   call it again at step.wake_ns, and after any of the other calls
 *
 * Promises, whatever the service does:
 *  - each stage has a deadline, and 20 s without a frame are the end of a connection, not of the process;
 *  - nothing but a subscription is said before that of this connection is confirmed;
 *  - while it is confirmed, a pong goes out every 25 s at the latest, and all about the pod every ten minutes;
 *  - the next connection is begun after 0.5 s, and twice as long each time up to `spread_ns`, 15 s at the least. After
 *    one that was confirmed and lived for 30 s the first wait is drawn from 0.5 s to `spread_ns`: a whole fleet may
 *    have lost its service in that second (docs/decisions/0024-coming-back.md). Whoever was told not to come back
 *    waits a minute, up to 15.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/schedule/backoff.h"

struct cable_frame;

#define CABLE_DIAL_NS        (15 * 1000000000ULL)
#define CABLE_HANDSHAKE_NS   (15 * 1000000000ULL) /* TLS, and the answer to the request */
#define CABLE_WELCOME_NS     (10 * 1000000000ULL)
#define CABLE_CONFIRM_NS     (10 * 1000000000ULL)
#define CABLE_SILENCE_NS     (20 * 1000000000ULL) /* six of the service's pings */
#define CABLE_CLOSE_NS       (2 * 1000000000ULL)
#define CABLE_STABLE_NS      (30 * 1000000000ULL)
#define CABLE_AGAIN_NS       (15 * 1000000000ULL) /* the longest wait, where there is no spread */
#define CABLE_SPREAD_MOST_NS (900 * 1000000000ULL)
#define CABLE_SYNC_NS        (600 * 1000000000ULL)
#define CABLE_SYNC_JITTER    0.1
#define CABLE_PONG_LEAST_NS  (12 * 1000000000ULL) /* the service forgets us after 45 s */
#define CABLE_PONG_MOST_NS   (25 * 1000000000ULL)

enum cable_phase {
	CABLE_RESTING,
	CABLE_DIALING,
	CABLE_SHAKING_HANDS,
	CABLE_GREETING, /* until the welcome */
	CABLE_JOINING,  /* until the subscription is confirmed */
	CABLE_CONFIRMED,
	CABLE_CLOSING,
	CABLE_STOPPED, /* nothing more will be asked for */
};
const char *cable_phase_name(enum cable_phase phase);

enum cable_why { /* a connection has ended */
	         CABLE_WHY_NONE,
	         CABLE_WHY_BROKE, /* told by cable_state_ended(): whoever called knows more */
	         CABLE_WHY_NO_ADDRESS_ANSWERS,
	         CABLE_WHY_NO_HANDSHAKE,
	         CABLE_WHY_NO_WELCOME,
	         CABLE_WHY_NO_CONFIRMATION,
	         CABLE_WHY_REJECTED,
	         CABLE_WHY_SILENCE,
	         CABLE_WHY_TAKES_NOTHING,
	         CABLE_WHY_SENT_AWAY, /* by a disconnect frame */
	         CABLE_WHY_PEER_CLOSED,
	         CABLE_WHY_PEER_WRONG, /* it broke RFC 6455 */
	         CABLE_WHY_STOPPED,
};
const char *cable_why_text(enum cable_why why); /* "the service sends no welcome" */

struct cable_state {
	enum cable_phase phase;
	enum cable_why why; /* the last connection has ended, or ends */
	uint64_t random;
	bool spreads; /* the first wait after a life is drawn from all of them */
	struct backoff again, sent_away;
	uint64_t until_ns;  /* the phase's own deadline */
	uint64_t heard_ns;  /* the last frame */
	uint64_t joined_ns; /* confirmed */
	uint64_t ponged_ns; /* or the confirmation, which tells the service as much */
	uint64_t sync_ns;   /* the next one */
	uint16_t close_code;
	bool subscribed; /* it was said */
	bool asked;      /* a ping came that a pong is due for */
	bool close_said;
	bool stay_away;
	bool has_lived; /* it was confirmed for CABLE_STABLE_NS, and ends */
	bool stopping;
};

/* The first connection is due at once. `spread_ns`: 0 where few share the service; above CABLE_SPREAD_MOST_NS it is
 * that. */
void cable_state_start(struct cable_state *s, uint64_t spread_ns, uint64_t now_ns, uint64_t seed);

enum cable_what {
	CABLE_WAIT, /* until wake_ns, or until something happens */
	CABLE_DIAL,
	CABLE_SUBSCRIBE,
	CABLE_SYNC,
	CABLE_PONG,
	CABLE_CLOSE, /* a Close of close_code */
	CABLE_DROP,  /* whatever there is of a connection, without a word */
};

struct cable_step {
	enum cable_what what;
	uint64_t wake_ns;
	uint16_t close_code;
};

/* `writable`: a frame may be sent now. Where it may not, what is to be said waits, but no deadline does. */
struct cable_step cable_state_turn(struct cable_state *s, uint64_t now_ns, bool writable);

/* What has happened. */
void cable_state_connected(struct cable_state *s, uint64_t now_ns); /* TCP */
void cable_state_opened(struct cable_state *s, uint64_t now_ns); /* the service speaks WebSocket */
void cable_state_heard(struct cable_state *s, uint64_t now_ns);  /* a frame, of any kind */
void cable_state_took(struct cable_state *s, const struct cable_frame *f, uint64_t now_ns);

/* To be ended by us, with a Close of that code: the peer's own Close came (1000), or it broke the protocol. */
void cable_state_leave(struct cable_state *s, enum cable_why why, uint16_t close_code,
                       uint64_t now_ns);

/* The connection is gone, or there was none to be had. */
void cable_state_ended(struct cable_state *s, uint64_t now_ns);

/* For good: closes what is open, then CABLE_STOPPED. */
void cable_state_stop(struct cable_state *s, uint64_t now_ns);
