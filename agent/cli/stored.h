/* The store as commands beside the daemon use it: found by the configuration, opened for one thing. */
#pragma once

#include "agent/cli/command.h"
#include "agent/config/config.h"
#include "agent/store/store.h"
#include "measure/result.h"
#include "transport/base/err.h"

/* Opens the store of `state_dir`, or NULL: of the configuration's. What the configuration has to say is logged as
 * a warning, and its defaults taken.  As store_open() */
int stored_open(const char *state_dir, enum store_role role, struct store **ret, struct err *err);

/* The one result whose id begins with `id`, from the store of `state_dir`; *ret is for free(3). Otherwise why not
 * was logged, and the exit code is not EXIT_DONE. */
enum exit_code stored_result(const char *state_dir, const char *id, struct store_result **ret);

/* Whether a word can be a result's id or its beginning: at least 8 of its characters. */
bool stored_is_id(const char *word);

/* Where a result will be kept: found before a test begins, as its sandbox is entered then. */
struct stored_place {
	char directory[CONFIG_PATH_BYTES]; /* it is there; "": `err` says why not */
	struct store_limits limits;
	struct store *store; /* NULL: opened when there is a result */
	struct err err;
};

/* `state_dir` as stored_open() has it. Of root, who gives up what lets him write to others' directories, such a store is
 * opened now. Cannot fail: stored_keep() says what there was. */
void stored_place_find(const char *state_dir, struct stored_place *ret);
void stored_place_end(struct stored_place *p); /* accepts one that is all zero */

/* Keeps what a person measured by hand; `object` is the result as JSON. A failure is logged as a warning. */
void stored_keep(struct stored_place *place, const struct test_result *result, const char *object,
                 size_t object_bytes);
