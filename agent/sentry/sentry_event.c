#include "agent/sentry/sentry_event.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/sentry/crash_record.h"
#include "agent/sentry/sentry_text.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define TRANSACTION_BYTES 201

static void put_time(struct json_writer *w, const char *name, uint64_t utc_ns)
{
	char text[CLOCK_UTC_TEXT_BYTES];

	json_put_text(w, name, clock_utc_text(utc_ns, 3, text));
}

static void put_name(struct json_writer *w, const char *name, const char *text)
{
	char clean[SENTRY_CLASS_BYTES];

	sentry_text_name(text, clean, sizeof(clean));
	json_put_text(w, name, clean);
}

/* NAME@VERSION[+BUILD]: 160 bytes hold the longest of both. */
static void put_release(struct json_writer *w, const struct sentry_identity *i, const char *version)
{
	char text[160];

	snprintf(text, sizeof(text), "%s@%s%s%s", i->program, version, *i->build ? "+" : "",
	         i->build);
	json_put_text(w, "release", text);
}

/* What a crash was of is the release that crashed, not the one that tells of it. */
static const char *version_of(const struct sentry_identity *i, const struct sentry_event *e)
{
	return e->crash ? e->crash->release : i->version;
}

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error < 0 ? -error : error);

	return name ? name : "unknown";
}

static const char *class_of(const struct sentry_event *e)
{
	return e->crash ? crash_signal_name(e->crash->signal) : e->class;
}

static void put_head(struct json_writer *w, const struct sentry_identity *i,
                     const struct sentry_event *e)
{
	json_put_text(w, "event_id", e->id);
	put_time(w, "timestamp", e->utc_ns);
	json_put_text(w, "platform", e->crash ? "native" : "c");
	json_put_text(w, "level", sentry_level_name(e->level));
	put_release(w, i, version_of(i, e));
}

static void put_fingerprint(struct json_writer *w, const struct sentry_event *e)
{
	json_begin_array(w, "fingerprint");
	json_put_text(w, NULL, "agent");
	put_name(w, NULL, e->component);
	put_name(w, NULL, class_of(e));
	if (e->crash)
		json_put_text(w, NULL,
		              "{{ default }}"); /* by the stack, which the server can read */
	else
		json_put_text(w, NULL, e->error ? error_name(e->error) : "0");
	json_end_array(w);
}

static void put_os(struct json_writer *w, const struct sentry_identity *i)
{
	json_begin_object(w, "os");
	json_put_text(w, "name", "Linux");
	json_put_text(w, "kernel_version", i->kernel);
	if (*i->distribution) {
		json_begin_object(w, "distribution");
		json_put_text(w, "name", i->distribution);
		json_put_text(w, "version", i->distribution_version);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_contexts(struct json_writer *w, const struct sentry_identity *i,
                         const struct sentry_event *e)
{
	json_begin_object(w, "contexts");
	put_os(w, i);
	json_begin_object(w, "device");
	json_put_text(w, "arch", i->arch);
	json_put_count(w, "memory_size", i->memory_bytes);
	json_put_count(w, "processor_count", i->processors);
	json_end_object(w);
	json_begin_object(w, "app");
	json_put_text(w, "app_name", i->program);
	json_put_text(w, "app_version", version_of(i, e));
	put_time(w, "app_start_time", e->crash ? e->crash->started_utc_ns : i->started_utc_ns);
	json_end_object(w);
	if (e->suppressed > 0) {
		json_begin_object(w, "reporter");
		json_put_count(w, "suppressed_count", e->suppressed);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_tags(struct json_writer *w, const struct sentry_event *e)
{
	json_begin_object(w, "tags");
	put_name(w, "component", e->component);
	if (e->error)
		json_put_text(w, "errno", error_name(e->error));
	if (e->crash)
		put_name(w, "role", e->crash->role);
	json_end_object(w);
}

static void put_handled_error(struct json_writer *w, const struct sentry_event *e)
{
	char message[SENTRY_MESSAGE_BYTES];

	sentry_text_fit(e->message ? e->message : "", message, sizeof(message));
	put_name(w, "type", e->class);
	json_put_text(w, "value", message);
	put_name(w, "module", e->component);
	json_begin_object(w, "mechanism");
	json_put_text(w, "type", e->error ? "errno" : "generic");
	json_put_flag(w, "handled", true);
	if (e->error) {
		json_begin_object(w, "meta");
		json_begin_object(w, "errno");
		json_put_count(w, "number", (uint64_t)abs(e->error));
		json_put_text(w, "name", error_name(e->error));
		json_end_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_exception(struct json_writer *w, const struct sentry_event *e)
{
	json_begin_object(w, "exception");
	json_begin_array(w, "values");
	json_begin_object(w, NULL);
	if (e->crash)
		sentry_crash_put_exception(w, e->crash);
	else
		put_handled_error(w, e);
	json_end_object(w);
	json_end_array(w);
	json_end_object(w);
}

static void put_crumbs(struct json_writer *w, const struct breadcrumbs *crumbs)
{
	json_begin_object(w, "breadcrumbs");
	json_begin_array(w, "values");
	for (size_t i = 0; i < breadcrumbs_count(crumbs); i++) {
		const struct breadcrumb *b = breadcrumbs_at(crumbs, i);

		json_begin_object(w, NULL);
		put_time(w, "timestamp", b->utc_ns);
		json_put_text(w, "category", b->category);
		json_put_text(w, "level", sentry_level_name((enum sentry_level)b->level));
		json_put_text(w, "message", b->message);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
}

static void put_sdk(struct json_writer *w, const struct sentry_identity *i)
{
	json_begin_object(w, "sdk");
	json_put_text(w, "name", i->program);
	json_put_text(w, "version", i->version);
	json_end_object(w);
}

static void put_event(struct json_writer *w, const struct sentry_identity *i,
                      const struct sentry_event *e)
{
	const struct breadcrumbs *crumbs = e->crash ? &e->crash->crumbs : e->crumbs;
	char operation[TRANSACTION_BYTES];

	put_head(w, i, e);
	json_put_text(w, "environment", i->environment);
	json_put_text(w, "dist", i->arch);
	put_name(w, "logger", e->component);
	if (e->operation) {
		sentry_text_fit(e->operation, operation, sizeof(operation));
		json_put_text(w, "transaction", operation);
	}
	put_fingerprint(w, e);
	put_tags(w, e);
	if (*i->installation) {
		json_begin_object(w, "user");
		json_put_text(w, "id", i->installation);
		json_end_object(w);
	}
	put_contexts(w, i, e);
	put_exception(w, e);
	if (e->crash)
		sentry_crash_put_rest(w, e->crash);
	if (crumbs && breadcrumbs_count(crumbs) > 0)
		put_crumbs(w, crumbs);
	put_sdk(w, i);
}

static void put_minimal(struct json_writer *w, const struct sentry_identity *i,
                        const struct sentry_event *e)
{
	put_head(w, i, e);
	json_begin_object(w, "exception");
	json_begin_array(w, "values");
	json_begin_object(w, NULL);
	put_name(w, "type", class_of(e));
	json_end_object(w);
	json_end_array(w);
	json_end_object(w);
}

typedef void (*put_body)(struct json_writer *w, const struct sentry_identity *i,
                         const struct sentry_event *e);

static int write_object(put_body put, const struct sentry_identity *i, const struct sentry_event *e,
                        char **ret, size_t *ret_n, struct err *err)
{
	char *text = NULL;
	size_t n = 0;
	struct json_writer w = { .to = open_memstream(&text, &n) };
	bool failed;

	if (!w.to)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "write an error report");
	json_begin_object(&w, NULL);
	put(&w, i, e);
	json_end_object(&w);
	failed = ferror(w.to) != 0;
	if (fclose(w.to) != 0 || failed) {
		free(text);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "write an error report");
	}
	*ret = text;
	*ret_n = n;
	return 0;
}

int sentry_event_write(const struct sentry_identity *identity, const struct sentry_event *e,
                       char **ret, size_t *ret_n, struct err *err)
{
	return write_object(put_event, identity, e, ret, ret_n, err);
}

int sentry_event_write_minimal(const struct sentry_identity *identity, const struct sentry_event *e,
                               char **ret, size_t *ret_n, struct err *err)
{
	return write_object(put_minimal, identity, e, ret, ret_n, err);
}

void sentry_event_fingerprint(const struct sentry_event *e, char ret[SENTRY_FINGERPRINT_BYTES])
{
	char component[SENTRY_COMPONENT_BYTES], class[SENTRY_CLASS_BYTES];

	sentry_text_name(e->component, component, sizeof(component));
	sentry_text_name(class_of(e), class, sizeof(class));
	snprintf(ret, SENTRY_FINGERPRINT_BYTES, "%s %s %s", component, class,
	         e->error ? error_name(e->error) : "0");
}
