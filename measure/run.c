#include "measure/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/feed.h"
#include "measure/live.h"
#include "measure/locate.h"
#include "measure/subtest.h"
#include "measure/targets.h"
#include "measure/test_url.h"
#include "measure/warnings.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/cpu.h"
#include "transport/fast_gcm.h"
#include "transport/tls.h"
#include "transport/url.h"

/* How long a subtest that is stopped may take to end; it promises one second. */
#define STOP_NS (2 * NS_PER_S)

struct run {
	struct run_options o;
	struct test_result *result;
	struct loop *loop;
	struct loop_io *stop_io;
	struct tls_context *tls;
	bool wss;
	char user_agent[256];
	struct test_url_client who;

	struct url server; /* with --server */
	struct locate *locating;
	uint64_t locating_since_ns; /* no token is older than the request that it answers */
	uint64_t locate_again_ns;   /* of the one that failed */
	int locate_requests;
	struct targets targets;
	struct feed feed;
	bool stats_asked;

	bool out_of_time;    /* RUN_DEADLINE_NS is over */
	enum ndt7_test test; /* the direction under way */
	struct subtest *subtest;
	struct loop_timer progress;
	struct loop_timer next; /* the next direction begins on a turn of its own */
	struct live live;
};

static void try_target(struct run *r);

static struct direction_result *direction(struct run *r)
{
	return r->test == NDT7_DOWNLOAD ? &r->result->download : &r->result->upload;
}

static void hear(struct run *r, struct run_event e)
{
	e.test = r->test;
	e.direction = direction(r);
	if (r->o.hear)
		r->o.hear(r->o.owner, &e);
}

/* --- progress -------------------------------------------------------------------------------------- */

static void on_progress(void *owner)
{
	struct run *r = owner;
	const struct ndt7_report *report = r->subtest ? subtest_report(r->subtest) : NULL;
	struct run_event e = { .kind = RUN_PROGRESS };

	if (!report)
		return;
	e.live = live_look(&r->live, direction(r), report, loop_now_ns(r->loop));
	hear(r, e);
	loop_timer_set(r->loop, &r->progress, r->progress.at_ns + LIVE_PERIOD_NS);
}

/* --- a direction's end ------------------------------------------------------------------------------- */

static void end_direction(struct run *r)
{
	struct direction_result *d = direction(r);
	char sentence[sizeof(d->err.text) + 128];

	loop_timer_cancel(r->loop, &r->progress);
	if (d->state == DIRECTION_FAILED)
		hear(r, (struct run_event){
				.kind = RUN_ERROR,
				.failure = err_sentence(&d->err, sentence, sizeof(sentence)) });
	hear(r, (struct run_event){ .kind = RUN_COMPLETE });
	loop_timer_set(r->loop, &r->next, loop_now_ns(r->loop));
}

static void fail_direction(struct run *r, const struct err *why)
{
	struct direction_result *d = direction(r);

	d->test = r->test;
	d->state = DIRECTION_FAILED;
	d->err = *why;
	end_direction(r);
}

static void note_attempt(struct run *r, const struct direction_result *d)
{
	struct test_result *t = r->result;
	struct attempt *a;

	if (t->attempts_count == RESULT_ATTEMPTS_MAX)
		return;
	a = &t->attempts[t->attempts_count++];
	a->test = r->test;
	snprintf(a->url, sizeof(a->url), "%.*s", (int)sizeof(a->url) - 1, d->url);
	if (d->state == DIRECTION_FAILED)
		a->err = d->err;
}

/* --- a target ---------------------------------------------------------------------------------------- */

static void on_connected(void *owner)
{
	struct run *r = owner;
	const struct direction_result *d = direction(r);

	if (!r->result->scheme)
		r->result->scheme = d->tls ? "wss" : "ws";
	hear(r, (struct run_event){ .kind = RUN_CONNECTED });
	live_start(&r->live);
	loop_timer_set(r->loop, &r->progress, loop_now_ns(r->loop) + LIVE_PERIOD_NS);
}

static void on_measured(void *owner, const struct measurement *m)
{
	struct run *r = owner;

	hear(r, (struct run_event){ .kind = RUN_MEASUREMENT, .measurement = m });
}

static void on_subtest_ended(void *owner, bool served)
{
	struct run *r = owner;

	note_attempt(r, direction(r));
	r->subtest = subtest_free(r->subtest);
	if (served || r->result->interrupted)
		end_direction(r);
	else
		try_target(r);
}

static const struct subtest_events subtest_events = {
	.connected = on_connected,
	.measured = on_measured,
	.ended = on_subtest_ended,
};

/* As late as can be: whoever begins the source has had the time until here. */
static void connect_feed(struct run *r)
{
	struct run_source source;

	if (r->o.stats.open && !r->stats_asked && r->o.stats.open(r->o.stats.self, &source))
		feed_connect(&r->feed, source.sockstat, source.interval_ns, source.each_segment);
	r->stats_asked = true;
}

static int start_subtest(struct run *r, const struct url *given, struct err *err)
{
	struct direction_result *d = direction(r);
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));
	struct subtest_options o = { .loop = r->loop,
		                     .test = r->test,
		                     .url = u,
		                     .user_agent = r->user_agent,
		                     .tls = r->tls,
		                     .insecure = r->o.insecure,
		                     .tcp = { .family = r->o.family, .interface = r->o.interface },
		                     .max_bytes = r->o.max_bytes,
		                     .feed = &r->feed,
		                     .events = &subtest_events,
		                     .owner = r,
		                     .result = d };
	int bad;

	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an URL");
	connect_feed(r);
	*u = *given;
	bad = test_url_describe(u, &r->who, err);
	if (bad < 0)
		return bad;
	d->located = !r->o.server;
	return subtest_start(&o, &r->subtest, err);
}

static void try_server(struct run *r)
{
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));
	struct err err;
	int bad = u ? 0 : ERR_SET(&err, -ENOMEM, ERR_SYS, 0, "allocate an URL");

	if (bad == 0)
		bad = test_url_of_server(&r->server, r->test, u, &err);
	if (bad == 0)
		bad = start_subtest(r, u, &err);
	if (bad < 0)
		fail_direction(r, &err);
}

/* --- targets of the locate service -------------------------------------------------------------------- */

static void no_target_left(struct run *r)
{
	struct err err = direction(r)->err;

	if (err.code == 0)
		ERR_SET(&err, -EPROTONOSUPPORT, ERR_SYS, 0,
		        "find a server: none of the %zu located offers %s (--scheme chooses)",
		        r->targets.located->count, r->wss ? "wss" : "ws");
	else if (targets_tried(&r->targets) > 1)
		err_prefix(&err, "use any of the %d servers located; the last",
		           targets_tried(&r->targets));
	fail_direction(r, &err);
}

/* One that failed once is not asked again in this run (contract N74). */
static void fail_to_locate(struct run *r)
{
	direction(r)->again_ns = r->locate_again_ns;
	fail_direction(r, &r->result->locate_err);
}

/* What a wrong clock makes of it is never more than a day. */
static uint64_t until_next_request_ns(const struct locate_answer *a)
{
	uint64_t at_ns, now_ns = clock_utc_ns(), ns;

	if (clock_utc_read(a->next_request_nbf, &at_ns) < 0 || at_ns <= now_ns)
		return 0;
	ns = at_ns - now_ns;
	return ns < LOCATE_AGAIN_MAX_NS ? ns : LOCATE_AGAIN_MAX_NS;
}

static void on_located(void *owner, const struct locate_outcome *outcome)
{
	struct run *r = owner;

	r->locating = NULL;
	if (outcome->advice == LOCATE_USE) {
		r->result->next_request_ns = until_next_request_ns(outcome->answer);
		targets_take(&r->targets, outcome->answer, r->locating_since_ns);
		try_target(r);
		return;
	}
	r->result->locate_failed = true;
	r->result->locate_err = outcome->err;
	r->locate_again_ns = outcome->again_ns;
	fail_to_locate(r);
}

static void locate(struct run *r)
{
	struct locate_request q = { .url = r->o.locate_url,
		                    .country = r->o.country,
		                    .site = r->o.site,
		                    .org = r->o.org,
		                    .early_exit = r->o.early_exit,
		                    .bearer = r->o.locate_bearer,
		                    .user_agent = r->user_agent,
		                    .ca_file = r->o.ca_file,
		                    .insecure = r->o.insecure,
		                    .family = r->o.family,
		                    .interface = r->o.interface };
	struct err err;

	r->locate_requests++;
	r->locating_since_ns = loop_now_ns(r->loop);
	if (locate_start(r->loop, &q, on_located, r, &r->locating, &err) < 0) {
		r->result->locate_failed = true;
		r->result->locate_err = err;
		fail_to_locate(r);
	}
}

static void name_target(struct direction_result *d, const struct locate_target *t)
{
	bytes_copy_text(d->machine, sizeof(d->machine), t->machine);
	bytes_copy_text(d->city, sizeof(d->city), t->city);
	bytes_copy_text(d->country, sizeof(d->country), t->country);
}

/* A target that could not even be tried; there may be others. */
static void pass_over(struct run *r, const char *url, const struct err *why)
{
	struct direction_result *d = direction(r);

	d->state = DIRECTION_FAILED;
	d->err = *why;
	snprintf(d->url, sizeof(d->url), "%.*s", (int)strcspn(url, "?"), url);
	note_attempt(r, d);
	try_target(r);
}

static void try_located(struct run *r)
{
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));
	const char *text;
	const struct locate_target *t = targets_next(&r->targets, r->test, r->wss, &text);
	struct err err;
	int bad;

	if (!t) {
		no_target_left(r);
		return;
	}
	bad = u ? url_parse(text, u, &err) : ERR_SET(&err, -ENOMEM, ERR_SYS, 0, "allocate an URL");
	if (bad == 0)
		bad = start_subtest(r, u, &err);
	if (bad < 0)
		pass_over(r, text, &err);
	else
		name_target(direction(r), t);
}

/* A list that is stale is asked for again, once in a run. */
static void try_target(struct run *r)
{
	bool stale = targets_are_stale(&r->targets, loop_now_ns(r->loop));

	if (r->o.server) {
		if (direction(r)->state == DIRECTION_FAILED)
			end_direction(r);
		else
			try_server(r);
	} else if (r->result->locate_failed) {
		fail_to_locate(r);
	} else if (!r->targets.located || (stale && r->locate_requests < 2)) {
		locate(r);
	} else {
		try_located(r);
	}
}

/* --- the order of things --------------------------------------------------------------------------------- */

static void begin_direction(struct run *r, enum ndt7_test test)
{
	r->test = test;
	targets_begin_direction(&r->targets);
	direction(r)->test = test;
	hear(r, (struct run_event){ .kind = RUN_STARTING });
	try_target(r);
}

/* Asked for, and not to be: null needs its reason. */
static void skip(struct run *r, enum ndt7_test test)
{
	struct direction_result *d;

	r->test = test;
	d = direction(r);
	d->test = test;
	d->state = DIRECTION_FAILED;
	ERR_SET(&d->err, -ECANCELED, ERR_SYS, 0, "begin before the test was stopped");
}

static void on_next(void *owner)
{
	struct run *r = owner;
	bool download_due = r->o.download && r->result->download.state == DIRECTION_NOT_ASKED;
	bool upload_due = r->o.upload && r->result->upload.state == DIRECTION_NOT_ASKED;

	if (r->result->interrupted && download_due)
		skip(r, NDT7_DOWNLOAD);
	if (r->result->interrupted && upload_due)
		skip(r, NDT7_UPLOAD);
	if (r->result->interrupted || r->out_of_time || (!download_due && !upload_due))
		loop_stop(r->loop);
	else
		begin_direction(r, download_due ? NDT7_DOWNLOAD : NDT7_UPLOAD);
}

static void on_stop_asked(void *owner, int events)
{
	struct run *r = owner;
	struct err err;

	if (events < 0)
		return; /* the wait itself failed: nobody has asked for anything */
	r->result->interrupted = true;
	if (r->subtest) {
		subtest_stop(r->subtest);
	} else if (r->locating) {
		r->locating = locate_cancel(r->locating);
		ERR_SET(&err, -ECANCELED, ERR_SYS, 0, "locate a server: stopped");
		fail_direction(r, &err);
	}
}

static const struct loop_events stop_events = { .polled = on_stop_asked };

static int watch_stop(struct run *r, struct err *err)
{
	int fd, bad;

	if (r->o.stop_fd < 0)
		return 0;
	fd = fcntl(r->o.stop_fd, F_DUPFD_CLOEXEC, 3); /* the loop closes what it is given */
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "watch for an interrupt");
	bad = loop_add(r->loop, fd, &stop_events, r, &r->stop_io, err);
	if (bad < 0) {
		close(fd);
		return bad;
	}
	loop_poll(r->stop_io, POLLIN);
	return 0;
}

/* --- begin and end ------------------------------------------------------------------------------------------ */

static int choose_scheme(struct run *r, struct err *err)
{
	struct cpu_aes aes = cpu_aes();
	int bad;

	r->wss = r->o.scheme == RUN_SCHEME_AUTO ? aes.available : r->o.scheme == RUN_SCHEME_WSS;
	r->result->scheme_reason = r->o.scheme == RUN_SCHEME_AUTO ? aes.reason : "asked for";
	if (!r->o.server)
		return 0;
	bad = url_parse_server(r->o.server, r->wss ? "wss" : "ws", &r->server, err);
	if (bad == 0 && strstr(r->o.server, "://"))
		r->result->scheme_reason = "the server's url";
	return bad;
}

static int open_tls(struct run *r, struct err *err)
{
	struct tls_client_options o = { .ca_file = r->o.ca_file,
		                        .insecure = r->o.insecure,
		                        .prefer_chacha20 = !cpu_aes().available };

	if (r->o.server ? !r->server.tls : !r->wss)
		return 0;
	(void)fast_gcm_load(NULL); /* or it goes by OpenSSL; `doctor` says why */
	return tls_context_client(&o, &r->tls, err);
}

static int begin(struct run *r, struct err *err)
{
	int bad;

	snprintf(r->user_agent, sizeof(r->user_agent), "radar-pod/%s radarpod-measure/%s",
	         r->o.client_version, POD_VERSION);
	r->who = (struct test_url_client){ r->o.client_name, r->o.client_version, r->o.early_exit };
	feed_open(&r->feed, r->o.trace, r->o.trace_interval_ns);
	bad = choose_scheme(r, err);
	if (bad < 0)
		return bad;
	bad = open_tls(r, err);
	if (bad < 0)
		return bad;
	r->loop = r->o.loop;
	bad = r->loop ? 0 : loop_open(r->o.io, &r->loop, err);
	if (bad < 0)
		return bad;
	r->result->io = loop_body_name(r->loop);
	snprintf(r->result->io_reason, sizeof(r->result->io_reason), "%s",
	         loop_fallback_reason(r->loop));
	r->progress = (struct loop_timer){ .fire = on_progress, .owner = r };
	r->next = (struct loop_timer){ .fire = on_next, .owner = r };
	loop_timer_set(r->loop, &r->next, loop_now_ns(r->loop));
	return watch_stop(r, err);
}

static void end(struct run *r)
{
	subtest_free(r->subtest);
	feed_finish(&r->feed);
	locate_cancel(r->locating);
	targets_end(&r->targets);
	loop_remove(r->stop_io);
	if (r->loop) {
		loop_timer_cancel(r->loop, &r->progress);
		loop_timer_cancel(r->loop, &r->next);
	}
	if (!r->o.loop)
		loop_close(r->loop);
	tls_context_free(r->tls);
}

static void time_out(struct direction_result *d, enum ndt7_test test)
{
	if (d->state != DIRECTION_NOT_ASKED)
		return;
	d->test = test;
	d->state = DIRECTION_FAILED;
	ERR_SET(&d->err, -ETIMEDOUT, ERR_SYS, 0, "finish within %llu s",
	        RUN_DEADLINE_NS / NS_PER_S);
}

/* The time for everything is over: what was measured until now stays, what was not has failed. */
static int run_out_of_time(struct run *r, struct err *err)
{
	int bad = 0;

	r->out_of_time = true;
	if (r->subtest) {
		subtest_stop(r->subtest);
		bad = loop_run(r->loop, loop_now_ns(r->loop) + STOP_NS, err);
	}
	if (r->o.download)
		time_out(&r->result->download, NDT7_DOWNLOAD);
	if (r->o.upload)
		time_out(&r->result->upload, NDT7_UPLOAD);
	return bad;
}

int run_test(const struct run_options *options, struct test_result *ret, struct err *err)
{
	struct run r = { .o = *options, .result = ret };
	int bad;

	*ret = (struct test_result){ .utc_ns = clock_utc_ns() };
	result_new_id(ret);
	if (options->interface)
		snprintf(ret->interface, sizeof(ret->interface), "%s", options->interface);
	bad = begin(&r, err);
	if (bad == 0)
		bad = loop_run(r.loop, loop_now_ns(r.loop) + RUN_DEADLINE_NS, err);
	if (bad == LOOP_DEADLINE)
		bad = run_out_of_time(&r, err);
	end(&r);
	ret->download.early_exit = options->early_exit;
	warnings_add(ret);
	return bad < 0 ? bad : 0;
}
