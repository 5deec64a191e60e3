#include "measure/own_flow.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure/sample.h"
#include "measure/tcpinfo.h"
#include "transport/base/bytes.h"
#include "transport/tcp.h"

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

void own_flow_describe(int fd, uint64_t at_ns, const char *test, struct tcp_flow *ret)
{
	struct sockaddr_storage local = {}, remote = {};
	socklen_t local_bytes = sizeof(local), remote_bytes = sizeof(remote);

	*ret = (struct tcp_flow){ .cookie = tcpinfo_cookie(fd),
		                  .at_ns = at_ns,
		                  .pid = (uint32_t)getpid(),
		                  .role = TCP_FLOW_CLIENT };
	if (getsockname(fd, (struct sockaddr *)&local, &local_bytes) == 0)
		keep_end(&local, ret->local_ip, &ret->local_port);
	if (getpeername(fd, (struct sockaddr *)&remote, &remote_bytes) == 0)
		keep_end(&remote, ret->remote_ip, &ret->remote_port);
	bytes_copy_text(ret->comm, sizeof(ret->comm), program_invocation_short_name);
	bytes_copy_text(ret->test, sizeof(ret->test), test);
	tcp_congestion(fd, ret->congestion);
}
