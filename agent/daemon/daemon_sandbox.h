/* What the daemon keeps, and who starts its children, as it keeps no way to. */
#pragma once

struct daemon;
struct err;

/* With the configuration read, and nothing else done. */
int daemon_spawner_begin(struct daemon *d, struct err *err);

/* With everything open that it will listen on, and before a thread or a connection. For good. */
int daemon_sandbox_enter(struct daemon *d, struct err *err);

/* Behind a change of the configuration: says so where it names a port that is closed to us. */
void daemon_sandbox_check_ports(const struct daemon *d);
