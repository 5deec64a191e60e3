#include "measure/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "measure/locate.h"
#include "measure/subtest.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/units.h"
#include "transport/cpu.h"
#include "transport/tls.h"
#include "transport/url.h"
#include "transport/ws.h"

#define PROGRESS_NS (100 * NS_PER_MS)
/* How long a subtest that is stopped may take to end; it promises one second. */
#define STOP_NS (2 * NS_PER_S)

/* A look at our socket is due every 10 ms: so late, this machine had no time for us. */
#define PAUSE_NS_MIN (500 * NS_PER_MS)

#define PROGRESS_SLOTS 10 /* the current rate is over the last second */

/* What the ndt7 text allows of a query. */
#define QUERY_BYTES_MAX 4096

struct run {
	struct run_options o;
	struct test_result *result;
	struct loop *loop;
	struct loop_io *stop_io;
	struct tls_context *tls;
	bool wss;
	char user_agent[256];

	struct url server; /* with --server */
	struct locate *locating;
	struct locate_answer *located;
	uint64_t located_at_ns;
	int locate_requests;
	size_t served_by; /* index + 1 of the target that served a direction; 0: none did */
	uint32_t tried;   /* of the direction under way, a bit for each target */

	bool out_of_time;    /* RUN_DEADLINE_NS is over */
	enum ndt7_test test; /* the direction under way */
	struct subtest *subtest;
	struct loop_timer progress;
	struct loop_timer next; /* the next direction begins on a turn of its own */
	uint64_t seen_bytes[PROGRESS_SLOTS];
	uint64_t seen_at_ns[PROGRESS_SLOTS];
	uint64_t seen;
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

/* Bytes so far by the count that is nearest to the truth while the test runs: what came, or what the
 * far side has acknowledged. */
static uint64_t bytes_so_far(const struct run *r, const struct direction_result *d)
{
	const struct tcp_sample *first = &d->local.first, *last = &d->local.last;

	if (r->test == NDT7_DOWNLOAD)
		return subtest_report(r->subtest)->num_bytes;
	return last->bytes_acked - first->bytes_acked;
}

static struct figure rate_since_slot(const struct run *r, uint64_t bytes, uint64_t now_ns)
{
	uint64_t oldest = r->seen < PROGRESS_SLOTS ? 0 : r->seen % PROGRESS_SLOTS;

	if (r->seen == 0 || bytes < r->seen_bytes[oldest])
		return (struct figure){};
	return (struct figure){ true, units_mbps(bytes - r->seen_bytes[oldest],
		                                 now_ns - r->seen_at_ns[oldest]) };
}

static struct figure latest_rtt_ms(const struct run *r, const struct direction_result *d)
{
	const struct measurement_tcp_info *t = &d->server.tcp_info;

	if (r->test == NDT7_UPLOAD)
		return (struct figure){ d->local.last_srtt_us > 0, d->local.last_srtt_us / 1e3 };
	return (struct figure){ d->server.has_tcp_info && t->rtt_us > 0, (double)t->rtt_us / 1e3 };
}

static void on_progress(void *owner)
{
	struct run *r = owner;
	const struct ndt7_report *report = r->subtest ? subtest_report(r->subtest) : NULL;
	const struct direction_result *d = direction(r);
	struct run_event e = { .kind = RUN_PROGRESS };
	uint64_t now_ns = loop_now_ns(r->loop), bytes;

	if (!report)
		return;
	bytes = bytes_so_far(r, d);
	e.elapsed_ns = now_ns - report->started_ns;
	e.mean_mbps = (struct figure){ e.elapsed_ns > 0, units_mbps(bytes, e.elapsed_ns) };
	e.current_mbps = rate_since_slot(r, bytes, now_ns);
	e.rtt_ms = latest_rtt_ms(r, d);
	r->seen_bytes[r->seen % PROGRESS_SLOTS] = bytes;
	r->seen_at_ns[r->seen % PROGRESS_SLOTS] = now_ns;
	r->seen++;
	hear(r, e);
	loop_timer_set(r->loop, &r->progress, r->progress.at_ns + PROGRESS_NS);
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
	r->seen = 0;
	loop_timer_set(r->loop, &r->progress, loop_now_ns(r->loop) + PROGRESS_NS);
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

/* What the archive keeps of us (contract 2.3): set over what the URL may carry of the same names. */
static int add_metadata(const struct run *r, struct url *u, struct err *err)
{
	static const char *const architectures[][2] = {
		{ "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" },
		{ "armv6l", "arm" },   { "i686", "386" },
	};
	struct utsname machine = {};
	const char *architecture = machine.machine, *query;
	int bad = 0;

	uname(&machine);
	for (size_t i = 0; i < sizeof(architectures) / sizeof(*architectures); i++)
		if (strcmp(machine.machine, architectures[i][0]) == 0)
			architecture = architectures[i][1];
	bad |= url_query_set(u, "client_arch", architecture);
	bad |= url_query_set(u, "client_library_name", "radarpod-measure");
	bad |= url_query_set(u, "client_library_version", POD_VERSION);
	bad |= url_query_set(u, "client_name", r->o.client_name);
	bad |= url_query_set(u, "client_os", "linux");
	bad |= url_query_set(u, "client_version", r->o.client_version);
	if (r->o.early_exit)
		bad |= url_query_set(u, "early_exit", "250");
	query = strchr(u->target, '?');
	if (bad || (query && strlen(query + 1) > QUERY_BYTES_MAX))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "ask %s: its query with our metadata is over %d bytes", u->host,
		               QUERY_BYTES_MAX);
	return 0;
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
		                     .trace = r->o.trace,
		                     .trace_interval_ns = r->o.trace_interval_ns,
		                     .events = &subtest_events,
		                     .owner = r,
		                     .result = d };
	int bad;

	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an URL");
	*u = *given;
	bad = add_metadata(r, u, err);
	if (bad < 0)
		return bad;
	d->located = !r->o.server;
	return subtest_start(&o, &r->subtest, err);
}

/* A server given by name: the path of an URL is a prefix, unless it is an ndt7 path already. */
static int server_url(const struct run *r, struct url *ret, struct err *err)
{
	const char *path = r->test == NDT7_DOWNLOAD ? NDT7_DOWNLOAD_PATH : NDT7_UPLOAD_PATH;
	static const char *const endings[] = { NDT7_DOWNLOAD_PATH, NDT7_UPLOAD_PATH, "/" };
	const char *given = r->server.target;
	size_t prefix_bytes = strcspn(given, "?");
	const char *query = given + prefix_bytes;
	int n;

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t ending_bytes = strlen(endings[i]);

		if (prefix_bytes >= ending_bytes &&
		    memcmp(given + prefix_bytes - ending_bytes, endings[i], ending_bytes) == 0) {
			prefix_bytes -= ending_bytes;
			break;
		}
	}
	*ret = r->server;
	n = snprintf(ret->target, sizeof(ret->target), "%.*s%s%s", (int)prefix_bytes, given, path,
	             query);
	if (n < 0 || (size_t)n >= sizeof(ret->target))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "use the server's URL: it is too long");
	return 0;
}

static void try_server(struct run *r)
{
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));
	struct err err;
	int bad = u ? 0 : ERR_SET(&err, -ENOMEM, ERR_SYS, 0, "allocate an URL");

	if (bad == 0)
		bad = server_url(r, u, &err);
	if (bad == 0)
		bad = start_subtest(r, u, &err);
	if (bad < 0)
		fail_direction(r, &err);
}

/* --- targets of the locate service -------------------------------------------------------------------- */

static const char *url_of(const struct run *r, const struct locate_target *t)
{
	return r->test == NDT7_DOWNLOAD ? t->download[r->wss] : t->upload[r->wss];
}

/* The target that served the other direction, then the others in the order given: never shuffled,
 * each once. Answers its index, or -1. */
static int next_target(const struct run *r)
{
	if (r->served_by > 0 && !(r->tried >> (r->served_by - 1) & 1) &&
	    url_of(r, &r->located->targets[r->served_by - 1]))
		return (int)r->served_by - 1;
	for (size_t i = 0; i < r->located->count; i++)
		if (!(r->tried >> i & 1) && url_of(r, &r->located->targets[i]))
			return (int)i;
	return -1;
}

static void no_target_left(struct run *r)
{
	struct err err = direction(r)->err;

	if (err.code == 0)
		ERR_SET(&err, -EPROTONOSUPPORT, ERR_SYS, 0,
		        "find a server: none of the %zu located offers %s (--scheme chooses)",
		        r->located->count, r->wss ? "wss" : "ws");
	else if (r->tried & (r->tried - 1))
		err_prefix(&err, "use any of the %d servers located; the last",
		           __builtin_popcount(r->tried));
	fail_direction(r, &err);
}

static void on_located(void *owner, enum locate_advice advice, struct locate_answer *answer,
                       const struct err *why)
{
	struct run *r = owner;

	r->locating = NULL;
	if (advice == LOCATE_USE) {
		locate_answer_free(r->located);
		r->located = answer;
		r->located_at_ns = loop_now_ns(r->loop);
		r->served_by = 0;
		r->tried = 0;
		try_target(r);
		return;
	}
	r->result->locate_failed = true;
	r->result->locate_err = *why;
	fail_direction(r, why);
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
	if (locate_start(r->loop, &q, on_located, r, &r->locating, &err) < 0) {
		r->result->locate_failed = true;
		r->result->locate_err = err;
		fail_direction(r, &err);
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
	int i = next_target(r);
	struct err err;
	int bad;

	if (i < 0) {
		no_target_left(r);
		return;
	}
	r->tried |= 1U << i;
	r->served_by = (size_t)i + 1; /* until it refuses, then the next one takes its place */
	bad = u ? url_parse(url_of(r, &r->located->targets[i]), u, &err)
	        : ERR_SET(&err, -ENOMEM, ERR_SYS, 0, "allocate an URL");
	if (bad == 0)
		bad = start_subtest(r, u, &err);
	if (bad < 0)
		pass_over(r, url_of(r, &r->located->targets[i]), &err);
	else
		name_target(direction(r), &r->located->targets[i]);
}

/* A token lives a minute: a list that is older is asked for again, once in a run. */
static void try_target(struct run *r)
{
	bool stale = r->located && loop_now_ns(r->loop) - r->located_at_ns > LOCATE_TOKEN_LIFE_NS;

	if (r->o.server) {
		if (direction(r)->state == DIRECTION_FAILED)
			end_direction(r);
		else
			try_server(r);
	} else if (r->result->locate_failed) {
		fail_direction(r, &r->result->locate_err);
	} else if (!r->located || (stale && r->locate_requests < 2)) {
		locate(r);
	} else {
		try_located(r);
	}
}

/* --- the order of things --------------------------------------------------------------------------------- */

static void begin_direction(struct run *r, enum ndt7_test test)
{
	r->test = test;
	r->tried = 0;
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
	ERR_SET(&d->err, -ECANCELED, ERR_SYS, 0, "measure: stopped before it began");
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

/* --- warnings: what a reader of the figures must know -------------------------------------------------- */

static void warn_of_ending(struct test_result *t, const struct direction_result *d)
{
	const char *name = ndt7_test_name(d->test);
	double seconds = (double)(d->report.ended_ns - d->report.started_ns) / 1e9;
	char sentence[256];

	switch (d->report.ending) {
	case NDT7_ENDING_CLOSE:
		if (d->report.peer_code != WS_CLOSE_NORMAL && d->report.peer_code != WS_CLOSE_NONE)
			result_warn(t, "%s: the server closed with code %u after %.1f s", name,
			            d->report.peer_code, (double)d->report.measured_ns / 1e9);
		break;
	case NDT7_ENDING_END:
		result_warn(t, "%s: the server closed the connection without a Close after %.1f s",
		            name, seconds);
		break;
	case NDT7_ENDING_ERROR:
		result_warn(t, "%s: the connection broke after %.1f s: %s", name, seconds,
		            err_sentence(&d->broke, sentence, sizeof(sentence)));
		break;
	case NDT7_ENDING_STALL:
		result_warn(t, "%s: nothing came for 7 s, ended after %.1f s", name, seconds);
		break;
	case NDT7_ENDING_CAP:
		result_warn(t, "%s: the server did not end the test, ended after %.1f s", name,
		            seconds);
		break;
	case NDT7_ENDING_VIOLATION:
		result_warn(t, "%s: the server broke the protocol: %s", name, d->violation);
		break;
	case NDT7_ENDING_STOP:
		result_warn(t, "%s: %s after %.1f s", name,
		            t->interrupted ? "interrupted" : "out of time", seconds);
		break;
	default:
		break;
	}
}

static const char *why_short(const struct direction_result *d)
{
	if (d->source == GOODPUT_CLIENT_RECEIVED)
		return "nothing came after that";
	if (d->source == GOODPUT_CLIENT_ACKED)
		return "nothing more was acknowledged";
	return "the server told no more";
}

static void warn_of_time(struct test_result *t, const struct direction_result *d)
{
	const char *name = ndt7_test_name(d->test);
	double seconds = (double)d->elapsed_ns / 1e9;

	if (direction_falls_short(d))
		result_warn(t, "%s: goodput is of its first %.*f s: %s", name,
		            seconds < 0.1 ? 6 : 1, seconds, why_short(d));
	if (d->unseen_ns > PAUSE_NS_MIN)
		result_warn(t, "%s: this machine kept us from running for %.1f s of it", name,
		            (double)d->unseen_ns / 1e9);
}

static void warn_of_figures(struct test_result *t, const struct direction_result *d)
{
	const char *name = ndt7_test_name(d->test);
	struct figure cpu = direction_cpu_percent(d);
	double limits[LIMITS];

	if (cpu.known && cpu.value > 90)
		result_warn(t, "%s: cpu was at %.0f %%: a lower bound", name, cpu.value);
	else if (limits_percent(&d->limits, limits) && limits[LIMIT_CPU] > 10)
		result_warn(t,
		            "%s: limited by this machine's cpu %.0f %% of the time: a lower bound",
		            name, limits[LIMIT_CPU]);
	if (d->test == NDT7_UPLOAD && d->source != GOODPUT_SERVER_TCP_INFO)
		result_warn(t,
		            "upload: the server reported no last count of bytes received; goodput "
		            "is from %s",
		            goodput_source_name(d->source));
	if (d->unreadable_texts > 0)
		result_warn(t, "%s: %llu messages of the server were no measurement and not used",
		            name, (unsigned long long)d->unreadable_texts);
	if (d->unbelieved_texts > 0)
		result_warn(
			t,
			"%s: %llu messages of the server told of more than was sent, or of a time "
			"to come: not used",
			name, (unsigned long long)d->unbelieved_texts);
	if (d->report.unexpected_bytes > 0)
		result_warn(t, "%s: the server sent %llu bytes of data that should not have come",
		            name, (unsigned long long)d->report.unexpected_bytes);
	if (d->report.pongs_dropped > 0)
		result_warn(t, "%s: %llu pings of a flood were not answered", name,
		            (unsigned long long)d->report.pongs_dropped);
	if (d->connection.bind.how != TCP_BIND_NONE && !d->connection.bind.effective)
		result_warn(t, "%s: the bind to %s could not be confirmed", name,
		            d->connection.bind.interface);
}

static void warn(struct test_result *t)
{
	const struct direction_result *const directions[] = { &t->download, &t->upload };
	bool insecure = false;

	for (int i = 0; i < 2; i++) {
		if (directions[i]->state != DIRECTION_PARTIAL &&
		    directions[i]->state != DIRECTION_COMPLETE)
			continue;
		insecure |= directions[i]->insecure;
		warn_of_ending(t, directions[i]);
		warn_of_time(t, directions[i]);
		warn_of_figures(t, directions[i]);
	}
	if (insecure)
		result_warn(t, "the server's certificate was not verified (--insecure)");
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
	return tls_context_client(&o, &r->tls, err);
}

static int begin(struct run *r, struct err *err)
{
	int bad;

	snprintf(r->user_agent, sizeof(r->user_agent), "radar-pod/%s radarpod-measure/%s",
	         r->o.client_version, POD_VERSION);
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
	locate_cancel(r->locating);
	locate_answer_free(r->located);
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
	warn(ret);
	return bad < 0 ? bad : 0;
}
