/* What a pod must not lose: results, their places in the outbox, error reports, counters. One SQLite file,
 * `store.db` in the state directory (docs/store.md).
 *
 *   store_open(directory, STORE_DAEMON, &limits, &store, &report, &err);
 *   store_put(store, &result, true, &err);            from 0 on it survives kill -9 and a power cut
 *   store_outbox_next(store, &now, &entry, &wait_ns, &err);
 *   store_outbox_sending(…), then _accepted, _again, _unanswered or _quarantine
 *   store_close(store);
 *
 * A store belongs to one thread. What a function has answered 0 to is on the disk; after any failure
 * nothing of that call is, unless it says otherwise. Failures common to all:
 *   -ENOSPC, -EDQUOT  no room: nothing was stored; the next call may succeed
 *   -EIO, -EROFS, …   as the file system says
 *   -EBUSY            another process has been writing for 5 s
 *   -EBADMSG          the file is damaged: close it and open it again, which mends it
 *   -ENOPKG           libsqlite3, or for what is compressed libzstd, is not installed
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

/* --- opening ------------------------------------------------------------------------------------- */

enum store_role {
	STORE_DAEMON, /* one at a time: checks the file, mends it, brings it up to date */
	STORE_GUEST,  /* writes beside a daemon, or alone; mends only where there is no daemon */
	STORE_READER, /* reads, whoever writes meanwhile */
};

/* What is kept; beyond it, results that have arrived and those that go nowhere are dropped first, then those in
 * quarantine, then those that wait, the oldest of each first. 0 is no limit. */
struct store_limits {
	uint64_t max_results;
	uint64_t max_bytes; /* of the file, less what is free in it */
	uint64_t max_age_ns;
};

/* What opening found, for the caller to tell, once. */
struct store_report {
	bool begun;          /* a new store was begun */
	char aside[256];     /* what was there is now under this name in the directory; "" */
	char why[200];       /* what was wrong with it */
	uint64_t salvaged;   /* results that were taken over from it, each whole by its digest */
	uint64_t damaged;    /* results that were found in it and are not whole */
	uint64_t reconciled; /* results whose place in the outbox was missing, and was made anew */
};

/* Opens the store below `directory`, which is made where it is missing (mode 0700). Whatever else stands in the
 * place of the file (damaged, another program's, a link, a pipe, a directory) is set aside under a name that says
 * so, and a new store is begun, with the results that can be read of it. `report` may be NULL; `limits` may be NULL
 * for a STORE_READER.
 *   -EWOULDBLOCK      another daemon has it: err->text has its process id
 *   -EPROTONOSUPPORT  a later release has written it: nothing was changed
 *   -ENOENT           STORE_READER: there is none
 *   -EBUSY            STORE_GUEST: it needs mending, and is a daemon's */
int store_open(const char *directory, enum store_role role, const struct store_limits *limits,
               struct store **ret, struct store_report *report, struct err *err);

/* Accepts NULL; always returns NULL. */
struct store *store_close(struct store *s);

/* No room for another result: a write has failed for lack of it (ENOSPC, EDQUOT) and none has gone well since, or the
 * file system has less than STORE_ROOM_BYTES left. */
#define STORE_ROOM_BYTES (256 * 1024)
bool store_is_full(const struct store *s);

/* Between these two, what is written becomes durable at once, with one flush: all of it or nothing. Outcomes of
 * calls in between count only when store_batch_end() has answered 0. */
int store_batch_begin(struct store *s, struct err *err);
int store_batch_end(struct store *s, struct err *err);

/* --- results ------------------------------------------------------------------------------------- */

#define STORE_ID_BYTES         37 /* UUID version 7 as text */
#define STORE_OBJECT_BYTES_MAX (1024 * 1024)
#define STORE_RAW_BYTES_MAX    (8 * 1024 * 1024)
#define STORE_INFO_BYTES_MAX   4096

enum store_cause { STORE_ASKED, STORE_SCHEDULED, STORE_BY_HAND };
const char *store_cause_name(enum store_cause c); /* "service", "schedule", "hand" */

/* Where a result is on its way. */
enum store_delivery {
	STORE_WAITING, /* it has a place in the outbox */
	STORE_ARRIVED, /* the service has said that it has it */
	STORE_PRIVATE, /* it goes nowhere */
};
const char *store_delivery_name(enum store_delivery d); /* "waiting", "arrived", "private" */

struct store_result {
	char id[STORE_ID_BYTES];
	char test[16];               /* "ndt7", "ookla" */
	char interface[IF_NAMESIZE]; /* "" is the default one */
	enum store_cause cause;
	enum store_delivery delivery; /* store_put() does not look at it */
	uint64_t started_utc_ns;
	uint64_t stored_utc_ns; /* likewise */
	uint64_t bytes_used;    /* counted against the day of started_utc_ns */
	bool wireless;
	const char *connection_info; /* JSON of the radio; NULL */
	const char *object;          /* the result object, JSON; terminated where it was read */
	size_t object_bytes;
	const char *raw; /* what the service takes; NULL: nothing fit for it */
	size_t raw_bytes;
};

enum store_outcome {
	STORE_OK = 0,
	STORE_ALREADY, /* a result of that id is there: nothing was changed */
	STORE_NONE,    /* there is nothing of the kind */
	STORE_SEVERAL, /* more than one */
};

/* Stores a result and, with `upload`, its place in the outbox, and its bytes in the day's count: one transaction.
 * Drops first what is beyond the limits then.
 *   STORE_ALREADY;  -EINVAL  an id that is none, or `upload` without raw;  -EFBIG  beyond a ceiling above */
int store_put(struct store *s, const struct store_result *result, bool upload, struct err *err);

/* The whole result; *ret is one block of memory, the caller's to free(3).
 *   STORE_NONE
 *   -EBADMSG  its digest is another than when it was stored. Where it waited it is in quarantine now. */
int store_get(struct store *s, const char *id, struct store_result **ret, struct err *err);

/* The id that begins with `prefix`.  STORE_NONE, STORE_SEVERAL */
int store_find(struct store *s, const char *prefix, char ret_id[STORE_ID_BYTES], struct err *err);

/* Every result from the newest to the oldest, `max` of them (0: all). visit() gets it with its object and without
 * raw, and must not write; below 0 ends the walk and is answered. What is damaged is passed over and counted in
 * *ret_damaged (may be NULL). */
int store_each(struct store *s, uint64_t max,
               int (*visit)(void *self, const struct store_result *result, struct err *err),
               void *self, uint64_t *ret_damaged, struct err *err);

/* --- the outbox ---------------------------------------------------------------------------------- */

/* Now, on clocks that a step of the wall clock and a restart of the machine do not both break. */
struct store_clock {
	uint64_t utc_ns;
	uint64_t boot_ns; /* CLOCK_BOOTTIME */
	char boot_id[37];
};
void store_clock_read(struct store_clock *ret);

/* Drops what is beyond the limits, and empties the write-ahead log into the file. For idle moments. */
int store_tidy(struct store *s, const struct store_clock *now, struct err *err);

/* A time to wait, and when it began. */
struct store_wait {
	uint64_t wait_ns; /* what is longer than STORE_WAIT_NS_MAX counts as that */
	struct store_clock since;
};
#define STORE_WAIT_NS_MAX (24 * 3600 * 1000000000ULL)

/* What is left of it: by CLOCK_BOOTTIME within one boot, by the wall clock across boots, and nothing where that
 * has gone back. Pure. */
uint64_t store_wait_left_ns(const struct store_wait *w, const struct store_clock *now);

enum store_state {
	STORE_PENDING,     /* not sent, or refused for a while */
	STORE_UNCERTAIN,   /* sent, and no answer came: it may have arrived */
	STORE_QUARANTINED, /* not sent again by itself */
};
const char *store_state_name(enum store_state s); /* "pending", "uncertain", "quarantined" */

struct store_entry {
	int64_t seq; /* its place, which is never given twice */
	char id[STORE_ID_BYTES];
	char test[16];
	enum store_state state;
	uint32_t attempts;   /* begun so far */
	uint32_t unanswered; /* of those, how many have no answer */
	char last_error[200];
	uint64_t started_utc_ns;
};

/* The oldest result that is due.
 *   STORE_NONE  nothing is: *ret_wait_ns is how long until something will be, CLOCK_NEVER_NS where nothing waits */
int store_outbox_next(struct store *s, const struct store_clock *now, struct store_entry *ret,
                      uint64_t *ret_wait_ns, struct err *err);

/* The same, as if the one of that seq were not there. */
int store_outbox_next_but(struct store *s, const struct store_clock *now, int64_t but,
                          struct store_entry *ret, uint64_t *ret_wait_ns, struct err *err);

/* Before its first byte is sent: the attempt counts, and is uncertain until one of the calls below. A process that
 * is killed while it sends leaves it so, due at once. */
int store_outbox_sending(struct store *s, int64_t seq, struct err *err);

/* The service has it. */
int store_outbox_accepted(struct store *s, int64_t seq, struct err *err);

/* The service, or its absence, has said that it does not have it: pending again, after a wait. */
int store_outbox_again(struct store *s, int64_t seq, const struct store_wait *wait, const char *why,
                       struct err *err);

/* It was sent and no answer came: uncertain, after a wait. */
int store_outbox_unanswered(struct store *s, int64_t seq, const struct store_wait *wait,
                            const char *why, struct err *err);

int store_outbox_quarantine(struct store *s, int64_t seq, const char *why, struct err *err);

/* The same, by the service's answer: that attempt has one. */
int store_outbox_refused(struct store *s, int64_t seq, const char *why, struct err *err);

/* What the service asked for last is pending again, and due, where it is in quarantine because so many attempts
 * have no answer: with one of them less, for one more.  STORE_NONE: that is not so */
int store_outbox_release_asked(struct store *s, uint32_t unanswered, struct err *err);

/* How many there are of each; of the outbox alone, which is small. */
struct store_outbox_counts {
	uint64_t pending, uncertain, quarantined;
};
int store_outbox_count(struct store *s, struct store_outbox_counts *ret, struct err *err);

/* The service has answered it with 5xx at `now`; nothing where it does not wait. From the first of these answers to the
 * last one time is counted by CLOCK_BOOTTIME within a boot, across boots by the wall clock, of which no more than a
 * week is believed. It is forgotten when the result arrives, goes into quarantine or is dropped. */
int store_outbox_server_error(struct store *s, int64_t seq, const struct store_clock *now,
                              struct err *err);

/* Whether anything waits that the service has not answered with 5xx for `most_ns` or more. */
int store_outbox_is_on_its_way(struct store *s, uint64_t most_ns, bool *ret, struct err *err);

/* Those in quarantine from the newest on, `max` of them (0: all). visit() must not write; below 0 ends the walk and is
 * answered. */
int store_outbox_each_quarantined(struct store *s, uint64_t max,
                                  int (*visit)(void *self, const struct store_entry *entry,
                                               struct err *err),
                                  void *self, struct err *err);

/* Everything in quarantine that is whole is pending again, and due. *ret is how many; may be NULL. */
int store_outbox_release(struct store *s, uint64_t *ret, struct err *err);

/* --- figures for `status` ------------------------------------------------------------------------- */

struct store_counts {
	uint64_t results, waiting, arrived, private; /* results = the three others */
	uint64_t pending, uncertain, quarantined;    /* waiting = these three */
	uint64_t oldest_waiting_utc_ns;              /* when it was measured; 0: none waits */
	uint64_t bytes;                              /* of the file, less what is free in it */
	uint64_t events;
	/* since the store was begun */
	uint64_t dropped;        /* results that had arrived, or went nowhere */
	uint64_t dropped_unsent; /* results that had not arrived: lost */
	uint64_t dropped_events;
	uint64_t damaged; /* results found not to be whole */
};
int store_count(struct store *s, struct store_counts *ret, struct err *err);
int store_lost(struct store *s, uint64_t *ret, struct err *err); /* dropped_unsent alone */

/* --- error reports -------------------------------------------------------------------------------- */

#define STORE_EVENTS_MAX       30
#define STORE_EVENTS_BYTES_MAX (1024 * 1024)
#define STORE_EVENTS_AGE_NS    (7 * 86400 * 1000000000ULL)

struct store_event {
	int64_t seq;
	uint64_t utc_ns;
	bool fatal;     /* dropped after all others */
	uint32_t tries; /* so far */
	const char *body;
	size_t body_bytes;
};

/* Keeps it, and drops the oldest that are not fatal, then the oldest, beyond the limits above.
 *   -EFBIG  it alone is beyond them */
int store_event_put(struct store *s, uint64_t utc_ns, bool fatal, const void *body,
                    size_t body_bytes, struct err *err);

/* The oldest whose seq is above `after`; *ret is one block, the caller's to free(3). What is damaged is dropped,
 * and counted.  STORE_NONE */
int store_event_next(struct store *s, int64_t after, struct store_event **ret, struct err *err);
int store_event_tried(struct store *s, int64_t seq, struct err *err);
int store_event_done(struct store *s, int64_t seq, struct err *err); /* delivered, or given up */

/* --- small things --------------------------------------------------------------------------------- */

/* Bytes that tests have used on the day (UTC) of utc_ns. store_put() counts a result's by itself; this is for
 * tests without one. Days older than 62 are forgotten. */
int store_usage_add(struct store *s, uint64_t utc_ns, uint64_t bytes, struct err *err);
int store_usage_get(struct store *s, uint64_t utc_ns, uint64_t *ret_bytes, struct err *err);

/* Whether the service has not yet been told of this boot of the machine (contract S11: once a boot, not once a
 * process), and that it has been. */
int store_boot_untold(struct store *s, bool *ret, struct err *err);
int store_boot_told(struct store *s, struct err *err);

#define STORE_FACT_NAME_BYTES 64
#define STORE_FACT_BYTES      4096

/* Text under a name, for what else must survive a restart: the revocation list last taken, a limit of rate.
 *   STORE_NONE;  -ENOSPC  longer than out_bytes */
int store_fact_get(struct store *s, const char *name, char *out, size_t out_bytes, struct err *err);
/* NULL takes it away.  -EFBIG  name or value too long */
int store_fact_set(struct store *s, const char *name, const char *value, struct err *err);
