#include "agent/cli/stored.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

#define ID_LENGTH_MIN 8

CLEANUP_DEFINE(store_closep, struct store *, store_close)

/* A configuration that cannot be read keeps nobody from his results. */
static struct config *configuration(void)
{
	struct config *c = calloc(1, sizeof(*c));
	char path[CONFIG_PATH_BYTES];
	struct err err = {};

	if (!c)
		return NULL;
	if (config_find(NULL, path, &err) < 0 || config_load(path, c, NULL, &err) < 0) {
		log_warning("%s; its defaults are taken", err.text);
		config_parse("", "", 0, c, NULL, NULL);
	}
	return c;
}

int stored_open(const char *state_dir, enum store_role role, struct store **ret, struct err *err)
{
	CLEANUP(freep) struct config *c = configuration();
	char directory[CONFIG_PATH_BYTES];
	struct store_report report;
	struct store_limits limits;
	int r;

	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the configuration");
	limits = (struct store_limits){ c->spool_max_results, c->spool_max_bytes,
		                        c->spool_max_age_ns };
	r = config_state_dir(state_dir, c, directory, err);
	if (r == 0)
		r = store_open(directory, role, &limits, ret, &report, err);
	if (r == 0 && *report.aside)
		log_warning("%s/store.db was set aside as %s (could not %s); %llu results were "
		            "taken over",
		            directory, report.aside, report.why,
		            (unsigned long long)report.salvaged);
	return r;
}

static enum exit_code complain(const struct err *err)
{
	log_err(LOG_LEVEL_ERROR, err);
	if (err->code == -ENOPKG || err->code == -EPROTONOSUPPORT)
		return EXIT_CANNOT_HERE;
	return err->code == -EBADMSG ? EXIT_BAD_FILE : EXIT_NOT_DONE;
}

enum exit_code stored_result(const char *state_dir, const char *id, struct store_result **ret)
{
	CLEANUP(store_closep) struct store *store = NULL;
	char whole[STORE_ID_BYTES];
	struct err err = {};
	int r = stored_open(state_dir, STORE_READER, &store, &err);

	if (r == 0)
		r = store_find(store, id, whole, &err);
	if (r == 0)
		r = store_get(store, whole, ret, &err);
	if (r < 0)
		return complain(&err);
	if (r == STORE_NONE)
		log_error("there is no result %s (radar-pod results lists what is kept)", id);
	if (r == STORE_SEVERAL)
		log_error("more than one result begins with %s: give more of its id", id);
	return r == 0 ? EXIT_DONE : EXIT_NOT_DONE;
}

bool stored_is_id(const char *word)
{
	size_t n = strlen(word);

	return n >= ID_LENGTH_MIN && n < STORE_ID_BYTES && strspn(word, "0123456789abcdef-") == n;
}

void stored_keep(const char *state_dir, const struct test_result *result, const char *object,
                 size_t object_bytes)
{
	CLEANUP(store_closep) struct store *store = NULL;
	struct store_result r = {
		.test = "ndt7",
		.cause = STORE_BY_HAND,
		.started_utc_ns = result->utc_ns,
		.bytes_used = result->download.wire_bytes + result->upload.wire_bytes,
		.object = object,
		.object_bytes = object_bytes,
	};
	char sentence[512];
	struct err err = {};
	int e;

	bytes_copy_text(r.id, sizeof(r.id), result->id);
	bytes_copy_text(r.interface, sizeof(r.interface), result->interface);
	e = stored_open(state_dir, STORE_GUEST, &store, &err);
	if (e == 0)
		e = store_put(store, &r, false, &err);
	if (e < 0)
		log_warning("the result is not kept (--no-store): %s",
		            err_sentence(&err, sentence, sizeof(sentence)));
}
