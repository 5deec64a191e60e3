/* The pod: registers, keeps the socket to its service, says over HTTP that it is alive where there is none, and hands
 * on what the service orders.
 *
 *   daemon_run(&options, &err);      until SIGTERM or SIGINT; SIGHUP reads the configuration again
 *
 * It never waits but in its loop, and never loads libcurl: HTTP is the courier's (agent/service/courier.h). How long what is
 * under way may take to end, once it is to stop, has a ceiling: DAEMON_STOP_NS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct config;
struct courier;
struct child_watch;
struct err;
struct json_writer;
struct loop;
struct schedule_interfaces;
struct store;

#define DAEMON_STOP_NS (9 * 1000000000ULL)

/* What lives as long as the daemon. */
struct daemon_world {
	struct loop *loop;
	struct store *store;
	struct courier *courier;
	const struct config *config; /* changed in place: reloaded() follows */
	const char *config_path;
	const char *state_dir;
	const struct child_watch *children; /* who hears of crashes of theirs */

	/* Tests run, or may begin any moment: nothing is reported meanwhile. */
	void (*measuring)(void *daemon, bool on);

	/* What somebody should look at, and the log has at `warning`: an error report (daemon_reports.h). */
	void (*report)(void *daemon, const char *component, const char *class,
	               const struct err *err);
	void (*turn_soon)(void *daemon); /* to be called when is_stopped() may say yes */
	void *daemon;
};

/* Who carries out what the service orders. Any may be NULL: then it is said in the log, and nothing happens. */
struct daemon_orders {
	void *self;

	int (*begin)(void *self, const struct daemon_world *world, struct err *err);

	/* The configuration was read again, or the pod has registered. */
	void (*reloaded)(void *self, bool other_service_or_pod);

	/* A test on these interfaces, each of which is there or the default one, "". The same order comes again, as
	 * often as the service likes. */
	void (*test)(void *self, const struct schedule_interfaces *on);

	/* The service was heard, and asks for no test. */
	void (*no_test)(void *self);

	/* `url` is as the service gave it, a path or a whole URL: service_update_url() judges. */
	void (*update)(void *self, const char *version, const char *url);

	/* Interfaces as JSON (agent/host/interfaces_json.h), to be freed; NULL: they cannot be had now. */
	char *(*interfaces)(void *self);

	void (*put_status)(void *self, struct json_writer *w); /* more members of `status` */

	void (*stop)(void *self);       /* begin nothing more, and end what is under way */
	bool (*is_stopped)(void *self); /* asked after each turn, and DAEMON_STOP_NS at most */
	void (*end)(void *self);
};

struct daemon_options {
	const char *config_path;    /* of config_find() */
	const char *state_dir;      /* NULL: the configuration's */
	const char *register_label; /* NULL: none */
	struct daemon_orders orders;
};

/* 0: it was asked to stop, and has.
 *   -EBADMSG      the configuration is not valid
 *   -EWOULDBLOCK  another daemon has the state directory
 *   else          it could not begin, or its loop broke */
int daemon_run(const struct daemon_options *options, struct err *err);
