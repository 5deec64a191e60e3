/* Where a process's record of its crash is, in the state directory: crash-ROLE.record.
 *
 *   crash_file_take(directory, "agent", record, &err);    what the process before has left
 *   …                                                      told to somebody who keeps it
 *   crash_file_open(directory, "agent", &fd, &err);       an empty one in its place
 */
#pragma once

struct crash_record;
struct err;

/* CRASH_FOUND, or CRASH_NONE: there is no file, or nothing was written to it.
 *   -EBADMSG, -EPROTONOSUPPORT  what is there is none of ours: it is now crash-ROLE.bad
 *   -EACCES, -EIO, …            it cannot be read: likewise, if that can be done */
int crash_file_take(const char *directory, const char *role, struct crash_record *ret,
                    struct err *err);

/* Makes a new one, mode 0600, with its bytes allocated: a full disk does not matter to it. What was there is
 * gone. */
int crash_file_open(const char *directory, const char *role, int *ret_fd, struct err *err);

/* Where no new one comes in its place. That there is none is no error. */
int crash_file_remove(const char *directory, const char *role, struct err *err);

/* crash_file_open() without a name, for a child: whoever starts it passes it on (posix_spawn_file_actions_adddup2(3)), and
 * reads it here when the child has ended. */
int crash_file_open_unnamed(int *ret_fd, struct err *err);

/* As crash_file_take(), of a descriptor; changes nothing. */
int crash_file_read(int fd, struct crash_record *ret, struct err *err);
