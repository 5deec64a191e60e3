/* What the daemon keeps, and who starts its children, as it keeps no way to. */
#pragma once

struct daemon;
struct err;

/* With the configuration read, and nothing else done. */
int daemon_spawner_begin(struct daemon *d, struct err *err);

/* With everything open that it will listen on, and before a thread or a connection. For good. */
int daemon_sandbox_enter(struct daemon *d, struct err *err);

struct config;

/* Before a configuration that was read again is taken: where it names a port that is closed to us, what needs it stays as it
 * was, and the log and `status` say that the daemon is to be restarted. */
void daemon_sandbox_keep_ports(struct daemon *d, struct config *fresh);
