#include "transport/loop/loop_coalesce.h"

#include <sys/socket.h>

#include "transport/base/clock.h"

#define COALESCE_NS              (1 * NS_PER_MS)
#define COALESCE_MIN_BYTES       (64 * 1024)
#define COALESCE_MIN_BYTES_ASKED (16 * 1024)
#define COALESCE_MAX_BYTES       (1024 * 1024)

static uint64_t period_ns(const struct loop_coalesce *c)
{
	return c->period_ns ? c->period_ns : COALESCE_NS;
}

static uint64_t min_bytes(const struct loop_coalesce *c)
{
	return c->period_ns ? COALESCE_MIN_BYTES_ASKED : COALESCE_MIN_BYTES;
}

uint64_t loop_coalesce_patience_ns(const struct loop_coalesce *c)
{
	return 2 * c->period_ns > COALESCE_PATIENCE_NS ? 2 * c->period_ns : COALESCE_PATIENCE_NS;
}

static uint64_t buffer_share(int fd)
{
	int bytes = 0;
	socklen_t size = sizeof(bytes);

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size) < 0 || bytes < 0)
		return 0;
	return (uint64_t)bytes / 8;
}

void loop_coalesce_learn(struct loop_coalesce *c, int fd, uint64_t n, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns - c->since_ns;
	uint64_t share, wait;

	c->bytes += n;
	if (c->since_ns != 0 && elapsed_ns < 2 * period_ns(c))
		return;
	wait = c->since_ns ? c->bytes * period_ns(c) / elapsed_ns : 0;
	c->since_ns = now_ns;
	c->bytes = 0;
	if (wait > COALESCE_MAX_BYTES)
		wait = COALESCE_MAX_BYTES;
	if (wait >= min_bytes(c)) {
		share = buffer_share(fd);
		wait = wait < share ? wait : share;
	}
	c->may_wait = wait >= min_bytes(c) ? (uint32_t)wait : 0;
}

static bool set_low_water(struct loop_coalesce *c, int fd, uint32_t bytes)
{
	int mark = (int)bytes;

	if (bytes == c->low_water)
		return true;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)) < 0)
		return false;
	c->low_water = bytes;
	return true;
}

bool loop_coalesce_set(struct loop_coalesce *c, int fd, uint32_t bytes)
{
	if (c->may_wait == 0) {
		loop_coalesce_unset(c, fd);
		return false;
	}
	return set_low_water(c, fd, bytes < c->may_wait ? bytes : c->may_wait);
}

void loop_coalesce_falter(struct loop_coalesce *c, int fd, uint64_t now_ns)
{
	c->may_wait = 0;
	c->since_ns = now_ns;
	c->bytes = 0;
	loop_coalesce_unset(c, fd);
}

void loop_coalesce_unset(struct loop_coalesce *c, int fd)
{
	if (c->low_water > 1)
		set_low_water(c, fd, 1);
}
