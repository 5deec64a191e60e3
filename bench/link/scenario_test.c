#include "bench/link/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/link/scenario_keys.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"

/* What the tests' traces hold, whatever their name; "gone.trace" is not there. */
static int read_trace(void *owner, const char *name, uint64_t **ret, size_t *ret_count,
                      struct err *err)
{
	static const char text[] = "0\n1\n1\n20\n";

	(void)owner;
	if (strcmp(name, "gone.trace") == 0)
		return ERR_SET(err, -ENOENT, ERR_SYS, 0, "open %s", name);
	if (strcmp(name, "broken.trace") == 0)
		return scenario_parse_trace(name, "5\n4\n", 4, ret, ret_count, err);
	return scenario_parse_trace(name, text, strlen(text), ret, ret_count, err);
}

static int parse(const char *text, size_t n, struct scenario *ret, struct err *err)
{
	return scenario_parse("links/cable.link", text, n, read_trace, NULL, ret, err);
}

/* The canonical form, the caller's to free. */
static char *printed(const struct scenario *s)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	assert_int_equal(scenario_print(s, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* --- what is taken ----------------------------------------------------------------------------------- */

#define LINK "mtu = 1500\nfamily = both\nseed = 1\n"

static struct taken_case {
	const char *name;
	const char *text;
	const char *want; /* the canonical form below [down]; NULL: the whole is `want_all` */
	const char *want_all;
} taken_cases[] = {
	{ "nothing: a wire", "", NULL, LINK "[down]\n[up]\n" },
	{ "comments and white space", "# a\n \t\n  # b\n", NULL, LINK "[down]\n[up]\n" },
	{ "keys of the link", "mtu=1280\nfamily = v6\nseed = 18446744073709551615\n", NULL,
	  "mtu = 1280\nfamily = v6\nseed = 18446744073709551615\n[down]\n[up]\n" },
	{ "an mtu with its unit", "mtu = 9000 B", NULL,
	  "mtu = 9000\nfamily = both\nseed = 1\n[down]\n[up]\n" },
	{ "v4 may be small", "mtu = 68\nfamily = v4", NULL,
	  "mtu = 68\nfamily = v4\nseed = 1\n[down]\n[up]\n" },
	{ "both, refined", "[both]\nrate = 10Mbit/s\ndelay = 5ms\n[up]\nrate = 1Mbit/s\n", NULL,
	  LINK "[down]\nrate = 10Mbit/s\ndelay = 5ms\n[up]\nrate = 1Mbit/s\ndelay = 5ms\n" },
	{ "up before down", "[up]\nrate = 1Mbit/s\n[down]\nrate = 2Mbit/s\n", NULL,
	  LINK "[down]\nrate = 2Mbit/s\n[up]\nrate = 1Mbit/s\n" },
	{ "a schedule replaces that of [both]",
	  "[both]\nat = 1s outage\nat = 2s rate 1Mbit/s\n[up]\nat = 1s delay 5ms", NULL,
	  LINK "[down]\nat = 1s outage\nat = 2s rate 1Mbit/s\n[up]\nat = 1s delay 5ms\n" },
	{ "a trace gives way to none", "[both]\ntrace = a.trace\n[up]\ntrace = none\n", NULL,
	  LINK "[down]\ntrace = a.trace 1500B\n[up]\n" },
	{ "byte order mark, CRLF, no final newline", "\xef\xbb\xbf[down]\r\nrate = 1Mbit/s\r\n\r",
	  "rate = 1Mbit/s\n", NULL },
	{ "white space everywhere", "\t[ down ]\t\n  rate\t =  300   Mbit/s\t\n",
	  "rate = 300Mbit/s\n", NULL },
	{ "a comment behind a value", "[down]\nrate = 1Mbit/s # fast\n", "rate = 1Mbit/s\n", NULL },
	{ "a section with a comment", "[down] # towards us\n", NULL, NULL },
	{ "rate, smallest unit that is whole", "[down]\nrate = 1.544Mbit/s", "rate = 1544kbit/s\n",
	  NULL },
	{ "rate, largest", "[down]\nrate = 100Gbit/s", "rate = 100Gbit/s\n", NULL },
	{ "rate, unlimited", "[down]\nrate = unlimited", "", NULL },
	{ "overhead", "[down]\noverhead = 38B", "overhead = 38B\n", NULL },
	{ "delay in parts of a unit", "[down]\ndelay = 1.5ms", "delay = 1500us\n", NULL },
	{ "no delay", "[down]\ndelay = 0", "", NULL },
	{ "jitter", "[down]\njitter = 2ms normal", "jitter = 2ms normal\n", NULL },
	{ "jitter that reorders", "[down]\njitter = 2 ms uniform reorder",
	  "jitter = 2ms uniform reorder\n", NULL },
	{ "jitter, only later", "[down]\njitter = 100us exponential",
	  "jitter = 100us exponential\n", NULL },
	{ "no jitter", "[down]\njitter = none", "", NULL },
	{ "queue in bytes", "[down]\nqueue = 2MB", "queue = 2MB\n", NULL },
	{ "queue in packets", "[down]\nqueue = 1000 packets", "queue = 1000packets\n", NULL },
	{ "queue of one packet", "[down]\nqueue = 1packet", "queue = 1packets\n", NULL },
	{ "queue in time", "[down]\nqueue = 200ms", "queue = 200ms\n", NULL },
	{ "queue, three limits", "[down]\nqueue = 200ms,2MB , 9packets",
	  "queue = 2MB, 9packets, 200ms\n", NULL },
	{ "queue without limit", "[down]\nqueue = unlimited", "", NULL },
	{ "codel as RFC 8289 has it", "[down]\naqm = codel",
	  "aqm = codel target 5ms interval 100ms\n", NULL },
	{ "codel with its knobs", "[down]\naqm = codel target 1ms interval 20ms ecn",
	  "aqm = codel target 1ms interval 20ms ecn\n", NULL },
	{ "drop tail", "[both]\naqm = codel\n[down]\naqm = droptail\n[up]\naqm = droptail", "",
	  NULL },
	{ "loss", "[down]\nloss = 0.1%", "loss = 0.1%\n", NULL },
	{ "loss, all of it", "[down]\nloss = 100 %", "loss = 100%\n", NULL },
	{ "loss, as fine as can be", "[down]\nloss = 99.000000001%", "loss = 99.000000001%\n",
	  NULL },
	{ "bursts of loss", "[down]\nloss = gilbert-elliott enter 0.1% leave 20%",
	  "loss = gilbert-elliott enter 0.1% leave 20% good 0% bad 100%\n", NULL },
	{ "bursts of loss, all said",
	  "[down]\nloss = gilbert-elliott enter 0.1% leave 20% good 0.01% bad 50%",
	  "loss = gilbert-elliott enter 0.1% leave 20% good 0.01% bad 50%\n", NULL },
	{ "duplicates", "[down]\nduplicate = 0.01%", "duplicate = 0.01%\n", NULL },
	{ "reordering", "[down]\nreorder = 0.5% by 3ms", "reorder = 0.5% by 3ms\n", NULL },
	{ "policer", "[down]\npolicer = 20Mbit/s burst 64kB", "policer = 20Mbit/s burst 64kB\n",
	  NULL },
	{ "aggregation", "[down]\naggregate = 32packets gap 2ms", "aggregate = 32packets gap 2ms\n",
	  NULL },
	{ "black hole", "[down]\nblack_hole = above 1280B", "black_hole = above 1280B\n", NULL },
	{ "everything undone",
	  "[both]\njitter = 1ms normal\nloss = 1%\nreorder = 1% by 1ms\nduplicate = 1%\n"
	  "policer = 1Mbit/s burst 9kB\naggregate = 2packets gap 1ms\nblack_hole = above 1000B\n"
	  "queue = 2MB\nrate = 1Mbit/s\n"
	  "[down]\njitter = none\nloss = none\nreorder = none\nduplicate = 0%\npolicer = none\n"
	  "aggregate = none\nblack_hole = none\nqueue = unlimited\nrate = unlimited\n"
	  "[up]\njitter = none\nloss = none\nreorder = none\nduplicate = 0%\npolicer = none\n"
	  "aggregate = none\nblack_hole = none\nqueue = unlimited\nrate = unlimited\n",
	  NULL, LINK "[down]\n[up]\n" },
	{ "changes, in any order of their parts",
	  "[down]\nat = 0s loss 1% delay 50ms rate 10Mbit/s\nat = 10s outage\n"
	  "at = 12s rate unlimited",
	  "at = 0ns rate 10Mbit/s delay 50ms loss 1%\nat = 10s outage\nat = 12s rate unlimited\n",
	  NULL },
	{ "trace", "[down]\ntrace = lte-down.trace", "trace = lte-down.trace 1500B\n", NULL },
	{ "trace of larger opportunities", "[down]\ntrace = lte-down.trace 1504 B",
	  "trace = lte-down.trace 1504B\n", NULL },
	{ "trace with an outage", "[down]\ntrace = a\nat = 1s outage\nat = 2s rate unlimited",
	  "at = 1s outage\nat = 2s rate unlimited\ntrace = a 1500B\n", NULL },
	{ "trace with a delay that changes", "[down]\ntrace = a\nat = 1s delay 3ms",
	  "at = 1s delay 3ms\ntrace = a 1500B\n", NULL },
};

static char *want_of(const struct taken_case *c)
{
	char *want = NULL;

	if (c->want_all)
		return strdup(c->want_all);
	assert_true(asprintf(&want, LINK "[down]\n%s[up]\n", c->want ? c->want : "") > 0);
	return want;
}

static void is_taken(void **state)
{
	const struct taken_case *c = *state;
	struct scenario s = {}, again = {};
	struct err err = {};
	char *first, *second, *want = want_of(c);

	if (parse(c->text, strlen(c->text), &s, &err) < 0)
		fail_msg("%s", err.text);
	first = printed(&s);
	assert_string_equal(first, want);
	assert_string_equal(s.name, "cable");
	assert_int_equal(parse(first, strlen(first), &again, &err), 0);
	second = printed(&again);
	assert_string_equal(second, first);
	free(first);
	free(second);
	free(want);
	scenario_clear(&s);
	scenario_clear(&again);
}

/* --- what is refused --------------------------------------------------------------------------------- */

static struct refused_case {
	const char *name;
	const char *text;
	const char *want; /* the message behind "cable.link:" */
	int want_code;    /* 0: -EINVAL */
} refused_cases[] = {
	/* lines and sections */
	{ "neither key nor section", "rate 300Mbit/s",
	  "1: \"rate 300Mbit/s\" is neither key = value nor a section" },
	{ "no key", "= 5", "1: \"= 5\" is neither key = value nor a section" },
	{ "unknown section", "\n[donw]", "2: [donw] is no section; [down], [up] or [both]" },
	{ "open section", "[down", "1: \"[down\" is no section; [down], [up] or [both]" },
	{ "something behind a section", "[down] x",
	  "1: \"[down] x\" is no section; [down], [up] or [both]" },
	{ "a section without a name", "[]", "1: [] is no section; [down], [up] or [both]" },
	{ "a section twice", "[down]\n[up]\n[down]", "3: [down] stands here twice" },
	{ "both after what refines it", "[down]\n[both]",
	  "2: [both] stands before [down], which refines it" },
	{ "a control character", "[down]\nrate = 1\x01Mbit/s",
	  "2: a control character; a text was expected" },
	{ "a carriage return inside", "a\rb", "1: a control character; a text was expected" },
	{ "an escape sequence in a comment", "# \x1b[31m",
	  "1: a control character; a text was expected" },
	/* keys */
	{ "unknown key, near", "[down]\nraet = 1Mbit/s",
	  "2: raet: no such key; rate was perhaps meant" },
	{ "unknown key, its case", "MTU = 1500", "1: MTU: no such key; mtu was perhaps meant" },
	{ "unknown key, its dash", "[down]\nblack-hole = above 1280B",
	  "2: black-hole: no such key; black_hole was perhaps meant" },
	{ "unknown key, far", "bandwidth = 1Mbit/s",
	  "1: bandwidth: no such key; docs/links.md lists them" },
	{ "unknown key, long", "bandwidthbandwidth = 1",
	  "1: bandwidthbandwidth: no such key; docs/links.md lists them" },
	{ "a key of a direction above it", "rate = 1Mbit/s",
	  "1: rate: stands below [down], [up] or [both]" },
	{ "a key of the link below", "[down]\nmtu = 1500",
	  "2: mtu: is the link's, and stands before the first section" },
	{ "a key twice", "[down]\nrate = 1Mbit/s\n\nrate = 2Mbit/s",
	  "4: rate: stands in line 2 already" },
	{ "a key of the link twice", "seed = 1\nseed = 1", "2: seed: stands in line 1 already" },
	{ "no value", "[down]\nrate =",
	  "2: rate: a rate is missing; such as 300Mbit/s, 10kbit/s or unlimited" },
	/* values */
	{ "mtu of 0", "mtu = 0", "1: mtu: \"0\" is too small; 68 to 65535" },
	{ "mtu above IP", "mtu = 65536", "1: mtu: \"65536\" is too large; 68 to 65535" },
	{ "family", "family = ipv4", "1: family: \"ipv4\" is not known; both, v4 or v6" },
	{ "seed below 0", "seed = -1", "1: seed: \"-1\" is no whole number; a whole number" },
	{ "seed beyond 64 bits", "seed = 18446744073709551616",
	  "1: seed: \"18446744073709551616\" is too large; a whole number" },
	{ "rate without its unit", "[down]\nrate = 300",
	  "2: rate: \"300\" is no rate; such as 300Mbit/s, 10kbit/s or unlimited" },
	{ "rate with half a unit", "[down]\nrate = 300Mb",
	  "2: rate: \"300Mb\" is no rate; such as 300Mbit/s, 10kbit/s or unlimited" },
	{ "rate of 0", "[down]\nrate = 0Mbit/s",
	  "2: rate: \"0Mbit/s\" is too small; such as 300Mbit/s, 10kbit/s or unlimited" },
	{ "rate above the ceiling", "[down]\nrate = 101 Gbit/s",
	  "2: rate: \"101Gbit/s\" is too large; such as 300Mbit/s, 10kbit/s or unlimited" },
	{ "two rates", "[down]\nrate = 1Mbit/s 2Mbit/s",
	  "2: rate: \"2Mbit/s\" is too much; such as 300Mbit/s, 10kbit/s or unlimited" },
	{ "numbers that only stand together", "[down]\noverhead = 3 8B",
	  "2: overhead: \"3\" is no size; such as 38B" },
	{ "overhead without its unit", "[down]\noverhead = 38",
	  "2: overhead: \"38\" is no size; such as 38B" },
	{ "delay below 0", "[down]\ndelay = -1ms",
	  "2: delay: \"-1ms\" is no duration; such as 9ms" },
	{ "delay of two days", "[down]\ndelay = 2d", "2: delay: \"2d\" is too large; such as 9ms" },
	{ "jitter without a distribution", "[down]\njitter = 2ms",
	  "2: jitter: \"\" is not known; such as 2ms normal (uniform, exponential) [reorder], or "
	  "none" },
	{ "jitter of 0", "[down]\njitter = 0 normal",
	  "2: jitter: \"0\" is too small; such as 2ms normal (uniform, exponential) [reorder], or "
	  "none" },
	{ "queue of 0 bytes", "[down]\nqueue = 0B",
	  "2: queue: \"0B\" is too small; such as 2MB, 1000packets, 200ms or unlimited" },
	{ "queue of 0 packets", "[down]\nqueue = 0packets",
	  "2: queue: \"0packets\" is too small; such as 2MB, 1000packets, 200ms or unlimited" },
	{ "queue of no time", "[down]\nqueue = 0ms",
	  "2: queue: \"0ms\" is too small; such as 2MB, 1000packets, 200ms or unlimited" },
	{ "queue of no kind", "[down]\nqueue = 1000",
	  "2: queue: \"1000\" is no length of a queue; such as 2MB, 1000packets, 200ms or "
	  "unlimited" },
	{ "queue, one kind twice", "[down]\nqueue = 1MB, 2MB",
	  "2: queue: \"2MB\" is a second limit of its kind; such as 2MB, 1000packets, 200ms or "
	  "unlimited" },
	{ "queue, a comma too many", "[down]\nqueue = 1MB,",
	  "2: queue: \"\" is no length of a queue; such as 2MB, 1000packets, 200ms or unlimited" },
	{ "queue, a comma missing", "[down]\nqueue = 1MB 5packets",
	  "2: queue: \"5packets\" is too much; such as 2MB, 1000packets, 200ms or unlimited" },
	{ "aqm", "[down]\naqm = red",
	  "2: aqm: \"red\" is not known; droptail or codel [target 5ms] [interval 100ms] [ecn]" },
	{ "codel's knobs the wrong way round", "[down]\naqm = codel target 100ms interval 5ms",
	  "2: aqm: the target is longer than the interval; droptail or codel [target 5ms] "
	  "[interval 100ms] [ecn]" },
	{ "loss above all", "[down]\nloss = 100.1%",
	  "2: loss: \"100.1%\" is too large; such as 0.1%, gilbert-elliott enter 0.1% leave 20% "
	  "[good 0%] [bad 100%], none" },
	{ "loss of a thousand", "[down]\nloss = 1000.5%",
	  "2: loss: \"1000.5%\" is too large; such as 0.1%, gilbert-elliott enter 0.1% leave 20% "
	  "[good 0%] [bad 100%], none" },
	{ "loss that is no share", "[down]\nloss = 0.001",
	  "2: loss: \"0.001\" is no share; such as 0.1%, gilbert-elliott enter 0.1% leave 20% "
	  "[good 0%] [bad 100%], none" },
	{ "loss finer than can be", "[down]\nloss = 0.0000000001%",
	  "2: loss: \"0.0000000001%\" is no share; such as 0.1%, gilbert-elliott enter 0.1% leave "
	  "20% [good 0%] [bad 100%], none" },
	{ "bursts of loss without an end", "[down]\nloss = gilbert-elliott enter 0.1%",
	  "2: loss: \"leave\" is missing; such as 0.1%, gilbert-elliott enter 0.1% leave 20% "
	  "[good 0%] [bad 100%], none" },
	{ "duplicates", "[down]\nduplicate = often",
	  "2: duplicate: \"often\" is no share; such as 0.01%" },
	{ "reordering by nothing", "[down]\nreorder = 1% by 0ms",
	  "2: reorder: \"0ms\" is too small; such as 0.5% by 3ms, or none" },
	{ "policer without burst", "[down]\npolicer = 20Mbit/s",
	  "2: policer: \"burst\" is missing; such as 20Mbit/s burst 64kB, or none" },
	{ "policer with something else", "[down]\npolicer = 20Mbit/s bucket 64kB",
	  "2: policer: \"bucket\" stands where \"burst\" should; such as 20Mbit/s burst 64kB, or "
	  "none" },
	{ "aggregation of 0", "[down]\naggregate = 0packets gap 2ms",
	  "2: aggregate: \"0packets\" is too small; such as 32packets gap 2ms, or none" },
	{ "aggregation without packets", "[down]\naggregate = 32 gap 2ms",
	  "2: aggregate: \"32\" is no number of packets; such as 32packets gap 2ms, or none" },
	{ "a black hole for all", "[down]\nblack_hole = above 0B",
	  "2: black_hole: \"0B\" is too small; such as above 1280B, or none" },
	{ "a change of nothing", "[down]\nat = 5s",
	  "2: at: what changes then is missing; such as 5s rate 10Mbit/s delay 50ms loss 1%, or "
	  "9s outage" },
	{ "a change twice", "[down]\nat = 5s outage rate 1Mbit/s",
	  "2: at: \"rate\" is nothing that changes, or changes twice; such as 5s rate 10Mbit/s "
	  "delay 50ms loss 1%, or 9s outage" },
	{ "changes out of order", "[down]\nat = 5s outage\nat = 4s rate 1Mbit/s",
	  "3: at: 4s is not later than the one before; such as 5s rate 10Mbit/s delay 50ms loss "
	  "1%, or 9s outage" },
	{ "changes at the same time", "[down]\nat = 5s outage\nat = 5s rate 1Mbit/s",
	  "3: at: 5s is not later than the one before; such as 5s rate 10Mbit/s delay 50ms loss "
	  "1%, or 9s outage" },
	{ "a trace elsewhere", "[down]\ntrace = ../a.trace",
	  "2: trace: \"../a.trace\" is no name of a file beside this one; such as lte-down.trace "
	  "[1500B], or none" },
	{ "a hidden trace", "[down]\ntrace = .a",
	  "2: trace: \".a\" is no name of a file beside this one; such as lte-down.trace [1500B], "
	  "or "
	  "none" },
	{ "a trace named like a comment", "[down]\ntrace =#a",
	  "2: trace: \"#a\" is no name of a file beside this one; such as lte-down.trace "
	  "[1500B], or none" },
	{ "no name of a trace", "[down]\ntrace = ",
	  "2: trace: a file's name is missing; such as lte-down.trace [1500B], or none" },
	{ "a trace that is not there", "[down]\ntrace = gone.trace",
	  "2: trace: could not open gone.trace: No such file or directory", -ENOENT },
	{ "a trace with unordered times", "[up]\ntrace = broken.trace",
	  "2: trace: broken.trace:2: 4 ms lies before the line above it, 5 ms" },
	/* what cannot be together; the later line is named */
	{ "v6 with a small mtu", "mtu = 1000\nfamily = v6",
	  "2: family: IPv6 needs an mtu of 1280 (RFC 8200); family = v4 does not" },
	{ "both families with a small mtu", "mtu = 1000",
	  "1: mtu: IPv6 needs an mtu of 1280 (RFC 8200); family = v4 does not" },
	{ "trace and rate", "[down]\ntrace = a\nrate = 1Mbit/s",
	  "3: rate: a trace stands in place of a rate" },
	{ "trace and the rate of both", "[both]\nrate = 1Mbit/s\n[up]\ntrace = a",
	  "4: trace: a trace stands in place of a rate" },
	{ "trace and aggregation", "[down]\naggregate = 2packets gap 1ms\ntrace = a",
	  "3: trace: a trace says by itself when packets pass, so nothing aggregates them" },
	{ "trace and another rate", "[down]\ntrace = a\nat = 1s rate 1Mbit/s",
	  "3: at: a trace has rates of its own; only outage, and rate unlimited to end it" },
	{ "changes of bursts", "[down]\nloss = gilbert-elliott enter 1% leave 9%\nat = 1s loss 1%",
	  "3: at: gilbert-elliott is not one figure, so none can be changed" },
	{ "queue smaller than a packet", "mtu = 9000\n[down]\nqueue = 8999B",
	  "3: queue: the queue has no room for one packet" },
	{ "queue shorter than a packet", "[down]\nqueue = 11ms\nrate = 1Mbit/s",
	  "2: queue: the queue has no room for one packet" },
	{ "burst smaller than a packet", "[down]\npolicer = 20Mbit/s burst 1kB",
	  "2: policer: the burst has no room for one packet" },
};

static void is_refused(void **state)
{
	const struct refused_case *c = *state;
	struct scenario s = { .seed = 99 };
	struct err err = {};
	char want[sizeof(err.text)];
	int code = c->want_code ? c->want_code : -EINVAL;

	snprintf(want, sizeof(want), "cable.link:%s", c->want);
	assert_int_equal(parse(c->text, strlen(c->text), &s, &err), code);
	assert_string_equal(err.text, want);
	assert_int_equal(err.code, code);
	assert_int_equal(err.detail, strtol(c->want, NULL, 10));
	assert_int_equal(s.seed, 99); /* untouched */
}

static void nul_bytes_are_refused(void **state)
{
	static const char text[] = "seed = 1\nmtu = 15\0"
				   "00\n";
	struct scenario s;
	struct err err = {};

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &s, &err), -EINVAL);
	assert_string_equal(err.text, "cable.link:2: a control character; a text was expected");
}

/* --- ceilings -------------------------------------------------------------------------------------- */

static void lines_have_a_ceiling(void **state)
{
	char text[1002];
	struct scenario s;
	struct err err = {};

	(void)state;
	memset(text, '#', sizeof(text));
	assert_int_equal(parse(text, 1000, &s, &err), 0);
	scenario_clear(&s);
	assert_int_equal(parse(text, 1001, &s, &err), -E2BIG);
	assert_string_equal(err.text, "cable.link:1: the line is longer than 1000 bytes");
	memset(text, ',', 1000);
	memcpy(text, "seed=", 5);
	assert_int_equal(parse(text, 1000, &s, &err), -EINVAL);
}

static void files_have_a_ceiling(void **state)
{
	char *text = malloc(SCENARIO_TEXT_MAX_BYTES + 1);
	struct scenario s;
	struct err err = {};

	(void)state;
	memset(text, '\n', SCENARIO_TEXT_MAX_BYTES + 1);
	assert_int_equal(parse(text, SCENARIO_TEXT_MAX_BYTES, &s, &err), 0);
	scenario_clear(&s);
	assert_int_equal(parse(text, SCENARIO_TEXT_MAX_BYTES + 1, &s, &err), -E2BIG);
	assert_int_equal(err.detail, 0);
	free(text);
}

static void schedules_have_a_ceiling(void **state)
{
	char *text = malloc(SCENARIO_TEXT_MAX_BYTES);
	size_t n = (size_t)sprintf(text, "[down]\n"), last = 0;
	struct scenario s;
	struct err err = {};

	(void)state;
	for (int i = 0; i <= SCENARIO_CHANGES_MAX; i++) {
		last = n;
		n += (size_t)sprintf(text + n, "at = %dms outage\n", i);
	}
	assert_int_equal(parse(text, last, &s, &err), 0);
	assert_int_equal(s.direction[LINK_DOWN].change_count, SCENARIO_CHANGES_MAX);
	scenario_clear(&s);
	assert_int_equal(parse(text, n, &s, &err), -E2BIG);
	assert_non_null(strstr(err.text, "cable.link:4098: at: more than 4096 changes"));
	free(text);
}

/* --- fields ---------------------------------------------------------------------------------------- */

static void defaults_are_a_wire(void **state)
{
	struct scenario s;
	struct err err = {};

	(void)state;
	assert_int_equal(parse("", 0, &s, &err), 0);
	assert_int_equal(s.mtu, 1500);
	assert_int_equal(s.family, SCENARIO_BOTH);
	assert_int_equal(s.seed, 1);
	for (int i = 0; i < LINK_DIRECTIONS; i++) {
		const struct scenario_direction *d = &s.direction[i];

		assert_int_equal(d->rate_bps, UINT64_MAX);
		assert_int_equal(d->queue_bytes, UINT64_MAX);
		assert_int_equal(d->queue_packets, UINT64_MAX);
		assert_int_equal(d->queue_ns, UINT64_MAX);
		assert_int_equal(d->aqm, QUEUE_DROP_TAIL);
		assert_int_equal(d->jitter, JITTER_NONE);
		assert_int_equal(d->loss, LOSS_NONE);
		assert_int_equal(d->policer_bps, 0);
		assert_int_equal(d->trace_count, 0);
		assert_int_equal(d->change_count, 0);
	}
	scenario_clear(&s);
	scenario_clear(&s); /* what is all zero */
}

static void values_reach_their_fields(void **state)
{
	static const char text[] =
		"[both]\nloss = gilbert-elliott enter 0.1% leave 20% good 1% bad 50%\n"
		"aqm = codel target 1ms interval 20ms ecn\nat = 10s outage\n"
		"at = 12s rate 5Mbit/s delay 3ms\ntrace = none\n"
		"[up]\nat = 1s delay 1ms\ntrace = a.trace 100B\n";
	struct scenario s;
	struct err err = {};
	const struct scenario_direction *down = &s.direction[LINK_DOWN];
	const struct scenario_direction *up = &s.direction[LINK_UP];

	(void)state;
	assert_int_equal(parse(text, strlen(text), &s, &err), 0);
	assert_true(down->enter_bad_p == 0.001 && down->leave_bad_p == 0.2);
	assert_true(down->loss_good_p == 0.01 && down->loss_bad_p == 0.5);
	assert_int_equal(up->codel_target_ns, NS_PER_MS);
	assert_int_equal(up->codel_interval_ns, 20 * NS_PER_MS);
	assert_true(up->codel_ecn);
	assert_int_equal(down->change_count, 2);
	assert_true(down->changes[0].has_rate && down->changes[0].rate_bps == 0);
	assert_int_equal(down->changes[1].at_ns, 12 * NS_PER_S);
	assert_int_equal(down->changes[1].rate_bps, 5000000);
	assert_true(down->changes[1].has_delay && !down->changes[1].has_loss);
	assert_int_equal(up->change_count, 1);
	assert_int_equal(up->trace_count, 4);
	assert_int_equal(up->trace_ns[3], 20 * NS_PER_MS);
	assert_int_equal(up->trace_bytes, 100);
	assert_int_equal(down->trace_count, 0);
	scenario_clear(&s);
}

/* --- round trips of scenarios at random ---------------------------------------------------------------- */

/* Of any size up to max: as many small ones as large ones. */
static uint64_t draw_to(uint64_t *seed, uint64_t max)
{
	uint64_t value = draw_u64(seed) >> (draw_u64(seed) % 64);

	return 1 + value % max;
}

static double draw_share(uint64_t *seed)
{
	return (double)(draw_to(seed, WORDS_SHARE_STEPS + 1) - 1) / (double)WORDS_SHARE_STEPS;
}

static bool draw_bool(uint64_t *seed)
{
	return draw_u64(seed) & 1;
}

static void draw_losses(uint64_t *seed, struct scenario_direction *d)
{
	d->loss = (enum loss_model)(draw_u64(seed) % 3);
	if (d->loss == LOSS_BERNOULLI)
		d->loss_p = draw_share(seed);
	if (d->loss == LOSS_GILBERT_ELLIOTT) {
		d->enter_bad_p = draw_share(seed);
		d->leave_bad_p = draw_share(seed);
		d->loss_good_p = draw_share(seed);
		d->loss_bad_p = draw_share(seed);
	}
	d->duplicate_p = draw_share(seed);
	if (draw_bool(seed)) {
		d->reorder_p = draw_share(seed);
		d->reorder_ns = draw_to(seed, SCENARIO_TIME_MAX_NS);
	}
	if (draw_bool(seed)) {
		d->policer_bps = draw_to(seed, SCENARIO_RATE_MAX_BPS);
		d->policer_bytes = SCENARIO_MTU_MAX + draw_to(seed, 1ULL << 39);
	}
}

static void draw_queue(uint64_t *seed, struct scenario_direction *d)
{
	if (draw_bool(seed))
		d->queue_bytes = SCENARIO_MTU_MAX + draw_to(seed, 1ULL << 39);
	if (draw_bool(seed))
		d->queue_packets = draw_to(seed, 1000000000);
	if (draw_bool(seed) && d->rate_bps == UINT64_MAX)
		d->queue_ns = draw_to(seed, SCENARIO_TIME_MAX_NS);
	if (draw_bool(seed)) {
		d->aqm = QUEUE_CODEL;
		d->codel_target_ns = draw_to(seed, NS_PER_S);
		d->codel_interval_ns = d->codel_target_ns + draw_to(seed, NS_PER_S);
		d->codel_ecn = draw_bool(seed);
	}
}

static void draw_changes(uint64_t *seed, struct scenario_direction *d)
{
	uint64_t at_ns = 0;

	d->change_count = draw_u64(seed) % 5;
	d->changes = calloc(5, sizeof(*d->changes));
	for (size_t i = 0; i < d->change_count; i++) {
		struct scenario_change *c = &d->changes[i];

		c->at_ns = at_ns += draw_to(seed, SCENARIO_TIME_MAX_NS / 5);
		c->has_delay = true;
		c->delay_ns = draw_to(seed, SCENARIO_TIME_MAX_NS);
		c->has_rate = draw_bool(seed);
		if (c->has_rate && *d->trace_name)
			c->rate_bps = draw_bool(seed) ? UINT64_MAX : 0;
		else if (c->has_rate && draw_bool(seed))
			c->rate_bps = draw_to(seed, SCENARIO_RATE_MAX_BPS);
		c->has_loss = d->loss != LOSS_GILBERT_ELLIOTT && draw_bool(seed);
		if (c->has_loss)
			c->loss = draw_share(seed);
	}
}

static void draw_direction(uint64_t *seed, struct scenario_direction *d)
{
	if (draw_bool(seed)) {
		strcpy(d->trace_name, "a.trace");
		d->trace_bytes = (uint32_t)draw_to(seed, 65535);
	} else if (draw_bool(seed)) {
		d->rate_bps = draw_to(seed, SCENARIO_RATE_MAX_BPS);
	}
	d->overhead_bytes = (uint32_t)draw_to(seed, 65535);
	d->delay_ns = draw_to(seed, SCENARIO_TIME_MAX_NS);
	d->jitter = (enum jitter_distribution)(draw_u64(seed) % 4);
	if (d->jitter != JITTER_NONE) {
		d->jitter_ns = draw_to(seed, SCENARIO_TIME_MAX_NS);
		d->jitter_reorders = draw_bool(seed);
	}
	if (!*d->trace_name && draw_bool(seed)) {
		d->aggregate_packets = (uint32_t)draw_to(seed, 65535);
		d->aggregate_gap_ns = draw_to(seed, SCENARIO_TIME_MAX_NS);
	}
	if (draw_bool(seed))
		d->black_hole_bytes = (uint32_t)(SCENARIO_MTU_MIN + draw_to(seed, 60000));
	draw_losses(seed, d);
	draw_queue(seed, d);
	draw_changes(seed, d);
}

#define SAME(field) assert_true(a->field == b->field)

static void assert_same_changes(const struct scenario_direction *x,
                                const struct scenario_direction *y)
{
	assert_int_equal(x->change_count, y->change_count);
	for (size_t i = 0; i < x->change_count; i++) {
		const struct scenario_change *a = &x->changes[i], *b = &y->changes[i];

		SAME(at_ns), SAME(has_rate), SAME(has_delay), SAME(has_loss);
		SAME(rate_bps), SAME(delay_ns), SAME(loss);
	}
}

/* Every field, but for the trace's instants, which a file gives. */
static void assert_same_direction(const struct scenario_direction *a,
                                  const struct scenario_direction *b)
{
	SAME(rate_bps), SAME(overhead_bytes), SAME(delay_ns);
	SAME(jitter), SAME(jitter_ns), SAME(jitter_reorders);
	SAME(queue_bytes), SAME(queue_packets), SAME(queue_ns);
	SAME(aqm), SAME(codel_target_ns), SAME(codel_interval_ns), SAME(codel_ecn);
	SAME(loss), SAME(loss_p), SAME(enter_bad_p), SAME(leave_bad_p);
	SAME(loss_good_p), SAME(loss_bad_p), SAME(duplicate_p), SAME(reorder_p), SAME(reorder_ns);
	SAME(policer_bps), SAME(policer_bytes), SAME(aggregate_packets), SAME(aggregate_gap_ns);
	SAME(black_hole_bytes), SAME(trace_bytes);
	assert_string_equal(a->trace_name, b->trace_name);
	assert_same_changes(a, b);
}

static void any_scenario_round_trips(void **state)
{
	const char *given = getenv("RADAR_POD_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : clock_now_ns();

	(void)state;
	print_message("RADAR_POD_SEED=%" PRIu64 "\n", seed);
	for (int i = 0; i < 2000; i++) {
		struct scenario s, again;
		struct err err = {};
		char *text;

		scenario_set_defaults(&s);
		s.mtu = 1280 + (uint32_t)(draw_u64(&seed) % (SCENARIO_MTU_MAX - 1280));
		s.seed = draw_u64(&seed);
		s.family = (enum scenario_family)(draw_u64(&seed) % 3);
		draw_direction(&seed, &s.direction[LINK_DOWN]);
		draw_direction(&seed, &s.direction[LINK_UP]);
		text = printed(&s);
		if (parse(text, strlen(text), &again, &err) < 0)
			fail_msg("%s in\n%s", err.text, text);
		assert_int_equal(again.mtu, s.mtu);
		assert_int_equal(again.seed, s.seed);
		assert_int_equal(again.family, s.family);
		assert_same_direction(&again.direction[LINK_DOWN], &s.direction[LINK_DOWN]);
		assert_same_direction(&again.direction[LINK_UP], &s.direction[LINK_UP]);
		free(text);
		scenario_clear(&s);
		scenario_clear(&again);
	}
}

/* --- traces ---------------------------------------------------------------------------------------- */

static struct trace_case {
	const char *name;
	const char *text;
	size_t want_count;
	const char *want; /* the message behind "a.trace:"; NULL: taken */
} trace_cases[] = {
	{ "as they are published", "0\n0\n3\n17\n", 4, NULL },
	{ "no final newline, CRLF, blank lines", "0\r\n\r\n5", 2, NULL },
	{ "a comment", "# one\n5\n", 1, NULL },
	{ "out of order", "1\n2\n1\n", 0, "3: 1 ms lies before the line above it, 2 ms" },
	{ "nothing", "", 0, "1: a trace ends later than at 0 ms" },
	{ "no time passes", "0\n0\n", 0, "2: a trace ends later than at 0 ms" },
	{ "a fraction", "1.5\n", 0, "1: \"1.5\" is no instant; whole milliseconds, one a line" },
	{ "negative", "-1\n", 0, "1: \"-1\" is no instant; whole milliseconds, one a line" },
	{ "two a line", "1 2\n", 0, "1: \"1 2\" is no instant; whole milliseconds, one a line" },
	{ "more than a day", "86400001\n", 0, "1: 86400001 ms is more than a day" },
	{ "beyond 64 bits", "99999999999999999999\n", 0,
	  "1: 99999999999999999999 ms is more than a day" },
	{ "a control character", "1\n\x02\n", 0, "2: a control character; a text was expected" },
};

static void trace_parses(void **state)
{
	const struct trace_case *c = *state;
	uint64_t *instants = NULL;
	size_t count = 0;
	struct err err = {};
	char want[sizeof(err.text)];
	int r = scenario_parse_trace("links/a.trace", c->text, strlen(c->text), &instants, &count,
	                             &err);

	snprintf(want, sizeof(want), "a.trace:%s", c->want ? c->want : "");
	assert_int_equal(r, c->want ? -EINVAL : 0);
	assert_int_equal(count, c->want_count);
	if (c->want)
		assert_string_equal(err.text, want);
	free(instants);
}

/* --- files ----------------------------------------------------------------------------------------- */

struct folder {
	char path[64];
	int fd;
};

static int make_folder(void **state)
{
	static struct folder f;

	strcpy(f.path, "/tmp/scenario_test.XXXXXX");
	if (!mkdtemp(f.path))
		return -1;
	f.fd = open(f.path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	*state = &f;
	return f.fd < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "a.link", "a.trace", "b.link", "large.link" };
	struct folder *f = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlinkat(f->fd, names[i], 0);
	close(f->fd);
	return rmdir(f->path);
}

static void put_file(const struct folder *f, const char *name, const char *text, char path[128])
{
	int fd = openat(f->fd, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	snprintf(path, 128, "%s/%s", f->path, name);
}

static void a_trace_lies_beside_its_scenario(void **state)
{
	struct scenario s;
	struct err err = {};
	char path[128];

	put_file(*state, "a.trace", "1\n2\n", path);
	put_file(*state, "a.link", "[down]\ntrace = a.trace\n", path);
	if (scenario_load(path, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(s.name, "a");
	assert_int_equal(s.direction[LINK_DOWN].trace_count, 2);
	scenario_clear(&s);
}

static void a_missing_trace_is_named(void **state)
{
	struct scenario s;
	struct err err = {};
	char path[128];

	put_file(*state, "b.link", "[down]\ntrace = b.trace\n", path);
	assert_int_equal(scenario_load(path, &s, &err), -ENOENT);
	assert_non_null(strstr(err.text, "b.link:2: trace: could not open "));
	assert_int_equal(err.detail, 2);
}

static void files_that_cannot_be_read(void **state)
{
	const struct folder *f = *state;
	struct scenario s;
	struct err err = {};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/gone.link", f->path);
	assert_int_equal(scenario_load(path, &s, &err), -ENOENT);
	assert_int_equal(err.detail, 0);
	assert_int_equal(scenario_load(f->path, &s, &err), -EISDIR);
	put_file(f, "large.link", "", path);
	fd = openat(f->fd, "large.link", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, SCENARIO_TEXT_MAX_BYTES + 1), 0);
	close(fd);
	assert_int_equal(scenario_load(path, &s, &err), -E2BIG);
}

static void a_text_stands_for_a_file(void **state)
{
	struct scenario s;
	struct err err = {};

	(void)state;
	if (scenario_load("seed = 3; [both]; rate = 100Mbit/s; delay = 10ms; [up]; rate = 5Mbit/s",
	                  &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(s.name, "inline");
	assert_int_equal(s.seed, 3);
	assert_int_equal(s.direction[LINK_DOWN].rate_bps, 100000000);
	assert_int_equal(s.direction[LINK_UP].rate_bps, 5000000);
	assert_int_equal(s.direction[LINK_UP].delay_ns, 10 * NS_PER_MS);
	scenario_clear(&s);
	assert_int_equal(scenario_load("[both]; rate = fast", &s, &err), -EINVAL);
	assert_non_null(strstr(err.text, "inline:2: rate: "));
}

static void a_file_comes_before_a_text(void **state)
{
	struct scenario s;
	struct err err = {};
	char path[128];

	put_file(*state, "mtu = 1400.link", "mtu = 1300\n", path);
	if (scenario_load(path, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(s.mtu, 1300);
	scenario_clear(&s);
	unlink(path);
}

/* bench/links: each is read, and read again from its canonical form. */
static void the_shipped_scenarios_round_trip(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob(SCENARIOS "/*.link", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 12);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct scenario s, again;
		struct err err = {};
		char *text;

		if (scenario_load(files.gl_pathv[i], &s, &err) < 0)
			fail_msg("%s", err.text);
		text = printed(&s);
		assert_int_equal(parse(text, strlen(text), &again, &err), 0);
		assert_int_equal(again.mtu, s.mtu);
		assert_int_equal(again.family, s.family);
		assert_same_direction(&again.direction[LINK_DOWN], &s.direction[LINK_DOWN]);
		assert_same_direction(&again.direction[LINK_UP], &s.direction[LINK_UP]);
		free(text);
		scenario_clear(&s);
		scenario_clear(&again);
	}
	globfree(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(lines_have_a_ceiling),
		cmocka_unit_test(files_have_a_ceiling),
		cmocka_unit_test(schedules_have_a_ceiling),
		cmocka_unit_test(defaults_are_a_wire),
		cmocka_unit_test(values_reach_their_fields),
		cmocka_unit_test(any_scenario_round_trips),
		cmocka_unit_test(a_trace_lies_beside_its_scenario),
		cmocka_unit_test(a_missing_trace_is_named),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(a_text_stands_for_a_file),
		cmocka_unit_test(a_file_comes_before_a_text),
		cmocka_unit_test(the_shipped_scenarios_round_trip),
	};
	int failed = CASES_RUN(is_taken, taken_cases);

	failed += CASES_RUN(is_refused, refused_cases);
	failed += CASES_RUN(trace_parses, trace_cases);
	failed += cmocka_run_group_tests(tests, make_folder, remove_folder);
	return failed != 0;
}
