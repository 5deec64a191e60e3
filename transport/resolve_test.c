/* The resolver behind getaddrinfo(3) is the test's own, see tests/names.h: nothing is asked of a
 * network. Everything runs on each body that the loop has here. */
#include "transport/resolve.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/names.h"
#include "tests/process.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define PORT 4443

const struct names_row
	names_rows[] = {
		{ .name = "both", .addresses = { "2001:db8::1", "192.0.2.1" } },
		{ .name = "v4", .addresses = { "192.0.2.1", "192.0.2.2" } },
		{ .name = "twice", .addresses = { "127.0.0.1", "::1", "127.0.0.1" } },
		{ .name = "many",
	          .addresses = { "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4",
	                         "2001:db8::5", "2001:db8::6", "2001:db8::7", "2001:db8::8",
	                         "2001:db8::9", "2001:db8::a", "192.0.2.1",   "192.0.2.2",
	                         "192.0.2.3",   "192.0.2.4",   "192.0.2.5",   "192.0.2.6",
	                         "192.0.2.7",   "192.0.2.8",   "192.0.2.9",   "192.0.2.10" } },
		{ .name = "none", .eai = EAI_NONAME },
		{ .name = "nodata", .eai = EAI_NODATA },
		{ .name = "again", .eai = EAI_AGAIN },
		{ .name = "fail", .eai = EAI_FAIL },
		{ .name = "memory", .eai = EAI_MEMORY },
		{ .name = "system", .eai = EAI_SYSTEM, .error = EMFILE },
		{ .name = "hangs", .hang = true, .addresses = { "192.0.2.1" } },
		{ .name = "mute6",
	          .hang_without = AF_INET,
	          .addresses = { "2001:db8::1", "192.0.2.1" } },
		{ .name = "mute4",
	          .hang_without = AF_INET6,
	          .addresses = { "192.0.2.1", "2001:db8::1" } },
		{ .name = NULL },
	};

static enum loop_body body;

struct heard {
	struct loop *loop;
	int times;
	bool answered;
	struct resolve_answer answer;
	struct err err;
};

static void on_done(void *owner, const struct resolve_answer *answer, const struct err *err)
{
	struct heard *h = owner;

	h->times++;
	h->answered = answer != NULL;
	if (answer)
		h->answer = *answer;
	if (err)
		h->err = *err;
	loop_stop(h->loop);
}

/* Starts one lookup and runs the loop until it is answered. */
static int resolve_now(struct loop *l, const char *host, int family, uint64_t timeout_ns,
                       struct heard *ret)
{
	struct resolve *r = NULL;
	struct err err = {};
	uint64_t deadline_ns = loop_now_ns(l) + timeout_ns;
	int result;

	*ret = (struct heard){ .loop = l };
	result = resolve_start(l, host, PORT, family, deadline_ns, on_done, ret, &r, &err);
	if (result < 0)
		return result;
	assert_non_null(r);
	assert_int_equal(ret->times, 0); /* never from inside resolve_start() */
	assert_int_equal(loop_run(l, deadline_ns + 10 * NS_PER_S, &err), LOOP_STOPPED);
	assert_int_equal(ret->times, 1);
	return 0;
}

static char *list_addresses(const struct resolve_answer *answer, char *out, size_t out_bytes)
{
	char ip[INET6_ADDRSTRLEN];
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < answer->count; i++) {
		const struct resolve_address *a = &answer->addresses[i];
		bool v4 = a->any.sa_family == AF_INET;

		assert_int_equal(a->bytes, v4 ? sizeof(a->v4) : sizeof(a->v6));
		assert_int_equal(ntohs(v4 ? a->v4.sin_port : a->v6.sin6_port), PORT);
		inet_ntop(a->any.sa_family,
		          v4 ? (const void *)&a->v4.sin_addr : (const void *)&a->v6.sin6_addr, ip,
		          sizeof(ip));
		n += (size_t)snprintf(out + n, out_bytes - n, "%s%s", i ? " " : "", ip);
	}
	return out;
}

struct answer_case {
	const char *name;
	const char *host;
	int family;
	const char *want;
};

static struct answer_case answer_cases[] = {
	{ "both families, in the resolver's order", "both", AF_UNSPEC, "2001:db8::1 192.0.2.1" },
	{ "IPv4 only", "both", AF_INET, "192.0.2.1" },
	{ "IPv6 only", "both", AF_INET6, "2001:db8::1" },
	{ "an address given twice", "twice", AF_UNSPEC, "127.0.0.1 ::1" },
	{ "a long list leaves room for the other family", "many", AF_UNSPEC,
	  "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5 2001:db8::6 2001:db8::7 "
	  "2001:db8::8 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 "
	  "192.0.2.8" },
	{ "literal IPv4", "192.0.2.7", AF_UNSPEC, "192.0.2.7" },
	{ "literal IPv6", "2001:db8::7", AF_UNSPEC, "2001:db8::7" },
	{ "literal of the family asked for", "::1", AF_INET6, "::1" },
	{ "the machine's own hosts file", "localhost", AF_INET, "127.0.0.1" },
};

static void name_is_answered(void **state)
{
	const struct answer_case *c = *state;
	struct loop *l;
	struct heard h;
	char list[512];

	process_needs_lookup(body, c->host);
	if (strcmp(c->host, "localhost") == 0 && access("/etc/hosts", R_OK) < 0) {
		print_message("this machine has no /etc/hosts\n");
		skip();
	}
	l = process_loop(body);
	assert_int_equal(resolve_now(l, c->host, c->family, 10 * NS_PER_S, &h), 0);
	assert_true(h.answered);
	assert_int_equal(h.err.code, 0);
	assert_string_equal(list_addresses(&h.answer, list, sizeof(list)), c->want);
	loop_close(l);
}

struct failure_case {
	const char *name;
	const char *host;
	int family;
	int want;
	enum err_domain want_domain;
	long want_detail;
	const char *want_text;
};

static struct failure_case failure_cases[] = {
	{ "no such name", "none", AF_UNSPEC, -ENOENT, ERR_DNS, EAI_NONAME,
	  "resolve none: Name or service not known" },
	{ "no address of the name", "nodata", AF_UNSPEC, -ENOENT, ERR_DNS, EAI_NODATA,
	  "resolve nodata: No address associated with hostname" },
	{ "none of this family", "v4", AF_INET6, -ENOENT, ERR_DNS, EAI_NODATA,
	  "resolve v4: No address associated with hostname" },
	{ "no server answered", "again", AF_UNSPEC, -EAGAIN, ERR_DNS, EAI_AGAIN,
	  "resolve again: Temporary failure in name resolution" },
	{ "a server failed", "fail", AF_UNSPEC, -EIO, ERR_DNS, EAI_FAIL,
	  "resolve fail: Non-recoverable failure in name resolution" },
	{ "no memory", "memory", AF_UNSPEC, -ENOMEM, ERR_DNS, EAI_MEMORY,
	  "resolve memory: Memory allocation failure" },
	{ "errno", "system", AF_UNSPEC, -EMFILE, ERR_DNS, EAI_SYSTEM,
	  "resolve system: Too many open files" },
	{ "literal of the other family", "127.0.0.1", AF_INET6, -ENOENT, ERR_DNS, EAI_ADDRFAMILY,
	  "resolve 127.0.0.1: Address family for hostname not supported" },
};

static void failure_is_told(void **state)
{
	const struct failure_case *c = *state;
	struct loop *l;
	struct heard h;

	process_needs_lookup(body, c->host);
	l = process_loop(body);
	assert_int_equal(resolve_now(l, c->host, c->family, 10 * NS_PER_S, &h), 0);
	assert_false(h.answered);
	assert_int_equal(h.err.code, c->want);
	assert_int_equal(h.err.domain, c->want_domain);
	assert_int_equal(h.err.detail, c->want_detail);
	assert_string_equal(h.err.text, c->want_text);
	loop_close(l);
}

static void name_must_fit(void **state)
{
	struct loop *l = process_loop(body);
	struct heard h;
	char host[300];

	(void)state;
	memset(host, 'x', sizeof(host));
	host[256] = '\0';
	assert_int_equal(resolve_now(l, host, AF_UNSPEC, NS_PER_S, &h), -EINVAL);
	assert_int_equal(resolve_now(l, "", AF_UNSPEC, NS_PER_S, &h), -EINVAL);
	loop_close(l);
}

/* --- threads that are left behind --------------------------------------------------------------- */

static int threads_at_start;

/* Lets `count` lookups end, and waits until every thread of the resolver is gone. */
static void release(int count)
{
	for (int i = 0; i < count; i++)
		sem_post(&names_release);
	assert_int_equal(process_threads_await(threads_at_start), threads_at_start);
}

static void deadline_leaves_the_thread_behind(void **state)
{
	struct loop *l = process_loop(body);
	struct heard h;
	int descriptors;

	(void)state;
	release(0); /* of the cases before this one */
	descriptors = process_descriptors(NULL);
	assert_int_equal(resolve_now(l, "hangs", AF_UNSPEC, 20 * NS_PER_MS, &h), 0);
	assert_false(h.answered);
	assert_int_equal(h.err.code, -ETIMEDOUT);
	assert_int_equal(h.err.domain, ERR_SYS);
	assert_string_equal(h.err.text, "resolve hangs before the deadline");
	release(1);
	assert_int_equal(loop_run(l, loop_now_ns(l) + 20 * NS_PER_MS, NULL), LOOP_DEADLINE);
	assert_int_equal(h.times, 1);
	assert_int_equal(process_descriptors(NULL), descriptors);
	loop_close(l);
}

static void cancelled_is_not_heard(void **state)
{
	static const char *const hosts[] = { "hangs", "both", "192.0.2.1", "none" };
	struct loop *l = process_loop(body);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct heard h = { .loop = l };
		struct resolve *r = NULL;

		assert_int_equal(resolve_start(l, hosts[i], PORT, AF_UNSPEC, CLOCK_NEVER_NS,
		                               on_done, &h, &r, NULL),
		                 0);
		assert_null(resolve_cancel(r));
		assert_int_equal(loop_run(l, loop_now_ns(l) + 10 * NS_PER_MS, NULL), LOOP_DEADLINE);
		assert_int_equal(h.times, 0);
	}
	assert_null(resolve_cancel(NULL));
	release(1);
	loop_close(l);
}

static void threads_have_a_ceiling(void **state)
{
	struct loop *l;
	struct heard h;

	(void)state;
	process_needs_threads(body);
	l = process_loop(body);
	for (int i = 0; i < RESOLVE_THREADS_MAX; i++)
		assert_int_equal(resolve_now(l, "hangs", AF_UNSPEC, NS_PER_MS, &h), 0);
	assert_int_equal(resolve_now(l, "both", AF_UNSPEC, NS_PER_MS, &h), -EAGAIN);
	assert_int_equal(resolve_now(l, "192.0.2.1", AF_UNSPEC, 10 * NS_PER_S, &h), 0);
	assert_true(h.answered);
	release(RESOLVE_THREADS_MAX);
	assert_int_equal(resolve_now(l, "both", AF_UNSPEC, 10 * NS_PER_S, &h), 0);
	assert_true(h.answered);
	loop_close(l);
}

static struct mute_case {
	const char *name;
	const char *host;
	const char *want;
} mute_cases[] = {
	{ "RFC 8305: nothing is said of IPv6", "mute6", "192.0.2.1" },
	{ "RFC 8305: nothing is said of IPv4", "mute4", "2001:db8::1" },
};

/* The family that answers is not held up by the other. */
static void mute_family_is_not_waited_for(void **state)
{
	const struct mute_case *c = *state;
	uint64_t began_ns = clock_now_ns();
	struct loop *l;
	struct heard h;
	char list[512];

	process_needs_threads(body);
	l = process_loop(body);
	assert_int_equal(resolve_now(l, c->host, AF_UNSPEC, 10 * NS_PER_S, &h), 0);
	assert_true(clock_now_ns() - began_ns >= RESOLVE_PATIENCE_NS + RESOLVE_DELAY_NS);
	assert_true(h.answered);
	assert_string_equal(list_addresses(&h.answer, list, sizeof(list)), c->want);
	release(2);
	loop_close(l);
}

/* SigBlk of the one thread called "resolve", as proc(5) has it. */
/* 0: there is none yet; its name is the first thing that it does. */
static unsigned long long blocked_in_thread(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned long long blocked = 0;
	char path[300], line[128];

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		bool ours = false;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			ours |= strcmp(line, "Name:\tresolve\n") == 0;
			if (ours)
				sscanf(line, "SigBlk: %llx", &blocked);
		}
		if (f)
			fclose(f);
	}
	closedir(dir);
	return blocked;
}

/* A signal of the process's must not be taken by a thread that nobody expects. */
static void thread_blocks_signals(void **state)
{
	uint64_t until_ns = clock_now_ns() + 10 * NS_PER_S;
	unsigned long long blocked;
	struct loop *l;
	struct heard h;

	(void)state;
	process_needs_threads(body);
	l = process_loop(body);
	assert_int_equal(resolve_now(l, "hangs", AF_UNSPEC, 20 * NS_PER_MS, &h), 0);
	while ((blocked = blocked_in_thread()) == 0 && clock_now_ns() < until_ns)
		usleep(1000);
	assert_true(blocked & 1ULL << (SIGTERM - 1));
	assert_true(blocked & 1ULL << (SIGCHLD - 1));
	release(1);
	loop_close(l);
}

static int run_all(enum loop_body with)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_must_fit),
		cmocka_unit_test(deadline_leaves_the_thread_behind),
		cmocka_unit_test(cancelled_is_not_heard),
		cmocka_unit_test(threads_have_a_ceiling),
		cmocka_unit_test(thread_blocks_signals),
	};
	int failed;

	body = with;
	failed = CASES_RUN(name_is_answered, answer_cases);
	failed += CASES_RUN(failure_is_told, failure_cases);
	failed += CASES_RUN(mute_family_is_not_waited_for, mute_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed;
}

int main(void)
{
	int failed;

	threads_at_start = process_threads_at_rest();
	sem_init(&names_release, 0, 0);
	failed = run_all(LOOP_BODY_IO_URING);
	failed += run_all(LOOP_BODY_EPOLL);
	return failed != 0;
}
