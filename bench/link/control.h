/* How a link is asked to come down: whoever connects to the socket in its folder asks for it, and is
 * told the verdict when all is done. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bench/link/command.h"
#include "transport/base/clock.h"

struct err;
struct loop;
struct loop_io;

#define CONTROL_ASKERS_MAX 8
#define CONTROL_TEXT_BYTES 2048

/* For a link to end: what runs in it has some seconds, the truth goes to a disk that may be slow. */
#define CONTROL_PATIENCE_NS (120 * NS_PER_S)

struct control {
	void (*asked)(void *owner); /* somebody wants the link down */
	void *owner;
	/* its own */
	struct loop_io *io;
	int asker[CONTROL_ASKERS_MAX];
	int askers;
};

/* Listens; `asked` and `owner` are set. */
int control_open(struct control *c, const char *link_name, struct loop *loop, struct err *err);

/* Tells everybody who asked; then nobody is left to be told. */
void control_answer(struct control *c, enum exit_code code, const char *text);

/* Accepts one that is all zero. */
void control_close(struct control *c);

/* Asks the link, and waits for the verdict.
 *   -ENOENT, -ECONNREFUSED  nobody listens;  -ECONNRESET  it ended without a word
 *   -ETIMEDOUT  not a word within `patience_ns` */
int control_ask(const char *link_name, uint64_t patience_ns, enum exit_code *ret_code,
                char text[CONTROL_TEXT_BYTES], struct err *err);
