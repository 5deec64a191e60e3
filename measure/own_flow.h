/* Who a socket of ours is, for a trace: what its owner knows of it better than the kernel. */
#pragma once

#include <stdint.h>

struct tcp_flow;

/* `test` is what the flow is for. */
void own_flow_describe(int fd, uint64_t at_ns, const char *test, struct tcp_flow *ret);
