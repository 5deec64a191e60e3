/* The URL that a test asks for. Pure. */
#pragma once

#include <stdbool.h>

#include "measure/ndt7.h"

struct err;
struct url;

/* Of a server given by name: the path of its URL is a prefix, unless it is an ndt7 path already.
 *   -EINVAL  too long */
int test_url_of_server(const struct url *server, enum ndt7_test test, struct url *ret,
                       struct err *err);

struct test_url_client {
	const char *name, *version;
	bool early_exit;
};

/* Adds to its query what the archive keeps of us (contract 2.3): set over what the URL may carry of the
 * same names.
 *   -EINVAL  the query is longer than the ndt7 text allows */
int test_url_describe(struct url *u, const struct test_url_client *who, struct err *err);
