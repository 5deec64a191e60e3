#include "measure/socket_trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure/tcpinfo.h"
#include "transport/base/bytes.h"
#include "transport/tcp.h"

static void look(struct socket_trace *t)
{
	struct tcpinfo_raw raw;
	struct tcp_sample sample;

	if (tcpinfo_read(t->fd, &raw, NULL) < 0)
		return; /* the socket is gone: what was seen stays */
	tcpinfo_to_sample(&raw, loop_now_ns(t->loop), t->flow.cookie, &sample);
	t->sink->take(t->sink->self, &sample);
}

/* What was missed while something else ran is not made up for. */
static void on_timer(void *owner)
{
	struct socket_trace *t = owner;
	uint64_t now_ns = loop_now_ns(t->loop);
	uint64_t next_ns = t->timer.at_ns + t->interval_ns;

	look(t);
	loop_timer_set(t->loop, &t->timer, next_ns > now_ns ? next_ns : now_ns + t->interval_ns);
}

static void keep_end(const struct sockaddr_storage *from, uint8_t ip[16], uint16_t *port)
{
	const struct sockaddr_in6 *v6 = (const void *)from;
	const struct sockaddr_in *v4 = (const void *)from;

	if (from->ss_family == AF_INET6) {
		memcpy(ip, &v6->sin6_addr, sizeof(v6->sin6_addr));
		*port = ntohs(v6->sin6_port);
	} else if (from->ss_family == AF_INET) {
		ip[10] = ip[11] = 0xff; /* mapped: RFC 4291 2.5.5.2 */
		memcpy(ip + 12, &v4->sin_addr, sizeof(v4->sin_addr));
		*port = ntohs(v4->sin_port);
	}
}

static void describe(struct socket_trace *t, const char *test)
{
	struct sockaddr_storage local = {}, remote = {};
	socklen_t local_bytes = sizeof(local), remote_bytes = sizeof(remote);
	struct tcp_flow *f = &t->flow;

	*f = (struct tcp_flow){ .cookie = tcpinfo_cookie(t->fd),
		                .at_ns = loop_now_ns(t->loop),
		                .pid = (uint32_t)getpid(),
		                .role = TCP_FLOW_CLIENT };
	if (getsockname(t->fd, (struct sockaddr *)&local, &local_bytes) == 0)
		keep_end(&local, f->local_ip, &f->local_port);
	if (getpeername(t->fd, (struct sockaddr *)&remote, &remote_bytes) == 0)
		keep_end(&remote, f->remote_ip, &f->remote_port);
	bytes_copy_text(f->comm, sizeof(f->comm), program_invocation_short_name);
	bytes_copy_text(f->test, sizeof(f->test), test);
	tcp_congestion(t->fd, f->congestion);
}

static void meet(const struct socket_trace *t)
{
	if (t->sink->meet)
		t->sink->meet(t->sink->self, &t->flow);
}

void socket_trace_begin(struct socket_trace *t, const struct sample_sink *sink, struct loop *loop,
                        int fd, uint64_t interval_ns, const char *test)
{
	*t = (struct socket_trace){ .sink = sink, .loop = loop, .fd = fd };
	if (!sink)
		return;
	t->interval_ns = interval_ns > SOCKET_TRACE_NS_MIN ? interval_ns : SOCKET_TRACE_NS_MIN;
	t->timer = (struct loop_timer){ .fire = on_timer, .owner = t };
	describe(t, test);
	meet(t);
	look(t);
	loop_timer_set(loop, &t->timer, loop_now_ns(loop) + t->interval_ns);
}

void socket_trace_end(struct socket_trace *t, const char *ending)
{
	if (!t->sink)
		return;
	loop_timer_cancel(t->loop, &t->timer);
	look(t);
	bytes_copy_text(t->flow.ending, sizeof(t->flow.ending), ending);
	meet(t);
	t->sink = NULL;
}
