/* Two owners share a lookup: the resolve, which lives in the loop, and the thread. Whoever lets go
 * last frees it. The thread never touches the loop: it writes to an eventfd of which the loop has a
 * descriptor of its own, so that closing the one cannot make the other hit a stranger's file.
 *
 * AI_ADDRCONFIG is not asked for. It hides 127.0.0.1 or ::1 on a machine whose other addresses are
 * all of the other family, and link-local addresses defeat what it is for; an address that cannot
 * be reached costs the race in transport/tcp.h one failed connect(2).
 */
#include "transport/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define HOST_MAX 256 /* with the NUL: 253 of RFC 1035, or a literal with its zone */

/* Address space only, until it is touched. The modules behind getaddrinfo(3) (sss, ldap, winbind)
 * keep buffers of tens of KiB on the stack, on top of glibc's own. */
#define STACK_BYTES (512 * 1024)

struct lookup {
	_Atomic unsigned int owners;
	_Atomic bool ready; /* what follows it is written */
	char host[HOST_MAX];
	uint16_t port;
	int family;
	int wake_fd; /* the thread's; the loop has a duplicate */
	int eai;
	int error; /* errno, for EAI_SYSTEM */
	struct resolve_answer answer;
};

enum { QUERY_BOTH, QUERY_V6, QUERY_V4, QUERIES };

struct query {
	struct resolve *resolve;
	struct lookup *lookup; /* NULL: not begun */
	struct loop_io *wake;
};

struct resolve {
	struct loop *loop;
	struct query queries[QUERIES];
	struct loop_timer timer;    /* the deadline, or at once where the answer is there */
	struct loop_timer patience; /* then RESOLVE_DELAY_NS, once a family has answered */
	bool asked_apart;
	resolve_done done;
	void *owner;
};

static _Atomic unsigned int threads;

static struct lookup *lookup_release(struct lookup *k)
{
	if (k && atomic_fetch_sub(&k->owners, 1) == 1) {
		if (k->wake_fd >= 0)
			close(k->wake_fd);
		free(k);
	}
	return NULL;
}

static struct lookup *lookup_new(const char *host, uint16_t port, int family)
{
	struct lookup *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->owners = 1;
	k->port = port;
	k->family = family;
	k->wake_fd = -1;
	bytes_copy_text(k->host, sizeof(k->host), host);
	return k;
}

/* --- getaddrinfo --------------------------------------------------------------------------------
 */

static bool is_known(const struct resolve_answer *answer, const struct resolve_address *a)
{
	for (size_t i = 0; i < answer->count; i++)
		if (answer->addresses[i].bytes == a->bytes &&
		    memcmp(&answer->addresses[i].any, &a->any, a->bytes) == 0)
			return true;
	return false;
}

static size_t count_family(const struct resolve_answer *answer, int family)
{
	size_t count = 0;

	for (size_t i = 0; i < answer->count; i++)
		count += answer->addresses[i].any.sa_family == family;
	return count;
}

/* /etc/hosts may name an address twice: glibc answers 127.0.0.1 for "::1 localhost" as well. */
static void keep_address(struct resolve_answer *answer, const struct addrinfo *ai, uint16_t port)
{
	struct resolve_address a = {};

	if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
		return;
	if (count_family(answer, ai->ai_family) == RESOLVE_ADDRESSES_MAX / 2)
		return;
	a.bytes = ai->ai_addrlen;
	memcpy(&a.any, ai->ai_addr, ai->ai_addrlen);
	if (ai->ai_family == AF_INET)
		a.v4.sin_port = htons(port);
	else
		a.v6.sin6_port = htons(port);
	if (!is_known(answer, &a))
		answer->addresses[answer->count++] = a;
}

static void look_up(struct lookup *k, int flags)
{
	struct addrinfo hints = {
		.ai_family = k->family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags,
	};
	struct addrinfo *list = NULL;

	k->eai = getaddrinfo(k->host, NULL, &hints, &list);
	k->error = errno;
	if (k->eai != 0)
		return;
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
		keep_address(&k->answer, ai, k->port);
	freeaddrinfo(list);
	if (k->answer.count == 0)
		k->eai = EAI_NODATA;
}

static int code_of(const struct lookup *k)
{
	switch (k->eai) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -ENOENT;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return k->error > 0 ? -k->error : -EIO;
	default:
		return -EIO;
	}
}

/* --- the thread ---------------------------------------------------------------------------------
 */

static void (*thread_begins)(void);
static void (*thread_ends)(void);

void resolve_watch_threads(void (*begins)(void), void (*ends)(void))
{
	thread_begins = begins;
	thread_ends = ends;
}

static void *run_thread(void *argument)
{
	struct lookup *k = argument;

	pthread_setname_np(pthread_self(), "resolve");
	if (thread_begins)
		thread_begins();
	look_up(k, 0);
	atomic_store(&k->ready, true);
	eventfd_write(k->wake_fd, 1);
	lookup_release(k);
	if (thread_ends)
		thread_ends();
	atomic_fetch_sub(&threads, 1);
	return NULL;
}

/* Signals are for the thread that runs the loop: this one is born with all of them blocked. */
static int create_detached(void *(*run)(void *), void *argument)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	r = pthread_attr_init(&attributes);
	if (r != 0)
		return -r;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

static int start_thread(struct lookup *k, struct err *err)
{
	int r;

	if (atomic_fetch_add(&threads, 1) >= RESOLVE_THREADS_MAX) {
		atomic_fetch_sub(&threads, 1);
		return ERR_SET(err, -EAGAIN, ERR_SYS, 0, "resolve %s: %d lookups hang already",
		               k->host, RESOLVE_THREADS_MAX);
	}
	atomic_fetch_add(&k->owners, 1);
	r = create_detached(run_thread, k);
	if (r < 0) {
		atomic_fetch_sub(&k->owners, 1);
		atomic_fetch_sub(&threads, 1);
		return ERR_SET(err, r, ERR_SYS, 0, "start a thread to resolve %s", k->host);
	}
	return 0;
}

/* --- the loop's side ----------------------------------------------------------------------------
 */

static struct resolve *resolve_free(struct resolve *r)
{
	if (!r)
		return NULL;
	loop_timer_cancel(r->loop, &r->timer);
	loop_timer_cancel(r->loop, &r->patience);
	for (int i = 0; i < QUERIES; i++) {
		loop_remove(r->queries[i].wake);
		lookup_release(r->queries[i].lookup);
	}
	free(r);
	return NULL;
}

CLEANUP_DEFINE(resolve_freep, struct resolve *, resolve_free)

struct resolve *resolve_cancel(struct resolve *r)
{
	return resolve_free(r);
}

static void finish(struct resolve *r, const struct resolve_answer *answer, const struct err *err)
{
	r->done(r->owner, answer, err);
	resolve_free(r);
}

static bool is_ready(const struct query *q)
{
	return q->lookup && atomic_load(&q->lookup->ready);
}

static bool has_addresses(const struct query *q)
{
	return is_ready(q) && q->lookup->eai == 0;
}

/* What both families were asked for at once has the last word, unless it has failed. */
static void finish_with_both(struct resolve *r)
{
	const struct lookup *k = r->queries[QUERY_BOTH].lookup;
	struct err err = {};

	if (k->eai == 0) {
		finish(r, &k->answer, NULL);
		return;
	}
	ERR_SET(&err, code_of(k), ERR_DNS, k->eai, "resolve %s: %s", k->host,
	        k->eai == EAI_SYSTEM ? strerror(k->error) : gai_strerror(k->eai));
	finish(r, NULL, &err);
}

static void finish_apart(struct resolve *r)
{
	struct resolve_answer all = {};

	for (int i = QUERY_V6; i < QUERIES; i++) {
		const struct query *q = &r->queries[i];

		for (size_t n = 0; has_addresses(q) && n < q->lookup->answer.count; n++)
			all.addresses[all.count++] = q->lookup->answer.addresses[n];
	}
	finish(r, &all, NULL);
}

static void heard_apart(struct resolve *r)
{
	const struct query *v6 = &r->queries[QUERY_V6], *v4 = &r->queries[QUERY_V4];

	if (!has_addresses(v6) && !has_addresses(v4))
		return; /* the other family, or both, may have some yet */
	if (is_ready(v6) && is_ready(v4))
		finish_apart(r);
	else
		loop_timer_set(r->loop, &r->patience, loop_now_ns(r->loop) + RESOLVE_DELAY_NS);
}

static void on_timer(void *owner)
{
	struct resolve *r = owner;
	const struct query *both = &r->queries[QUERY_BOTH];
	struct err err = {};

	if (is_ready(both)) {
		finish_with_both(r);
		return;
	}
	ERR_SET(&err, -ETIMEDOUT, ERR_SYS, 0, "resolve %s before the deadline", both->lookup->host);
	finish(r, NULL, &err);
}

static void on_wake(void *owner, int events)
{
	struct query *q = owner;
	struct resolve *r = q->resolve;
	struct err err = {};

	if (!is_ready(q)) {
		ERR_SET(&err, events < 0 ? events : -EIO, ERR_SYS, 0, "wait for the address of %s",
		        q->lookup->host);
		finish(r, NULL, &err);
	} else if (q == &r->queries[QUERY_BOTH]) {
		finish_with_both(r);
	} else {
		heard_apart(r);
	}
}

/* Its lookup is there; a thread does it. */
static int start_query(struct query *q, struct err *err)
{
	static const struct loop_events events = { .polled = on_wake };
	CLEANUP(fd_closep) int fd = -1;
	int result;

	q->lookup->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->lookup->wake_fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make an eventfd");
	fd = fcntl(q->lookup->wake_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "duplicate an eventfd");
	result = loop_add(q->resolve->loop, fd, &events, q, &q->wake, err);
	if (result < 0)
		return result;
	TAKE(fd, -1);
	loop_poll(q->wake, POLLIN);
	return start_thread(q->lookup, err);
}

/* Where there is no room for that, the first lookup goes on alone. */
static void ask_apart(struct resolve *r)
{
	static const int families[QUERIES] = { [QUERY_V6] = AF_INET6, [QUERY_V4] = AF_INET };
	const struct lookup *both = r->queries[QUERY_BOTH].lookup;

	r->asked_apart = true;
	for (int i = QUERY_V6; i < QUERIES; i++) {
		struct query *q = &r->queries[i];

		q->lookup = lookup_new(both->host, both->port, families[i]);
		if (q->lookup && start_query(q, NULL) < 0)
			q->wake = loop_remove(q->wake);
	}
}

static void on_patience(void *owner)
{
	struct resolve *r = owner;

	if (r->asked_apart)
		finish_apart(r);
	else
		ask_apart(r);
}

static struct resolve *resolve_new(struct loop *l, resolve_done done, void *owner)
{
	struct resolve *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct resolve){ .loop = l, .done = done, .owner = owner };
	r->timer = (struct loop_timer){ .fire = on_timer, .owner = r };
	r->patience = (struct loop_timer){ .fire = on_patience, .owner = r };
	for (int i = 0; i < QUERIES; i++)
		r->queries[i].resolve = r;
	return r;
}

int resolve_start(struct loop *l, const char *host, uint16_t port, int family, uint64_t deadline_ns,
                  resolve_done done, void *owner, struct resolve **ret, struct err *err)
{
	CLEANUP(resolve_freep) struct resolve *r = NULL;
	struct query *both;
	int result;

	if (*host == '\0' || strlen(host) >= HOST_MAX)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "resolve a name of %zu bytes",
		               strlen(host));
	r = resolve_new(l, done, owner);
	if (!r)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a resolve");
	both = &r->queries[QUERY_BOTH];
	both->lookup = lookup_new(host, port, family);
	if (!both->lookup)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a lookup");

	look_up(both->lookup, AI_NUMERICHOST); /* does not wait */
	if (both->lookup->eai != EAI_NONAME) {
		both->lookup->ready = true;
		deadline_ns = loop_now_ns(l);
	} else {
		result = start_query(both, err);
		if (result < 0)
			return result;
		if (family == AF_UNSPEC)
			loop_timer_set(l, &r->patience, loop_now_ns(l) + RESOLVE_PATIENCE_NS);
	}
	loop_timer_set(l, &r->timer, deadline_ns);
	*ret = TAKE(r, NULL);
	return 0;
}
