/* What a link is to be like, as its .link file says it. docs/links.md describes the format.
 *
 * A file is lines: `# comment`, `[section]`, `key = value`. Keys before the first section are the
 * link's; `[down]` is towards the client, `[up]` towards the server, `[both]` sets both and may be
 * refined after it. Everything has a default: an empty file is a wire that changes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

/* Ceilings, all inclusive. */
#define SCENARIO_TEXT_MAX_BYTES (1024 * 1024) /* of a .link file */
#define SCENARIO_CHANGES_MAX    4096          /* of a schedule, per direction */
#define SCENARIO_TRACE_MAX      4000000       /* opportunities of a trace */
#define SCENARIO_MTU_MIN        68            /* RFC 791; v6 needs 1280 (RFC 8200) */
#define SCENARIO_MTU_MAX        65535
#define SCENARIO_RATE_MAX_BPS   100000000000ULL         /* 100 Gbit/s */
#define SCENARIO_TIME_MAX_NS    (86400 * 1000000000ULL) /* of any delay or instant: a day */
#define SCENARIO_NAME_BYTES     64                      /* of a scenario or a trace, with its NUL */

enum scenario_family { SCENARIO_BOTH, SCENARIO_V4, SCENARIO_V6 };

enum jitter_distribution {
	JITTER_NONE,
	JITTER_UNIFORM,     /* in [-jitter, +jitter] */
	JITTER_NORMAL,      /* deviation = jitter, cut at 4 of them */
	JITTER_EXPONENTIAL, /* mean = jitter, only ever later */
};

enum queue_aqm { QUEUE_DROP_TAIL, QUEUE_CODEL };

enum loss_model { LOSS_NONE, LOSS_BERNOULLI, LOSS_GILBERT_ELLIOTT };

/* From at_ns of the run on; what a change does not name stays as it is. */
struct scenario_change {
	uint64_t at_ns;
	bool has_rate, has_delay, has_loss;
	uint64_t rate_bps; /* 0: nothing passes, an outage */
	uint64_t delay_ns;
	double loss; /* Bernoulli */
};

struct scenario_direction {
	uint64_t rate_bps;       /* of IP bytes and overhead; UINT64_MAX: no limit */
	uint32_t overhead_bytes; /* that a packet costs on the line beside its IP bytes */

	uint64_t delay_ns;
	enum jitter_distribution jitter;
	uint64_t jitter_ns;
	bool jitter_reorders; /* false: a packet is never due before one that came earlier */

	/* The queue before the line; UINT64_MAX: no limit of this kind. */
	uint64_t queue_bytes, queue_packets, queue_ns;
	enum queue_aqm aqm;
	uint64_t codel_target_ns, codel_interval_ns; /* RFC 8289: 5 ms, 100 ms */
	bool codel_ecn; /* mark what can be marked instead of dropping it */

	enum loss_model loss;
	double loss_p;                   /* Bernoulli */
	double enter_bad_p, leave_bad_p; /* Gilbert-Elliott, per packet */
	double loss_good_p, loss_bad_p;

	double duplicate_p;
	double reorder_p;    /* a packet held back … */
	uint64_t reorder_ns; /* … by so much, while those behind it pass */

	uint64_t
		policer_bps; /* 0: none. Token bucket: what exceeds it is dropped at the entrance */
	uint64_t policer_bytes;

	uint32_t aggregate_packets; /* 0: none. So many at once, then a gap, as Wi-Fi does */
	uint64_t aggregate_gap_ns;

	uint32_t black_hole_bytes; /* larger IP packets vanish without a word; 0: none do */

	struct scenario_change *changes; /* in order of time */
	size_t change_count;

	/* A trace of delivery opportunities in place of a rate (which is then UINT64_MAX; in the changes 0,
	 * an outage, or UINT64_MAX, its end): each lets `trace_bytes` pass. After its last instant, which
	 * is not 0, it begins again. */
	char trace_name[SCENARIO_NAME_BYTES]; /* of its file beside the scenario's; "": none */
	uint64_t *trace_ns;
	size_t trace_count;
	uint32_t trace_bytes;
};

enum link_direction { LINK_DOWN, LINK_UP, LINK_DIRECTIONS };

struct scenario {
	char name[SCENARIO_NAME_BYTES]; /* of the file, without folder and suffix */
	uint64_t seed;
	uint32_t mtu;
	enum scenario_family family;
	struct scenario_direction direction[LINK_DIRECTIONS];
};

/* Reads a trace file that `trace = NAME` names; fills *ret of `*ret_count` instants, the caller's to
 * free. scenario_load() gives one that reads NAME beside the .link file; tests give their own. */
typedef int (*scenario_trace_reader)(void *owner, const char *name, uint64_t **ret,
                                     size_t *ret_count, struct err *err);

/* Pure but for `reader`. `name` is the file's, for messages.
 *   -EINVAL  what the text says cannot be. err->detail is the line and err->text a message of its
 *            own, not a clause after "could not": `cable.link:12: rate: "300Mb" is no rate; such as …`
 *   -E2BIG   a ceiling above, likewise;  -ENOMEM  */
int scenario_parse(const char *name, const char *text, size_t n, scenario_trace_reader reader,
                   void *owner, struct scenario *ret, struct err *err);

/* One instant a line, whole milliseconds since the start, not falling, as LTE traces are published;
 * several equal ones are several opportunities. Errors as of scenario_parse(). */
int scenario_parse_trace(const char *name, const char *text, size_t n, uint64_t **ret,
                         size_t *ret_count, struct err *err);

/* The canonical form: the link's keys and every other that is not at its default, in one order. Read
 * again, with the same traces, it is the same scenario, but for its name.   -EIO  `out` refused it */
int scenario_print(const struct scenario *s, FILE *out);

/* Reads a .link file and the traces it names. What is no file's name and has a "=" in it is the text itself, named
 * "inline", with ";" for the end of a line; its traces are in the working directory. Errors as above, and of open(2)
 * and read(2). */
int scenario_load(const char *path, struct scenario *ret, struct err *err);

/* Ends what a scenario holds; accepts one that is all zero. */
void scenario_clear(struct scenario *s);
