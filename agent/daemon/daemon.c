#include "agent/daemon/daemon.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/interrupt.h"
#include "agent/base/resident.h"
#include "agent/base/spawner.h"
#include "agent/daemon/daemon_internal.h"
#include "agent/daemon/daemon_sandbox.h"
#include "agent/daemon/hangup.h"
#include "agent/host/sysinfo.h"
#include "agent/schedule/schedule.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

/* Registering makes a pod at the service each time: never faster than every ten seconds, the jitter taken off. */
#define REGISTER_FIRST_NS (11 * NS_PER_S)
#define REGISTER_MOST_NS  (120 * NS_PER_S)
#define REGISTER_JITTER   0.09

#define OPEN_AGAIN_NS (60 * NS_PER_S)

/* Behind the start, and then behind each sync or so. */
#define REST_FIRST_NS (10 * NS_PER_S)
#define REST_EVERY_NS (600 * NS_PER_S)

void daemon_turn_soon(struct daemon *d)
{
	loop_timer_set(d->loop, &d->turn, loop_now_ns(d->loop));
}

bool daemon_is_registered(const struct daemon *d)
{
	return d->config.client_id[0] && d->config.secret[0];
}

const char *daemon_platform(void)
{
	const char *dash = strchr(sysinfo_distribution(), '-');

	return dash ? dash + 1 : sysinfo_distribution();
}

char *daemon_interfaces(struct daemon *d)
{
	const struct daemon_orders *o = &d->o->orders;
	char *json = o->interfaces ? o->interfaces(o->self) : NULL;

	return json ? json : strdup("[]");
}

void daemon_boot_told(struct daemon *d)
{
	struct err err;

	d->teller = TELLER_NONE;
	if (!d->boot_untold)
		return;
	d->boot_untold = false;
	if (store_boot_told(d->store, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
}

/* --- orders ------------------------------------------------------------------------------------------ */

/* A service repeats what it asks, every five seconds after ten minutes: that is a warning once. */
void daemon_warn_of_order(struct daemon *d, const char *format, ...)
{
	char text[sizeof(d->said_order)];
	enum log_level level = LOG_LEVEL_DEBUG;
	va_list args;

	va_start(args, format);
	bytes_print_line(text, sizeof(text), format, args);
	va_end(args);
	if (strcmp(text, d->said_order) != 0)
		level = LOG_LEVEL_WARNING;
	log_line(level, __FILE__, __LINE__, __func__, "%s", text);
	bytes_copy_text(d->said_order, sizeof(d->said_order), text);
}

void daemon_order_test(struct daemon *d, const struct schedule_interfaces *on)
{
	const struct daemon_orders *o = &d->o->orders;
	struct schedule_interfaces there = {};

	for (size_t i = 0; i < on->count; i++) {
		if (!on->names[i][0] || if_nametoindex(on->names[i]) > 0)
			schedule_interfaces_add(&there, on->names[i]);
		else
			daemon_warn_of_order(
				d, "the service asks for a test on %s, which is not there",
				on->names[i]);
	}
	d->orders++;
	d->asked_since_sync = true;
	if (d->stopping || there.count == 0)
		return;
	if (o->test)
		o->test(o->self, &there);
	else
		log_warning("the service asks for a test, which this build does not run");
}

void daemon_order_no_test(struct daemon *d)
{
	const struct daemon_orders *o = &d->o->orders;

	if (o->no_test)
		o->no_test(o->self);
}

void daemon_order_update(struct daemon *d, const char *version, const char *url)
{
	const struct daemon_orders *o = &d->o->orders;

	d->orders++;
	if (d->stopping || strcmp(version, POD_VERSION) == 0)
		return;
	if (o->update)
		o->update(o->self, version, url);
	else
		daemon_warn_of_order(
			d, "the service offers version %s, which this build does not install",
			version);
}

void daemon_reloaded(struct daemon *d, bool other_service_or_pod)
{
	const struct daemon_orders *o = &d->o->orders;

	if (o->reloaded)
		o->reloaded(o->self, other_service_or_pod);
}

/* --- turns ---------------------------------------------------------------------------------------------- */

static bool all_stopped(const struct daemon *d)
{
	const struct daemon_orders *o = &d->o->orders;

	return (!d->cable || cable_phase(d->cable) == CABLE_STOPPED) && daemon_reports_stopped(d) &&
	       (!o->is_stopped || o->is_stopped(o->self));
}

static bool wants_cable(const struct daemon *d, uint64_t now_ns)
{
	return daemon_is_registered(d) && now_ns >= d->open_at_ns &&
	       (!d->cable || (d->reopen && cable_phase(d->cable) == CABLE_STOPPED));
}

/* What was good at the start may be bad after a SIGHUP: then the pod lives on HTTP, and this is tried again. */
static void reopen_cable(struct daemon *d, uint64_t now_ns)
{
	struct err err;

	d->cable = cable_free(d->cable);
	d->reopen = false;
	if (daemon_cable_open(d, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		d->open_at_ns = now_ns + OPEN_AGAIN_NS;
	}
}

static void on_turn(void *owner)
{
	struct daemon *d = owner;
	uint64_t now_ns = loop_now_ns(d->loop);

	if (d->stopping) {
		if (all_stopped(d))
			loop_stop(d->loop);
		return;
	}
	if (wants_cable(d, now_ns))
		reopen_cable(d, now_ns);
	loop_timer_set(d->loop, &d->turn, daemon_service_turn(d, now_ns));
}

static void on_watchdog(void *owner)
{
	struct daemon *d = owner;

	notify_send(&d->notify, "WATCHDOG=1");
	loop_timer_set(d->loop, &d->watchdog, loop_now_ns(d->loop) + d->watchdog_ns);
}

static void on_rest(void *owner)
{
	struct daemon *d = owner;

	resident_let_go();
	loop_timer_set(d->loop, &d->rest, loop_now_ns(d->loop) + REST_EVERY_NS);
}

/* --- signals ----------------------------------------------------------------------------------------------- */

static void on_deadline(void *owner)
{
	struct daemon *d = owner;

	log_warning("not all has ended within %llu s: stopping all the same",
	            DAEMON_STOP_NS / NS_PER_S);
	loop_stop(d->loop);
}

static void on_stop_asked(void *owner, int poll_events)
{
	struct daemon *d = owner;

	(void)poll_events;
	log_info("stopping");
	notify_send(&d->notify, "STOPPING=1\nSTATUS=Stopping");
	d->stopping = true;
	daemon_service_cancel(d);
	if (d->cable)
		cable_stop(d->cable);
	if (d->o->orders.stop)
		d->o->orders.stop(d->o->orders.self);
	daemon_reports_stop(d);
	loop_timer_set(d->loop, &d->deadline, loop_now_ns(d->loop) + DAEMON_STOP_NS);
	daemon_turn_soon(d);
}

/* What can start no test and no courier must not live on as if all were well: whoever started it starts it anew. */
static void on_spawner_gone(void *owner, int poll_events)
{
	struct daemon *d = owner;

	if (d->stopping)
		return;
	d->has_no_spawner = true;
	on_stop_asked(d, poll_events);
}

static int load_config(struct daemon *d, struct config *ret, struct err *err)
{
	struct config_notes notes = {};
	int r = config_load(d->o->config_path, ret, &notes, err);

	for (size_t i = 0; r == 0 && i < notes.count; i++)
		log_warning("%s", notes.text[i]);
	return r;
}

static bool is_same_service(const struct config *a, const struct config *b)
{
	return strcmp(a->server_url, b->server_url) == 0 &&
	       strcmp(a->client_id, b->client_id) == 0 && strcmp(a->secret, b->secret) == 0 &&
	       strcmp(a->ca_file, b->ca_file) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       a->fleet_spread_ns == b->fleet_spread_ns;
}

/* An answer to what was asked of the one before is not this one's: no test of it, nor that we are known. A pod that is
 * being registered stays one of the same service. */
static void leave_service(struct daemon *d, bool same_url)
{
	if (daemon_is_registered(d) || !same_url) {
		daemon_service_cancel(d);
		daemon_service_drop_pod(d);
	}
	heartbeat_other_pod(&d->heartbeat);
	if (d->cable) {
		d->reopen = true;
		cable_stop(d->cable);
	}
}

static void take_config(struct daemon *d, const struct config *fresh)
{
	bool same = is_same_service(&d->config, fresh);
	bool same_reports = daemon_reports_same(&d->config, fresh);

	if (!same)
		leave_service(d, strcmp(d->config.server_url, fresh->server_url) == 0);
	d->open_at_ns = 0;
	if (!same_reports)
		daemon_reports_end(d);
	d->config = *fresh;
	daemon_reports_know(d);
	if (!same_reports)
		daemon_reports_begin(d);
	heartbeat_set_every(&d->heartbeat, fresh->ping_freq_s * NS_PER_S, loop_now_ns(d->loop));
	if (daemon_is_registered(d))
		daemon_service_drop_pod(d);
	daemon_reloaded(d, !same);
	log_info("the configuration was read again%s", same ? "" : ": another service or pod");
}

/* `radar-pod register` beside us: to register once more would make a pod that nobody uses. */
bool daemon_takes_kept_credentials(struct daemon *d)
{
	struct config fresh;
	bool kept = config_load(d->o->config_path, &fresh, NULL, NULL) == 0 && fresh.client_id[0] &&
	            fresh.secret[0];

	if (kept) {
		log_info("%s names pod %s by now", d->o->config_path, fresh.client_id);
		daemon_sandbox_keep_ports(d, &fresh);
		take_config(d, &fresh);
		daemon_turn_soon(d);
	}
	explicit_bzero(&fresh, sizeof(fresh));
	return kept;
}

static void on_hangup(void *owner, int poll_events)
{
	struct daemon *d = owner;
	struct config fresh;
	struct err err;

	(void)poll_events;
	hangup_take(d->hangup_fd);
	loop_poll(d->hangup_io, POLLIN);
	notify_send(&d->notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
	            (unsigned long long)(clock_now_ns() / NS_PER_US));
	if (load_config(d, &fresh, &err) == 0) {
		daemon_sandbox_keep_ports(d, &fresh);
		take_config(d, &fresh);
	} else {
		log_err(LOG_LEVEL_ERROR, &err);
	}
	notify_send(&d->notify, "READY=1");
	daemon_turn_soon(d);
}

static const struct loop_events stop_events = { .polled = on_stop_asked };
static const struct loop_events hangup_events = { .polled = on_hangup };
static const struct loop_events spawner_events = { .polled = on_spawner_gone };

static int watch(struct daemon *d, int fd, const struct loop_events *events, struct loop_io **ret,
                 struct err *err)
{
	int r = loop_add(d->loop, fd, events, d, ret, err);

	if (r < 0)
		close(fd);
	else
		loop_poll(*ret, POLLIN);
	return r;
}

static int watch_signals(struct daemon *d, struct err *err)
{
	int fd, r = interrupt_open(&fd, err);

	if (r == 0)
		r = watch(d, fd, &stop_events, &d->stop_io, err);
	if (r == 0)
		r = hangup_open(&d->hangup_fd, err);
	if (r == 0)
		r = watch(d, d->hangup_fd, &hangup_events, &d->hangup_io, err);
	return r;
}

/* --- life ------------------------------------------------------------------------------------------------- */

static int open_store(struct daemon *d, struct err *err)
{
	const struct config *c = &d->config;
	struct store_limits limits = { .max_results = c->spool_max_results,
		                       .max_bytes = c->spool_max_bytes,
		                       .max_age_ns = c->spool_max_age_ns };
	struct store_report report = {};
	int r = config_state_dir(d->o->state_dir, c, d->state_dir, err);

	if (r == 0)
		r = store_open(d->state_dir, STORE_DAEMON, &limits, &d->store, &report, err);
	if (r < 0)
		return r;
	daemon_reports_begin(d);
	if (report.aside[0])
		log_error("the store was set aside as %s: %s; %llu results taken over",
		          report.aside, report.why, (unsigned long long)report.salvaged);
	if (store_boot_untold(d->store, &d->boot_untold, err) < 0) {
		log_err(LOG_LEVEL_WARNING, err);
		d->boot_untold =
			false; /* an outage that is not told is better than one that was none */
	}
	return 0;
}

static void start_clocks(struct daemon *d)
{
	uint64_t seed;

	bytes_random(&seed, sizeof(seed));
	bytes_random(&d->random, sizeof(d->random));
	d->started_ns = d->register_at_ns = loop_now_ns(d->loop);
	d->registering = (struct backoff){ .first_ns = REGISTER_FIRST_NS,
		                           .most_ns = REGISTER_MOST_NS,
		                           .jitter = REGISTER_JITTER };
	d->turn = (struct loop_timer){ .fire = on_turn, .owner = d };
	d->watchdog = (struct loop_timer){ .fire = on_watchdog, .owner = d };
	d->rest = (struct loop_timer){ .fire = on_rest, .owner = d };
	d->deadline = (struct loop_timer){ .fire = on_deadline, .owner = d };
	heartbeat_start(&d->heartbeat, d->config.ping_freq_s * NS_PER_S, d->started_ns, seed);
	daemon_turn_soon(d);
	loop_timer_set(d->loop, &d->rest, d->started_ns + REST_FIRST_NS);
	if (d->watchdog_ns != CLOCK_NEVER_NS)
		loop_timer_set(d->loop, &d->watchdog, d->started_ns + d->watchdog_ns);
}

static void say_hello(const struct daemon *d)
{
	const char *pod = d->config.client_id;
	char url[CONFIG_URL_BYTES];

	log_info("radar-pod " POD_VERSION ": pod %s of %s, state in %s, loop %s",
	         pod[0] ? pod : "not yet registered",
	         log_url(d->config.server_url, url, sizeof(url)), d->state_dir,
	         loop_body_name(d->loop));
	if (strncmp(d->config.server_url, "http:", 5) == 0)
		log_warning(
			"the service's URL begins with http: the secret goes out in clear text");
}

static void turn_soon(void *daemon)
{
	daemon_turn_soon(daemon);
}

static int begin_orders(struct daemon *d, struct err *err)
{
	const struct daemon_orders *o = &d->o->orders;
	struct daemon_world world = { .loop = d->loop,
		                      .store = d->store,
		                      .courier = d->courier,
		                      .config = &d->config,
		                      .config_path = d->o->config_path,
		                      .state_dir = d->state_dir,
		                      .children = &d->reports.children,
		                      .measuring = daemon_reports_measuring,
		                      .report = daemon_report,
		                      .turn_soon = turn_soon,
		                      .daemon = d };

	return o->begin ? o->begin(o->self, &world, err) : 0;
}

/* Of the second one a pod has no need: what is wrong with it is told, and the pod lives. */
static int open_status(struct daemon *d, struct err *err)
{
	char directory[CONFIG_PATH_BYTES];
	struct err of_group;
	int r = status_socket_open(d->loop, d->state_dir, STATUS_FOR_OWNER, daemon_status_compose,
	                           d, &d->status, err);

	if (r < 0 || !config_runtime_dir(directory))
		return r;
	if (status_socket_open(d->loop, directory, STATUS_FOR_GROUP, daemon_status_compose, d,
	                       &d->group_status, &of_group) < 0)
		log_err(LOG_LEVEL_WARNING, &of_group);
	return 0;
}

static int begin(struct daemon *d, struct err *err)
{
	int r = load_config(d, &d->config, err);

	if (r == 0)
		r = daemon_spawner_begin(d, err);
	if (r == 0)
		r = loop_open(LOOP_BODY_AUTO, &d->loop, err);
	if (r == 0)
		r = courier_new(d->loop, COURIER_IDLE_NS, &d->courier, err);
	if (r == 0)
		r = open_store(d, err);
	if (r == 0)
		r = watch_signals(d, err);
	if (r == 0)
		r = watch(d, spawner_watch(), &spawner_events, &d->spawner_io, err);
	if (r == 0)
		r = open_status(d, err);
	if (r == 0)
		r = daemon_sandbox_enter(d, err);
	if (r == 0 && daemon_is_registered(d))
		r = daemon_cable_open(d, err);
	if (r == 0)
		r = begin_orders(d, err);
	d->begun = r == 0;
	return r;
}

static void end(struct daemon *d)
{
	const struct daemon_orders *o = &d->o->orders;

	if (d->begun && o->end)
		o->end(o->self);
	daemon_service_cancel(d);
	cable_free(d->cable);
	daemon_reports_end(d);
	courier_free(d->courier);
	status_socket_close(d->group_status);
	status_socket_close(d->status);
	tls_context_free(d->tls);
	loop_remove(d->spawner_io);
	loop_remove(d->hangup_io);
	loop_remove(d->stop_io);
	loop_close(d->loop);
	store_close(d->store);
	spawner_end();
	notify_close(&d->notify);
	explicit_bzero(&d->config, sizeof(d->config));
}

int daemon_run(const struct daemon_options *options, struct err *err)
{
	static struct daemon d;
	int r;

	d = (struct daemon){ .o = options, .notify = { .fd = -1 } };
	notify_open(&d.notify, &d.watchdog_ns);
	r = begin(&d, err);
	if (r == 0) {
		start_clocks(&d);
		say_hello(&d);
		notify_send(&d.notify, "READY=1");
		r = loop_run(d.loop, CLOCK_NEVER_NS, err);
		if (r == 0 && d.has_no_spawner)
			r = ERR_SET(err, -ECHILD, ERR_SYS, 0,
			            "go on: the process that starts tests and uploads was ended");
	}
	if (r < 0)
		daemon_report(&d, "daemon", "ENDED", err); /* by the next start */
	end(&d);
	return r < 0 ? r : 0;
}
