#include "agent/host/wifi.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/host/interfaces.h"
#include "agent/host/nl80211.h"
#include "agent/host/supplicant.h"
#include "agent/host/wifi_text.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define DATAGRAMS_MAX 8 /* a turn; of one that sends without end, the rest waits */

/* What is asked, one after the other. */
static const struct question {
	const char *command;
	bool (*take)(const char *text, size_t n, struct wifi_status *into);
} questions[] = {
	{ "STATUS", wifi_text_status },
	{ "SIGNAL_POLL", wifi_text_signal },
};

#define QUESTIONS (sizeof(questions) / sizeof(*questions))

struct wifi_ask {
	struct loop *loop;
	wifi_done done;
	void *owner;
	char interface[IF_NAMESIZE];
	struct supplicant supplicant; /* but its descriptor, which is the loop's */
	struct loop_io *io;
	struct loop_timer timer;
	size_t question; /* the one that is open; QUESTIONS: none is */
	struct wifi_status status;
};

/* --- the end ------------------------------------------------------------------------------------- */

static bool is_link_local(const struct interface_address *a)
{
	return a->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)a->bytes);
}

/* Where the supplicant did not say: it does for IPv4 only. */
static void find_address(const char *interface, struct wifi_status *s)
{
	struct interfaces list = {};
	const struct interface_address *a = NULL;
	const struct interface *i;

	if (interfaces_read(&list, NULL) == 0 && (i = interfaces_find(&list, interface)))
		do
			a = interfaces_next_address(&list, i, a);
		while (a && is_link_local(a));
	if (a)
		interface_address_text(a, s->ip);
	interfaces_free(&list);
}

static void leave_supplicant(struct wifi_ask *w)
{
	w->io = loop_remove(w->io);
	supplicant_close(&w->supplicant);
}

static bool is_complete(const struct wifi_status *s)
{
	return *s->bssid && *s->width && s->signal_dbm.known && s->noise_dbm.known &&
	       s->tx_speed_mbps.known && s->frequency_mhz.known;
}

/* From a turn of its own, as nothing of ours is in use any more: the owner may end us in done(). */
static void finish(void *self)
{
	struct wifi_ask *w = self;
	struct wifi_status *s = &w->status;

	leave_supplicant(w);
	if (s->link == WIFI_NOT_KNOWN || (s->link == WIFI_CONNECTED && !is_complete(s)))
		nl80211_fill(if_nametoindex(w->interface), s);
	if (s->link == WIFI_CONNECTED && !*s->ip)
		find_address(w->interface, s);
	w->done(w->owner, s);
}

static void finish_soon(struct wifi_ask *w)
{
	w->question = QUESTIONS;
	loop_timer_set(w->loop, &w->timer, loop_now_ns(w->loop));
}

/* --- question and answer ------------------------------------------------------------------------- */

static void put_question(struct wifi_ask *w)
{
	const char *command = questions[w->question].command;

	if (send(loop_io_fd(w->io), command, strlen(command), MSG_NOSIGNAL) < 0) {
		finish_soon(w);
		return;
	}
	loop_timer_set(w->loop, &w->timer, loop_now_ns(w->loop) + WIFI_WAIT_NS);
	loop_poll(w->io, POLLIN);
}

/* It is not connected, so there is nothing more to ask; or it does not answer what we can read. */
static void take_answer(struct wifi_ask *w, const char *text, size_t n)
{
	bool read = questions[w->question].take(text, n, &w->status);

	if (!read || w->status.link != WIFI_CONNECTED || ++w->question == QUESTIONS) {
		finish_soon(w);
		return;
	}
	put_question(w);
}

/* What begins with "<" is no answer: an event, told to who has asked for events. */
static void read_answers(struct wifi_ask *w)
{
	char text[WIFI_TEXT_BYTES_MAX];

	for (int i = 0; i < DATAGRAMS_MAX && w->question < QUESTIONS; i++) {
		ssize_t n = recv(loop_io_fd(w->io), text, sizeof(text), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			finish_soon(w);
			return;
		}
		if (n > 0 && text[0] != '<')
			take_answer(w, text, (size_t)n);
	}
	if (w->question < QUESTIONS)
		loop_poll(w->io, POLLIN);
}

static void on_polled(void *owner, int events)
{
	struct wifi_ask *w = owner;

	if (w->question == QUESTIONS)
		return;
	if (events & POLLIN)
		read_answers(w);
	else
		finish_soon(w);
}

static const struct loop_events wifi_events = { .polled = on_polled };

/* --- begin and end ------------------------------------------------------------------------------- */

static int reach_supplicant(struct wifi_ask *w, const struct wifi_options *o)
{
	const char *sockets = o->supplicant ? o->supplicant : WIFI_SUPPLICANT;
	int r = supplicant_open(&w->supplicant, o->directory, sockets, o->interface, NULL);

	if (r == 0)
		r = loop_add(w->loop, w->supplicant.fd, &wifi_events, w, &w->io, NULL);
	if (r == 0)
		w->supplicant.fd = -1;
	return r;
}

CLEANUP_DEFINE(wifi_cancelp, struct wifi_ask *, wifi_cancel)

int wifi_ask(struct loop *loop, const struct wifi_options *o, wifi_done done, void *owner,
             struct wifi_ask **ret, struct err *err)
{
	CLEANUP(wifi_cancelp) struct wifi_ask *w = calloc(1, sizeof(*w));

	if (!w)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate to ask for a radio's state");
	w->loop = loop;
	w->done = done;
	w->owner = owner;
	w->timer = (struct loop_timer){ .fire = finish, .owner = w };
	w->supplicant = (struct supplicant)SUPPLICANT_NULL;
	bytes_copy_text(w->interface, sizeof(w->interface), o->interface);
	if (reach_supplicant(w, o) == 0)
		put_question(w);
	else
		finish_soon(w);
	*ret = TAKE(w, NULL);
	return 0;
}

struct wifi_ask *wifi_cancel(struct wifi_ask *w)
{
	if (!w)
		return NULL;
	loop_timer_cancel(w->loop, &w->timer);
	leave_supplicant(w);
	free(w);
	return NULL;
}
