/* SIGHUP: the configuration is to be read again. */
#pragma once

struct err;

/* From now on *ret_fd is readable when one came, each of which hangup_take() takes. Once in a process. */
int hangup_open(int *ret_fd, struct err *err);

void hangup_take(int fd);
