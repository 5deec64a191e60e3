#include "bench/link/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "bench/link/session.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static sigset_t heeded(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction now;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&set, numbers[i]);
	return set;
}

void keeper_block_signals(void)
{
	sigset_t set = heeded();

	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void on_signals(void *keeper, int events)
{
	struct keeper *k = keeper;
	struct signalfd_siginfo s;

	(void)events;
	while (read(loop_io_fd(k->signals), &s, sizeof(s)) == sizeof(s))
		k->signalled(k->owner, &s);
	loop_poll(k->signals, POLLIN);
}

static void on_drain(void *keeper)
{
	struct keeper *k = keeper;

	loop_timer_set(k->loop, &k->drain, loop_now_ns(k->loop) + SESSION_DRAIN_NS);
	if (session_drain(k->session) || k->told_unwritable)
		return;
	k->told_unwritable = true;
	k->unwritable(k->owner);
}

static int hear_signals(struct keeper *k, struct err *err)
{
	static const struct loop_events events = { .polled = on_signals };
	sigset_t set = heeded();
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "hear signals");
	r = loop_add(k->loop, fd, &events, k, &k->signals, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	loop_poll(k->signals, POLLIN);
	return 0;
}

int keeper_open(struct keeper *k, struct err *err)
{
	/* A few events a second: the older way is good enough, and has no thread of the kernel's. */
	int r = loop_open(LOOP_BODY_EPOLL, &k->loop, err);

	if (r == 0)
		r = hear_signals(k, err);
	k->control.asked = k->asked;
	k->control.owner = k->owner;
	if (r == 0)
		r = control_open(&k->control, k->session->name, k->loop, err);
	k->drain = (struct loop_timer){ .fire = on_drain, .owner = k };
	if (r == 0)
		on_drain(k);
	return r;
}

void keeper_close(struct keeper *k)
{
	control_close(&k->control);
	k->signals = loop_remove(k->signals);
	k->loop = loop_close(k->loop);
}
