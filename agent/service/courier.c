/* One child at a time. It is ABSENT, or RUNNING, or ENDING: told to end, and not yet reaped; calls that come then wait
 * for the next one. What has happened to a call is told from a turn of its own (on_turn()), one a turn, so that its
 * owner may end everything there.
 *
 * Its sandbox lets a courier read the one file of authorities that it was started with. Where a call names another one,
 * which is after the configuration has changed, the next courier has that.
 */
#include "agent/service/courier.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/child_watch.h"
#include "agent/base/spawner.h"
#include "agent/service/courier_call.h"
#include "agent/service/courier_child.h"
#include "agent/service/courier_frame.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/passing.h"
#include "transport/base/role.h"
#include "transport/loop/loop.h"

#define MESSAGES_PER_WAKE 64 /* then the loop's others have their turn */

enum child_state { CHILD_ABSENT, CHILD_RUNNING, CHILD_ENDING };

struct courier {
	struct loop *loop;
	enum child_state state;
	pid_t pid;
	int record_fd; /* of its crash; -1: none */
	char *ca_file; /* that it may read; NULL: none */
	const struct child_watch *watch;
	struct loop_io *socket_io, *pid_io;
	struct err why; /* of this child's end, where it is ours; none: its own */
	struct loop_timer
		patience; /* RUNNING: how long it may be idle; ENDING: how long it may take */
	struct loop_timer turn;
	uint64_t idle_ns;
	uint32_t last_id;
	struct courier_call *calls[COURIER_CALLS_MAX];
};

static void turn_soon(struct courier *c)
{
	loop_timer_set(c->loop, &c->turn, loop_now_ns(c->loop));
}

/* --- calls ---------------------------------------------------------------------------------------- */

static struct courier_call *call_of(struct courier *c, uint32_t id)
{
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		if (c->calls[i] && c->calls[i]->id == id)
			return c->calls[i];
	return NULL;
}

static void call_forget(struct courier_call *call)
{
	struct courier *c = call->courier;

	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		if (c->calls[i] == call)
			c->calls[i] = NULL;
	loop_timer_cancel(c->loop, &call->deadline);
}

CLEANUP_DEFINE(call_freep, struct courier_call *, courier_call_free)

static void call_is_over(struct courier_call *call)
{
	call->over = true;
	loop_timer_cancel(call->courier->loop, &call->deadline);
	turn_soon(call->courier);
}

static void call_fails(struct courier_call *call, const struct err *err)
{
	call->err = *err;
	call_is_over(call);
}

static bool is_idle(const struct courier *c)
{
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		if (c->calls[i])
			return false;
	return true;
}

/* --- the child's end ------------------------------------------------------------------------------ */

/* Asks it to end, which it does when its socket is closed; sooner, where `why` says that it is broken. */
static void end_child(struct courier *c, const struct err *why)
{
	if (c->state != CHILD_RUNNING)
		return;
	c->state = CHILD_ENDING;
	c->why = why ? *why : (struct err){};
	c->socket_io = loop_remove(c->socket_io);
	if (why)
		kill(c->pid, SIGKILL);
	loop_timer_set(c->loop, &c->patience, loop_now_ns(c->loop) + COURIER_GRACE_NS);
}

static void on_patience(void *owner)
{
	struct courier *c = owner;

	if (c->state == CHILD_RUNNING)
		end_child(c, NULL);
	else if (c->state == CHILD_ENDING)
		kill(c->pid, SIGKILL);
}

static void tell_how_it_ended(const siginfo_t *how, struct err *ret)
{
	if (how->si_code == CLD_EXITED)
		ERR_SET(ret, -ECHILD, ERR_SYS, 0, "hear from the courier, which ended with %d",
		        how->si_status);
	else
		ERR_SET(ret, -ECHILD, ERR_SYS, 0,
		        "hear from the courier, which was ended by signal %d", how->si_status);
}

/* waitid(2)'s words in waitpid(2)'s. */
static int status_of(const siginfo_t *how)
{
	if (how->si_code == CLD_EXITED)
		return W_EXITCODE(how->si_status, 0);
	return W_EXITCODE(0, how->si_status) | (how->si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

static void on_reaped(struct courier *c, const siginfo_t *how)
{
	struct err why = c->why;

	if (c->watch)
		c->watch->ended(c->watch->owner, COURIER_ROLE, status_of(how),
		                TAKE(c->record_fd, -1));

	if (why.code == 0)
		tell_how_it_ended(how, &why);
	c->state = CHILD_ABSENT;
	c->pid = 0;
	c->pid_io = loop_remove(c->pid_io);
	loop_timer_cancel(c->loop, &c->patience);
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++) {
		struct courier_call *call = c->calls[i];

		if (call && !call->over && call->order_fd < 0) {
			call->was_sent = true;
			call_fails(call, &why);
		}
	}
	turn_soon(c); /* others wait for the next one */
}

/* --- what it says --------------------------------------------------------------------------------- */

/* What it says to a call that is over or was cancelled is nobody's. */
static int heed(struct courier *c, const uint8_t *message, size_t n, struct err *err)
{
	struct courier_said said;
	struct courier_call *call;
	int r = courier_said_read(message, n, &said, err);

	if (r < 0)
		return r;
	call = call_of(c, said.id);
	if (!call || call->over)
		return 0;
	if (call->order_fd >= 0)
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "take what was not asked for");
	r = courier_call_hear(call, &said, err);
	if (r == COURIER_CALL_OVER)
		call_is_over(call);
	return r < 0 ? r : 0;
}

/* -ECHILD is its end, -EAGAIN that there is nothing now. */
static int hear(struct courier *c, struct err *err)
{
	uint8_t message[COURIER_SAID_BYTES_MAX];
	ssize_t n;

	do
		n = recv(loop_io_fd(c->socket_io), message, sizeof(message), MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return -ECHILD;
	if ((size_t)n > sizeof(message))
		return ERR_SET(err, -EPROTO, ERR_SYS, 0, "take a message of %zd bytes", n);
	return heed(c, message, (size_t)n, err);
}

static void on_pid(void *owner, int events)
{
	struct courier *c = owner;
	siginfo_t how = {};

	if (events < 0)
		kill(c->pid, SIGKILL); /* nothing else tells when it ends */
	waitid(P_PID, (id_t)c->pid, &how, WEXITED | (events < 0 ? 0 : WNOHANG));
	if (how.si_pid == 0) {
		loop_poll(c->pid_io, POLLIN);
		return;
	}
	while (c->state == CHILD_RUNNING && hear(c, &c->why) == 0)
		; /* what it said before it ended */
	c->socket_io = loop_remove(c->socket_io);
	on_reaped(c, &how);
}

static void on_readable(void *owner, int events)
{
	struct courier *c = owner;
	struct err err = {};
	int r = events < 0 ? events : 0;

	for (int i = 0; i < MESSAGES_PER_WAKE && r == 0; i++)
		r = hear(c, &err);
	if (r == 0 || r == -EAGAIN) {
		loop_poll(c->socket_io, POLLIN);
		return;
	}
	if (err.code)
		err_prefix(&err, "understand the courier");
	end_child(c, err.code ? &err : NULL);
}

/* --- the child's beginning ------------------------------------------------------------------------ */

static const struct loop_events socket_events = { .polled = on_readable };
static const struct loop_events pid_events = { .polled = on_pid };

static int watch(struct courier *c, int *fd, const struct loop_events *events, struct loop_io **ret,
                 struct err *err)
{
	int r = loop_add(c->loop, *fd, events, c, ret, err);

	if (r < 0)
		return r;
	*fd = -1;
	loop_poll(*ret, POLLIN);
	return 0;
}

static void kill_and_reap(struct courier *c)
{
	pid_t pid = TAKE(c->pid, 0);

	fd_closep(&c->record_fd);
	c->record_fd = -1;
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool reads_file_of(const struct courier *c, const struct courier_call *call)
{
	return !call->ca_file || (c->ca_file && strcmp(call->ca_file, c->ca_file) == 0);
}

static int start_process(struct courier *c, int theirs)
{
	const char *const argv[] = { "radar-pod", COURIER_ROLE, c->ca_file, NULL };
	const int fds[SPAWNER_FDS] = {
		-1, -1, -1, [COURIER_FD] = theirs, [COURIER_RECORD_FD] = c->record_fd
	};
	struct spawner_order order = { .program = SPAWNER_OURS, .argv = argv, .fds = fds };

	if (spawner_is_there())
		return spawner_start(&order, &c->pid, NULL);
	return role_start_with(
		COURIER_ROLE, c->ca_file,
		(struct role_fd[]){ { theirs, COURIER_FD }, { c->record_fd, COURIER_RECORD_FD } },
		2, &c->pid);
}

static int start_child(struct courier *c, const char *ca_file, struct err *err)
{
	CLEANUP(fd_closep) int ours = -1;
	CLEANUP(fd_closep) int theirs = -1;
	CLEANUP(fd_closep) int pid_fd = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a socket for the courier");
	ours = pair[0];
	theirs = pair[1];
	free(TAKE(c->ca_file, NULL));
	if (ca_file && !(c->ca_file = strdup(ca_file)))
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "start the courier");
	c->record_fd = c->watch ? c->watch->record(c->watch->owner) : -1;
	r = start_process(c, theirs);
	if (r < 0) {
		kill_and_reap(c);
		return ERR_SET(err, r, ERR_SYS, 0, "start the courier");
	}
	pid_fd = pidfd_open(c->pid, 0);
	r = pid_fd < 0 ? ERR_SET(err, -errno, ERR_SYS, 0, "watch the courier") : 0;
	if (r == 0)
		r = watch(c, &ours, &socket_events, &c->socket_io, err);
	if (r == 0)
		r = watch(c, &pid_fd, &pid_events, &c->pid_io, err);
	if (r < 0) {
		c->socket_io = loop_remove(c->socket_io);
		kill_and_reap(c);
		return r;
	}
	c->state = CHILD_RUNNING;
	c->why = (struct err){};
	return 0;
}

/* --- turns ---------------------------------------------------------------------------------------- */

/* What cannot be handed over is for the next child, as this one has ended; but only once: one that ends whenever it
 * is started is not started for ever. */
static void send_order(struct courier *c, struct courier_call *call)
{
	struct courier_notice notice = { .kind = COURIER_ASK,
		                         .id = call->id,
		                         .head_bytes = call->head_bytes };
	struct err err = {};

	if (passing_send(loop_io_fd(c->socket_io), &notice, sizeof(notice), &call->order_fd, 1) ==
	    0) {
		close(TAKE(call->order_fd, -1));
	} else if (call->turned_away) {
		ERR_SET(&err, -ECHILD, ERR_SYS, 0, "hand a request to the courier");
		call_fails(call, &err);
	} else {
		call->turned_away = true;
	}
}

/* What is under way has its answer first. */
static bool has_orders_out(const struct courier *c)
{
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		if (c->calls[i] && !c->calls[i]->over && c->calls[i]->order_fd < 0)
			return true;
	return false;
}

static void send_orders(struct courier *c)
{
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++) {
		struct courier_call *call = c->calls[i];
		struct err err = {};

		if (!call || call->over || call->order_fd < 0)
			continue;
		if (c->state == CHILD_ABSENT && start_child(c, call->ca_file, &err) < 0) {
			err.code = -ECHILD;
			call_fails(call, &err);
		} else if (c->state == CHILD_RUNNING && reads_file_of(c, call)) {
			send_order(c, call);
		} else if (c->state == CHILD_RUNNING && !has_orders_out(c)) {
			end_child(c, NULL);
		}
	}
}

static void tell(struct courier_call *call)
{
	CLEANUP(call_freep) struct courier_call *ended = call;

	call_forget(ended);
	ended->done(ended->owner, ended->err.code ? NULL : &ended->answer,
	            ended->err.code ? &ended->err : NULL);
}

static void on_turn(void *owner)
{
	struct courier *c = owner;
	struct courier_call *over = NULL;

	send_orders(c);
	for (size_t i = 0; i < COURIER_CALLS_MAX && !over; i++)
		if (c->calls[i] && c->calls[i]->over)
			over = c->calls[i];
	if (c->state == CHILD_RUNNING)
		loop_timer_set(c->loop, &c->patience,
		               is_idle(c) ? loop_now_ns(c->loop) + c->idle_ns : CLOCK_NEVER_NS);
	if (!over)
		return;
	turn_soon(c); /* perhaps another is over; and then it may be idle */
	tell(over);
}

static void on_deadline(void *owner)
{
	struct courier_call *call = owner;
	struct courier *c = call->courier;
	struct err err = {};

	ERR_SET(&err, -ETIMEDOUT, ERR_SYS, 0, "hear from the courier in time");
	call->was_sent = call->order_fd < 0;
	call_fails(call, &err);
	if (call->was_sent && c->state == CHILD_RUNNING) {
		ERR_SET(&err, -ECHILD, ERR_SYS, 0, "hear from the courier, which had hung");
		end_child(c, &err);
	}
}

/* --- asking --------------------------------------------------------------------------------------- */

int courier_ask(struct courier *c, const struct http_request *request, http_done done, void *owner,
                struct courier_call **ret, struct err *err)
{
	struct courier_call **place = c->calls, *call = NULL;
	int r;

	while (place < c->calls + COURIER_CALLS_MAX && *place)
		place++;
	if (place == c->calls + COURIER_CALLS_MAX)
		return ERR_SET(err, -EBUSY, ERR_SYS, 0, "ask more than %d things at a time",
		               COURIER_CALLS_MAX);
	r = courier_call_new(request, &call, err);
	if (r < 0)
		return r;
	call->courier = c;
	call->deadline = (struct loop_timer){ .fire = on_deadline, .owner = call };
	call->id = ++c->last_id;
	call->done = done;
	call->owner = owner;
	*place = call;
	loop_timer_set(c->loop, &call->deadline,
	               loop_now_ns(c->loop) + request->timeout_ns + COURIER_GRACE_NS);
	turn_soon(c);
	*ret = call;
	return 0;
}

struct courier_call *courier_cancel(struct courier_call *call)
{
	struct courier_notice notice = { .kind = COURIER_CANCEL };
	struct courier *c;

	if (!call)
		return NULL;
	c = call->courier;
	notice.id = call->id;
	if (call->order_fd < 0 && !call->over && c->state == CHILD_RUNNING)
		passing_send(loop_io_fd(c->socket_io), &notice, sizeof(notice), NULL, 0);
	call_forget(call);
	courier_call_free(call);
	turn_soon(c);
	return NULL;
}

/* --- the whole ------------------------------------------------------------------------------------ */

int courier_new(struct loop *l, uint64_t idle_ns, struct courier **ret, struct err *err)
{
	struct courier *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a courier");
	c->loop = l;
	c->idle_ns = idle_ns;
	c->record_fd = -1;
	c->turn = (struct loop_timer){ .fire = on_turn, .owner = c };
	c->patience = (struct loop_timer){ .fire = on_patience, .owner = c };
	*ret = c;
	return 0;
}

void courier_watch(struct courier *c, const struct child_watch *watch)
{
	c->watch = watch;
}

struct courier *courier_free(struct courier *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++) {
		struct courier_call *call = c->calls[i];

		if (!call)
			continue;
		call_forget(call);
		courier_call_free(call);
	}
	loop_timer_cancel(c->loop, &c->turn);
	loop_timer_cancel(c->loop, &c->patience);
	loop_remove(c->socket_io);
	loop_remove(c->pid_io);
	kill_and_reap(c);
	free(c->ca_file);
	free(c);
	return NULL;
}

int courier_pid(const struct courier *c)
{
	return c->pid;
}
