#include "agent/daemon/before_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/host/cross_traffic.h"
#include "agent/host/interfaces.h"
#include "agent/host/wifi.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

#define WARNING_BYTES 160

struct before_test {
	struct loop *loop;
	before_test_done done;
	void *owner;
	struct loop_timer step;
	bool sought;                 /* the interface was */
	char interface[IF_NAMESIZE]; /* as asked for */
	char name[IF_NAMESIZE];      /* "": not known */
	char address[INTERFACE_ADDRESS_TEXT_BYTES];
	bool is_there, wireless;
	struct cross_traffic look;
	char warning[WARNING_BYTES];
	struct wifi_ask *radio;
};

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void finish(struct before_test *b, const char *connection_info)
{
	struct before_test_end end = { .is_there = b->is_there,
		                       .name = or_null(b->name),
		                       .address = or_null(b->address),
		                       .warning = or_null(b->warning),
		                       .wireless = b->wireless,
		                       .connection_info = connection_info };

	b->done(b->owner, &end);
	before_test_cancel(b);
}

/* --- the radio -------------------------------------------------------------------------------------- */

static void on_radio(void *owner, const struct wifi_status *status)
{
	char *info = wifi_json_text(status);

	finish(owner, info);
	free(info);
}

static void ask_radio(struct before_test *b)
{
	struct wifi_options o = { .interface = b->name };
	struct err err;

	if (wifi_ask(b->loop, &o, on_radio, b, &b->radio, &err) == 0)
		return;
	log_err(LOG_LEVEL_WARNING, &err);
	finish(b, NULL);
}

/* --- the line --------------------------------------------------------------------------------------- */

static void note_traffic(struct before_test *b)
{
	snprintf(b->warning, sizeof(b->warning),
	         "something else used %s before the test, with %.1f Mbit/s in the last second, "
	         "and for as long as we waited",
	         b->name, (double)b->look.busy_bps / 1e6);
	log_warning("%s", b->warning);
}

/* Answers whether that was the last look. */
static bool look_at_line(struct before_test *b)
{
	struct interface_counters now;
	struct err err;
	bool counted = *b->name && interface_counters_read(b->name, &now, &err) == 0;

	switch (cross_traffic_take(&b->look, counted ? &now : NULL, loop_now_ns(b->loop))) {
	case CROSS_TRAFFIC_LOOK_AGAIN:
		loop_timer_set(b->loop, &b->step, b->look.again_ns);
		return false;
	case CROSS_TRAFFIC_BUSY:
		note_traffic(b);
		return true;
	case CROSS_TRAFFIC_QUIET:
	case CROSS_TRAFFIC_UNKNOWN:
		break;
	}
	return true;
}

/* --- the interface ---------------------------------------------------------------------------------- */

/* Not ::1, nor what is of this link alone. */
static bool is_global(const struct interface_address *a)
{
	struct in6_addr v6;

	if (a->family == AF_INET)
		return a->bytes[0] != 127 && !(a->bytes[0] == 169 && a->bytes[1] == 254);
	memcpy(&v6, a->bytes, sizeof(v6)); /* there it lies at any address */
	return !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_LOOPBACK(&v6);
}

static void take_interface(struct before_test *b, const struct interfaces *list,
                           const struct interface *i)
{
	const struct interface_address *a = NULL;

	bytes_copy_text(b->name, sizeof(b->name), i->name);
	b->wireless = i->is_wlan;
	while (!*b->address && (a = interfaces_next_address(list, i, a)))
		if (is_global(a))
			interface_address_text(a, b->address);
}

static void find_interface(struct before_test *b)
{
	struct interfaces list = {};
	const struct interface *i;
	struct err err;

	b->sought = true;
	b->is_there = true; /* where nothing can be asked, the test itself finds out */
	if (interfaces_read(&list, &err) < 0) {
		log_err(LOG_LEVEL_WARNING, &err);
		bytes_copy_text(b->name, sizeof(b->name), b->interface);
		return;
	}
	i = *b->interface ? interfaces_find(&list, b->interface) : interfaces_default(&list);
	if (i)
		take_interface(b, &list, i);
	else
		b->is_there = !*b->interface;
	interfaces_free(&list);
}

/* --- in turn ---------------------------------------------------------------------------------------- */

static void on_step(void *owner)
{
	struct before_test *b = owner;

	if (!b->sought)
		find_interface(b);
	if (b->is_there && !look_at_line(b))
		return;
	if (b->is_there && b->wireless)
		ask_radio(b);
	else
		finish(b, NULL);
}

int before_test_start(struct loop *loop, const char *interface, before_test_done done, void *owner,
                      struct before_test **ret, struct err *err)
{
	struct before_test *b = calloc(1, sizeof(*b));

	if (!b)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a look at the line");
	*b = (struct before_test){ .loop = loop,
		                   .done = done,
		                   .owner = owner,
		                   .step = { .fire = on_step, .owner = b },
		                   .look = { .limits = CROSS_TRAFFIC_LIMITS } };
	bytes_copy_text(b->interface, sizeof(b->interface), interface);
	loop_timer_set(loop, &b->step, 0);
	*ret = b;
	return 0;
}

struct before_test *before_test_cancel(struct before_test *b)
{
	if (!b)
		return NULL;
	loop_timer_cancel(b->loop, &b->step);
	wifi_cancel(b->radio);
	free(b);
	return NULL;
}
