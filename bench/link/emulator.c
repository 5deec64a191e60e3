/* A turn: read what has come, let the directions advance, write what is due, tell the truth; then wait.
 * Reading is bounded in each turn, so that a flood of one side cannot make the other's packets late.
 */
#include "bench/link/emulator.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/link/direction.h"
#include "bench/link/packet.h"
#include "bench/link/stall.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define READS_MAX 4 /* of one side in a turn: what is due meanwhile waits for them */

/* docs/decisions/0011-the-emulators-thread.md has the figures behind these. */
#define AWAKE_NS (250 * NS_PER_MS) /* so long after a packet the next is awaited without sleeping */
#define EARLY_NS (80 * NS_PER_US)  /* so much before a deadline a sleep ends */
#define NAP_NS   (30 * NS_PER_US)  /* asked for; some 55 go by */
#define SLACK_NS (100 * NS_PER_US) /* to the next deadline that a nap, or any sleep, wants */

/* A tenth of the time is the rest's: a kernel with CONFIG_RT_GROUP_SCHED stops a thread of SCHED_FIFO
 * for 50 ms when it has run for 950 ms of a second, and so does the fair server of any kernel since 6.12
 * where something else waits for our CPU. */
#define REST_SHARE       10
#define REST_OWED_NS     (30 * NS_PER_US) /* worth a nap where there is slack … */
#define REST_OWED_MAX_NS (2 * NS_PER_MS)  /* … and where there is none */

/* Memory that is there from the start, so that a queue that fills meets no page fault. */
#define RESERVE_BYTES (64 * 1024 * 1024)

struct way { /* of one direction */
	struct emulator *emulator;
	enum link_direction which;
	int from_fd, to_fd;
	struct direction *direction;
};

struct emulator {
	struct way way[LINK_DIRECTIONS];
	struct truth *truth;
	uint64_t start_ns;
	uint64_t awake_until_ns; /* a packet may follow soon; CLOCK_NEVER_NS: always */
	uint64_t rested_ns;      /* when the last sleep ended */
	uint64_t owed_ns;        /* of rest */
	struct stall stall;
	int cpu;     /* where it runs; negative: anywhere */
	bool dozes;  /* asked for, or there is one CPU: what we take, the commands lack */
	int stop_fd; /* readable: to end */
	atomic_bool stopping;
	bool running;
	bool realtime, memory_locked; /* what it got */
	pthread_t thread;
	struct err err; /* what ended it */
	uint8_t buffer[PACKET_MAX_BYTES];
};

CLEANUP_DEFINE(emulator_freep, struct emulator *, emulator_free)

/* --- a turn --------------------------------------------------------------------------------------- */

static void on_dropped(void *owner, const struct packet *p, enum drop_reason reason,
                       uint64_t now_ns)
{
	struct way *w = owner;

	(void)now_ns;
	truth_dropped(w->emulator->truth, w->which, p, reason);
}

/* NULL: nothing is there, or, with e->err set, the run cannot go on. */
static struct packet *read_packet(struct way *w)
{
	struct emulator *e = w->emulator;
	ssize_t n = read(w->from_fd, e->buffer, sizeof(e->buffer));
	struct packet *p;

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			ERR_SET(&e->err, -errno, ERR_SYS, 0, "read from the TUN device");
		return NULL;
	}
	p = packet_new((uint16_t)n);
	if (!p) {
		ERR_SET(&e->err, -ENOMEM, ERR_SYS, 0, "hold a packet");
		return NULL;
	}
	p->arrived_ns = clock_now_ns();
	memcpy(p->data, e->buffer, (size_t)n);
	packet_parse(p->data, (size_t)n, &p->info);
	return p;
}

/* Answers how many. */
static int take_in(struct way *w)
{
	struct packet *p;
	int count = 0;

	while (count < READS_MAX && (p = read_packet(w))) {
		truth_offered(w->emulator->truth, w->which, p);
		direction_push(w->direction, p);
		count++;
	}
	return count;
}

/* The receiver's whole stack runs inside write(2), down to the acknowledgement that it sends: a packet
 * is there when that begins. A device that refuses one (EINVAL for what is no IP, EIO when it is down)
 * has dropped it. */
static void deliver(struct way *w, struct packet *p, uint64_t now_ns)
{
	struct truth *t = w->emulator->truth;

	if (write(w->to_fd, p->data, p->bytes) == p->bytes) {
		truth_delivered(t, w->which, p, now_ns);
		if (now_ns > p->due_ns + TRUTH_LATE_NS)
			stall_late_packet(&w->emulator->stall, p->due_ns, now_ns);
	} else {
		truth_dropped(t, w->which, p, DROP_DEVICE);
	}
	packet_free(p);
}

/* Answers how many. */
static int give_out(struct way *w)
{
	uint64_t now_ns = clock_now_ns();
	struct packet *p;
	int count = 0;

	direction_advance(w->direction, now_ns);
	while ((p = direction_pop(w->direction, now_ns))) {
		deliver(w, p, now_ns);
		now_ns = clock_now_ns();
		count++;
	}
	return count;
}

/* Answers whether anything has moved. */
static bool turn(struct emulator *e)
{
	int taken = 0, given = 0;

	for (int i = 0; i < LINK_DIRECTIONS; i++) {
		taken += take_in(&e->way[i]);
		given += give_out(&e->way[i]);
	}
	truth_tick(e->truth, clock_now_ns());
	if (taken && e->awake_until_ns != CLOCK_NEVER_NS)
		e->awake_until_ns = clock_now_ns() + AWAKE_NS;
	return taken || given;
}

/* --- between turns -------------------------------------------------------------------------------- */

static uint64_t next_ns(const struct emulator *e, uint64_t now_ns)
{
	uint64_t next = now_ns - (now_ns - e->start_ns) % TRUTH_BIN_NS + TRUTH_BIN_NS;

	for (int i = 0; i < LINK_DIRECTIONS; i++) {
		uint64_t due = direction_next_ns(e->way[i].direction);

		next = due < next ? due : next;
	}
	return next;
}

static uint64_t owed_ns(const struct emulator *e, uint64_t now_ns)
{
	return e->owed_ns + (now_ns - e->rested_ns) / REST_SHARE;
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Sleeps that long; `lightly`: or until there is something to read. */
static void rest(struct emulator *e, uint64_t now_ns, uint64_t ns, bool lightly)
{
	struct pollfd fds[] = { { e->way[LINK_UP].from_fd, POLLIN, 0 },
		                { e->way[LINK_DOWN].from_fd, POLLIN, 0 },
		                { e->stop_fd, POLLIN, 0 } };
	struct timespec timeout = { .tv_nsec = (long)ns }; /* the end of a bin is always near */
	uint64_t owed = owed_ns(e, now_ns), cpu_ns = thread_cpu_ns(), rested;

	ppoll(fds, lightly ? sizeof(fds) / sizeof(*fds) : 0, &timeout, NULL);
	e->rested_ns = clock_now_ns();
	stall_woken(&e->stall, e->rested_ns, ns);
	rested = e->rested_ns - now_ns - (e->stall.seen.ran_ns - cpu_ns);
	e->owed_ns = rested < owed ? owed - rested : 0;
}

/* What was given out may have been answered at once, and so has been waiting since: no nap before the next look. */
static void wait_for_next(struct emulator *e, bool moved)
{
	uint64_t now_ns = clock_now_ns(), next = next_ns(e, now_ns);
	uint64_t slack_ns = next > now_ns ? next - now_ns : 0;
	bool slack = slack_ns > SLACK_NS;

	stall_there(&e->stall, now_ns);
	if (slack && (e->dozes || now_ns >= e->awake_until_ns))
		rest(e, now_ns, slack_ns - EARLY_NS, true);
	else if (owed_ns(e, now_ns) > (slack && !moved ? REST_OWED_NS : REST_OWED_MAX_NS))
		rest(e, now_ns, NAP_NS, false);
}

static void run(struct emulator *e)
{
	while (!atomic_load_explicit(&e->stopping, memory_order_relaxed) && !e->err.code) {
		wait_for_next(e, turn(e));
	}
}

/* --- the thread ------------------------------------------------------------------------------------ */

/* What is freed stays ours, from one heap, and never goes back to the system: a page fault is late. */
static bool keep_memory(void)
{
	bool locked = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
	void *reserve;

	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	mallopt(M_MMAP_MAX, 0);
	reserve = malloc(RESERVE_BYTES);
	if (reserve)
		memset(reserve, 0, RESERVE_BYTES);
	free(reserve);
	return locked;
}

static bool one_cpu(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2;
}

static void stay_on(int cpu)
{
	cpu_set_t one;

	if (cpu < 0)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

/* Where it may not be SCHED_FIFO, nobody else's nice value is better. */
static void *begin(void *emulator)
{
	struct sched_param priority = { .sched_priority = 1 };
	struct emulator *e = emulator;

	prctl(PR_SET_TIMERSLACK, 1);
	e->realtime = pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) == 0;
	if (!e->realtime)
		setpriority(PRIO_PROCESS, (id_t)gettid(), -20);
	e->dozes = e->dozes || one_cpu();
	stay_on(e->cpu);
	e->rested_ns = clock_now_ns();
	stall_begin(&e->stall, e->rested_ns);
	run(e);
	stall_end(&e->stall);
	return NULL;
}

static int open_ways(struct emulator *e, const struct emulator_options *o, struct err *err)
{
	const struct direction *directions[LINK_DIRECTIONS];

	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++) {
		struct way *w = &e->way[d];
		int r;

		*w = (struct way){ .emulator = e,
			           .which = d,
			           .from_fd = d == LINK_UP ? o->client_fd : o->server_fd,
			           .to_fd = d == LINK_UP ? o->server_fd : o->client_fd };
		r = direction_open(&o->scenario->direction[d], d, o->scenario->seed, e->start_ns,
		                   on_dropped, w, &w->direction, err);
		if (r < 0)
			return r;
		directions[d] = w->direction;
	}
	return truth_open(e->start_ns, directions, &e->truth, err);
}

int emulator_start(const struct emulator_options *o, struct emulator **ret, struct err *err)
{
	CLEANUP(emulator_freep) struct emulator *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the emulator");
	e->cpu = o->cpu;
	e->awake_until_ns = o->awake ? CLOCK_NEVER_NS : 0;
	e->dozes = o->doze;
	e->memory_locked = keep_memory();
	e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->stop_fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make an eventfd");
	e->start_ns = clock_now_ns();
	r = open_ways(e, o, err);
	if (r < 0)
		return r;
	r = pthread_create(&e->thread, NULL, begin, e);
	if (r != 0)
		return ERR_SET(err, -r, ERR_SYS, 0, "start the emulator's thread");
	e->running = true;
	*ret = TAKE(e, NULL);
	return 0;
}

struct truth *emulator_truth(struct emulator *e)
{
	return e->truth;
}

static void end_thread(struct emulator *e)
{
	if (!e->running)
		return;
	atomic_store(&e->stopping, true);
	eventfd_write(e->stop_fd, 1);
	pthread_join(e->thread, NULL);
	e->running = false;
}

int emulator_stop(struct emulator *e, struct truth_end *ret, struct err *err)
{
	end_thread(e);
	truth_finish(e->truth, clock_now_ns(), ret);
	ret->awake = e->awake_until_ns == CLOCK_NEVER_NS;
	ret->dozes = e->dozes;
	ret->realtime = e->realtime;
	ret->memory_locked = e->memory_locked;
	ret->cpu = e->cpu;
	memcpy(ret->stalls, e->stall.of, sizeof(ret->stalls));
	if (e->err.code && err)
		*err = e->err;
	return e->err.code;
}

struct emulator *emulator_free(struct emulator *e)
{
	if (!e)
		return NULL;
	end_thread(e);
	truth_close(e->truth);
	for (int i = 0; i < LINK_DIRECTIONS; i++)
		direction_close(e->way[i].direction);
	fd_closep(&e->stop_fd);
	free(e);
	return NULL;
}
