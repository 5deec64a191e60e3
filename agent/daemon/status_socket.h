/* How `radar-pod status` hears of a daemon: a Unix socket in its state directory, for its owner only, and one in what
 * systemd gives it for its life, for its group as well. Whoever connects is sent one JSON object, and then the end. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct err;
struct loop;
struct status_socket;

#define STATUS_BYTES_MAX (16 * 1024)

/* Writes the object into `out`; answers its length, 0 where it cannot be told. Called from loop_run(). */
typedef size_t (*status_compose)(void *owner, char *out, size_t out_bytes);

#define STATUS_FOR_OWNER 0600
#define STATUS_FOR_GROUP 0660

/* Whoever calls this holds the state directory: what stands in the socket's place is an earlier daemon's. `mode` is
 * the socket's: who may write to it may ask. */
int status_socket_open(struct loop *l, const char *directory, mode_t mode, status_compose compose,
                       void *owner, struct status_socket **ret, struct err *err);

/* Takes it out of the directory. Accepts NULL; always returns NULL. */
struct status_socket *status_socket_close(struct status_socket *s);

/* Asks a daemon: its object into `out`, terminated.
 *   -ENOENT, -ECONNREFUSED  there is none;  -EACCES  it is another user's;  -ETIMEDOUT  it hangs */
int status_socket_ask(const char *directory, char *out, size_t out_bytes, struct err *err);
