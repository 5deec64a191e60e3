/* radar-pod test: one measurement, and its result in the format asked for. */
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/environment.h"
#include "agent/base/interrupt.h"
#include "agent/base/resident.h"
#include "agent/cli/advice.h"
#include "agent/cli/command.h"
#include "agent/cli/given_file.h"
#include "agent/cli/options.h"
#include "agent/cli/output.h"
#include "agent/cli/output_file.h"
#include "agent/cli/standard_output.h"
#include "agent/cli/stored.h"
#include "agent/cli/test_sandbox.h"
#include "agent/cli/test_stats.h"
#include "agent/cli/test_trace.h"
#include "agent/cli/trace_file.h"
#include "agent/host/sysinfo.h"
#include "measure/tally.h"
#include "measure/trace.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/url.h"

#define TRACE_INTERVAL_NS NS_PER_MS

enum protocol { PROTOCOL_NDT7, PROTOCOL_OOKLA };
enum format { FORMAT_HUMAN, FORMAT_JSON, FORMAT_JSONL, FORMAT_RAW };

struct test_wish {
	int protocol, scheme, io, stats, format; /* places in the tables' lists of words */
	const char *server;
	const char *locate_url, *country, *site, *org;
	bool early_exit, download, upload;
	uint64_t max_bytes;
	const char *interface;
	bool ipv4, ipv6;
	const char *ca_file;
	bool insecure;
	const char *output;
	const char *result; /* the file of the option of that name */
	const char *trace;
	uint64_t trace_interval_ns;
	const char *client_name;
	const char *warning; /* of who has looked at the line */
	bool no_store;
	const char *state_dir;
};

#define ROW(...) OPTION_ROW(test_wish, __VA_ARGS__)

/* The lists of words are in the order of the enums: RUN_SCHEME_…, LOOP_BODY_…, TEST_STATS_…, and those
 * above. */
static const struct option options[] = {
	ROW(CHOICE, "ndt7", "ndt7|ookla", protocol, "test"),

	OPTION_HEADING("Which server"),
	ROW(TEXT, "--server", "HOST[:PORT]", server,
	    "this server, or its ws:// or wss:// URL, instead of locating one; the URL's path and "
	    "query are kept"),
	ROW(TEXT, "--locate-url", "URL", locate_url, "another locate service than M-Lab's"),
	ROW(TEXT, "--country", "CC", country, "a server near this country's centre"),
	ROW(TEXT, "--site", "IATA", site, "a server of this site, such as lga03"),
	ROW(TEXT, "--org", "NAME", org, "a server of this organisation"),

	OPTION_HEADING("What to measure"),
	ROW(SWITCH, "--download", NULL, download, "only this direction (both)"),
	ROW(SWITCH, "--upload", NULL, upload, "only this direction (both)"),
	ROW(SWITCH, "--early-exit", NULL, early_exit,
	    "ask the server to end a download after 250 MB"),
	ROW(SIZE, "--max-bytes", "SIZE", max_bytes,
	    "end each direction after so much, such as 100MB (no ceiling)"),

	OPTION_HEADING("How"),
	ROW(CHOICE, "--scheme", "auto|ws|wss", scheme,
	    "wss is encrypted; auto: wss if the CPU has AES instructions, else ws (auto)"),
	ROW(TEXT, "--interface", "NAME", interface,
	    "bind to this network device; the result says whether it took effect"),
	ROW(SWITCH, "-4", NULL, ipv4, "IPv4 only"),
	ROW(SWITCH, "-6", NULL, ipv6, "IPv6 only"),
	ROW(TEXT, "--ca-file", "PEM", ca_file, "trust these authorities instead of the system's"),
	ROW(SWITCH, "--insecure", NULL, insecure,
	    "do not verify the server's certificate; the result says so"),
	ROW(CHOICE, "--stats", "auto|ebpf|tcp_info|ebpf-sockops", stats,
	    "source of the kernel's figures; auto: the best that this kernel and these privileges "
	    "allow, of ebpf, ebpf-sockops and tcp_info (auto)"),
	ROW(CHOICE, "--io", "auto|io_uring|epoll", io,
	    "event loop; auto: io_uring, or epoll where that is barred (auto)"),
	ROW(TEXT, "--client-name", "NAME", client_name,
	    "the name servers archive for the program that asks (radar-pod)"),

	OPTION_HEADING("Result"),
	ROW(CHOICE, "--format", "human|json|jsonl|raw", format,
	    "human: progress and a summary; json: one object; jsonl: events as they happen; raw: "
	    "what the pod service takes (human)"),
	ROW(TEXT, "--output", "FILE", output,
	    "write the result there, whole or not at all, instead of to standard output"),
	ROW(TEXT, "--result", "FILE", result,
	    "write it there too, as the one object of json, for `radar-pod report`"),
	ROW(TEXT, "--warning", "TEXT", warning,
	    "put this among the result's warnings: what you know of the line just now"),
	ROW(SWITCH, "--no-store", NULL, no_store, "do not keep the result for `radar-pod results`"),
	ROW(TEXT, "--state-dir", "DIR", state_dir,
	    "keep it below this directory (that of the configuration), and there what of a trace "
	    "does "
	    "not fit in memory"),

	OPTION_HEADING("Trace"),
	ROW(TEXT, "--trace", "FILE", trace,
	    "write there what the kernel's TCP saw of each connection, sample by sample, when the "
	    "test has ended; .jsonl or .csv, each also with .zst"),
	ROW(TIME, "--trace-interval", "DUR", trace_interval_ns,
	    "at most one sample of a connection in so much; 0: as many as there are (1ms)"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod test",
	.operands = "[ndt7]",
	.summary =
		"Measures this Internet connection: download, upload and latency, about 20 seconds "
		"and, on a fast line, several hundred megabytes.",
	.epilogue =
		"Tests against M-Lab's servers, the default, are published with your IP address:\n"
		"https://www.measurementlab.net/privacy/\n",
	OPTION_TABLE(options),
};

/* --- what does not go together -------------------------------------------------------------------- */

static int check_server(const struct test_wish *w, struct err *err)
{
	static const char *const schemes[] = { NULL, "ws", "wss" };
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));
	const char *wanted = schemes[w->scheme];
	int r;

	if (!w->server)
		return 0;
	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an URL");
	if (w->locate_url || w->country || w->site || w->org)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--server names a server; --locate-url, --country, --site and --org "
		               "ask for one: give either");
	r = url_parse_server(w->server, wanted ? wanted : "wss", u, err);
	if (r < 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--server: could not %s", err->text);
	if (wanted && strcmp(u->scheme, wanted) != 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--scheme %s and a --server of %s:// contradict each other", wanted,
		               u->scheme);
	return 0;
}

static int check_locate(const struct test_wish *w, struct err *err)
{
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));
	char shown[160];

	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an URL");
	if (w->country &&
	    (strlen(w->country) != 2 || !isalpha(w->country[0]) || !isalpha(w->country[1])))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--country takes two letters (ISO 3166-1) such as US, not \"%s\"",
		               w->country);
	if (w->locate_url &&
	    (url_parse(w->locate_url, u, NULL) < 0 || strncmp(u->scheme, "http", 4) != 0))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--locate-url takes an http:// or https:// URL, not \"%s\"",
		               log_url(w->locate_url, shown, sizeof(shown)));
	return 0;
}

static int check_trace(const struct test_wish *w, struct err *err)
{
	struct trace_form form;
	int r;

	if (!w->trace)
		return 0;
	r = trace_file_form("--trace", w->trace, &form, err);
	if (r < 0)
		return r;
	if (w->output && strcmp(w->trace, w->output) == 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--trace and --output cannot be the same file");
	return 0;
}

/* Answers as options_parse() does. */
static int check_wish(const struct test_wish *w, struct err *err)
{
	int r = 0;

	if (w->protocol == PROTOCOL_OOKLA)
		return ERR_SET(err, -EOPNOTSUPP, ERR_SYS, 0,
		               "the ookla test is not in this release; ndt7 is");
	if (w->ipv4 && w->ipv6)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "-4 and -6 exclude each other; without either both are tried");
	if (w->format == FORMAT_RAW && w->download != w->upload)
		return ERR_SET(
			err, -EINVAL, ERR_SYS, 0,
			"--format raw needs both directions, or the pod service would count the "
			"missing one as 0");
	if (w->output && w->result && strcmp(w->output, w->result) == 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--output and --result would write into the same file");
	r = check_trace(w, err);
	if (r == 0)
		r = check_server(w, err);
	return r < 0 ? r : check_locate(w, err);
}

/* --- what this machine must have -------------------------------------------------------------------- */

static enum exit_code check_interface(const char *name)
{
	struct sysinfo_interfaces all;
	char names[512];
	struct text t = text_on(names, sizeof(names));

	if (!name || if_nametoindex(name) > 0)
		return EXIT_DONE;
	sysinfo_interfaces(&all);
	for (size_t i = 0; i < all.count; i++)
		text_append(&t, " %s", all.names[i]);
	log_error("could not bind to %s: there is no such network device (there is:%s)", name,
	          names);
	return EXIT_NOT_DONE;
}

static enum exit_code check_io(int io)
{
	struct loop *loop = NULL;
	struct err err;

	if (io != LOOP_BODY_IO_URING)
		return EXIT_DONE;
	if (loop_open(LOOP_BODY_IO_URING, &loop, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		log_error("--io auto or --io epoll works here; `radar-pod doctor` says more");
		return EXIT_CANNOT_HERE;
	}
	loop_close(loop);
	return EXIT_DONE;
}

static enum exit_code check_machine(const struct test_wish *w)
{
	enum exit_code code = EXIT_DONE;

	if (w->ca_file)
		code = given_file_check("the CA file", w->ca_file);
	if (code == EXIT_DONE)
		code = check_interface(w->interface);
	return code == EXIT_DONE ? check_io(w->io) : code;
}

CLEANUP_DEFINE(loop_closep, struct loop *, loop_close)

/* --- the run ------------------------------------------------------------------------------------------ */

/* Nobody reads what cannot be written: the test ends there. */
static void on_event(void *owner, const struct run_event *e)
{
	struct output *o = owner;

	if (o->format->hear)
		o->format->hear(o, e);
	/* A handshake takes the place of what ciphers were compared by, a transfer's buffers that of what it needs. */
	if (e->kind == RUN_STARTING || e->kind == RUN_CONNECTED)
		resident_let_go();
	if (!standard_output_works())
		interrupt_raise();
}

static struct run_options run_options(const struct test_wish *w, struct output *o,
                                      struct test_stats *stats, const struct test_trace *trace,
                                      struct loop *loop, int stop_fd)
{
	bool both = w->download == w->upload;

	return (struct run_options){
		.server = w->server,
		.locate_url = w->locate_url,
		.country = w->country,
		.site = w->site,
		.org = w->org,
		/* not an option: command lines are seen by everybody */
		.locate_bearer = getenv("RADAR_POD_LOCATE_TOKEN"),
		.download = both || w->download,
		.upload = both || w->upload,
		.early_exit = w->early_exit,
		.max_bytes = w->max_bytes,
		.scheme = (enum run_scheme)w->scheme,
		.loop = loop,
		.family = w->ipv4   ? AF_INET
		          : w->ipv6 ? AF_INET6
		                    : AF_UNSPEC,
		.interface = w->interface,
		.ca_file = w->ca_file,
		.insecure = w->insecure,
		.client_name = w->client_name,
		.client_version = POD_VERSION,
		.stats = test_stats_source(stats),
		.trace = trace ? test_trace_sink(trace) : NULL,
		.trace_interval_ns = w->trace_interval_ns,
		.hear = on_event,
		.owner = o,
		.stop_fd = stop_fd,
	};
}

static void say_hint(const char *advice)
{
	if (advice)
		log_info("hint: %s", advice);
}

static void say_advice(const struct test_result *r, const struct direction_result *d)
{
	say_hint(advice_on(&d->err, r->locate_failed));
}

/* Both directions mostly fail for the same reason: that is one line. */
static void say_what_failed(const struct test_result *r)
{
	const struct direction_result *const directions[] = { &r->download, &r->upload };
	char why[2][512] = {};

	for (int i = 0; i < 2; i++)
		if (directions[i]->state == DIRECTION_FAILED)
			err_sentence(&directions[i]->err, why[i], sizeof(why[i]));
	if (*why[0] && strcmp(why[0], why[1]) == 0) {
		log_error("download, upload: %s", why[0]);
		say_advice(r, &r->download);
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (!*why[i])
			continue;
		log_error("%s: %s", ndt7_test_name(directions[i]->test), why[i]);
		say_advice(r, directions[i]);
	}
}

/* What run_test() itself refuses is a file or a kernel; usage was checked before. */
static enum exit_code code_of_refusal(const struct test_wish *w, const struct err *err)
{
	if (w->ca_file && err->domain == ERR_TLS)
		return EXIT_BAD_FILE;
	if (err->code == -ENOSYS || err->code == -EPERM)
		return EXIT_CANNOT_HERE;
	return EXIT_NOT_DONE;
}

/* What a test writes to, opened before it begins. */
struct test_files {
	struct output_file *output;
	struct output_file *result; /* NULL: not asked for; likewise below */
	struct test_trace *trace;
	struct stored_place store; /* all zero: the result is not kept */
};

static void test_files_close(struct test_files *f)
{
	stored_place_end(&f->store);
	test_trace_close(f->trace);
	output_file_close(f->result);
	output_file_close(f->output);
}

static bool write_one(struct output *o, struct output_file *file, const struct test_result *r)
{
	struct err err = {};

	o->to = file->to;
	if (o->format->finish(o, r, &err) == 0 && output_file_commit(file, &err) == 0)
		return true;
	log_err(LOG_LEVEL_ERROR, &err);
	say_hint(advice_on_file(&err));
	return false;
}

/* What was ended before anything was measured is no result. */
static void keep_result(const struct test_wish *w, struct stored_place *place,
                        const struct test_result *r)
{
	struct output json = { .format = &output_json };
	char *object = NULL;
	size_t bytes = 0;

	if (w->no_store || (r->interrupted && result_exit_code(r) == EXIT_NOT_DONE))
		return;
	json.to = open_memstream(&object, &bytes);
	if (json.to) {
		json.format->finish(&json, r, NULL);
		resident_let_go(); /* SQLite's takes its place: a test is small */
		if (fclose(json.to) == 0)
			stored_keep(place, r, object, bytes);
	}
	free(object);
}

/* Each is tried, whatever became of the other. */
static enum exit_code write_result(struct output *o, const struct test_files *files,
                                   const struct test_result *r)
{
	struct output json = { .format = &output_json };
	bool written = write_one(o, files->output, r);

	if (files->result)
		written = write_one(&json, files->result, r) && written;
	return written ? (enum exit_code)result_exit_code(r) : EXIT_NOT_DONE;
}

/* Everything that can be refused before anything is measured. */
static int prepare(const struct test_wish *w, const struct output_format *format,
                   struct test_files *files, struct err *err)
{
	int r = output_file_open(w->output, format->whole, &files->output, err);

	if (r == 0 && w->result)
		r = output_file_open(w->result, true, &files->result, err);
	if (r == 0 && !w->no_store)
		stored_place_find(w->state_dir, &files->store);
	if (r == 0 && w->trace)
		r = test_trace_open(w->trace, w->trace_interval_ns,
		                    *files->store.directory ? files->store.directory : w->state_dir,
		                    &files->trace, err);
	return r;
}

/* From here on it is what it is for: the loader has begun, the files are open, the loop has its ring. */
static int enter_sandbox(const struct test_wish *w, const struct test_files *files,
                         const struct test_stats *stats, struct err *err)
{
	struct test_sandbox_wish wish = {
		.server = w->server,
		.locate_url = w->locate_url,
		.ca_file = w->ca_file,
		.directories = { output_file_directory(files->output),
		                 output_file_directory(files->result),
		                 test_trace_directory(files->trace), files->store.directory },
		.loader = stats->begun ? stats->child.pid : 0,
	};
	int r = test_sandbox_enter(&wish, err);

	resident_let_go(); /* of what entering took, and of what beginning read */
	return r;
}

/* What was asked for by name must be there before anything is measured. An interrupt is the run's to answer, as at
 * any other time. */
static int check_stats(const struct test_wish *w, struct test_stats *stats, struct err *err)
{
	int r = 0;

	if (w->stats != TEST_STATS_AUTO && w->stats != TEST_STATS_TCP_INFO)
		r = test_stats_demand(stats, err);
	return r == -ECANCELED ? 0 : r;
}

static void write_trace(struct test_trace *trace, struct test_result *result)
{
	test_trace_write(trace, result);
	if (result->trace.err.code == 0)
		return;
	log_err(LOG_LEVEL_ERROR, &result->trace.err);
	log_error("the trace is lost, the result is not");
	say_hint(advice_on_file(&result->trace.err));
}

/* What is asked of this machine before anything is measured. */
static int get_ready(const struct test_wish *w, const struct output_format *format,
                     struct test_files *files, struct test_stats *stats, struct loop **loop,
                     int stop_fd, struct err *err)
{
	int r;

	test_stats_begin(stats, (enum test_stats_wish)w->stats,
	                 w->trace ? w->trace_interval_ns : TALLY_INTERVAL_NS, stop_fd);
	r = prepare(w, format, files, err);
	if (r == 0)
		r = loop_open((enum loop_body)w->io, loop, err);
	return r < 0 ? r : enter_sandbox(w, files, stats, err);
}

static enum exit_code tell(const struct test_wish *w, struct output *o, struct test_files *files,
                           struct test_result *result)
{
	if (w->warning)
		result_warn(result, "%s", w->warning);
	if (standard_output_works())
		say_what_failed(result);
	if (files->trace)
		write_trace(files->trace, result);
	keep_result(w, &files->store, result);
	return write_result(o, files, result);
}

static enum exit_code run(const struct test_wish *w, const struct output_format *format)
{
	CLEANUP(freep) struct test_result *result = calloc(1, sizeof(*result));
	CLEANUP(test_files_close) struct test_files files = {};
	CLEANUP(test_stats_end) struct test_stats stats = {};
	CLEANUP(loop_closep) struct loop *loop = NULL;
	struct output o = { .format = format, .terminal = terminal_of(STDOUT_FILENO) };
	struct run_options options_of_run;
	struct err err = {};
	int stop_fd = -1, r;

	r = result ? interrupt_open(&stop_fd, &err)
	           : ERR_SET(&err, -ENOMEM, ERR_SYS, 0, "allocate a result");
	if (r == 0)
		r = get_ready(w, format, &files, &stats, &loop, stop_fd, &err);
	if (r < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		say_hint(advice_on_file(&err));
		return r == -ENOPKG || r == -ENOSYS ? EXIT_CANNOT_HERE : EXIT_NOT_DONE;
	}
	if (check_stats(w, &stats, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		log_error("%s; `radar-pod doctor` says more",
		          *stats.remedy ? stats.remedy : "--stats auto works here");
		return EXIT_CANNOT_HERE;
	}
	o.to = files.output->to;
	options_of_run = run_options(w, &o, &stats, files.trace, loop, stop_fd);
	r = run_test(&options_of_run, result, &err);
	close(stop_fd);
	test_stats_tell(&stats, result);
	if (r < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		return code_of_refusal(w, &err);
	}
	return tell(w, &o, &files, result);
}

enum exit_code cmd_test(int argc, char **argv)
{
	static const struct output_format *const formats[] = {
		[FORMAT_HUMAN] = &output_human,
		[FORMAT_JSON] = &output_json,
		[FORMAT_JSONL] = &output_jsonl,
		[FORMAT_RAW] = &output_raw,
	};
	struct test_wish wish = { .client_name = "radar-pod",
		                  .trace_interval_ns = TRACE_INTERVAL_NS };
	enum exit_code code;
	struct err err = {};

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (check_wish(&wish, &err) < 0)
		return options_complain(&syntax, &err);
	environment_check();
	code = check_machine(&wish);
	return code == EXIT_DONE ? run(&wish, formats[wish.format]) : code;
}
