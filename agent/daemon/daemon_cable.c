/* What the daemon does with its socket to the service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/daemon/daemon_internal.h"
#include "agent/host/sysinfo.h"
#include "agent/service/cable_frames.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/log.h"

static bool tells_start(void *owner)
{
	struct daemon *d = owner;

	if (!d->boot_untold || d->teller == TELLER_HTTP)
		return false;
	d->teller = TELLER_SOCKET;
	return true;
}

/* What it asks for it repeats behind each sync: behind the last one it did not. */
static void note_sync(struct daemon *d)
{
	if (d->synced && !d->asked_since_sync)
		daemon_order_no_test(d);
	d->synced = true;
	d->asked_since_sync = false;
}

/* Every key that the service stores, or it takes what is absent for null. */
static char *compose_sync(void *owner)
{
	struct daemon *d = owner;
	char *out = NULL, *interfaces = daemon_interfaces(d);
	size_t n;
	FILE *to = interfaces ? open_memstream(&out, &n) : NULL;
	struct json_writer w = { .to = to };

	if (!to) {
		free(interfaces);
		return NULL;
	}
	note_sync(d);
	json_begin_object(&w, NULL);
	json_put_text(&w, "distribution", sysinfo_distribution());
	json_put_text(&w, "version", POD_VERSION);
	json_put_raw(&w, "net_interfaces", interfaces);
	json_put_text(&w, "watchdog_version", "");
	json_put_null(&w, "registration_token");
	json_put_text(&w, "os_version", "linux");
	json_put_text(&w, "hardware_platform", daemon_platform());
	if (store_is_full(d->store))
		json_put_flag(&w, "disk_full", true);
	json_end_object(&w);
	free(interfaces);
	if (fclose(to) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

static void on_ordered(void *owner, const struct cable_frame *f)
{
	struct daemon *d = owner;

	if (f->passed_over > 0)
		log_warning("the service names %zu things that can be no interface",
		            f->passed_over);
	if (f->kind == CABLE_RUN_TEST)
		daemon_order_test(d, &f->on);
	else if (f->kind == CABLE_UPDATE)
		daemon_order_update(d, f->version, f->url);
	else
		log_debug("the service offers a watchdog, %s, which is not ours", f->version);
}

static void on_changed(void *owner)
{
	struct daemon *d = owner;
	enum cable_phase phase = cable_phase(d->cable);

	d->synced = d->synced && phase == CABLE_CONFIRMED;
	if (phase == CABLE_JOINING && d->teller == TELLER_SOCKET)
		daemon_boot_told(d);
	if (phase == CABLE_CONFIRMED) {
		d->connections++;
		d->said_end[0] = '\0';
		log_info("connected to the service");
	}
	heartbeat_socket_confirmed(&d->heartbeat, phase == CABLE_CONFIRMED, loop_now_ns(d->loop));
	notify_send(&d->notify, "STATUS=The service's socket: %s", cable_phase_name(phase));
	daemon_turn_soon(d);
}

/* What is tried again is told once, and then for who debugs. */
static void on_ended(void *owner, const char *why, uint64_t wait_ns)
{
	struct daemon *d = owner;
	bool said = strcmp(d->said_end, why) == 0;

	if (d->teller == TELLER_SOCKET)
		d->teller = TELLER_NONE;
	heartbeat_socket_failed(&d->heartbeat, loop_now_ns(d->loop));
	daemon_turn_soon(d);
	if (d->stopping || d->reopen)
		return;
	log_line(said ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, __FILE__, __LINE__, __func__,
	         "the service's socket: %s; again in %.1f s", why, (double)wait_ns / 1e9);
	bytes_copy_text(d->said_end, sizeof(d->said_end), why);
}

static void on_dropped(void *owner, const struct err *err)
{
	log_err(LOG_LEVEL_WARNING, err);
	daemon_report(owner, "service", "FRAME_UNREADABLE", err);
}

static const struct cable_events events = {
	.tells_start = tells_start,
	.compose_sync = compose_sync,
	.ordered = on_ordered,
	.changed = on_changed,
	.ended = on_ended,
	.dropped = on_dropped,
};

int daemon_cable_open(struct daemon *d, struct err *err)
{
	const struct config *c = &d->config;
	struct tls_client_options tls = { .ca_file = c->ca_file[0] ? c->ca_file : NULL };
	struct cable_options o = { .loop = d->loop,
		                   .server_url = c->server_url,
		                   .client_id = c->client_id,
		                   .secret = c->secret,
		                   .interface = c->interface[0] ? c->interface : NULL,
		                   .spread_ns = c->fleet_spread_ns,
		                   .events = &events,
		                   .owner = d };
	int r = 0;

	d->tls = tls_context_free(d->tls);
	if (strncmp(c->server_url, "https:", 6) == 0)
		r = tls_context_client(&tls, &d->tls, err);
	o.tls = d->tls;
	return r < 0 ? r : cable_open(&o, &d->cable, err);
}
