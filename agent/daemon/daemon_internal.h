/* The daemon's parts to each other: daemon.c its life, daemon_service.c what goes over HTTP, daemon_cable.c the
 * socket, daemon_status.c what it tells of itself. */
#pragma once

#include <stddef.h>

#include "agent/config/config.h"
#include "agent/daemon/daemon.h"
#include "agent/daemon/daemon_ports.h"
#include "agent/daemon/daemon_reports.h"
#include "agent/daemon/notify.h"
#include "agent/daemon/status_socket.h"
#include "agent/sandbox/sandbox.h"
#include "agent/schedule/backoff.h"
#include "agent/service/cable.h"
#include "agent/service/courier.h"
#include "agent/service/heartbeat.h"
#include "agent/service/service.h"
#include "agent/store/store.h"
#include "transport/loop/loop.h"
#include "transport/tls.h"

/* Who has told the service of this start of the machine, and does not know yet whether it has heard. */
enum start_teller { TELLER_NONE, TELLER_HTTP, TELLER_SOCKET };

struct daemon {
	const struct daemon_options *o;
	char state_dir[CONFIG_PATH_BYTES];
	struct config config;
	struct loop *loop;
	struct store *store;
	struct courier *courier;
	struct tls_context *tls; /* of https */
	struct cable *cable;
	struct status_socket *status;       /* in the state directory */
	struct status_socket *group_status; /* in the runtime one; NULL: there is none */
	struct notify notify;
	struct daemon_reports reports;
	struct loop_io *stop_io, *hangup_io, *spawner_io;
	int hangup_fd;
	uint64_t started_ns;
	uint64_t watchdog_ns; /* between two of our signs to the service manager */
	bool stopping, begun, has_no_spawner;
	struct sandbox_lacks sandbox;
	struct daemon_ports ports; /* that may be connected to */
	char needs_restart
		[DAEMON_PORTS_KEYS]; /* keys of the configuration that are not heeded; "": none */

	struct loop_timer turn; /* something may have to be done */
	struct loop_timer watchdog;
	struct loop_timer rest;     /* nothing much goes on: what memory may go, goes */
	struct loop_timer deadline; /* of stopping */

	/* --- over HTTP: one at a time --- */
	struct courier_call *call;
	struct service_request request;
	struct backoff registering;
	uint64_t register_at_ns;
	uint64_t random;
	struct service_pod pod; /* registered, and not yet in the configuration; pod.pod "": none */
	struct heartbeat heartbeat;
	bool first_said; /* in the heartbeat under way */

	bool boot_untold;
	enum start_teller teller;
	bool reopen;         /* the socket, once it has stopped: the configuration is another */
	uint64_t open_at_ns; /* not before: it could not be opened */

	/* The service says behind each sync whether it wants a test. */
	bool synced; /* on this connection */
	bool asked_since_sync;

	/* --- for `status` --- */
	uint64_t beats_sent, beats_taken, beat_ns; /* the last one's answer came */
	char beat_answer[SERVICE_REASON_BYTES];    /* "" where it was taken */
	uint64_t connections, orders;
	char said_end[256]; /* the last ending that was logged above debug */
	char said_order[SERVICE_REASON_BYTES + 128]; /* likewise, what is not followed */
};

/* daemon.c: from a turn of the loop of its own, whatever is due is done. */
void daemon_turn_soon(struct daemon *d);
void daemon_order_test(struct daemon *d, const struct schedule_interfaces *on);
void daemon_order_no_test(struct daemon *d);
void daemon_order_update(struct daemon *d, const char *version, const char *url);
void daemon_warn_of_order(struct daemon *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void daemon_boot_told(struct daemon *d);
void daemon_reloaded(struct daemon *d, bool other_service_or_pod);
bool daemon_is_registered(const struct daemon *d);

/* For a pod that is not registered: where somebody else has put credentials into the configuration meanwhile, it is
 * read again, as by SIGHUP, and the answer is true. */
bool daemon_takes_kept_credentials(struct daemon *d);

/* Interfaces as JSON, "[]" where they cannot be had; to be freed. NULL: no memory. */
char *daemon_interfaces(struct daemon *d);
const char *daemon_platform(void); /* "amd64" */

/* daemon_service.c. Answers when it wants to be called again. */
uint64_t daemon_service_turn(struct daemon *d, uint64_t now_ns);
void daemon_service_cancel(struct daemon *d);
/* Credentials that could not be kept yet, and are of no use any more. */
void daemon_service_drop_pod(struct daemon *d);

/* daemon_cable.c */
int daemon_cable_open(struct daemon *d, struct err *err);

/* daemon_status.c: a status_compose, of a struct daemon. */
size_t daemon_status_compose(void *owner, char *out, size_t out_bytes);
