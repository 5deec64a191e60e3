/* radar-pod record: another program, and what the kernel's TCP did for it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/child_program.h"
#include "agent/cli/command.h"
#include "agent/cli/options.h"
#include "agent/cli/record_group.h"
#include "agent/cli/record_source.h"
#include "agent/cli/trace_file.h"
#include "agent/cli/trace_table.h"
#include "bpf/obstacle.h"
#include "measure/people.h"
#include "measure/trace_recorder.h"
#include "measure/trace_summary.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

#define INTERVAL_NS NS_PER_MS
#define LINGER_NS   (2 * NS_PER_S)

/* Between two looks at the ring: the longer one while it is empty. */
#define DRAIN_BUSY_MS 10
#define DRAIN_IDLE_MS 40

/* Connections in the table at the end, the largest ones. */
#define TABLE_FLOWS_MAX 20

struct record_wish {
	const char *out, *state_dir;
	uint64_t interval_ns, linger_ns;
	int stats;
	bool quiet;
	char **command;
};

enum { STATS_AUTO, STATS_EBPF, STATS_SOCKOPS, STATS_TCP_INFO };

#define ROW(...) OPTION_ROW(record_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(TEXT, "--out", "FILE", out,
	    "the trace: .jsonl or .csv, each also with .zst "
	    "(COMMAND-TIME-PID.jsonl.zst, in this directory)"),
	ROW(TIME, "--interval", "DUR", interval_ns,
	    "at most one sample of a connection in so much; 0 is every segment that comes (1ms)"),
	ROW(CHOICE, "--stats", "auto|ebpf|ebpf-sockops|tcp_info", stats,
	    "source of the kernel's figures (auto); tcp_info is to be had for our own tests only"),
	ROW(TIME, "--linger", "DUR", linger_ns,
	    "when COMMAND has ended, wait so long for processes and connections that it left "
	    "behind (2s)"),
	ROW(TEXT, "--state-dir", "DIR", state_dir,
	    "hold there what does not fit in memory (/var/lib/radar-pod, or your own)"),
	ROW(SWITCH, "--quiet", NULL, quiet, "nothing on standard error but what went wrong"),
	ROW(COMMAND, "COMMAND", NULL, command, "command"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod record",
	.operands = "[--] COMMAND [ARGUMENT...]",
	.summary = "Runs COMMAND, unchanged, in a control group of its own, and traces every TCP "
		   "connection that it and its children open or accept. Ends with COMMAND's exit "
		   "code, "
		   "128 and the signal's number where it was killed, and 3 where it ended with 0 "
		   "and the "
		   "trace is lost.",
	.epilogue = "Needs CAP_BPF, CAP_NET_ADMIN and, for the source \"ebpf\", CAP_PERFMON.\n"
		    "Read the trace with radar-pod trace; docs/traces.md describes it.\n",
	OPTION_TABLE(options),
};

struct recording {
	const struct record_wish *wish;
	struct trace_file *file;
	struct record_group *group;
	struct record_source source;
	struct child_program child;
	struct record_losses losses;
	char command[sizeof(((struct trace_header *)NULL)->command)];
};

/* --- where it goes -------------------------------------------------------------------------------- */

#define NAME_BYTES 128

/* "iperf3-20260101T000000Z-4711.jsonl.zst", in the current directory. */
static const char *default_name(const char *program, const char *suffix, char out[NAME_BYTES])
{
	char utc[CLOCK_UTC_TEXT_BYTES], compact[CLOCK_UTC_TEXT_BYTES];
	const char *slash = strrchr(program, '/');
	size_t n = 0;

	clock_utc_text(clock_utc_ns(), 0, utc);
	for (const char *at = utc; *at; at++)
		if (*at != '-' && *at != ':')
			compact[n++] = *at;
	compact[n] = '\0';
	snprintf(out, NAME_BYTES, "%.48s-%s-%d%s", slash ? slash + 1 : program, compact, getpid(),
	         suffix);
	return out;
}

/* Nobody asked for a compressed one: where it cannot be, it is not. */
static int open_file(struct recording *r, char name[NAME_BYTES], struct err *err)
{
	const struct record_wish *w = r->wish;
	int bad;

	if (w->out)
		return trace_file_open(w->out, w->state_dir, &r->file, err);
	bad = trace_file_open(default_name(w->command[0], ".jsonl.zst", name), w->state_dir,
	                      &r->file, err);
	if (bad == -ENOPKG)
		bad = trace_file_open(default_name(w->command[0], ".jsonl", name), w->state_dir,
		                      &r->file, err);
	return bad;
}

/* Its words, as far as they fit. */
static void take_command(struct recording *r)
{
	struct text t = text_on(r->command, sizeof(r->command));

	for (char **word = r->wish->command; *word && !t.overflow; word++)
		text_append(&t, "%s%s", t.bytes ? " " : "", *word);
	bytes_make_printable(r->command);
}

/* --- where it comes from -------------------------------------------------------------------------- */

static unsigned tiers_of(int stats)
{
	switch (stats) {
	case STATS_EBPF:
		return TIER_BIT(TIER_EBPF);
	case STATS_SOCKOPS:
		return TIER_BIT(TIER_SOCKOPS);
	default:
		return TIER_BIT(TIER_EBPF) | TIER_BIT(TIER_SOCKOPS);
	}
}

static enum exit_code refuse(unsigned tiers, const struct tier_refusal refusals[TIER_TCP_INFO])
{
	for (enum tier t = TIER_EBPF; t < TIER_TCP_INFO; t++) {
		const struct tier_refusal *why = &refusals[t];

		if (tiers & TIER_BIT(t))
			log_error("%s is not to be had: %s%s%s%s", tier_name(t), why->reason,
			          *why->remedy ? " (" : "", why->remedy, *why->remedy ? ")" : "");
	}
	return EXIT_CANNOT_HERE;
}

/* Before anything is made: what is known to stand in the way. Of the control group its making tells. */
static bool obstructed(unsigned tiers, struct tier_refusal refusals[TIER_TCP_INFO])
{
	uint64_t capabilities = obstacle_capabilities();
	struct obstacle_where where = obstacle_here;

	where.group_is_open = true;
	for (enum tier t = TIER_EBPF; t < TIER_TCP_INFO; t++)
		if (tiers & TIER_BIT(t) &&
		    !obstacle_find(t, true, capabilities, &where, &refusals[t]))
			return false;
	return true;
}

static enum exit_code code_of_failure(const struct err *err)
{
	switch (err->code) {
	case -EPERM:
	case -EACCES:
	case -EROFS:
	case -ENOENT:
		return EXIT_CANNOT_HERE;
	default:
		return EXIT_NOT_DONE;
	}
}

/* EXIT_DONE: the program may start. */
static enum exit_code prepare(struct recording *r)
{
	unsigned tiers = tiers_of(r->wish->stats);
	struct tier_refusal refusals[TIER_TCP_INFO] = {};
	struct err err = {};

	if (obstructed(tiers, refusals))
		return refuse(tiers, refusals);
	if (record_group_open(&r->group, &err) < 0 ||
	    record_source_open(&r->source, record_group_fd(r->group), r->wish->interval_ns, tiers,
	                       trace_file_sink(r->file), &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		return code_of_failure(&err);
	}
	return r->source.grant.tier == TIER_TCP_INFO ? refuse(tiers, r->source.grant.refusals)
	                                             : EXIT_DONE;
}

/* --- the run -------------------------------------------------------------------------------------- */

static int enter(void *group)
{
	return record_group_join(group);
}

/* Waits for a signal or the next look, and looks. */
static void turn(struct recording *r, int *wait_ms)
{
	struct pollfd p = { .fd = r->child.signals_fd, .events = POLLIN };

	if (poll(&p, 1, *wait_ms) > 0)
		child_program_tend(&r->child);
	*wait_ms = record_source_drain(&r->source) > 0 ? DRAIN_BUSY_MS : DRAIN_IDLE_MS;
}

static bool is_quiet(const struct recording *r)
{
	return record_group_is_empty(r->group) &&
	       trace_recorder_open_flows(trace_file_recorder(r->file)) == 0;
}

/* A connection ends after the process that closed it: the peer has to agree. */
static void follow(struct recording *r)
{
	int wait_ms = DRAIN_BUSY_MS;
	uint64_t now_ns, until_ns;

	while (!r->child.over)
		turn(r, &wait_ms);
	now_ns = clock_now_ns();
	until_ns = r->wish->linger_ns < CLOCK_NEVER_NS - now_ns ? now_ns + r->wish->linger_ns
	                                                        : CLOCK_NEVER_NS;
	record_source_drain(&r->source);
	while (!is_quiet(r) && !r->child.told_end && clock_now_ns() < until_ns) {
		wait_ms = DRAIN_BUSY_MS;
		turn(r, &wait_ms);
	}
}

/* --- the end -------------------------------------------------------------------------------------- */

static void tell_left_behind(struct recording *r)
{
	char processes[PEOPLE_BYTES];
	struct record_group_left left;

	r->group = record_group_close(r->group, &left);
	if (left.moved > 0 && !r->wish->quiet)
		log_info("%s left %s running, no longer recorded (--linger)", r->wish->command[0],
		         people_count(left.moved, "process", processes));
	if (left.stays)
		log_warning("the control group " RECORD_GROUP_PREFIX
		            "%d stays: %s made one in it, in which a process runs",
		            getpid(), r->wish->command[0]);
}

struct table {
	uint32_t flows[TABLE_FLOWS_MAX];
	size_t count;
	struct trace_summary summary;
};

static int sum_up(void *self, const struct trace_record *record, struct err *err)
{
	struct table *t = self;

	if (record->kind == TRACE_HEADER || record->kind == TRACE_END)
		return 0;
	for (size_t i = 0; i < t->count; i++)
		if (t->flows[i] == record->flow)
			return trace_summary_take(&t->summary, record, err);
	return 0;
}

static void show_table(struct recording *r, const struct trace_header *header)
{
	struct trace_recorder *recorder = trace_file_recorder(r->file);
	uint64_t flows = trace_recorder_counts(recorder)->flows;
	struct terminal terminal = terminal_of(STDERR_FILENO);
	struct table t = {};
	struct trace_told told = { .file = trace_file_path(r->file), .summary = &t.summary };

	trace_summary_start(&t.summary);
	t.count = trace_recorder_largest(recorder, t.flows, TABLE_FLOWS_MAX);
	if (trace_recorder_replay(recorder, header, (struct trace_emitter){ sum_up, &t }, NULL) ==
	    0)
		trace_summary_human(&told, &terminal, stderr);
	if (flows > t.count)
		fprintf(stderr, "    and %llu smaller ones: radar-pod trace summary %s\n",
		        (unsigned long long)(flows - t.count), trace_file_path(r->file));
	trace_summary_free(&t.summary);
}

static void tell(struct recording *r, const struct trace_header *header)
{
	const struct trace_end *counts = trace_recorder_counts(trace_file_recorder(r->file));
	const char *path = trace_file_path(r->file);
	char samples[PEOPLE_BYTES], flows[PEOPLE_BYTES];

	if (*r->losses.where)
		log_warning("%s lacks %s, read too slowly: %s", path,
		            people_count(counts->lost - counts->lost_for_space - r->losses.untraced,
		                         "sample", samples),
		            r->losses.where);
	if (r->losses.untraced > 0)
		log_warning("%s lacks %s: the kernel had no room to look at more "
		            "(sysctl net.core.optmem_max)",
		            path, people_count(r->losses.untraced, "connection", flows));
	if (counts->lost_for_space > 0)
		log_warning("%s lacks %s, for want of room (--interval)", path,
		            people_count(counts->lost_for_space, "sample", samples));
	if (r->wish->quiet)
		return;
	if (isatty(STDERR_FILENO) && counts->flows > 0)
		show_table(r, header);
	if (r->losses.missed.segments_at_most > 0)
		log_info("%s may lack up to %s: " PEOPLE_MISSED, path,
		         people_count(r->losses.missed.segments_at_most, "segment", samples));
	log_info("%s: %s of %s", path, people_count(counts->samples, "sample", samples),
	         people_count(counts->flows, "connection", flows));
}

/* The program's own failure is told first: whoever runs it has to know that it failed. */
static int write_trace(struct recording *r, enum tier tier)
{
	struct trace_header header = trace_file_header(r->file);
	struct err err = {};

	header.interval_ns = r->wish->interval_ns;
	bytes_copy_text(header.source, sizeof(header.source), tier_name(tier));
	bytes_copy_text(header.command, sizeof(header.command), r->command);
	trace_recorder_missed(trace_file_recorder(r->file), r->losses.missed);
	if (trace_file_write(r->file, &header, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		log_error("the trace is lost; %s ended with %d", r->wish->command[0],
		          r->child.code);
		return r->child.code ? r->child.code : EXIT_PARTLY;
	}
	tell(r, &header);
	return r->child.code;
}

static int run(struct recording *r)
{
	enum tier tier = r->source.grant.tier;
	struct err err = {};
	int bad = child_program_start(&r->child, r->wish->command, enter, r->group, &err);

	if (bad != CHILD_PROGRAM_RUNS) {
		log_err(LOG_LEVEL_ERROR, &err);
		return bad < 0 ? (int)code_of_failure(&err) : r->child.code;
	}
	follow(r);
	if (record_source_finish(&r->source, &r->losses, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
	record_source_close(&r->source);
	tell_left_behind(r);
	return write_trace(r, tier);
}

/* --- the command ---------------------------------------------------------------------------------- */

static int check_wish(const struct record_wish *w, struct err *err)
{
	struct trace_form form;

	if (!w->command)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "which program?");
	return w->out ? trace_file_form("--out", w->out, &form, err) : 0;
}

static void end_recording(struct recording *r)
{
	struct record_group_left left;

	child_program_end(&r->child);
	record_source_close(&r->source);
	record_group_close(r->group, &left);
	trace_file_close(r->file);
}

enum exit_code cmd_record(int argc, char **argv)
{
	struct record_wish wish = { .interval_ns = INTERVAL_NS, .linger_ns = LINGER_NS };
	CLEANUP(end_recording)
	struct recording r = {
		.wish = &wish,
		.source = RECORD_SOURCE_NONE,
		.child = { .signals_fd = -1 },
	};
	char name[NAME_BYTES];
	enum exit_code code;
	struct err err = {};

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (check_wish(&wish, &err) < 0)
		return options_complain(&syntax, &err);
	if (wish.stats == STATS_TCP_INFO) {
		log_error("tcp_info polls the sockets of this process, and COMMAND has its own: "
		          "between two polls from outside whole connections come and go");
		return EXIT_CANNOT_HERE;
	}
	if (open_file(&r, name, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		return err.code == -ENOPKG ? EXIT_CANNOT_HERE : EXIT_NOT_DONE;
	}
	take_command(&r);
	code = prepare(&r);
	return code == EXIT_DONE ? (enum exit_code)run(&r) : code;
}
