/* What is found out before a test begins: which interface it will use, whether something else uses the line
 * (agent/host/cross_traffic.h), what the radio does (agent/host/wifi.h). On the loop.
 *
 *   before_test_start(loop, interface, done, owner, &before, &err);     done() is called once, from the loop
 *   before_test_cancel(before);                                         before done(): nothing is heard any more
 *
 * Nothing of it is needed for a test but that the interface is there; what cannot be found out is not known. It takes a
 * second on a quiet line, and CROSS_TRAFFIC_LIMITS' patience and twice WIFI_WAIT_NS at most.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>

struct before_test;
struct err;
struct loop;

/* Texts are valid during done() only. */
struct before_test_end {
	bool is_there;       /* else there is no such interface (any more) */
	const char *name;    /* of the interface; NULL: nobody knows which has the default route */
	const char *address; /* of it, of a global scope; NULL: it has none */
	const char *warning; /* the line was not quiet; NULL: it was, or nobody knows */
	bool wireless;
	const char *connection_info; /* JSON, contract 8.3; NULL: not connected, or not known */
};

typedef void (*before_test_done)(void *owner, const struct before_test_end *end);

/* `interface` "" is the default route's. Fails for want of memory only. */
int before_test_start(struct loop *loop, const char *interface, before_test_done done, void *owner,
                      struct before_test **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct before_test *before_test_cancel(struct before_test *b);
