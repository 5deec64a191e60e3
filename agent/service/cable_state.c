#include "agent/service/cable_state.h"

#include "agent/service/cable_frames.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/ws.h"

/* The least of the wait of who was sent away, with the jitter taken off, is a minute. */
#define AWAY_FIRST_NS (67 * NS_PER_S)
#define AWAY_MOST_NS  (900 * NS_PER_S)
#define JITTER        0.1

const char *cable_phase_name(enum cable_phase phase)
{
	static const char *const names[] = {
		[CABLE_RESTING] = "waiting",         [CABLE_DIALING] = "connecting",
		[CABLE_SHAKING_HANDS] = "handshake", [CABLE_GREETING] = "greeting",
		[CABLE_JOINING] = "subscribing",     [CABLE_CONFIRMED] = "confirmed",
		[CABLE_CLOSING] = "closing",         [CABLE_STOPPED] = "stopped",
	};

	return names[phase];
}

const char *cable_why_text(enum cable_why why)
{
	static const char *const texts[] = {
		[CABLE_WHY_NONE] = "",
		[CABLE_WHY_BROKE] = "the connection broke",
		[CABLE_WHY_NO_ADDRESS_ANSWERS] = "no address answers within 15 s",
		[CABLE_WHY_NO_HANDSHAKE] = "no handshake within 15 s",
		[CABLE_WHY_NO_WELCOME] = "no welcome within 10 s",
		[CABLE_WHY_NO_CONFIRMATION] = "the subscription is not confirmed within 10 s",
		[CABLE_WHY_REJECTED] = "the subscription is rejected",
		[CABLE_WHY_SILENCE] = "no frame for 20 s",
		[CABLE_WHY_TAKES_NOTHING] = "the service takes nothing for 20 s",
		[CABLE_WHY_SENT_AWAY] = "the service asks us to disconnect",
		[CABLE_WHY_PEER_CLOSED] = "the service closed the connection",
		[CABLE_WHY_PEER_WRONG] = "the service breaks the WebSocket protocol",
		[CABLE_WHY_STOPPED] = "the daemon stops",
	};

	return texts[why];
}

static uint64_t within(uint64_t ns, uint64_t least_ns, uint64_t most_ns)
{
	return ns < least_ns ? least_ns : ns > most_ns ? most_ns : ns;
}

void cable_state_start(struct cable_state *s, uint64_t spread_ns, uint64_t now_ns, uint64_t seed)
{
	*s = (struct cable_state){
		.random = seed,
		.until_ns = now_ns,
		.spreads = spread_ns > 0,
		.again = { .first_ns = NS_PER_S / 2,
		           .most_ns = within(spread_ns, CABLE_AGAIN_NS, CABLE_SPREAD_MOST_NS),
		           .jitter = JITTER },
		.sent_away = { .first_ns = AWAY_FIRST_NS,
		               .most_ns = AWAY_MOST_NS,
		               .jitter = JITTER },
	};
}

static bool is_open(const struct cable_state *s)
{
	return s->phase == CABLE_GREETING || s->phase == CABLE_JOINING ||
	       s->phase == CABLE_CONFIRMED;
}

static void enter(struct cable_state *s, enum cable_phase phase, uint64_t until_ns)
{
	s->phase = phase;
	s->until_ns = until_ns;
}

/* --- endings --------------------------------------------------------------------------------------- */

/* By what was heard: the silence at the end of a connection is not its life. */
static void settle_backoff(struct cable_state *s)
{
	if (s->phase != CABLE_CONFIRMED || s->heard_ns < s->joined_ns + CABLE_STABLE_NS)
		return;
	backoff_reset(&s->again);
	backoff_reset(&s->sent_away);
	s->has_lived = true;
}

static uint64_t next_wait_ns(struct cable_state *s)
{
	if (s->stay_away)
		return backoff_next(&s->sent_away, &s->random);
	if (s->spreads && s->has_lived)
		return backoff_scatter(&s->again, &s->random);
	return backoff_next(&s->again, &s->random);
}

static void rest(struct cable_state *s, uint64_t now_ns)
{
	settle_backoff(s);
	if (s->stopping)
		enter(s, CABLE_STOPPED, CLOCK_NEVER_NS);
	else
		enter(s, CABLE_RESTING, now_ns + next_wait_ns(s));
	s->stay_away = s->has_lived = false;
}

void cable_state_leave(struct cable_state *s, enum cable_why why, uint16_t close_code,
                       uint64_t now_ns)
{
	if (!is_open(s))
		return;
	settle_backoff(s);
	s->why = why;
	s->close_code = close_code;
	s->close_said = false;
	enter(s, CABLE_CLOSING, now_ns + CABLE_CLOSE_NS);
}

void cable_state_ended(struct cable_state *s, uint64_t now_ns)
{
	if (s->phase == CABLE_RESTING || s->phase == CABLE_STOPPED)
		return;
	if (s->phase != CABLE_CLOSING)
		s->why = CABLE_WHY_BROKE;
	rest(s, now_ns);
}

void cable_state_stop(struct cable_state *s, uint64_t now_ns)
{
	s->stopping = true;
	if (s->phase == CABLE_RESTING)
		enter(s, CABLE_STOPPED, CLOCK_NEVER_NS);
	else if (s->phase == CABLE_DIALING || s->phase == CABLE_SHAKING_HANDS)
		s->until_ns = now_ns;
	else
		cable_state_leave(s, CABLE_WHY_STOPPED, WS_CLOSE_NORMAL, now_ns);
}

/* --- what has happened ------------------------------------------------------------------------------ */

void cable_state_connected(struct cable_state *s, uint64_t now_ns)
{
	if (s->phase == CABLE_DIALING && !s->stopping)
		enter(s, CABLE_SHAKING_HANDS, now_ns + CABLE_HANDSHAKE_NS);
}

void cable_state_opened(struct cable_state *s, uint64_t now_ns)
{
	if (s->phase != CABLE_SHAKING_HANDS || s->stopping)
		return;
	enter(s, CABLE_GREETING, now_ns + CABLE_WELCOME_NS);
	s->heard_ns = now_ns;
	s->subscribed = s->asked = false;
}

void cable_state_heard(struct cable_state *s, uint64_t now_ns)
{
	s->heard_ns = now_ns;
}

static void confirm(struct cable_state *s, uint64_t now_ns)
{
	enter(s, CABLE_CONFIRMED, CLOCK_NEVER_NS);
	s->why = CABLE_WHY_NONE;
	s->joined_ns = s->ponged_ns = now_ns;
	s->sync_ns = now_ns;
}

void cable_state_took(struct cable_state *s, const struct cable_frame *f, uint64_t now_ns)
{
	if (f->kind == CABLE_WELCOME && s->phase == CABLE_GREETING) {
		enter(s, CABLE_JOINING, now_ns + CABLE_CONFIRM_NS);
	} else if (f->kind == CABLE_CONFIRM && s->phase == CABLE_JOINING && s->subscribed) {
		confirm(s, now_ns);
	} else if (f->kind == CABLE_PING && s->phase == CABLE_CONFIRMED) {
		s->asked = now_ns >= s->ponged_ns + CABLE_PONG_LEAST_NS;
	} else if (f->kind == CABLE_REJECT) {
		cable_state_leave(s, CABLE_WHY_REJECTED, WS_CLOSE_NORMAL, now_ns);
	} else if (f->kind == CABLE_DISCONNECT && is_open(s)) {
		s->stay_away = f->stay_away;
		cable_state_leave(s, CABLE_WHY_SENT_AWAY, WS_CLOSE_NORMAL, now_ns);
	}
}

/* --- what to do --------------------------------------------------------------------------------------- */

static uint64_t least_ns(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct cable_step wait_until(uint64_t wake_ns)
{
	return (struct cable_step){ .what = CABLE_WAIT, .wake_ns = wake_ns };
}

static struct cable_step drop(struct cable_state *s, enum cable_why why, uint64_t now_ns)
{
	if (why != CABLE_WHY_NONE)
		s->why = s->stopping ? CABLE_WHY_STOPPED : why;
	rest(s, now_ns);
	return (struct cable_step){ .what = CABLE_DROP };
}

static struct cable_step turn_closing(struct cable_state *s, uint64_t now_ns, bool writable)
{
	if (now_ns >= s->until_ns)
		return drop(s, CABLE_WHY_NONE, now_ns);
	if (s->close_said || !writable)
		return wait_until(s->until_ns);
	s->close_said = true;
	s->until_ns = now_ns + CABLE_CLOSE_NS;
	return (struct cable_step){ .what = CABLE_CLOSE, .close_code = s->close_code };
}

static struct cable_step turn_joining(struct cable_state *s, bool writable)
{
	if (s->subscribed || !writable)
		return wait_until(least_ns(s->until_ns, s->heard_ns + CABLE_SILENCE_NS));
	s->subscribed = true;
	return (struct cable_step){ .what = CABLE_SUBSCRIBE };
}

static uint64_t until_next_sync_ns(struct cable_state *s)
{
	double factor = 1 + CABLE_SYNC_JITTER * (2 * draw_uniform(&s->random) - 1);

	return (uint64_t)((double)CABLE_SYNC_NS * factor);
}

static struct cable_step turn_confirmed(struct cable_state *s, uint64_t now_ns, bool writable)
{
	uint64_t pong_ns = s->ponged_ns + CABLE_PONG_MOST_NS;
	bool pong = s->asked || now_ns >= pong_ns;

	if (!writable && now_ns >= pong_ns + CABLE_SILENCE_NS)
		return drop(s, CABLE_WHY_TAKES_NOTHING, now_ns);
	if (writable && now_ns >= s->sync_ns) {
		s->sync_ns = now_ns + until_next_sync_ns(s);
		return (struct cable_step){ .what = CABLE_SYNC };
	}
	if (writable && pong) {
		s->asked = false;
		s->ponged_ns = now_ns;
		return (struct cable_step){ .what = CABLE_PONG };
	}
	if (!writable) /* what is due is asked for when there is room */
		return wait_until(least_ns(s->heard_ns, pong_ns) + CABLE_SILENCE_NS);
	return wait_until(least_ns(s->heard_ns + CABLE_SILENCE_NS, least_ns(s->sync_ns, pong_ns)));
}

static enum cable_why too_late(const struct cable_state *s, uint64_t now_ns)
{
	static const enum cable_why of_phase[] = {
		[CABLE_DIALING] = CABLE_WHY_NO_ADDRESS_ANSWERS,
		[CABLE_SHAKING_HANDS] = CABLE_WHY_NO_HANDSHAKE,
		[CABLE_GREETING] = CABLE_WHY_NO_WELCOME,
		[CABLE_JOINING] = CABLE_WHY_NO_CONFIRMATION,
		[CABLE_CONFIRMED] = CABLE_WHY_NONE,
	};

	if (now_ns >= s->until_ns)
		return of_phase[s->phase];
	if (is_open(s) && now_ns >= s->heard_ns + CABLE_SILENCE_NS)
		return CABLE_WHY_SILENCE;
	return CABLE_WHY_NONE;
}

struct cable_step cable_state_turn(struct cable_state *s, uint64_t now_ns, bool writable)
{
	enum cable_why why;

	if (s->phase == CABLE_STOPPED)
		return wait_until(CLOCK_NEVER_NS);
	if (s->phase == CABLE_CLOSING)
		return turn_closing(s, now_ns, writable);
	if (s->phase == CABLE_RESTING) {
		if (now_ns < s->until_ns)
			return wait_until(s->until_ns);
		enter(s, CABLE_DIALING, now_ns + CABLE_DIAL_NS);
		return (struct cable_step){ .what = CABLE_DIAL };
	}
	why = too_late(s, now_ns);
	if (why != CABLE_WHY_NONE && !is_open(s))
		return drop(s, why, now_ns);
	if (why != CABLE_WHY_NONE) {
		cable_state_leave(s, why, WS_CLOSE_NORMAL, now_ns);
		return turn_closing(s, now_ns, writable);
	}
	if (s->phase == CABLE_JOINING)
		return turn_joining(s, writable);
	if (s->phase == CABLE_CONFIRMED)
		return turn_confirmed(s, now_ns, writable);
	return wait_until(s->until_ns);
}
