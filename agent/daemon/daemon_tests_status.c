/* What is told of tests and of what waits for the service: docs/operations.md has every member. */
#include "agent/base/json_writer.h"
#include "agent/config/config.h"
#include "agent/daemon/daemon_tests_internal.h"
#include "transport/base/clock.h"

#define QUARANTINE_SHOWN 8 /* the newest */

static void put_running(struct json_writer *w, const struct daemon_tests *t)
{
	uint64_t for_ns = loop_now_ns(t->world.loop) - t->begun_ns;

	if (!t->round) {
		json_put_null(w, "running");
		return;
	}
	json_begin_object(w, "running");
	json_put_text(
		w, "cause",
		store_cause_name(t->test.cause == SCHEDULE_ASKED ? STORE_ASKED : STORE_SCHEDULED));
	json_begin_array(w, "interfaces");
	for (size_t i = 0; i < t->test.on.count; i++)
		json_put_text(w, NULL, t->test.on.names[i]);
	json_end_array(w);
	json_put_figure(w, "for_s", (struct figure){ true, (double)for_ns / 1e9 }, 1);
	json_put_flag(w, "measures", runner_is_busy(t->runner));
	json_end_object(w);
}

/* When the next one of our own is due. */
static struct figure next_own_s(const struct daemon_tests *t)
{
	uint64_t at_ns = t->plan.schedule.local_at_ns, now_ns = daemon_plan_now_ns();

	return (struct figure){ at_ns != CLOCK_NEVER_NS,
		                at_ns > now_ns ? (double)(at_ns - now_ns) / 1e9 : 0 };
}

static void put_tests(struct json_writer *w, const struct daemon_tests *t)
{
	uint64_t used = t->plan.day.used_bytes;

	store_usage_get(t->world.store, clock_utc_ns(), &used, NULL);
	json_begin_object(w, "tests");
	put_running(w, t);
	json_put_flag(w, "queued", t->plan.schedule.queued);
	json_put_figure(w, "next_own_s", next_own_s(t), 1);
	json_put_count(w, "begun", t->rounds);
	json_put_count(w, "run", t->tried);
	json_put_count(w, "measured", t->measured);
	json_put_flag(w, "held", runner_is_holding(t->runner));
	json_put_count(w, "bytes_today", used);
	json_put_count(w, "daily_byte_cap", t->world.config->daily_byte_cap);
	json_end_object(w);
}

static void put_uploads(struct json_writer *w, const struct daemon_tests *t)
{
	struct uploader_counts c = uploader_counts(t->uploader);

	json_begin_object(w, "uploads");
	json_put_count(w, "attempts", c.attempts);
	json_put_count(w, "arrived", c.arrived);
	json_put_count(w, "quarantined", c.quarantined);
	json_put_flag(w, "denied", c.denied);
	json_put_flag(w, "busy", uploader_is_busy(t->uploader));
	json_end_object(w);
}

static int put_quarantined(void *self, const struct store_entry *entry, struct err *err)
{
	struct json_writer *w = self;

	(void)err;
	json_begin_object(w, NULL);
	json_put_text(w, "id", entry->id);
	json_put_count(w, "attempts", entry->attempts);
	json_put_text(w, "error", entry->last_error);
	json_end_object(w);
	return 0;
}

void daemon_tests_put_status(void *self, struct json_writer *w)
{
	struct daemon_tests *t = self;

	put_tests(w, t);
	put_uploads(w, t);
	json_begin_array(w, "quarantine");
	store_outbox_each_quarantined(t->world.store, QUARANTINE_SHOWN, put_quarantined, w, NULL);
	json_end_array(w);
}
