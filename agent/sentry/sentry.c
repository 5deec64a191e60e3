/* One request at a time. What is made goes into the spool's queue, from there into the store when nothing is measured,
 * and from there to the server:
 *
 *   report ─▶ quota ─▶ event ─▶ scrub ─▶ queue ─▶ store ─▶ envelope ─▶ transport ─▶ answer ─▶ gone, or again
 */
#include "agent/sentry/sentry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/sentry/crash_file.h"
#include "agent/sentry/crash_handler.h"
#include "agent/sentry/crash_record.h"
#include "agent/sentry/sentry_dsn.h"
#include "agent/sentry/sentry_envelope.h"
#include "agent/sentry/sentry_event.h"
#include "agent/sentry/sentry_internal.h"
#include "agent/sentry/sentry_scrub.h"
#include "agent/store/store.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

#define INSTALLATION_FACT "sentry_installation"
#define CRUMB_BYTES_MAX   1024 /* before it is cut to the ring's */

CLEANUP_DEFINE(sentry_closep, struct sentry *, sentry_close)

/* --- what is known from the start ------------------------------------------------------------------------ */

/* Random, once for each store: to count pods, not to know them. Who takes it away has a new one. */
static void take_installation(struct sentry *s)
{
	char *id = s->identity.installation;

	if (!s->spool.store)
		return;
	if (store_fact_get(s->spool.store, INSTALLATION_FACT, id, SENTRY_ID_BYTES, NULL) ==
	            STORE_OK &&
	    strlen(id) == SENTRY_ID_BYTES - 1)
		return;
	sentry_id_make(id);
	if (store_fact_set(s->spool.store, INSTALLATION_FACT, id, NULL) < 0)
		*id = '\0';
}

static void take_quota(struct sentry *s)
{
	char text[SENTRY_QUOTA_TEXT_BYTES];

	if (s->spool.store &&
	    store_fact_get(s->spool.store, SENTRY_QUOTA_FACT, text, sizeof(text), NULL) == STORE_OK)
		sentry_quota_read(&s->quota, text);
}

/* The DSN's key is one more that must not be seen. */
static int take_known(struct sentry *s, const struct sentry_known_list *known)
{
	for (size_t i = 0; i < known->count && s->known.count < SENTRY_KNOWN_MAX - 1; i++) {
		char *copy = strdup(known->at[i].text ? known->at[i].text : "");

		if (!copy)
			return -ENOMEM;
		s->known.at[s->known.count++] =
			(struct sentry_known){ copy, known->at[i].placeholder };
	}
	s->known.at[s->known.count] = (struct sentry_known){ strdup(s->dsn.key), "[key]" };
	return s->known.at[s->known.count++].text ? 0 : -ENOMEM;
}

static void forget_known(struct sentry *s)
{
	for (size_t i = 0; i < s->known.count; i++)
		free((char *)s->known.at[i].text);
	s->known.count = 0;
}

int sentry_know(struct sentry *s, const struct sentry_known_list *known)
{
	if (!s)
		return 0;
	forget_known(s);
	return take_known(s, known);
}

static void tell_malformed(const struct err *why)
{
	char sentence[256];

	log_warning("%s; error reports are off (docs/error-reports.md)",
	            err_sentence(why, sentence, sizeof(sentence)));
}

int sentry_open(const struct sentry_options *options, struct sentry **ret, struct err *err)
{
	CLEANUP(sentry_closep) struct sentry *s = NULL;
	struct err why = {};

	*ret = NULL;
	if (!options->dsn || !*options->dsn)
		return SENTRY_OFF;
	s = calloc(1, sizeof(*s));
	if (!s)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the error reporter");
	if (sentry_dsn_parse(options->dsn, &s->dsn, &why) < 0) {
		tell_malformed(&why);
		return SENTRY_OFF;
	}
	if (take_known(s, &options->known) < 0)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the error reporter");
	s->transport = options->transport;
	s->now_ns = options->now_ns ? options->now_ns : clock_now_ns;
	s->utc_ns = options->utc_ns ? options->utc_ns : clock_utc_ns;
	bytes_random(&s->seed, sizeof(s->seed));
	sentry_identity_read(&s->identity);
	sentry_spool_begin(&s->spool, options->store);
	take_installation(s);
	take_quota(s);
	sentry_send_begin(s);
	*ret = TAKE(s, NULL);
	return 0;
}

struct sentry *sentry_close(struct sentry *s)
{
	if (!s)
		return NULL;
	sentry_send_cancel(s);
	sentry_spool_settle(&s->spool, &s->quota);
	sentry_spool_end(&s->spool);
	forget_known(s);
	free(s);
	return NULL;
}

/* --- making one ------------------------------------------------------------------------------------------ */

typedef int (*write_event)(const struct sentry_identity *identity, const struct sentry_event *e,
                           char **ret, size_t *ret_n, struct err *err);

static int write_clean(struct sentry *s, write_event write, const struct sentry_event *e,
                       char **ret, size_t *ret_n)
{
	CLEANUP(freep) char *text = NULL;
	size_t n;
	int r = write(&s->identity, e, &text, &n, NULL);

	return r < 0 ? r : sentry_scrub(text, n, &s->known, ret, ret_n, NULL);
}

/* What cannot be scrubbed is told by its type alone. */
static void keep(struct sentry *s, const struct sentry_event *e)
{
	char *body = NULL;
	size_t n = 0;

	if (write_clean(s, sentry_event_write, e, &body, &n) < 0 &&
	    write_clean(s, sentry_event_write_minimal, e, &body, &n) < 0) {
		s->spool.losses.count[SENTRY_LOSS_INTERNAL]++;
		return;
	}
	sentry_spool_add(&s->spool, e->utc_ns, e->level == SENTRY_FATAL, body, n);
	sentry_send_soon(s, e->level == SENTRY_FATAL);
}

void sentry_breadcrumb(struct sentry *s, enum sentry_level level, const char *category,
                       const char *message)
{
	char clean[CRUMB_BYTES_MAX];

	if (!s)
		return;
	if (sentry_patterns_scrub(message, &s->known, clean, sizeof(clean)) < 0)
		strcpy(clean, SENTRY_FILTERED); /* too long; half of it could be half of a secret */
	breadcrumbs_add(crash_handler_crumbs(), s->utc_ns(), level, category, clean);
}

void sentry_operation(struct sentry *s, const char *operation)
{
	if (s)
		snprintf(s->operation, sizeof(s->operation), "%s", operation ? operation : "");
}

void sentry_report(struct sentry *s, const char *component, const char *class,
                   const struct err *err, enum sentry_level level)
{
	char fingerprint[SENTRY_FINGERPRINT_BYTES];
	struct sentry_event e = {
		.level = level,
		.component = component,
		.class = class,
		.message = err ? err->text : NULL,
		.error = err ? err->code : 0,
	};

	if (!s)
		return;
	e.utc_ns = s->utc_ns();
	e.operation = *s->operation ? s->operation : NULL;
	e.crumbs = crash_handler_crumbs();
	sentry_event_fingerprint(&e, fingerprint);
	switch (sentry_quota_take(&s->quota, fingerprint, e.utc_ns / NS_PER_S, &e.suppressed)) {
	case SENTRY_QUOTA_TELL:
		sentry_id_make(e.id);
		keep(s, &e);
		break;
	case SENTRY_QUOTA_ALIKE:
		break;
	case SENTRY_QUOTA_CAPPED:
		s->spool.losses.count[SENTRY_LOSS_BACKPRESSURE]++;
		break;
	}
}

/* --- crashes ---------------------------------------------------------------------------------------------- */

static void report_crash(struct sentry *s, const struct crash_record *crash)
{
	struct sentry_event e = {
		.utc_ns = crash->utc_ns,
		.level = SENTRY_FATAL,
		.component = crash->role,
		.crash = crash,
	};

	if (!s)
		return;
	if (sentry_quota_take_crash(&s->quota, s->utc_ns() / NS_PER_S) != SENTRY_QUOTA_TELL) {
		s->spool.losses.count[SENTRY_LOSS_BACKPRESSURE]++;
		return;
	}
	sentry_id_of(crash->event_id, e.id);
	keep(s, &e);
}

void sentry_take_crash(struct sentry *s, const char *directory, const char *role)
{
	struct crash_record crash;
	struct err err = {};
	int r = crash_file_take(directory, role, &crash, &err);

	if (r == CRASH_NONE)
		return;
	if (r < 0) {
		log_err(LOG_LEVEL_WARNING, &err);
		return;
	}
	log_warning("the last run of %s (version %s) crashed by %s", crash.role, crash.release,
	            crash_signal_name(crash.signal));
	report_crash(s, &crash);
	if (s)
		sentry_spool_settle(&s->spool, &s->quota);     /* before its record goes */
	else if (crash_file_remove(directory, role, &err) < 0) /* the log has told of it */
		log_err(LOG_LEVEL_WARNING, &err);
}

void sentry_child_ended(struct sentry *s, const char *role, int wait_status, int record_fd)
{
	int signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	const char *name = crash_signal_name(signal);
	struct crash_record crash;
	struct err err = {};

	if (!name)
		return;
	log_warning("the process %s crashed by %s", role, name);
	if (record_fd >= 0 && crash_file_read(record_fd, &crash, NULL) == CRASH_FOUND) {
		report_crash(s, &crash);
		return;
	}
	ERR_SET(&err, 0, ERR_SYS, 0, "the process crashed by %s and left no record", name);
	sentry_report(s, role, name, &err, SENTRY_FATAL);
}
