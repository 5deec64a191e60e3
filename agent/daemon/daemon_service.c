/* What the daemon says over HTTP: that it wants to be a pod, and that it is alive. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/daemon_internal.h"
#include "agent/host/sysinfo.h"
#include "agent/schedule/schedule.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

/* --- registering --------------------------------------------------------------------------------------- */

static void register_later(struct daemon *d)
{
	d->register_at_ns = loop_now_ns(d->loop) + backoff_next(&d->registering, &d->random);
	daemon_turn_soon(d);
}

void daemon_service_drop_pod(struct daemon *d)
{
	if (d->pod.pod[0])
		log_warning("%s, a pod that the service has just made, is not used: the "
		            "configuration is another one by now",
		            d->pod.pod);
	explicit_bzero(&d->pod, sizeof(d->pod));
}

/* On the disk before anything uses them: a pod that nobody knows of stays at the service for good. Before it is asked
 * for it is made sure that they can be. */
static void keep_credentials(struct daemon *d)
{
	struct err err;
	int r;

	daemon_reports_know(d);
	r = config_save_pod(d->o->config_path, d->pod.pod, d->pod.secret, false, &err);
	if (r == -EEXIST && daemon_takes_kept_credentials(d))
		return;
	if (r < 0) {
		err_prefix(&err, "keep the credentials of pod %s", d->pod.pod);
		log_err(LOG_LEVEL_ERROR, &err);
		register_later(d);
		return;
	}
	bytes_copy_text(d->config.client_id, sizeof(d->config.client_id), d->pod.pod);
	bytes_copy_text(d->config.secret, sizeof(d->config.secret), d->pod.secret);
	explicit_bzero(&d->pod, sizeof(d->pod));
	backoff_reset(&d->registering);
	log_info("registered as pod %s", d->config.client_id);
	daemon_reloaded(d, true);
	daemon_turn_soon(d);
}

static void on_registered(void *owner, const struct http_answer *answer, const struct err *why)
{
	struct daemon *d = owner;
	char reason[SERVICE_REASON_BYTES];
	bool made = false;
	struct err err;

	d->call = NULL;
	service_request_end(&d->request);
	if (!answer) {
		err = *why;
		err_prefix(&err, "register");
	} else if (service_verdict(SERVICE_REGISTER, answer->status) != SERVICE_DONE) {
		service_reason(SERVICE_REGISTER, answer, reason);
		ERR_SET(&err, -ECONNREFUSED, ERR_HTTP, answer->status, "register: %s", reason);
	} else {
		made = service_pod_read(SERVICE_REGISTER, answer->body, answer->body_bytes, &d->pod,
		                        &err) == 0;
	}
	if (daemon_is_registered(d)) { /* by hand, and SIGHUP, meanwhile: that is what counts */
		daemon_service_drop_pod(d);
		daemon_turn_soon(d);
		return;
	}
	if (made) {
		keep_credentials(d);
		return;
	}
	register_later(d);
	log_err(LOG_LEVEL_WARNING, &err);
	daemon_report(d, "service", "REGISTER_FAILED", &err);
}

static void ask_to_register(struct daemon *d)
{
	const char *token = d->config.registration_token;
	struct service_registration r = { .registration_token = token[0] ? token : NULL,
		                          .label = d->o->register_label };
	struct service_identity who = service_identity_of(&d->config);
	struct err err;

	if (config_save(d->o->config_path, NULL, 0, &err) < 0) {
		err_prefix(&err, "register, as the credentials could not be kept");
		register_later(d);
		log_err(LOG_LEVEL_ERROR, &err);
		return;
	}
	if (service_register_request(&who, &r, &d->request, &err) < 0 ||
	    courier_ask(d->courier, &d->request.http, on_registered, d, &d->call, &err) < 0) {
		service_request_end(&d->request);
		register_later(d);
		log_err(LOG_LEVEL_WARNING, &err);
	}
}

static uint64_t register_turn(struct daemon *d, uint64_t now_ns)
{
	if (d->call)
		return CLOCK_NEVER_NS;
	if (now_ns < d->register_at_ns)
		return d->register_at_ns;
	if (daemon_takes_kept_credentials(d)) {
		if (daemon_is_registered(d))
			return now_ns;
		register_later(d); /* of a service whose port is closed to this daemon */
		return d->register_at_ns;
	}
	if (d->pod.pod[0])
		keep_credentials(d);
	else
		ask_to_register(d);
	return d->call ? CLOCK_NEVER_NS : d->register_at_ns;
}

/* --- the heartbeat -------------------------------------------------------------------------------------- */

static void beat_answered(struct daemon *d, enum heartbeat_answer answer, uint64_t wait_ns,
                          const char *why)
{
	uint64_t now_ns = loop_now_ns(d->loop);

	/* What is the same as before is no news. */
	if (answer != HEARTBEAT_TAKEN && strcmp(d->beat_answer, why) != 0)
		log_warning("could not tell the service that we are alive: %s", why);
	if (answer == HEARTBEAT_TAKEN && (d->beat_answer[0] || d->beats_taken == 0))
		log_info("the service knows over HTTP that we are alive");
	if (d->teller == TELLER_HTTP)
		d->teller = TELLER_NONE;
	if (answer == HEARTBEAT_TAKEN && d->first_said)
		daemon_boot_told(d);
	d->beats_taken += answer == HEARTBEAT_TAKEN;
	d->beat_ns = now_ns;
	bytes_copy_text(d->beat_answer, sizeof(d->beat_answer), why);
	heartbeat_answered(&d->heartbeat, answer, wait_ns, now_ns);
	daemon_turn_soon(d);
}

/* What cannot be read is somebody else's, who stands before the service: a portal, say. */
static void take_beat(struct daemon *d, const struct http_answer *answer)
{
	static const struct schedule_interfaces by_default = { .count = 1 };
	char reason[SERVICE_REASON_BYTES];
	struct service_heartbeat h;
	struct err err;

	if (service_heartbeat_read(d->config.server_url, answer->body, answer->body_bytes, &h,
	                           &err) < 0) {
		err_sentence(&err, reason, sizeof(reason));
		beat_answered(d, HEARTBEAT_FAILED, 0, reason);
		daemon_report(d, "service", "HEARTBEAT_UNREADABLE", &err);
		return;
	}
	beat_answered(d, HEARTBEAT_TAKEN, 0, "");
	if (h.test_requested)
		daemon_order_test(d, &by_default);
	else
		daemon_order_no_test(d);
	if (h.update_refused[0])
		daemon_warn_of_order(d, "an update to %s is not followed: %s", h.update_version,
		                     h.update_refused);
	else if (h.update)
		daemon_order_update(d, h.update_version, h.update_url);
}

static void on_beat(void *owner, const struct http_answer *answer, const struct err *why)
{
	struct daemon *d = owner;
	char reason[SERVICE_REASON_BYTES];

	d->call = NULL;
	service_request_end(&d->request);
	if (!answer) {
		err_sentence(why, reason, sizeof(reason));
		beat_answered(d, HEARTBEAT_FAILED, 0, reason);
		return;
	}
	switch (service_verdict(SERVICE_STATUS, answer->status)) {
	case SERVICE_DONE:
		take_beat(d, answer);
		return;
	case SERVICE_DENIED:
		service_reason(SERVICE_STATUS, answer, reason);
		beat_answered(d, HEARTBEAT_DENIED, 0, reason);
		return;
	case SERVICE_REFUSED:
	case SERVICE_LATER:
		service_reason(SERVICE_STATUS, answer, reason);
		beat_answered(d, HEARTBEAT_FAILED, answer->retry_after_s * NS_PER_S, reason);
	}
}

static void send_beat(struct daemon *d)
{
	struct service_identity who = service_identity_of(&d->config);
	char *interfaces = daemon_interfaces(d);
	struct service_status status = { .version = POD_VERSION,
		                         .distribution = sysinfo_distribution(),
		                         .os_version = "linux",
		                         .hardware_platform = daemon_platform(),
		                         .interfaces = interfaces ? interfaces : "[]",
		                         .first = d->boot_untold && d->teller != TELLER_SOCKET,
		                         .disk_full = store_is_full(d->store) };
	struct err err;
	char reason[SERVICE_REASON_BYTES];

	d->beats_sent++;
	d->first_said = status.first;
	if (status.first)
		d->teller = TELLER_HTTP;
	if (service_status_request(&who, &status, &d->request, &err) < 0 ||
	    courier_ask(d->courier, &d->request.http, on_beat, d, &d->call, &err) < 0) {
		service_request_end(&d->request);
		err_sentence(&err, reason, sizeof(reason));
		beat_answered(d, HEARTBEAT_FAILED, 0, reason);
	}
	free(interfaces);
}

/* --- both ------------------------------------------------------------------------------------------------- */

uint64_t daemon_service_turn(struct daemon *d, uint64_t now_ns)
{
	uint64_t wake_ns;

	if (!daemon_is_registered(d))
		return register_turn(d, now_ns);
	/* One that could not even be asked has had its answer: the next is due some time. */
	while (heartbeat_turn(&d->heartbeat, now_ns, &wake_ns))
		send_beat(d);
	return wake_ns;
}

void daemon_service_cancel(struct daemon *d)
{
	if (!d->call)
		return;
	d->call = courier_cancel(d->call);
	service_request_end(&d->request);
	if (d->teller == TELLER_HTTP)
		d->teller = TELLER_NONE;
}
