#include "agent/upload/uploader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config.h"
#include "agent/store/store_internal.h"
#include "tests/cases.h"
#include "tests/raw_result.h"
#include "tests/store_rig.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

/* A service that says what the script has, one word an upload; its last word is for all that follow.
 *   t taken  d denied  r refused  l later  u unauthorized  s silence after it was sent  n no connection  e not even begun */
struct rig {
	struct loop *loop;
	struct store *store;
	struct uploader *uploader;
	const char *script;
	struct loop_timer answer;
	void (*done)(void *owner, const struct upload_answer *answer);
	void *owner;
	char asked[1024]; /* the last sign of each id that was sent */
	size_t asked_count;
	int idle, arrived;
	char config[512];
	uint64_t last_s;           /* when the last one that was put began */
	int quarantined, failures; /* lines of the log */
};

static void on_timer(void *owner)
{
	static const struct upload_answer answers[] = {
		['t'] = { UPLOAD_TAKEN, true, 0, "created" },
		['d'] = { UPLOAD_DENIED, true, 0, "the secret is not this pod's" },
		['r'] = { UPLOAD_REFUSED, true, 0, "it takes no such result" },
		['l'] = { UPLOAD_LATER, true, 0, "status 503", .status = 503 },
		['u'] = { UPLOAD_LATER, true, 0, "status 401", .status = 401 },
		['s'] = { UPLOAD_SILENCE, true, 0, "reset" },
		['n'] = { UPLOAD_SILENCE, false, 0, "refused" },
	};
	struct rig *rig = owner;
	char word = *rig->script;

	rig->script += rig->script[1] != '\0';
	rig->done(rig->owner, &answers[(int)word]);
}

static int wire_send(void *self, const struct store_result *result, const char *style,
                     void (*done)(void *owner, const struct upload_answer *answer), void *owner,
                     struct err *err)
{
	struct rig *rig = self;

	assert_string_equal(style, "NDT7");
	assert_int_equal(result->raw_bytes, strlen(RAW_RESULT));
	rig->asked[rig->asked_count++] = result->id[strlen(result->id) - 1];
	if (*rig->script == 'e') {
		rig->script += rig->script[1] != '\0';
		return ERR_SET(err, -EBUSY, ERR_SYS, 0, "ask the service");
	}
	rig->done = done;
	rig->owner = owner;
	loop_timer_set(rig->loop, &rig->answer, 0);
	return 0;
}

static void wire_cancel(void *self)
{
	struct rig *rig = self;

	loop_timer_cancel(rig->loop, &rig->answer);
}

static void on_arrived(void *owner, const struct store_entry *entry)
{
	struct rig *rig = owner;

	(void)entry;
	rig->arrived++;
}

static void on_idle(void *owner)
{
	((struct rig *)owner)->idle++;
}

static void put_begun_at(struct rig *rig, unsigned int number, const char *raw, uint64_t utc_ns)
{
	struct store_result r = store_rig_result(number, 0);

	r.started_utc_ns = utc_ns ? utc_ns : r.started_utc_ns;
	snprintf(r.test, sizeof(r.test), "ndt7");
	r.raw = raw;
	r.raw_bytes = strlen(raw);
	rig->last_s = r.started_utc_ns / NS_PER_S;
	assert_int_equal(store_put(rig->store, &r, true, NULL), 0);
}

static void put(struct rig *rig, unsigned int number, const char *raw)
{
	put_begun_at(rig, number, raw, 0);
}

static void rig_begin(struct rig *rig)
{
	struct uploader_options o = {
		.loop = rig->loop,
		.store = rig->store,
		.wire = { wire_send, wire_cancel, rig },
		.config_path = rig->config,
		.seed = 3,
		.arrived = on_arrived,
		.idle = on_idle,
		.owner = rig,
	};

	assert_int_equal(uploader_new(&o, &rig->uploader, NULL), 0);
}

static void rig_open(struct rig *rig, const char *script)
{
	struct store_limits none = {};

	*rig = (struct rig){ .script = script, .answer = { .fire = on_timer, .owner = rig } };
	assert_int_equal(loop_open(LOOP_BODY_AUTO, &rig->loop, NULL), 0);
	assert_int_equal(store_open(store_rig_make(), STORE_DAEMON, &none, &rig->store, NULL, NULL),
	                 0);
	store_rig_path("config.conf", rig->config);
	rig_begin(rig);
}

static void rig_close(struct rig *rig)
{
	uploader_free(rig->uploader);
	store_close(rig->store);
	loop_close(rig->loop);
	store_rig_remove();
}

/* As long as something happens at once, on a disk of any speed; what waits waits 13 s at least. */
static void play(struct rig *rig)
{
	size_t asked;
	int heard;

	uploader_wake(rig->uploader);
	do {
		asked = rig->asked_count;
		heard = rig->idle + rig->arrived;
		assert_int_equal(
			loop_run(rig->loop, loop_now_ns(rig->loop) + 200 * NS_PER_MS, NULL),
			LOOP_DEADLINE);
	} while (rig->asked_count != asked || rig->idle + rig->arrived != heard);
}

static struct store_counts counts_of(struct rig *rig)
{
	struct store_counts c;

	assert_int_equal(store_count(rig->store, &c, NULL), 0);
	return c;
}

/* --- three results that wait --------------------------------------------------------------------------- */

struct play_case {
	const char *name, *script, *asked;
	uint64_t arrived, pending, uncertain, quarantined;
	bool denied;
};

static struct play_case play_cases[] = {
	{ "oldest first", "t", "123", 3, 0, 0, 0 },
	{ "R38 one is refused, the others arrive", "rt", "123", 2, 0, 0, 1 },
	{ "R38 404: none is tried any more", "d", "1", 0, 3, 0, 0, .denied = true },
	{ "R38 the service is away: one try, and then a wait", "l", "1", 0, 3, 0, 0 },
	{ "no connection", "n", "1", 0, 3, 0, 0 },
	{ "not even begun", "e", "1", 0, 3, 0, 0 },
	{ "D7 a lost answer", "s", "1", 0, 2, 1, 0 },
	{ "the second fails", "tl", "12", 1, 2, 0, 0 },
};

static void results_are_brought(void **state)
{
	const struct play_case *c = *state;
	struct store_counts n;
	struct rig rig;

	rig_open(&rig, c->script);
	for (unsigned int i = 1; i <= 3; i++)
		put(&rig, i, RAW_RESULT);
	play(&rig);
	n = counts_of(&rig);
	assert_string_equal(rig.asked, c->asked);
	assert_int_equal(n.arrived, c->arrived);
	assert_int_equal(n.pending, c->pending);
	assert_int_equal(n.uncertain, c->uncertain);
	assert_int_equal(n.quarantined, c->quarantined);
	assert_int_equal(rig.arrived, c->arrived);
	assert_int_equal(uploader_counts(rig.uploader).arrived, c->arrived);
	assert_int_equal(uploader_counts(rig.uploader).denied, c->denied);
	rig_close(&rig);
}

/* --- single things --------------------------------------------------------------------------------------- */

static void R31_what_the_service_cannot_read_is_not_sent(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put(&rig, 1, "{\"Download\":null}");
	put(&rig, 2, RAW_RESULT);
	play(&rig);
	assert_string_equal(rig.asked, "2");
	assert_int_equal(counts_of(&rig).quarantined, 1);
	rig_close(&rig);
}

struct spell_case {
	const char *name, *script;
	bool is_noted; /* whether it has waited for no time at all by the service's fault */
};

static struct spell_case spell_cases[] = {
	{ "5xx", "l", true },        { "401", "u", false },           { "404", "d", false },
	{ "no answer", "s", false }, { "no connection", "n", false },
};

static void R38_server_errors_are_noted(void **state)
{
	const struct spell_case *c = *state;
	bool is_on_its_way = false;
	struct rig rig;

	rig_open(&rig, c->script);
	put(&rig, 1, RAW_RESULT);
	play(&rig);
	assert_int_equal(store_outbox_is_on_its_way(rig.store, 0, &is_on_its_way, NULL), 0);
	assert_int_equal(is_on_its_way, !c->is_noted);
	rig_close(&rig);
}

static void other_credentials_are_tried_at_once(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "dt");
	put(&rig, 1, RAW_RESULT);
	play(&rig);
	play(&rig);
	assert_string_equal(rig.asked, "1");
	uploader_new_credentials(rig.uploader);
	play(&rig);
	assert_string_equal(rig.asked, "11");
	assert_int_equal(counts_of(&rig).arrived, 1);
	rig_close(&rig);
}

/* Results that the disk has changed under us. */
static void damage(struct rig *rig, const char *which)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "UPDATE results SET digest = zeroblob(16) WHERE %s", which);
	assert_int_equal(store_db_run(&rig->store->db, sql, NULL), 0);
}

static void note_line(void *owner, const struct log_entry *entry)
{
	struct rig *rig = owner;

	rig->quarantined += strstr(entry->message, "is in quarantine") != NULL;
	rig->failures += strstr(entry->message, "could not") != NULL;
}

static void D6_a_damaged_one_is_told_once_and_the_rest_arrives(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	for (unsigned int i = 1; i <= 3; i++)
		put(&rig, i, RAW_RESULT);
	damage(&rig, "seq = 2");
	log_set_watcher(note_line, &rig);
	play(&rig);
	log_set_watcher(NULL, NULL);
	assert_string_equal(rig.asked, "13");
	assert_int_equal(counts_of(&rig).quarantined, 1);
	assert_int_equal(counts_of(&rig).damaged, 1);
	assert_int_equal(uploader_counts(rig.uploader).quarantined, 1);
	assert_int_equal(rig.quarantined, 1);
	rig_close(&rig);
}

/* SQLite itself cannot read it. */
static void D6_one_that_cannot_be_read_is_told_once(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put(&rig, 1, RAW_RESULT);
	assert_int_equal(store_db_run(&rig.store->db,
	                              "CREATE TEMP TABLE results AS "
	                              "SELECT seq, id, test, started_ns FROM main.results",
	                              NULL),
	                 0);
	log_set_watcher(note_line, &rig);
	play(&rig);
	log_set_watcher(NULL, NULL);
	assert_int_equal(rig.quarantined, 1);
	assert_int_equal(store_db_run(&rig.store->db, "DROP TABLE temp.results", NULL), 0);
	assert_string_equal(rig.asked, "");
	assert_int_equal(counts_of(&rig).quarantined, 1);
	rig_close(&rig);
}

/* Nor is it looked at again and again: the store is given time. */
static void D3_a_damaged_one_that_cannot_be_set_aside_is_told(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put(&rig, 1, RAW_RESULT);
	damage(&rig, "1");
	assert_int_equal(store_db_run(&rig.store->db, "PRAGMA query_only = ON", NULL), 0);
	log_set_watcher(note_line, &rig);
	play(&rig);
	log_set_watcher(NULL, NULL);
	assert_int_equal(rig.failures, 1);
	assert_int_equal(rig.quarantined, 0);
	assert_int_equal(store_db_run(&rig.store->db, "PRAGMA query_only = OFF", NULL), 0);
	play(&rig);
	assert_string_equal(rig.asked, "");
	assert_int_equal(counts_of(&rig).quarantined, 1);
	rig_close(&rig);
}

/* The service said it to those that were sent: it has not seen the others. */
static void R38_what_refused_the_old_credentials_does_not_stop_the_new_ones(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "dt");
	put(&rig, 1, RAW_RESULT);
	uploader_wake(rig.uploader);
	while (!uploader_is_busy(rig.uploader))
		loop_run(rig.loop, loop_now_ns(rig.loop), NULL);
	uploader_new_credentials(rig.uploader);
	play(&rig);
	assert_false(uploader_counts(rig.uploader).denied);
	assert_string_equal(rig.asked, "11");
	assert_int_equal(counts_of(&rig).arrived, 1);
	rig_close(&rig);
}

/* The uploader is begun anew, as by a restart: what the store says is all there is. */
static void restart(struct rig *rig)
{
	rig->uploader = uploader_free(rig->uploader);
	rig_begin(rig);
}

static void D1_an_uncertain_one_is_repeated_once(void **state)
{
	struct store_clock now;
	struct store_entry e;
	uint64_t wait_ns;
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put(&rig, 1, RAW_RESULT);
	put(&rig, 2, RAW_RESULT);
	store_clock_read(&now);
	assert_int_equal(store_outbox_next(rig.store, &now, &e, &wait_ns, NULL), 0);
	assert_int_equal(store_outbox_sending(rig.store, e.seq, NULL), 0); /* and a kill -9 */
	restart(&rig);
	play(&rig);
	assert_string_equal(rig.asked, "12");
	assert_int_equal(counts_of(&rig).arrived, 2);
	rig_close(&rig);
}

static void D1_twice_uncertain_is_quarantined(void **state)
{
	struct store_clock now;
	struct store_entry e;
	uint64_t wait_ns;
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put(&rig, 1, RAW_RESULT);
	store_clock_read(&now);
	assert_int_equal(store_outbox_next(rig.store, &now, &e, &wait_ns, NULL), 0);
	assert_int_equal(store_outbox_sending(rig.store, e.seq, NULL), 0);
	assert_int_equal(store_outbox_sending(rig.store, e.seq, NULL), 0);
	play(&rig);
	assert_string_equal(rig.asked, "");
	assert_int_equal(counts_of(&rig).quarantined, 1);
	rig_close(&rig);
}

static void nothing_is_sent_during_a_measurement(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	uploader_hold(rig.uploader, true);
	put(&rig, 1, RAW_RESULT);
	play(&rig);
	assert_string_equal(rig.asked, "");
	uploader_hold(rig.uploader, false);
	play(&rig);
	assert_string_equal(rig.asked, "1");
	rig_close(&rig);
}

/* One that is under way is waited for, and the next does not follow it. */
static void what_is_under_way_ends_first(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put(&rig, 1, RAW_RESULT);
	put(&rig, 2, RAW_RESULT);
	uploader_wake(rig.uploader);
	while (!uploader_is_busy(rig.uploader))
		loop_run(rig.loop, loop_now_ns(rig.loop), NULL);
	uploader_hold(rig.uploader, true);
	play(&rig);
	assert_int_equal(rig.idle, 1);
	assert_false(uploader_is_busy(rig.uploader));
	assert_string_equal(rig.asked, "1");
	assert_int_equal(counts_of(&rig).arrived, 1);
	rig_close(&rig);
}

static void the_last_test_is_in_the_configuration(void **state)
{
	struct config c;
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put(&rig, 1, RAW_RESULT);
	put(&rig, 2, RAW_RESULT);
	play(&rig);
	assert_int_equal(config_load(rig.config, &c, NULL, NULL), 0);
	assert_int_equal(c.last_tested_s, rig.last_s);
	assert_string_equal(c.last_download_speed, "28.00");
	assert_string_equal(c.last_upload_speed, "29.00");
	rig_close(&rig);
}

/* The machine's clock was ahead until NTP had set it. */
static void H5_a_test_of_the_year_2100_is_not_the_last_for_ever(void **state)
{
	struct config c;
	struct rig rig;

	(void)state;
	rig_open(&rig, "t");
	put_begun_at(&rig, 1, RAW_RESULT, 4102444800 * NS_PER_S);
	put(&rig, 2, RAW_RESULT);
	play(&rig);
	assert_int_equal(config_load(rig.config, &c, NULL, NULL), 0);
	assert_int_equal(c.last_tested_s, rig.last_s);
	assert_true(rig.last_s < 4102444800);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(R31_what_the_service_cannot_read_is_not_sent),
		cmocka_unit_test(other_credentials_are_tried_at_once),
		cmocka_unit_test(D6_a_damaged_one_is_told_once_and_the_rest_arrives),
		cmocka_unit_test(D6_one_that_cannot_be_read_is_told_once),
		cmocka_unit_test(D3_a_damaged_one_that_cannot_be_set_aside_is_told),
		cmocka_unit_test(R38_what_refused_the_old_credentials_does_not_stop_the_new_ones),
		cmocka_unit_test(D1_an_uncertain_one_is_repeated_once),
		cmocka_unit_test(D1_twice_uncertain_is_quarantined),
		cmocka_unit_test(nothing_is_sent_during_a_measurement),
		cmocka_unit_test(what_is_under_way_ends_first),
		cmocka_unit_test(the_last_test_is_in_the_configuration),
		cmocka_unit_test(H5_a_test_of_the_year_2100_is_not_the_last_for_ever),
	};
	int failed = CASES_RUN(results_are_brought, play_cases);

	failed += CASES_RUN(R38_server_errors_are_noted, spell_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
