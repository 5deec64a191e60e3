/* What the daemon tells of itself: docs/operations.md has every member. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/json_writer.h"
#include "agent/daemon/daemon_internal.h"
#include "transport/base/clock.h"

static struct figure seconds_since(uint64_t then_ns, uint64_t now_ns)
{
	return (struct figure){ then_ns > 0, (double)(now_ns - then_ns) / 1e9 };
}

static void put_socket(struct json_writer *w, struct daemon *d, uint64_t now_ns)
{
	enum cable_phase phase = d->cable ? cable_phase(d->cable) : CABLE_STOPPED;
	bool confirmed = phase == CABLE_CONFIRMED;

	json_begin_object(w, "socket");
	json_put_text(w, "phase", cable_phase_name(phase));
	json_put_figure(w, "confirmed_s",
	                seconds_since(confirmed ? cable_confirmed_ns(d->cable) : 0, now_ns), 1);
	json_put_count(w, "connections", d->connections);
	json_put_text(w, "last_end", d->cable ? cable_last_end(d->cable) : "");
	json_end_object(w);
}

static void put_heartbeat(struct json_writer *w, const struct daemon *d, uint64_t now_ns)
{
	json_begin_object(w, "heartbeat");
	json_put_count(w, "sent", d->beats_sent);
	json_put_count(w, "taken", d->beats_taken);
	json_put_figure(w, "last_s", seconds_since(d->beat_ns, now_ns), 1);
	json_put_text(w, "last_error", d->beat_answer);
	json_end_object(w);
}

static int put_result(void *self, const struct store_result *r, struct err *err)
{
	struct json_writer *w = self;
	char at[CLOCK_UTC_TEXT_BYTES];

	(void)err;
	json_begin_object(w, "last_result");
	json_put_text(w, "id", r->id);
	json_put_text(w, "test", r->test);
	json_put_text(w, "started_at", clock_utc_text(r->started_utc_ns, 3, at));
	json_put_text(w, "delivery", store_delivery_name(r->delivery));
	json_end_object(w);
	return 0;
}

static void put_store(struct json_writer *w, struct daemon *d)
{
	struct store_counts c;

	if (store_count(d->store, &c, NULL) < 0) {
		json_put_null(w, "store");
		return;
	}
	json_begin_object(w, "store");
	json_put_count(w, "results", c.results);
	json_put_count(w, "pending", c.pending);
	json_put_count(w, "uncertain", c.uncertain);
	json_put_count(w, "quarantined", c.quarantined);
	json_put_count(w, "lost", c.dropped_unsent);
	json_put_count(w, "bytes", c.bytes);
	json_put_flag(w, "full", store_is_full(d->store));
	json_end_object(w);
	store_each(d->store, 1, put_result, w, NULL, NULL);
}

size_t daemon_status_compose(void *owner, char *out, size_t out_bytes)
{
	struct daemon *d = owner;
	uint64_t now_ns = loop_now_ns(d->loop);
	FILE *to = fmemopen(out, out_bytes, "w");
	struct json_writer w = { .to = to };
	const char *pod = d->config.client_id;
	long n;

	if (!to)
		return 0;
	json_begin_object(&w, NULL);
	json_put_text(&w, "schema", "radar-pod/status/1");
	json_put_text(&w, "version", POD_VERSION);
	json_put_count(&w, "pid", (uint64_t)getpid());
	json_put_text(&w, "pod", pod[0] ? pod : NULL);
	json_put_text(&w, "server_url", d->config.server_url);
	json_put_text(&w, "config", d->o->config_path);
	json_put_text(&w, "state_dir", d->state_dir);
	json_put_text(&w, "loop", loop_body_name(d->loop));
	json_put_figure(&w, "running_s", seconds_since(d->started_ns, now_ns), 1);
	json_put_flag(&w, "stopping", d->stopping);
	put_socket(&w, d, now_ns);
	put_heartbeat(&w, d, now_ns);
	json_put_text(&w, "needs_restart", d->needs_restart);
	json_put_text(&w, "sandbox_lacks", d->sandbox.text);
	json_put_count(&w, "orders", d->orders);
	if (d->o->orders.put_status)
		d->o->orders.put_status(d->o->orders.self, &w);
	put_store(&w, d);
	json_end_object(&w);
	fputc('\n', to);
	n = ftell(to);
	return fclose(to) == 0 && n > 0 ? (size_t)n : 0;
}
