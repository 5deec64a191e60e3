/* A connection through a proxy (RFC 9110 9.3.6, CONNECT): what stands to the proxy becomes one to the host behind it.
 *
 *   tunnel_open(loop, fd, &to, &proxy, done, owner, &tunnel, &err);
 *
 * It has no deadline of its own: whoever asks for it does.
 */
#pragma once

struct err;
struct loop;
struct proxy;
struct tunnel;
struct url;

/* Called once, from loop_run(), and the tunnel is gone then. `fd` is the receiver's, and from here on the host's;
 * below 0, err says why: ERR_HTTP with the proxy's status in detail, -ECONNRESET, -EPROTO, … */
typedef void (*tunnel_done)(void *owner, int fd, const struct err *err);

/* Takes `fd`, a connection to the proxy, also where it fails. */
int tunnel_open(struct loop *l, int fd, const struct url *to, const struct proxy *via,
                tunnel_done done, void *owner, struct tunnel **ret, struct err *err);

/* Before `done`: it will not be called. Accepts NULL; always returns NULL. */
struct tunnel *tunnel_cancel(struct tunnel *t);
