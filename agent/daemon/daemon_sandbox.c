/* The spawner is a fork of the daemon before it has heard anything. What it may start is what the configuration said then: a
 * daemon that was taken over can have a test run, and no program of its choice.
 */
#include "agent/daemon/daemon_sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/spawner.h"
#include "agent/daemon/daemon_children.h"
#include "agent/daemon/daemon_internal.h"
#include "agent/host/supplicant.h"
#include "agent/run/test_command.h"
#include "agent/sandbox/sandbox.h"
#include "agent/service/courier_child.h"
#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

/* --- in the spawner ----------------------------------------------------------------------------------------- */

static struct daemon_children children;
static struct test_command environment;
static char *own_environment[TEST_COMMAND_ENVIRONMENT_MAX + 2];

static bool may(void *owner, const char *program, char *const *argv)
{
	(void)owner;
	return daemon_children_may(&children, program, argv);
}

/* The courier's is the daemon's, for proxies and where the journal is, and the ports that it may connect to, which are not
 * the daemon's to say; any other child has a test's. */
static char *const *environment_of(void *owner, char *const *argv, bool has_record)
{
	size_t n = 0;

	(void)owner;
	if (argv[1] && strcmp(argv[1], COURIER_ROLE) == 0)
		return environ;
	while (environment.environment[n]) {
		own_environment[n] = (char *)environment.environment[n];
		n++;
	}
	if (has_record)
		own_environment[n++] = (char *)"RADAR_POD_CRASH_FD=4";
	own_environment[n] = NULL;
	return own_environment;
}

static void forget(void *owner)
{
	struct daemon *d = owner;
	char ports[DAEMON_PORTS_TEXT];

	daemon_ports_write(&d->ports, ports);
	setenv(DAEMON_PORTS_OF_PARENT, ports, 1);
	explicit_bzero(&d->config, sizeof(d->config));
	notify_close(&d->notify);
	test_command_environment(&environment);
}

int daemon_spawner_begin(struct daemon *d, struct err *err)
{
	const struct spawner_options o = { may, d, environment_of, forget };
	int r = config_state_dir(d->o->state_dir, &d->config, children.state_dir, err);

	d->ports = daemon_ports_of(&d->config);
	bytes_copy_text(children.ookla_binary, sizeof(children.ookla_binary),
	                d->config.ookla_binary);
	return r < 0 ? r : spawner_begin(&o, err);
}

/* --- in the daemon --------------------------------------------------------------------------------------------- */

/* Asked before: from inside it cannot be seen. */
static void say_what_is_lacking(struct daemon *d)
{
	sandbox_lacking(&d->sandbox);
	if (*d->sandbox.text)
		log_warning("this machine lacks for the sandbox of what runs here: %s",
		            d->sandbox.text);
}

void daemon_sandbox_keep_ports(struct daemon *d, struct config *fresh)
{
	char url[CONFIG_URL_BYTES];

	if (d->sandbox.ports)
		return;
	daemon_ports_keep(&d->ports, &d->config, fresh, d->needs_restart);
	if (!*d->needs_restart)
		return;
	log_error("%s: a TCP port that this daemon has given up at its start, and is not heeded: "
	          "restart it. Until then its service is %s",
	          d->needs_restart,
	          daemon_is_registered(d) ? log_url(fresh->server_url, url, sizeof(url)) : "none");
}

/* The configuration's directory is made, as the credentials of a first start will be written to it. */
int daemon_sandbox_enter(struct daemon *d, struct err *err)
{
	struct config_directories config;
	char sockets[SUPPLICANT_PATH_BYTES];
	struct sandbox_varies v = {};

	config_directories(d->o->config_path, &config);
	sandbox_add_writable(&v, d->state_dir);
	sandbox_add_writable(&v, config.named);
	sandbox_add_writable(&v, config.real);
	sandbox_add_readable(&v, d->config.ca_file);
	sandbox_add_trust(&v);
	v.sockets = supplicant_usual_directory(sockets);
	for (size_t i = 0; i < d->ports.count; i++)
		sandbox_add_port(&v, d->ports.at[i]);
	v.any_port = d->ports.any;
	say_what_is_lacking(d);
	return sandbox_enter(SANDBOX_AGENT, &v, err);
}
