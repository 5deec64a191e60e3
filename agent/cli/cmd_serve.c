/* radar-pod serve: an ndt7 server for the lab. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/interrupt.h"
#include "agent/cli/advice.h"
#include "agent/cli/command.h"
#include "agent/cli/doctor.h"
#include "agent/cli/given_file.h"
#include "agent/cli/options.h"
#include "agent/sandbox/sandbox.h"
#include "measure/people.h"
#include "measure/serve.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/loop/loop.h"

struct serve_wish {
	const char *listen;
	uint64_t ws_port, wss_port;
	const char *cert, *key;
	const char *congestion;
	uint64_t max_clients;
	int io;
	bool quiet;
};

#define ROW(...) OPTION_ROW(serve_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(TEXT, "--listen", "ADDR", listen, "a literal address (127.0.0.1)"),
	ROW(NUMBER, "--ws", "PORT", ws_port,
	    "serve cleartext there; 0 picks a port (without --ws and --wss: both, picked)",
	    .min = 0, .max = 65535),
	ROW(NUMBER, "--wss", "PORT", wss_port, "serve TLS there; 0 picks a port", .min = 0,
	    .max = 65535),
	ROW(TEXT, "--cert", "PEM", cert, "the chain (self-signed, made at the start)"),
	ROW(TEXT, "--key", "PEM", key, "its private key"),
	ROW(TEXT, "--cc", "NAME", congestion,
	    "congestion control of what is sent (bbr, where the kernel has it)"),
	ROW(NUMBER, "--max-clients", "N", max_clients,
	    "tests at once; further ones are told 503 (100)", .min = 1, .max = SERVE_CLIENTS_MAX),
	ROW(CHOICE, "--io", "auto|io_uring|epoll", io, "event loop (auto)"),
	ROW(SWITCH, "--quiet", NULL, quiet, "no line for each client"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod serve",
	.summary =
		"An ndt7 server for the lab. Prints \"listening ws://ADDR:PORT\" and \"listening "
		"wss://ADDR:PORT\", one a line, when it is ready; ends at Ctrl-C or SIGTERM. It is "
		"a locate service for itself, too: " SERVE_LOCATE_PATH ".",
	OPTION_TABLE(options),
};

#define NOT_GIVEN UINT64_MAX

struct server {
	struct loop *loop;
	struct serve *serve;
	struct loop_io *stop_io;
};

static bool is_address(const char *text)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *list;

	if (getaddrinfo(text, NULL, &hints, &list) != 0)
		return false;
	freeaddrinfo(list);
	return true;
}

static int check_wish(const struct serve_wish *w, struct err *err)
{
	if (!is_address(w->listen))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--listen takes an address such as 127.0.0.1 or ::, not \"%s\"",
		               w->listen);
	if (!w->cert != !w->key)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--cert and --key go together");
	if (w->cert && w->wss_port == NOT_GIVEN && w->ws_port != NOT_GIVEN)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--cert and --key need --wss");
	return 0;
}

static enum exit_code check_files(const struct serve_wish *w)
{
	enum exit_code code = EXIT_DONE;

	if (w->cert)
		code = given_file_check("the certificate", w->cert);
	if (w->key && code == EXIT_DONE)
		code = given_file_check("the private key", w->key);
	return code;
}

static int port_of(uint64_t given, bool none_given)
{
	if (given != NOT_GIVEN)
		return (int)given;
	return none_given ? 0 : -1;
}

static struct serve_options serve_options(const struct serve_wish *w)
{
	bool none = w->ws_port == NOT_GIVEN && w->wss_port == NOT_GIVEN;

	return (struct serve_options){
		.listen = w->listen,
		.ws_port = port_of(w->ws_port, none),
		.wss_port = port_of(w->wss_port, none),
		.cert = w->cert,
		.key = w->key,
		.congestion = w->congestion,
		.max_clients = (unsigned int)w->max_clients,
	};
}

/* --- what is said ---------------------------------------------------------------------------------- */

static void on_serve_event(void *owner, const struct serve_event *e)
{
	(void)owner;
	if (!e->ended || !e->ending)
		log_info("%s %s %d", e->client, e->test, e->status);
	else if (e->mbps > 0)
		log_info("%s %s ended: %.1f Mbit/s over %.1f s (%s)", e->client, e->test, e->mbps,
		         e->seconds, e->ending);
	else /* the kernel was never asked */
		log_info("%s %s ended: before it was measured, after %.1f s (%s)", e->client,
		         e->test, e->seconds, e->ending);
}

static void say_fallback(const struct loop *l)
{
	if (*loop_fallback_reason(l))
		log_info("the event loop is %s: %s", loop_body_name(l), loop_fallback_reason(l));
}

static void print_listening(const char *scheme, const char *address, uint16_t port)
{
	bool v6 = strchr(address, ':');

	if (port != 0)
		printf("listening %s://%s%s%s:%u\n", scheme, v6 ? "[" : "", address, v6 ? "]" : "",
		       port);
}

/* --- the run ------------------------------------------------------------------------------------------ */

static void on_drained(void *owner)
{
	struct server *s = owner;

	loop_stop(s->loop);
}

static void on_stop_asked(void *owner, int events)
{
	struct server *s = owner;
	char clients[PEOPLE_BYTES];

	if (events < 0) { /* the second signal still ends the process */
		log_warning("could not watch for the first interrupt: %s", strerror(-events));
		return;
	}
	log_info("ending: telling %s",
	         people_count(serve_stats(s->serve).clients, "client", clients));
	serve_stop(s->serve, on_drained, s);
}

static const struct loop_events stop_events = { .polled = on_stop_asked };

static int watch_stop(struct server *s, struct err *err)
{
	int fd, r = interrupt_open(&fd, err);

	if (r < 0)
		return r;
	r = loop_add(s->loop, fd, &stop_events, s, &s->stop_io, err);
	if (r < 0)
		close(fd);
	else
		loop_poll(s->stop_io, POLLIN);
	return r;
}

static int serve_until_stopped(struct server *s, const struct serve_wish *w, struct err *err)
{
	struct serve_options o = serve_options(w);
	int r = loop_open((enum loop_body)w->io, &s->loop, err);

	if (r == 0)
		r = serve_open(s->loop, &o, w->quiet ? NULL : on_serve_event, NULL, &s->serve, err);
	if (r == 0)
		r = watch_stop(s, err);
	if (r == 0)
		r = sandbox_enter(SANDBOX_SERVE, NULL, err);
	if (r < 0)
		return r;
	say_fallback(s->loop);
	print_listening("ws", w->listen, serve_ws_port(s->serve));
	print_listening("wss", w->listen, serve_wss_port(s->serve));
	if (fflush(stdout) == EOF)
		return 0; /* standard_output_end() says so */
	return loop_run(s->loop, CLOCK_NEVER_NS, err);
}

static void say_what_to_do(const struct serve_wish *w, const struct err *err)
{
	const char *advice = advice_on_listening(err);
	char available[256];

	if (w->congestion && err->code == -ENOENT &&
	    doctor_read_line("/proc/sys/net/ipv4/tcp_available_congestion_control", available,
	                     sizeof(available)))
		log_info("hint: this kernel has %s", available);
	else if (advice)
		log_info("hint: %s", advice);
}

static enum exit_code code_of_failure(const struct serve_wish *w, const struct err *err)
{
	if (w->cert && (err->domain == ERR_TLS || err->code == -ENOENT || err->code == -EACCES))
		return EXIT_BAD_FILE;
	if (w->congestion && err->code == -ENOENT)
		return EXIT_CANNOT_HERE;
	if (w->io == LOOP_BODY_IO_URING && (err->code == -ENOSYS || err->code == -EPERM))
		return EXIT_CANNOT_HERE;
	return EXIT_NOT_DONE;
}

enum exit_code cmd_serve(int argc, char **argv)
{
	struct serve_wish wish = { .listen = "127.0.0.1",
		                   .ws_port = NOT_GIVEN,
		                   .wss_port = NOT_GIVEN,
		                   .max_clients = SERVE_CLIENTS_DEFAULT };
	struct server server = {};
	enum exit_code code;
	struct err err = {};
	int r;

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	if (check_wish(&wish, &err) < 0)
		return options_complain(&syntax, &err);
	code = check_files(&wish);
	if (code != EXIT_DONE)
		return code;
	r = serve_until_stopped(&server, &wish, &err);
	loop_remove(server.stop_io);
	serve_close(server.serve);
	loop_close(server.loop);
	if (r >= 0)
		return EXIT_DONE;
	log_err(LOG_LEVEL_ERROR, &err);
	say_what_to_do(&wish, &err);
	return code_of_failure(&wish, &err);
}
