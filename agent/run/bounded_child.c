#include "agent/run/bounded_child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/spawner.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define READ_BYTES       (64 * 1024)
#define COMPLAINTS_BYTES 2048 /* the last ones of standard error */
#define ABOVE_STDIO      10 /* no descriptor that the child is to get lies in the way of another */
#define PATIENCE_MS      1000

enum { OUT, COMPLAINTS, MORE, STREAMS };

#define FDS SPAWNER_FDS /* that the child has */
static_assert(FDS == BOUNDED_CHILD_RECORD_FD + 1, "the last of them is the record");

struct stream {
	struct bounded_child *child;
	struct loop_io *io; /* NULL: at its end, or never there */
	char *at;
	size_t bytes, capacity, bytes_max;
};

enum phase { RUNNING, TERMINATED, KILLED };

struct bounded_child {
	struct loop *loop;
	struct bounded_child_options options;
	bounded_child_done done;
	void *owner;
	pid_t pid;
	bool over; /* waited for */
	struct loop_io *pidfd;
	struct loop_timer timer;
	enum phase phase;
	struct stream streams[STREAMS];
	struct bounded_child_end end;
};

CLEANUP_DEFINE(bounded_child_killp, struct bounded_child *, bounded_child_kill)

/* --- streams ---------------------------------------------------------------------------------------- */

static void signal_group(const struct bounded_child *c, int number)
{
	if (!c->over)
		kill(-c->pid, number);
}

static void set_phase(struct bounded_child *c, enum phase phase, int number, uint64_t next_ns)
{
	c->phase = phase;
	signal_group(c, number);
	loop_timer_set(c->loop, &c->timer, loop_now_ns(c->loop) + next_ns);
}

static void kill_group(struct bounded_child *c)
{
	if (c->phase != KILLED)
		set_phase(c, KILLED, SIGKILL, BOUNDED_CHILD_STUCK_NS);
}

static int make_room(struct stream *s, size_t n)
{
	size_t capacity = s->capacity ? s->capacity : READ_BYTES;
	char *at;

	while (capacity < s->bytes + n)
		capacity *= 2;
	if (capacity == s->capacity)
		return 0;
	at = realloc(s->at, capacity);
	if (!at)
		return -ENOMEM;
	s->at = at;
	s->capacity = capacity;
	return 0;
}

/* Of what it complains about the end counts. */
static void keep_complaints(struct stream *s, const char *data, size_t n)
{
	size_t kept;

	if (n > COMPLAINTS_BYTES) {
		data += n - COMPLAINTS_BYTES;
		n = COMPLAINTS_BYTES;
	}
	kept = s->bytes < COMPLAINTS_BYTES - n ? s->bytes : COMPLAINTS_BYTES - n;
	if (make_room(s, n) < 0)
		return;
	memmove(s->at, s->at + s->bytes - kept, kept);
	memcpy(s->at + kept, data, n);
	s->bytes = kept + n;
}

static void keep(struct stream *s, const char *data, size_t n)
{
	size_t room = s->bytes_max - s->bytes;

	if (n > room || make_room(s, n) < 0) {
		s->child->end.too_much = true;
		kill_group(s->child);
		n = n < room ? n : room;
		if (make_room(s, n) < 0)
			return;
	}
	memcpy(s->at + s->bytes, data, n);
	s->bytes += n;
}

/* What is there now, up to `most`. False: its end. */
static bool read_some(struct stream *s, size_t most)
{
	char data[READ_BYTES];
	ssize_t n = 1;

	for (size_t total = 0; total < most && n > 0; total += (size_t)n) {
		n = read(loop_io_fd(s->io), data, sizeof(data));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0 && s == &s->child->streams[COMPLAINTS])
			keep_complaints(s, data, (size_t)n);
		else if (n > 0)
			keep(s, data, (size_t)n);
	}
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static void on_stream(void *owner, int events)
{
	struct stream *s = owner;

	if (events >= 0 && read_some(s, READ_BYTES))
		loop_poll(s->io, POLLIN);
	else
		s->io = loop_remove(s->io);
}

/* --- the end ---------------------------------------------------------------------------------------- */

static void set_complaint(struct bounded_child *c)
{
	struct stream *s = &c->streams[COMPLAINTS];
	char *line = s->at;

	if (s->bytes == 0)
		return;
	while (s->bytes > 0 && strchr("\n\r ", line[s->bytes - 1]))
		s->bytes--;
	line[s->bytes] = '\0'; /* READ_BYTES are there at least */
	for (char *feed = line; (feed = memchr(line, '\n', s->bytes - (size_t)(line - s->at)));)
		line = feed + 1;
	snprintf(c->end.complaint, sizeof(c->end.complaint), "%s", line);
	bytes_make_printable(c->end.complaint);
}

static void finish(struct bounded_child *c)
{
	struct stream *out = &c->streams[OUT], *more = &c->streams[MORE];

	set_complaint(c);
	c->end.out = out->at ? out->at : "";
	c->end.out_bytes = out->bytes;
	c->end.more = more->at ? more->at : "";
	c->end.more_bytes = more->bytes;
	loop_timer_cancel(c->loop, &c->timer);
	c->done(c->owner, &c->end);
	bounded_child_kill(c);
}

/* Before it is waited for its id cannot be another's, nor its group's. */
static void on_exit_of_child(void *owner, int events)
{
	struct bounded_child *c = owner;
	siginfo_t info = {};

	(void)events;
	signal_group(c, SIGKILL);
	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid != c->pid) {
		loop_poll(c->pidfd, POLLIN);
		return;
	}
	c->over = true;
	c->end.code = info.si_code == CLD_EXITED ? info.si_status : -1;
	c->end.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	for (int i = 0; i < STREAMS; i++) {
		struct stream *s = &c->streams[i];

		if (s->io)
			read_some(s, s->bytes_max - s->bytes + READ_BYTES);
		s->io = loop_remove(s->io);
	}
	finish(c);
}

static void on_timer(void *owner)
{
	struct bounded_child *c = owner;

	if (c->phase == RUNNING) {
		c->end.late = true;
		set_phase(c, TERMINATED, SIGTERM, c->options.grace_ns);
	} else if (c->phase == TERMINATED) {
		kill_group(c);
	} else {
		finish(c);
	}
}

void bounded_child_end(struct bounded_child *c)
{
	c->end.stopped = true;
	if (c->phase == RUNNING)
		set_phase(c, TERMINATED, SIGTERM, c->options.grace_ns);
}

/* It is gone within a moment; what the kernel does not let go is left. */
static void put_an_end(struct bounded_child *c)
{
	struct pollfd gone = { .fd = c->pidfd ? loop_io_fd(c->pidfd) : -1, .events = POLLIN };

	if (c->pid <= 0 || c->over)
		return;
	signal_group(c, SIGKILL);
	poll(&gone, 1, PATIENCE_MS);
	waitpid(c->pid, NULL, WNOHANG);
}

struct bounded_child *bounded_child_kill(struct bounded_child *c)
{
	if (!c)
		return NULL;
	put_an_end(c);
	loop_timer_cancel(c->loop, &c->timer);
	loop_remove(c->pidfd);
	for (int i = 0; i < STREAMS; i++) {
		loop_remove(c->streams[i].io);
		free(c->streams[i].at);
	}
	free(c);
	return NULL;
}

int bounded_child_pid(const struct bounded_child *c)
{
	return c->pid;
}

/* --- the start -------------------------------------------------------------------------------------- */

static const struct loop_events on_streams = { .polled = on_stream };
static const struct loop_events on_pidfd = { .polled = on_exit_of_child };

/* Of what the child gets, above its first descriptors. */
static int open_stream(struct stream *s, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int ours = -1;
	CLEANUP(fd_closep) int its = -1;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a pipe");
	ours = ends[0];
	its = ends[1];
	*ret_fd = fcntl(its, F_DUPFD_CLOEXEC, ABOVE_STDIO);
	if (*ret_fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a pipe");
	r = loop_add(s->child->loop, ours, &on_streams, s, &s->io, err);
	if (r == 0)
		ours = -1;
	return r;
}

static int open_nothing(int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	*ret_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, ABOVE_STDIO);
	return *ret_fd < 0 ? ERR_SET(err, -errno, ERR_SYS, 0, "open /dev/null") : 0;
}

/* fds[] are the child's descriptors from 0 on; -1 where it has none. */
static int open_streams(struct bounded_child *c, int fds[FDS], struct err *err)
{
	int r = open_nothing(&fds[0], err);

	if (r == 0)
		r = open_stream(&c->streams[OUT], &fds[1], err);
	if (r == 0)
		r = open_stream(&c->streams[COMPLAINTS], &fds[2], err);
	if (r == 0 && c->options.more_bytes_max > 0)
		r = open_stream(&c->streams[MORE], &fds[BOUNDED_CHILD_MORE_FD], err);
	if (r == 0 && c->options.record_fd > 0) {
		fds[BOUNDED_CHILD_RECORD_FD] =
			fcntl(c->options.record_fd, F_DUPFD_CLOEXEC, ABOVE_STDIO);
		if (fds[BOUNDED_CHILD_RECORD_FD] < 0)
			r = ERR_SET(err, -errno, ERR_SYS, 0, "hand a descriptor to a child");
	}
	return r;
}

static int watch(struct bounded_child *c, struct err *err)
{
	int fd = pidfd_open(c->pid, 0);
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "watch a process");
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	r = loop_add(c->loop, fd, &on_pidfd, c, &c->pidfd, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	loop_poll(c->pidfd, POLLIN);
	for (int i = 0; i < STREAMS; i++)
		if (c->streams[i].io)
			loop_poll(c->streams[i].io, POLLIN);
	loop_timer_set(c->loop, &c->timer, loop_now_ns(c->loop) + c->options.deadline_ns);
	return 0;
}

static int start_by_spawner(struct bounded_child *c, const int fds[FDS], struct err *err)
{
	struct spawner_order order = { .program = c->options.program,
		                       .argv = (const char *const *)c->options.argv,
		                       .fds = fds };
	int r = spawner_start(&order, &c->pid, err);

	return r < 0 ? r : watch(c, err);
}

static int start(struct bounded_child *c, const int fds[FDS], struct err *err)
{
	pid_t parent = getpid();

	if (spawner_is_there())
		return start_by_spawner(c, fds, err);
	c->pid = fork();
	if (c->pid == 0)
		spawner_become(c->options.program, c->options.argv, c->options.environment, fds,
		               parent);
	if (c->pid < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0,
		               "start a process for %s (ulimit -u, pids.max)", c->options.program);
	setpgid(c->pid, c->pid); /* whichever of the two comes first */
	return watch(c, err);
}

static struct bounded_child *new_child(struct loop *loop, const struct bounded_child_options *o)
{
	struct bounded_child *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = loop;
	c->options = *o;
	c->timer = (struct loop_timer){ .fire = on_timer, .owner = c };
	c->end.code = -1;
	for (int i = 0; i < STREAMS; i++)
		c->streams[i].child = c;
	c->streams[OUT].bytes_max = o->out_bytes_max;
	c->streams[COMPLAINTS].bytes_max = COMPLAINTS_BYTES;
	c->streams[MORE].bytes_max = o->more_bytes_max;
	return c;
}

int bounded_child_start(struct loop *loop, const struct bounded_child_options *options,
                        bounded_child_done done, void *owner, struct bounded_child **ret,
                        struct err *err)
{
	CLEANUP(bounded_child_killp) struct bounded_child *c = new_child(loop, options);
	int fds[FDS] = { -1, -1, -1, -1, -1 };
	int r;

	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a child");
	c->done = done;
	c->owner = owner;
	r = open_streams(c, fds, err);
	if (r == 0)
		r = start(c, fds, err);
	for (int i = 0; i < FDS; i++)
		fd_closep(&fds[i]);
	if (r == 0)
		*ret = TAKE(c, NULL);
	return r;
}
