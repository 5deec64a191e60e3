#include "tests/bpf/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure/tcpinfo.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static void keep_sample(void *self, const struct tcp_sample *sample)
{
	struct rig *r = self;

	if (r->samples < RIG_SAMPLES_MAX)
		r->sample[r->samples] = *sample;
	r->samples++;
}

static void keep_flow(void *self, const struct tcp_flow *flow)
{
	struct rig *r = self;

	r->flow = *flow;
	r->flows++;
}

static void keep_lost(void *self, uint64_t cookie, uint64_t samples)
{
	struct rig *r = self;

	(void)cookie;
	r->lost += samples;
}

static void keep_end(void *self, const struct tcpstat_flow *flow)
{
	struct rig *r = self;

	r->end = *flow;
	r->ends++;
}

static void skip_unless_granted(const struct loader_grant *g, unsigned tiers)
{
	if (tiers & TIER_BIT(g->tier))
		return;
	for (enum tier t = TIER_EBPF; t < TIER_TCP_INFO; t++)
		if (tiers & TIER_BIT(t))
			print_message("skip: %s: %s\n", tier_name(t), g->refusals[t].reason);
	skip();
}

void rig_open(struct rig *r, const struct loader_wish *wish)
{
	struct err err = {};

	*r = (struct rig){ .sink = { .samples = { keep_sample, keep_flow, keep_lost, r },
		                     .end = keep_end } };
	if (loader_start(wish, &r->grant, &err) < 0)
		fail_msg("could not %s", err.text);
	skip_unless_granted(&r->grant, wish->tiers);
	r->sample = calloc(RIG_SAMPLES_MAX, sizeof(*r->sample));
	assert_non_null(r->sample);
	if (sockstat_open(&(struct sockstat_maps){ r->grant.flows_fd, r->grant.records_fd,
	                                           r->grant.counters_fd, r->grant.probe_fd,
	                                           r->grant.ring_bytes, r->grant.cpus },
	                  &r->s, &err) < 0)
		fail_msg("could not %s", err.text);
}

void rig_close(struct rig *r)
{
	r->s = sockstat_close(r->s);
	loader_release(&r->grant);
	free(r->sample);
	r->sample = NULL;
}

void rig_drain(struct rig *r)
{
	if (r)
		sockstat_drain(r->s, &r->sink);
}

void rig_await_end(struct rig *r)
{
	for (int i = 0; i < 5000 && r->ends == 0; i++) {
		rig_drain(r);
		poll(NULL, 0, r->ends == 0);
	}
	assert_int_equal(r->ends, 1);
}

size_t rig_count(const struct rig *r, enum tcp_sample_event event)
{
	size_t count = 0;

	assert_true(r->samples <= RIG_SAMPLES_MAX);
	for (size_t i = 0; i < r->samples; i++)
		count += r->sample[i].event == event;
	return count;
}

static socklen_t loopback(int family, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	*ret = (struct sockaddr_storage){};
	if (family == AF_INET6)
		memcpy(ret, &v6, sizeof(v6));
	else
		memcpy(ret, &v4, sizeof(v4));
	return family == AF_INET6 ? sizeof(v6) : sizeof(v4);
}

void rig_pair(struct rig *r, int family, int fd[2])
{
	struct sockaddr_storage address;
	socklen_t bytes = loopback(family, &address);
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err err = {};

	assert_int_equal(bind(listener, (struct sockaddr *)&address, bytes), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	fd[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r && sockstat_tag(r->s, fd[0], &err) < 0)
		fail_msg("could not %s", err.text);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&address, bytes), 0);
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd[1] >= 0);
	close(listener);
}

void rig_pass(struct rig *r, int from, int to, size_t bytes)
{
	static char buffer[256 * 1024];
	size_t sent = 0, got = 0;
	uint64_t until_ns = clock_now_ns() + 60 * NS_PER_S;

	while (got < bytes && clock_now_ns() < until_ns) {
		size_t left = bytes - sent;
		ssize_t n = 0;

		if (left > 0)
			n = send(from, buffer, left < sizeof(buffer) ? left : sizeof(buffer),
			         MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		n = recv(to, buffer, sizeof(buffer), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		rig_drain(r);
	}
	assert_int_equal(got, bytes);
}

static bool same_counts(const struct tcpinfo_raw *a, const struct tcpinfo_raw *b)
{
	struct tcp_sample x, y;

	tcpinfo_to_sample(a, 0, 0, &x);
	tcpinfo_to_sample(b, 0, 0, &y);
	return x.inflight_segments == 0 && memcmp(&x, &y, sizeof(x)) == 0;
}

void rig_settle(struct rig *r, int fd)
{
	struct tcpinfo_raw before, now;

	assert_int_equal(tcpinfo_read(fd, &before, NULL), 0);
	for (int i = 0, same = 0; i < 200 && same < 5; i++) {
		poll(NULL, 0, 50); /* a delayed ACK comes within 40 ms to 200 ms */
		rig_drain(r);
		assert_int_equal(tcpinfo_read(fd, &now, NULL), 0);
		same = same_counts(&before, &now) ? same + 1 : 0;
		before = now;
	}
}

void rig_abort(int fd)
{
	struct linger abort = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), 0);
	close(fd);
}
