/* link SCENARIO … -- COMMAND: a link for the time of one command. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/link/addresses.h"
#include "bench/link/child.h"
#include "bench/link/command.h"
#include "bench/link/forgotten.h"
#include "bench/link/keeper.h"
#include "bench/link/listening.h"
#include "bench/link/session.h"
#include "bench/link/summary.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* How long the client's command waits for the server's to listen: some servers never do. */
#define SERVER_PATIENCE_NS (2 * NS_PER_S)
#define LOOK_NS            (5 * NS_PER_MS)

/* How long the client's command may take to end, once link down or a full disk has asked it to. */
#define CLIENT_PATIENCE_NS (2 * NS_PER_S)

struct run {
	const struct arguments *arguments;
	char **command;   /* what the client runs: the arguments', or … */
	char **completed; /* … this; NULL */
	struct session session;
	struct keeper keeper;
	struct child client, server;
	struct loop_io *client_io, *server_io; /* pidfds */
	struct loop_timer look;                /* whether the server's command listens */
	uint64_t look_until_ns;
	struct loop_timer enough; /* of the client's command's ending */
	bool started;             /* the client's command */
	bool interrupted;
	int status; /* of the client's command, then ours */
	char summary[CONTROL_TEXT_BYTES];
};

/* --- the commands --------------------------------------------------------------------------------- */

/* Ends by NULL; NULL: no memory. */
static char **with_server(char *const *argv)
{
	size_t n = 0;
	char **longer;

	while (argv[n])
		n++;
	longer = calloc(n + 2, sizeof(*longer));
	if (!longer)
		return NULL;
	memcpy(longer, argv, n * sizeof(*longer));
	longer[n] = (char *)"$LINK_SERVER";
	return longer;
}

static int complete_command(struct run *run, struct err *err)
{
	run->command = run->arguments->command;
	if (!forgotten_destination(run->command))
		return 0;
	run->completed = with_server(run->command);
	if (!run->completed)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "keep the command");
	run->command = run->completed;
	if (!run->arguments->quiet)
		fprintf(stderr,
		        "link: ping of nobody is ping of the other side; in other commands quote "
		        "'$LINK_SERVER', or the shell makes nothing of it\n");
	return 0;
}

static int prepare_commands(struct run *run, struct err *err)
{
	char *shell[] = { (char *)"sh", (char *)"-c", (char *)run->arguments->server, NULL };
	struct addresses addresses = addresses_of(run->session.name, run->session.scenario.family);
	struct child_options client = { .link_name = run->session.name,
		                        .side = LINK_CLIENT,
		                        .addresses = &addresses,
		                        .argv = run->command };
	struct child_options server = { .link_name = run->session.name,
		                        .side = LINK_SERVER,
		                        .addresses = &addresses,
		                        .argv = shell,
		                        .own_group = true };
	int r = 0;

	if (run->arguments->server)
		r = child_prepare(&server, &run->server, err);
	return r < 0 ? r : child_prepare(&client, &run->client, err);
}

static int watch(struct run *run, const struct child *c, const struct loop_events *events,
                 struct loop_io **ret, struct err *err)
{
	int fd = fcntl(c->pid_fd, F_DUPFD_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "watch a command");
	r = loop_add(run->keeper.loop, fd, events, run, ret, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	loop_poll(*ret, POLLIN);
	return 0;
}

static void on_client_ended(void *owner, int events)
{
	struct run *run = owner;

	(void)events;
	run->status = child_status(&run->client);
	loop_stop(run->keeper.loop);
}

/* A server that ends early is worth a word; the client will find out for itself what that means. */
static void on_server_ended(void *owner, int events)
{
	struct run *run = owner;
	int status = child_status(&run->server);

	(void)events;
	if (status != 0)
		fprintf(stderr, "link: the server's command has ended with status %d\n", status);
}

static void fail(struct run *run, enum exit_code code, const struct err *err)
{
	complain(err);
	run->status = (int)code;
	loop_stop(run->keeper.loop);
}

/* Time 0 of the link is when the client's command begins. */
static void start_client(struct run *run)
{
	static const struct loop_events events = { .polled = on_client_ended };
	struct err err = {};
	int r = session_start(&run->session, &err);

	if (r == 0)
		r = watch(run, &run->client, &events, &run->client_io, &err);
	if (r < 0) {
		fail(run, exit_code_of(r), &err);
		return;
	}
	r = child_go(&run->client, &err);
	if (r == -ENOENT && strchr(run->arguments->command[0], ' '))
		fprintf(stderr, "link: a COMMAND is words: write it without the quotes around it, "
		                "or as sh -c '...'\n");
	if (r < 0)
		fail(run, r == -ENOENT ? EXIT_NO_COMMAND : EXIT_CANNOT_RUN, &err);
	else
		run->started = true;
}

static void on_look(void *owner)
{
	struct run *run = owner;
	uint64_t now_ns = loop_now_ns(run->keeper.loop);

	if (run->server.pid && now_ns < run->look_until_ns && !listening(run->server.pid))
		loop_timer_set(run->keeper.loop, &run->look, now_ns + LOOK_NS);
	else
		start_client(run);
}

static int start(struct run *run, struct err *err)
{
	static const struct loop_events events = { .polled = on_server_ended };
	int r = 0;

	run->look = (struct loop_timer){ .fire = on_look, .owner = run };
	run->look_until_ns = loop_now_ns(run->keeper.loop) + SERVER_PATIENCE_NS;
	loop_timer_set(run->keeper.loop, &run->look, 0);
	if (run->arguments->server) {
		r = watch(run, &run->server, &events, &run->server_io, err);
		if (r == 0)
			r = child_go(&run->server, err);
	}
	return r;
}

/* --- who wants the end ---------------------------------------------------------------------------- */

/* The first time the command is asked, then it has no choice. */
static void end_client(struct run *run, int number)
{
	if (!run->started) {
		run->status = EXIT_SIGNAL + number;
		loop_stop(run->keeper.loop);
	} else if (number) {
		syscall(SYS_pidfd_send_signal, run->client.pid_fd,
		        run->interrupted ? SIGKILL : number, NULL, 0);
	}
	run->interrupted = true;
}

/* What the terminal sends goes to the whole foreground group: the command has it already, and may do
 * with it what it likes, as often as it likes. */
static void on_signal(void *owner, const struct signalfd_siginfo *s)
{
	struct run *run = owner;

	if (run->started && s->ssi_code == SI_KERNEL)
		run->interrupted = true;
	else
		end_client(run, (int)s->ssi_signo);
}

static void on_enough(void *owner)
{
	end_client(owner, SIGKILL);
}

static void on_asked(void *owner)
{
	struct run *run = owner;

	end_client(run, SIGTERM);
	loop_timer_set(run->keeper.loop, &run->enough,
	               loop_now_ns(run->keeper.loop) + CLIENT_PATIENCE_NS);
}

/* --- from beginning to end ------------------------------------------------------------------------ */

static int open_keeper(struct run *run, struct err *err)
{
	int r;

	run->keeper = (struct keeper){ .session = &run->session,
		                       .owner = run,
		                       .signalled = on_signal,
		                       .asked = on_asked,
		                       .unwritable = on_asked };
	run->enough = (struct loop_timer){ .fire = on_enough, .owner = run };
	r = keeper_open(&run->keeper, err);
	return r < 0 ? r : start(run, err);
}

static enum exit_code open_all(struct run *run, const char *name)
{
	const struct arguments *a = run->arguments;
	enum exit_code code = session_load(&run->session, name, a->word[0], a);
	struct err err = {};
	int r;

	if (code != EXIT_DONE)
		return code;
	r = complete_command(run, &err);
	if (r == 0)
		r = prepare_commands(run, &err);
	if (r == 0) {
		code = session_open(&run->session);
		if (code != EXIT_DONE)
			return code;
		r = open_keeper(run, &err);
	}
	if (r == 0)
		return EXIT_DONE;
	complain(&err);
	return exit_code_of(r);
}

/* A command that failed, and knew nobody on the link: most often a shell has replaced $LINK_SERVER. */
static void tell_of_quotes(const struct run *run)
{
	struct addresses a = addresses_of(run->session.name, run->session.scenario.family);

	if (run->status == EXIT_DONE || run->interrupted || addresses_are_named(&a, run->command))
		return;
	fprintf(stderr, "link: the command failed, and no word of it names the other side; was "
	                "$LINK_SERVER unquoted? Then the shell has made nothing of it: write "
	                "'$LINK_SERVER'\n");
}

static void tell(const struct run *run)
{
	if (!run->arguments->quiet)
		fputs(run->summary, stderr);
	else if (run->session.end.void_reason[0])
		fprintf(stderr, "link: void: %s\n", run->session.end.void_reason);
}

static void pass_packets(struct run *run)
{
	struct err err = {};

	if (loop_run(run->keeper.loop, CLOCK_NEVER_NS, &err) < 0)
		fail(run, EXIT_NOT_DONE, &err);
	child_end(&run->client);
	if (!run->started)
		return;
	if (!run->arguments->quiet)
		tell_of_quotes(run);
	namespaces_end_processes(run->session.namespaces);
	if (session_end(&run->session, run->interrupted) != EXIT_DONE)
		run->status = EXIT_NOT_DONE;
	summary_write(&run->session, run->summary, sizeof(run->summary));
	tell(run);
}

/* Who asked for the end is told of it when nothing is left. */
static void close_all(struct run *run)
{
	loop_remove(run->client_io);
	loop_remove(run->server_io);
	child_end(&run->client);
	child_end(&run->server);
	session_close(&run->session);
	control_answer(&run->keeper.control, (enum exit_code)run->status, run->summary);
	keeper_close(&run->keeper);
	free(run->completed);
}

int cmd_run(const struct arguments *a)
{
	struct run run = { .arguments = a, .client = CHILD_NULL, .server = CHILD_NULL };
	char name[NAMESPACES_NAME_MAX + 1];

	snprintf(name, sizeof(name), "run-%d", (int)getpid());
	keeper_block_signals();
	run.status = (int)open_all(&run, a->name ? a->name : name);
	if (run.status == EXIT_DONE)
		pass_packets(&run);
	close_all(&run);
	return run.status;
}
