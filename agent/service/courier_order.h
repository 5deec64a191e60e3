/* A request as a file, which the courier reads: megabytes of results then go through no socket and stay in nobody's
 * memory twice. */
#pragma once

#include <stdint.h>

#include "transport/http.h"

struct err;

/* The file (of memory alone, memfd_create(2)) is the caller's: the head, *ret_head_bytes long, then every content.
 *   -EINVAL, -EMSGSIZE  beyond a ceiling of agent/service/courier_frame.h;  -ENODATA  a content's file is shorter than said */
int courier_order_write(const struct http_request *request, int *ret_fd, uint32_t *ret_head_bytes,
                        struct err *err);
