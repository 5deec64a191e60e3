/* Crashes of a whole process: the handler, the code that is mapped later, and the threads that resolve names.
 *
 *   crash_process_begin(fd, "agent", &err);       the daemon
 *   crash_process_begin_child(fd, "courier");     a child, that may have been given a place for its record
 *   crash_process_begin_told();                   likewise, where the environment says so
 */
#pragma once

struct err;

/* As crash_handler_begin(). */
int crash_process_begin(int fd, const char *role, struct err *err);

/* Does nothing where `fd` is no descriptor. It is not passed on. */
void crash_process_begin_child(int fd, const char *role);

/* RADAR_POD_CRASH_FD of the environment, which is taken out of it. */
void crash_process_begin_told(const char *role);
