/* M-Lab Locate v2: which servers to measure against, in the order to try them.
 *
 * locate_parse() is pure and fuzzed; locate_start() asks over transport/http.h. Test code never
 * talks to the real service.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"
#include "transport/url.h"

struct locate;
struct loop;

#define LOCATE_DEFAULT_URL  "https://locate.measurementlab.net/v2/nearest/ndt/ndt7"
#define LOCATE_PRIORITY_URL "https://locate.measurementlab.net/v2/priority/nearest/ndt/ndt7"
#define LOCATE_TARGETS_MAX  16
#define LOCATE_BODY_MAX     (512 * 1024)
#define LOCATE_TIMEOUT_NS   (10 * 1000000000ULL)

/* The life of an access token is 60 s without leeway by the server's clock; after this long we ask
 * again instead (contract 11.4). */
#define LOCATE_TOKEN_LIFE_NS (50 * 1000000000ULL)

struct locate_target {
	char machine[URL_HOST_MAX];
	char hostname[URL_HOST_MAX]; /* "" in old replies */
	char city[64];
	char country[8];
	/* Whole URLs, NULL where the service gave none; owned by the answer. */
	char *download[2]; /* [0] ws, [1] wss */
	char *upload[2];
};

struct locate_answer {
	size_t count;                                     /* 0: the service has nothing for us */
	struct locate_target targets[LOCATE_TARGETS_MAX]; /* in the order given: never shuffled */
	char *next_request_url; /* of "next_request", NULL; with its times as given, RFC 3339 */
	char next_request_nbf[48];
	char next_request_exp[48];
};

/* Reads a reply's body. Targets with no usable URL are left out.
 *   -EINVAL  not a JSON object; err says what it was instead */
int locate_parse(const char *body, size_t n, struct locate_answer **ret, struct err *err);
struct locate_answer *locate_answer_free(struct locate_answer *a);

#define LOCATE_PROBLEM_MAX 96

/* The title of the service's own account of a refusal (contract 11.5), printable and cut to fit;
 * out is always terminated. False where the body is none: a page from something in front of it. */
bool locate_problem(const char *body, size_t n, char out[LOCATE_PROBLEM_MAX]);

/* What a refusal means for the caller (contract 11.5). */
enum locate_advice {
	LOCATE_USE,         /* there are targets */
	LOCATE_NO_CAPACITY, /* 204, its own 500, no results: next slot, or the back-off of 11.7 */
	LOCATE_LIMITED,     /* 429: nothing more in this run */
	LOCATE_NO_LOCATION, /* its own 503: name a country */
	LOCATE_REFUSED,     /* 401 and other 4xx: mend the request */
	LOCATE_FAILED,      /* no answer, or none that can be read */
};

struct locate_request {
	const char *url;     /* NULL: M-Lab's, by locate_default_url() */
	const char *country; /* ISO 3166-1 alpha-2, NULL */
	const char *site;    /* IATA-like site name, NULL */
	const char *org;     /* NULL */
	bool early_exit;     /* passed on as early_exit=250 */
	const char *bearer;  /* integration JWT; NULL */
	const char *user_agent;
	const char *ca_file;
	bool insecure;
	int family;
	const char *interface;
};

/* A window of the service's limiter, which counts refused requests too (contract 11.7, 11.8). */
#define LOCATE_WINDOW_NS (3600 * 1000000000ULL)

/* No service is believed that wants to be left alone for longer. */
#define LOCATE_AGAIN_MAX_NS (24 * 3600 * 1000000000ULL)

struct locate_outcome {
	enum locate_advice advice;
	struct locate_answer *answer; /* NULL unless advice is LOCATE_USE; the receiver's to free */
	struct err
		err; /* what the service said (ERR_HTTP with the status), or why it was not asked */

	/* Until it may be asked again, where time mends it; 0: it does not, or nobody knows. What the
	 * service itself said (Retry-After), else the first wait of the back-off, or a whole window
	 * after LOCATE_LIMITED. err says it, too. */
	uint64_t again_ns;
};

/* *outcome is valid during the call only. */
typedef void (*locate_done)(void *owner, const struct locate_outcome *outcome);

/* Where M-Lab's service is asked: a bearer counts on the priority path alone (contract 11.1). */
const char *locate_default_url(const char *bearer);

/* Redirects are followed, the bearer not beyond its host. `done` is called exactly once, from
 * loop_run(), by LOCATE_TIMEOUT_NS at the latest; the handle is gone when it is.
 *   -ENOPKG  libcurl is not installed;  -EINVAL, -EPROTONOSUPPORT  the URL */
int locate_start(struct loop *l, const struct locate_request *request, locate_done done,
                 void *owner, struct locate **ret, struct err *err);

/* Before `done` was called: it will not be. Accepts NULL; always returns NULL. */
struct locate *locate_cancel(struct locate *c);

/* The back-off that M-Lab publishes for automatic clients after "no capacity": a delay drawn from a
 * normal distribution of mean 60, 120, 240, 480, 960 s for attempt 0 to 4 and a standard deviation of
 * 5 % of it; `random` is the state of transport/base/draw.h. False from the sixth attempt on: give up
 * until the next slot. */
bool locate_backoff(unsigned int attempt, uint64_t *random, uint64_t *ret_ns);
