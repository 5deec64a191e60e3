#include "measure/locate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/http.h"
#include "transport/loop/loop.h"

#define LOCATE_REDIRECTS_MAX 5
#define LOCATE_SERVICE_SHOWN 80
#define LOCATE_AGAIN_SHOWN   48

struct locate {
	struct http *http;
	char *bearer;                       /* to keep it out of what is said; NULL: none */
	char service[LOCATE_SERVICE_SHOWN]; /* whom we ask, as it is told */
	locate_done done;
	void *owner;
};

/* --- what an answer means ------------------------------------------------------------------- */

static const struct meaning {
	int status;
	bool of_the_service; /* only where the account is its own: front ends send these too */
	enum locate_advice advice;
	const char *text; /* completes "could not get a server from …: " */
} meanings[] = {
	{ 204, false, LOCATE_NO_CAPACITY, "it is out of capacity" },
	{ 401, false, LOCATE_REFUSED, "it refuses the access token" },
	{ 429, false, LOCATE_LIMITED, "too many requests from here" },
	{ 500, true, LOCATE_NO_CAPACITY, "it has none for us" },
	{ 503, true, LOCATE_NO_LOCATION, "it does not know where we are, name a country" },
};

static struct meaning meaning_of(int status, bool own_account)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
		if (meanings[i].status == status && (own_account || !meanings[i].of_the_service))
			return meanings[i];
	if (status >= 400 && status < 500)
		return (struct meaning){ status, false, LOCATE_REFUSED, "it refuses the request" };
	return (struct meaning){ status, false, LOCATE_FAILED,
		                 "this is not an answer of a locate service" };
}

/* --- the request ---------------------------------------------------------------------------- */

static void locate_free(struct locate *c)
{
	http_cancel(c->http);
	free(c->bearer);
	free(c);
}

CLEANUP_DEFINE(locate_freep, struct locate *, locate_free)

struct locate *locate_cancel(struct locate *c)
{
	if (c)
		locate_free(c);
	return NULL;
}

static uint64_t again_after_ns(const struct http_answer *http, enum locate_advice advice)
{
	uint64_t random, ns;

	if (http->retry_after_s > LOCATE_AGAIN_MAX_NS / NS_PER_S)
		return LOCATE_AGAIN_MAX_NS;
	if (http->retry_after_s > 0)
		return http->retry_after_s * NS_PER_S;
	if (advice == LOCATE_LIMITED)
		return LOCATE_WINDOW_NS;
	if (advice != LOCATE_NO_CAPACITY && !(advice == LOCATE_FAILED && http->status == 503))
		return 0;
	bytes_random(&random, sizeof(random));
	return locate_backoff(0, &random, &ns) ? ns : 0;
}

/* ", try again in 58 s", ", try again in 60 min", or nothing; rounded up. */
static const char *again_in(uint64_t again_ns, char out[LOCATE_AGAIN_SHOWN])
{
	uint64_t s = (again_ns + NS_PER_S - 1) / NS_PER_S;

	if (s == 0)
		out[0] = '\0';
	else
		snprintf(out, LOCATE_AGAIN_SHOWN, ", try again in %" PRIu64 " %s",
		         s <= 120 ? s : (s + 59) / 60, s <= 120 ? "s" : "min");
	return out;
}

static void refuse(struct locate *c, const struct http_answer *http)
{
	char title[LOCATE_PROBLEM_MAX], again[LOCATE_AGAIN_SHOWN];
	bool own_account = locate_problem(http->body, http->body_bytes, title);
	struct meaning m = meaning_of(http->status, own_account || http->body_bytes == 0);
	struct locate_outcome o = { .advice = m.advice };

	o.again_ns = again_after_ns(http, m.advice);
	if (c->bearer && memmem(http->body, http->body_bytes, c->bearer, strlen(c->bearer)))
		title[0] = '\0'; /* it may repeat what must not be said */
	ERR_SET(&o.err, -EREMOTEIO, ERR_HTTP, http->status,
	        "get a server from the locate service %s: %s%s (HTTP %d%s%s)", c->service, m.text,
	        again_in(o.again_ns, again), http->status, title[0] ? ": " : "", title);
	c->done(c->owner, &o);
}

static void read_list(struct locate *c, const struct http_answer *http)
{
	struct locate_outcome o = { .advice = LOCATE_USE };
	char again[LOCATE_AGAIN_SHOWN];

	if (locate_parse(http->body, http->body_bytes, &o.answer, &o.err) < 0) {
		o.advice = LOCATE_FAILED;
		o.err.domain = ERR_HTTP;
		o.err.detail = http->status;
		err_prefix(&o.err, "use the answer of the locate service %s", c->service);
	} else if (o.answer->count == 0) {
		o.answer = locate_answer_free(o.answer);
		o.advice = LOCATE_NO_CAPACITY;
		o.again_ns = again_after_ns(http, o.advice);
		ERR_SET(&o.err, -EREMOTEIO, ERR_HTTP, http->status,
		        "get a server from the locate service %s: its list is empty%s", c->service,
		        again_in(o.again_ns, again));
	}
	c->done(c->owner, &o);
}

static void on_http(void *owner, const struct http_answer *http, const struct err *http_err)
{
	CLEANUP(locate_freep) struct locate *c = owner;

	c->http = NULL; /* its own to free, once this has returned */
	if (!http) {
		struct locate_outcome o = { .advice = LOCATE_FAILED, .err = *http_err };

		err_prefix(&o.err, "ask the locate service for a server");
		c->done(c->owner, &o);
	} else if (http->status == 200) {
		read_list(c, http);
	} else {
		refuse(c, http);
	}
}

static int set_query(struct url *url, const struct locate_request *request, struct err *err)
{
	const struct {
		const char *name, *value;
	} parameters[] = {
		{ "country", request->country },
		{ "site", request->site },
		{ "org", request->org },
		{ "early_exit", request->early_exit ? "250" : NULL },
	};

	for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++) {
		int r;

		if (!parameters[i].value)
			continue;
		r = url_query_set(url, parameters[i].name, parameters[i].value);
		if (r < 0)
			return ERR_SET(err, r, ERR_SYS, 0, "add %s to the locate URL",
			               parameters[i].name);
	}
	return 0;
}

const char *locate_default_url(const char *bearer)
{
	return bearer ? LOCATE_PRIORITY_URL : LOCATE_DEFAULT_URL;
}

static int build_url(const struct locate_request *request, char out[URL_BYTES_MAX + 1],
                     struct err *err)
{
	struct url url;
	int r = url_parse(request->url ? request->url : locate_default_url(request->bearer), &url,
	                  err);

	if (r == 0)
		r = set_query(&url, request, err);
	if (r < 0)
		return r;
	r = url_format(&url, out, URL_BYTES_MAX + 1);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "build the locate URL");
	return 0;
}

int locate_start(struct loop *l, const struct locate_request *request, locate_done done,
                 void *owner, struct locate **ret, struct err *err)
{
	CLEANUP(locate_freep) struct locate *c = calloc(1, sizeof(*c));
	char url[URL_BYTES_MAX + 1];
	int r;

	if (c && request->bearer)
		c->bearer = strdup(request->bearer);
	if (!c || (request->bearer && !c->bearer))
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a locate request");
	r = build_url(request, url, err);
	if (r < 0)
		return r;
	c->done = done;
	c->owner = owner;
	log_url(url, c->service, sizeof(c->service));
	r = http_ask(l,
	             &(struct http_request){
			     .url = url,
			     .user_agent = request->user_agent,
			     .bearer = request->bearer,
			     .ca_file = request->ca_file,
			     .insecure = request->insecure,
			     .family = request->family,
			     .interface = request->interface,
			     .answer_bytes_max = LOCATE_BODY_MAX,
			     .timeout_ns = LOCATE_TIMEOUT_NS,
			     .redirects_max = LOCATE_REDIRECTS_MAX,
		     },
	             on_http, c, &c->http, err);
	if (r < 0)
		return r;
	*ret = TAKE(c, NULL);
	return 0;
}

/* --- the back-off --------------------------------------------------------------------------- */

bool locate_backoff(unsigned int attempt, uint64_t *random, uint64_t *ret_ns)
{
	static const uint64_t means_s[] = { 60, 120, 240, 480, 960 };
	double factor;

	if (attempt >= sizeof(means_s) / sizeof(*means_s))
		return false;
	factor = 1 + 0.05 * draw_normal(random);
	*ret_ns = factor > 0 ? (uint64_t)(factor * (double)(means_s[attempt] * NS_PER_S)) : 0;
	return true;
}
