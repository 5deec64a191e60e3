/* TCP_INFO (and BBR's TCP_CC_INFO) of a socket of ours, as the kernel gives it now.
 *
 * The kernel answers as many bytes as it knows of (include/uapi/linux/tcp.h grew from 2.6 to 6.x):
 * fields behind that are absent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/measurement.h"
#include "measure/sample.h"

struct err;

#define TCPINFO_BYTES 512
struct tcpinfo_raw {
	uint32_t bytes; /* how much of it the kernel filled */
	_Alignas(8) unsigned char data[TCPINFO_BYTES];
};

/* getsockopt(2); the errno is its. */
int tcpinfo_read(int fd, struct tcpinfo_raw *ret, struct err *err);

void tcpinfo_to_sample(const struct tcpinfo_raw *raw, uint64_t at_ns, uint64_t cookie,
                       struct tcp_sample *ret);

/* All of TCPInfo but ElapsedTime's source, which is given: since the WebSocket handshake. Fields the
 * kernel lacks are present and 0, as the reference server writes them. */
void tcpinfo_to_measurement(const struct tcpinfo_raw *raw, int64_t elapsed_us,
                            struct measurement_tcp_info *ret);

/* False where the socket does not run BBR. */
bool tcpinfo_read_bbr(int fd, int64_t elapsed_us, struct measurement_bbr_info *ret);

/* Payload of a full segment: of ours, or of what comes. 0 where the kernel does not say. */
uint32_t tcpinfo_segment_bytes(const struct tcpinfo_raw *raw, bool received);

uint64_t tcpinfo_cookie(int fd); /* SO_COOKIE; 0 where the kernel has none */
