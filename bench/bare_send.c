/* What the kernel alone costs an upload: a blocking sendmsg(2) in a loop, and nothing else.
 *
 *   bare_send PORT SECONDS     to an ndt7 server on 127.0.0.1, over ws
 *
 * The same message as the client's (1 MiB, masked, its source 64 KiB again and again), under the
 * system's congestion control. Prints the payload bytes sent. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"

#define SOURCE_BYTES  (64 * 1024)
#define MESSAGE_BYTES (1024 * 1024)
#define HEADER_BYTES  14 /* RFC 6455 5.2: 64 bits of length, a mask key */
#define PIECES        (1 + MESSAGE_BYTES / SOURCE_BYTES)

static int dial(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons(port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return TAKE(fd, -1);
}

/* The answer's head comes in one piece from a server that has nothing else to say yet. */
static bool upgrade(int fd, uint16_t port)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
	                 "GET /ndt/v7/upload HTTP/1.1\r\n"
	                 "Host: 127.0.0.1:%u\r\n"
	                 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	                 "Sec-WebSocket-Version: 13\r\n"
	                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	                 "Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n",
	                 port);
	ssize_t got;

	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	got = recv(fd, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	return strncmp(text, "HTTP/1.1 101 ", 13) == 0;
}

static uint64_t send_until(int fd, const uint8_t *source, uint64_t end_ns)
{
	uint8_t header[HEADER_BYTES] = { 0x82, 0xff }; /* binary and final; masked, 64 bits */
	struct iovec pieces[PIECES] = { { header, sizeof(header) } };
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = PIECES };
	uint64_t sent_bytes = 0;

	bytes_store_be64(header + 2, MESSAGE_BYTES);
	for (size_t i = 1; i < PIECES; i++)
		pieces[i] = (struct iovec){ (void *)source, SOURCE_BYTES };
	while (clock_now_ns() < end_ns) {
		bytes_random(header + 10, 4);
		if (sendmsg(fd, &message, MSG_NOSIGNAL) != HEADER_BYTES + MESSAGE_BYTES)
			break;
		sent_bytes += MESSAGE_BYTES;
	}
	return sent_bytes;
}

int main(int argc, char **argv)
{
	static uint8_t source[SOURCE_BYTES];
	CLEANUP(fd_closep) int fd = -1;
	uint16_t port = argc == 3 ? (uint16_t)atoi(argv[1]) : 0;

	if (port == 0) {
		fprintf(stderr, "usage: bare_send PORT SECONDS\n");
		return 2;
	}
	fd = dial(port);
	if (fd < 0 || !upgrade(fd, port)) {
		fprintf(stderr, "bare_send: no upload to 127.0.0.1:%u: %m\n", port);
		return 1;
	}
	bytes_random(source, sizeof(source));
	printf("%llu\n", (unsigned long long)send_until(
				 fd, source, clock_now_ns() + (uint64_t)atoi(argv[2]) * NS_PER_S));
	return 0;
}
