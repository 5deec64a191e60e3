#include "agent/daemon/daemon_reports.h"

#include <string.h>
#include <unistd.h>

#include "agent/daemon/daemon_internal.h"
#include "agent/sentry/crash_file.h"
#include "agent/sentry/crash_process.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

#define ROLE       "agent"
#define NAME_BYTES 33
#define HOST_BYTES 256

/* A little more than sentry_stop() gives it. */
#define STOP_NS (2 * NS_PER_S + 100 * NS_PER_MS)

/* --- what the log says ---------------------------------------------------------------------------------- */

/* "agent/store/store_db.c" is "store_db". */
static void component_of(const struct log_entry *e, char ret[NAME_BYTES])
{
	const char *slash = memrchr(e->file, '/', (size_t)e->file_bytes);
	const char *at = slash ? slash + 1 : e->file;
	size_t n = (size_t)(e->file + e->file_bytes - at);
	const char *dot = memchr(at, '.', n);

	n = dot ? (size_t)(dot - at) : n;
	n = n < NAME_BYTES ? n : NAME_BYTES - 1;
	memcpy(ret, at, n);
	ret[n] = '\0';
}

/* Stable, and with the component and the errno as much as makes two alike. */
static const char *class_of(const struct log_entry *e)
{
	static const char *const domains[] = {
		[ERR_SYS] = "SYSTEM",   [ERR_TLS] = "TLS", [ERR_HTTP] = "HTTP",
		[ERR_WS] = "WEBSOCKET", [ERR_BPF] = "BPF", [ERR_DNS] = "DNS",
	};

	if (e->err)
		return domains[e->err->domain];
	return e->function ? e->function : "ERROR";
}

static enum sentry_level level_of(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return SENTRY_ERROR;
	case LOG_LEVEL_WARNING:
		return SENTRY_WARNING;
	case LOG_LEVEL_INFO:
		return SENTRY_INFO;
	case LOG_LEVEL_DEBUG:
		break;
	}
	return SENTRY_DEBUG;
}

static void turn_soon(struct daemon *d)
{
	loop_timer_set(d->loop, &d->reports.turn, loop_now_ns(d->loop));
}

static void on_line(void *owner, const struct log_entry *e)
{
	struct daemon *d = owner;
	struct daemon_reports *p = &d->reports;
	char component[NAME_BYTES];
	struct err err = {};

	if (p->busy || !pthread_equal(p->thread, pthread_self()))
		return;
	p->busy = true;
	component_of(e, component);
	if (e->level == LOG_LEVEL_ERROR) {
		ERR_SET(&err, 0, ERR_SYS, 0, "%s", e->message);
		sentry_report(p->sentry, component, class_of(e), e->err ? e->err : &err,
		              SENTRY_ERROR);
		turn_soon(d);
	}
	sentry_breadcrumb(p->sentry, level_of(e->level), component, e->message);
	p->busy = false;
}

/* --- its time ------------------------------------------------------------------------------------------ */

static void on_turn(void *owner)
{
	struct daemon *d = owner;
	struct daemon_reports *p = &d->reports;
	uint64_t wake_ns;

	p->busy = true; /* what cannot be reported is not reported */
	wake_ns = sentry_turn(p->sentry);
	p->busy = false;
	if (d->stopping) {
		daemon_turn_soon(d);
		wake_ns = wake_ns < p->stop_ns ? wake_ns : p->stop_ns;
	}
	loop_timer_set(d->loop, &p->turn, daemon_reports_stopped(d) ? CLOCK_NEVER_NS : wake_ns);
}

/* --- children -------------------------------------------------------------------------------------------- */

static int make_record(void *owner)
{
	struct daemon *d = owner;
	struct err err;
	int fd;

	if (!d->reports.sentry)
		return -1;
	if (crash_file_open_unnamed(&fd, &err) == 0)
		return fd;
	log_err(LOG_LEVEL_WARNING, &err);
	return -1;
}

static void child_ended(void *owner, const char *role, int wait_status, int record_fd)
{
	struct daemon *d = owner;

	sentry_child_ended(d->reports.sentry, role, wait_status, record_fd);
	if (record_fd >= 0)
		close(record_fd);
	if (d->reports.sentry)
		turn_soon(d);
}

/* --- life ------------------------------------------------------------------------------------------------- */

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

bool daemon_reports_same(const struct config *a, const struct config *b)
{
	return strcmp(a->sentry_dsn, b->sentry_dsn) == 0 && strcmp(a->ca_file, b->ca_file) == 0 &&
	       strcmp(a->interface, b->interface) == 0;
}

/* What the service knows a pod by is nobody else's business. */
static struct sentry_known_list known_of(const struct daemon *d, char host[HOST_BYTES])
{
	if (gethostname(host, HOST_BYTES - 1) < 0)
		*host = '\0';
	return (struct sentry_known_list){ 6,
		                           { { d->config.secret, "[secret]" },
		                             { d->pod.secret, "[secret]" },
		                             { d->config.registration_token, "[secret]" },
		                             { d->config.client_id, "[pod]" },
		                             { d->pod.pod, "[pod]" },
		                             { host, "[host]" } } };
}

/* Without a record crashes are not told; the rest is. */
static void watch_crashes(struct daemon *d)
{
	struct daemon_reports *p = &d->reports;
	struct err err;

	sentry_take_crash(p->sentry, d->state_dir, ROLE);
	if (!p->sentry)
		return;
	if (crash_file_open(d->state_dir, ROLE, &p->record_fd, &err) < 0 ||
	    crash_process_begin(p->record_fd, ROLE, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
}

static int open_sentry(struct daemon *d, struct err *err)
{
	struct daemon_reports *p = &d->reports;
	char host[HOST_BYTES] = "";
	struct sentry_options o = { .dsn = d->config.sentry_dsn,
		                    .store = d->store,
		                    .known = known_of(d, host) };

	sentry_courier_begin(&p->mail, &(struct sentry_courier_options){
					       .courier = d->courier,
					       .ca_file = or_null(d->config.ca_file),
					       .interface = or_null(d->config.interface),
					       .after = on_turn,
					       .self = d,
				       });
	o.transport = sentry_courier_transport(&p->mail);
	return sentry_open(&o, &p->sentry, err);
}

void daemon_reports_begin(struct daemon *d)
{
	struct daemon_reports *p = &d->reports;
	struct err err;

	*p = (struct daemon_reports){ .thread = pthread_self(),
		                      .record_fd = -1,
		                      .measuring = p->measuring };
	p->turn = (struct loop_timer){ .fire = on_turn, .owner = d };
	p->children = (struct child_watch){ d, make_record, child_ended };
	courier_watch(d->courier, &p->children);
	if (open_sentry(d, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
	watch_crashes(d);
	if (!p->sentry)
		return;
	sentry_hold(p->sentry, p->measuring);
	log_set_watcher(on_line, d);
	turn_soon(d);
}

void daemon_reports_end(struct daemon *d)
{
	struct daemon_reports *p = &d->reports;

	if (!p->sentry)
		return;
	log_set_watcher(NULL, NULL);
	loop_timer_cancel(d->loop, &p->turn);
	p->sentry = sentry_close(p->sentry);
	crash_process_begin(-1, ROLE, NULL);
	fd_closep(&p->record_fd);
	p->record_fd = -1;
}

/* --- what the others say ------------------------------------------------------------------------------------ */

void daemon_reports_know(struct daemon *d)
{
	char host[HOST_BYTES] = "";
	struct sentry_known_list known = known_of(d, host);

	if (sentry_know(d->reports.sentry, &known) < 0) {
		log_warning("no memory for what error reports must not have in them: they are off");
		daemon_reports_end(d);
	}
	explicit_bzero(&known, sizeof(known));
}

void daemon_reports_measuring(void *daemon, bool on)
{
	struct daemon *d = daemon;

	d->reports.measuring = on;
	sentry_operation(d->reports.sentry, on ? "test" : NULL);
	sentry_hold(d->reports.sentry, on);
	if (d->reports.sentry)
		turn_soon(d);
}

void daemon_report(void *daemon, const char *component, const char *class, const struct err *err)
{
	struct daemon *d = daemon;

	if (!d->reports.sentry)
		return;
	sentry_report(d->reports.sentry, component, class, err, SENTRY_ERROR);
	turn_soon(d);
}

void daemon_reports_stop(struct daemon *d)
{
	if (!d->reports.sentry)
		return;
	sentry_stop(d->reports.sentry);
	d->reports.stop_ns = loop_now_ns(d->loop) + STOP_NS;
	turn_soon(d);
}

bool daemon_reports_stopped(const struct daemon *d)
{
	const struct daemon_reports *p = &d->reports;

	return d->stopping && (sentry_stopped(p->sentry) || loop_now_ns(d->loop) >= p->stop_ns);
}
