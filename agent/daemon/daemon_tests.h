/* Who carries out the tests that a daemon is asked for: by the schedule, one at a time, each a process of its own, its
 * result stored before it is sent, nothing sent while one runs; and what waits in the outbox goes to the service,
 * tests or not.
 *
 *   daemon_tests_new(&tests, &err);
 *   options.orders = daemon_tests_orders(tests);     for daemon_run()
 *   daemon_tests_free(tests);                        when that has returned
 */
#pragma once

#include "agent/daemon/daemon.h"

struct daemon_tests;
struct err;

int daemon_tests_new(struct daemon_tests **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct daemon_tests *daemon_tests_free(struct daemon_tests *t);

struct daemon_orders daemon_tests_orders(struct daemon_tests *t);
