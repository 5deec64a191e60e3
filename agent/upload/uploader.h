/* Brings the results of the outbox to the service, the oldest first, one at a time (agent/upload/upload_policy.h says when).
 *
 *   uploader_new(&options, &uploader, &err);
 *   uploader_wake(uploader);                    a result was stored
 *   uploader_hold(uploader, true);              a measurement is about to begin: nothing new is sent;
 *                                               it may begin when uploader_is_busy() says no, or idle() is called
 *   uploader_hold(uploader, false);
 *   uploader_free(uploader);
 *
 * Before a result's first byte is sent the store says that it was; what became of it is written with the next one's
 * going, in one transaction. So after kill -9 at any moment a result arrives once, or twice where the answer was lost.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/store.h"
#include "agent/upload/upload_wire.h"

struct err;
struct loop;
struct uploader;

#define UPLOADER_AGAIN_NS (15 * 1000000000ULL) /* after the store could not be read or written */

struct uploader_options {
	struct loop *loop;
	struct store *store;
	struct upload_wire wire;
	const char *config_path; /* last_tested and the speeds are saved there; NULL: nowhere */
	uint64_t seed;           /* of the waits' jitter */
	uint64_t again_ns;       /* 0: UPLOADER_AGAIN_NS */

	/* Each may be NULL. */
	void (*arrived)(void *owner, const struct store_entry *entry);
	void (*refused)(void *owner, const struct store_entry *entry); /* for good */
	void (*troubled)(void *owner, const char *why); /* answered, neither yes nor no */
	void (*idle)(void *owner); /* held, and nothing is under way any more */
	void *owner;
};

int uploader_new(const struct uploader_options *options, struct uploader **ret, struct err *err);

/* What is under way is left as it is: sent, without an answer. Accepts NULL; always returns NULL. */
struct uploader *uploader_free(struct uploader *u);

void uploader_wake(struct uploader *u);
void uploader_hold(struct uploader *u, bool hold);
bool uploader_is_busy(const struct uploader *u); /* a request is under way */

/* Those that were refused are others now. */
void uploader_new_credentials(struct uploader *u);

struct uploader_counts { /* since it began */
	uint64_t arrived, attempts, quarantined;
	bool denied; /* the service refuses our credentials: nothing is sent */
};
struct uploader_counts uploader_counts(const struct uploader *u);
