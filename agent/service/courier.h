/* HTTP for a process that never loads libcurl: a child of the same executable asks, and hands back what came
 * (docs/decisions/0020-the-courier.md). It is started by the first request, serves COURIER_CALLS_MAX of them at a
 * time, and goes when none has come for a while. When it dies or hangs, what it was asked is answered with
 * an error, and the next request starts another.
 *
 *   courier_new(loop, COURIER_IDLE_NS, &courier, &err);
 *   courier_ask(courier, &request, done, owner, &call, &err);     as http_ask()
 *   courier_free(courier);
 */
#pragma once

#include <stdbool.h>

#include "transport/http.h"

struct child_watch;
struct courier;
struct courier_call;
struct err;
struct loop;

#define COURIER_CALLS_MAX 4
#define COURIER_IDLE_NS   30000000000ULL
#define COURIER_GRACE_NS                                                                           \
	2000000000ULL /* after a request's own time-out, for the courier to say so */

/* Starts nothing yet; a child that has nothing to do for `idle_ns` ends. */
int courier_new(struct loop *l, uint64_t idle_ns, struct courier **ret, struct err *err);

/* Who hears of the ends of its children; stays the caller's. NULL: nobody. */
void courier_watch(struct courier *c, const struct child_watch *watch);

/* Ends the child and everything under way; nothing more is heard. Accepts NULL; always returns NULL. */
struct courier *courier_free(struct courier *c);

/* As http_ask(), whose `done` this is: called exactly once, from loop_run(), by request->timeout_ns and
 * COURIER_GRACE_NS at the latest. Everything of `request` is copied, contents too. Besides what http_ask() tells,
 * an answer may be
 *   -ECHILD     the courier has ended or could not be started
 *   -ETIMEDOUT  it said nothing, and was ended
 * Refused at once:
 *   -EBUSY  COURIER_CALLS_MAX are under way;  -EMSGSIZE, -EINVAL  beyond a ceiling of agent/service/courier_frame.h */
int courier_ask(struct courier *c, const struct http_request *request, http_done done, void *owner,
                struct courier_call **ret, struct err *err);

/* As http_was_sent(): to be asked until `done` returns. Where the courier has ended, nobody knows, and it may be. */
bool courier_was_sent(const struct courier_call *call);

/* As http_cancel(). */
struct courier_call *courier_cancel(struct courier_call *call);

/* The child's process, for `status` and tests; 0: there is none. */
int courier_pid(const struct courier *c);
