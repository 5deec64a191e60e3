#include "agent/cli/stored.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/directories.h"
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

static struct store_limits limits_of(const struct config *c)
{
	return (struct store_limits){ c->spool_max_results, c->spool_max_bytes,
		                      c->spool_max_age_ns };
}

static void say_what_was_set_aside(const char *directory, const struct store_report *report)
{
	if (*report->aside)
		log_warning("%s/store.db was set aside as %s (could not %s); %llu results were "
		            "taken over",
		            directory, report->aside, report->why,
		            (unsigned long long)report->salvaged);
}

static int open_in(const char *directory, const struct store_limits *limits, enum store_role role,
                   struct store **ret, struct err *err)
{
	struct store_report report;
	int r = store_open(directory, role, limits, ret, &report, err);

	if (r == 0)
		say_what_was_set_aside(directory, &report);
	return r;
}

/* It has the pod's credentials in it. */
static void forget(struct config **c)
{
	if (*c)
		explicit_bzero(*c, sizeof(**c));
	free(*c);
}

int stored_open(const char *state_dir, enum store_role role, struct store **ret, struct err *err)
{
	CLEANUP(forget) struct config *c = configuration();
	char directory[CONFIG_PATH_BYTES];
	struct store_limits limits;
	int r;

	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the configuration");
	limits = limits_of(c);
	r = config_state_dir(state_dir, c, directory, err);
	return r < 0 ? r : open_in(directory, &limits, role, ret, err);
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

/* --- what was measured by hand ----------------------------------------------------------------------- */

static bool is_for_root_alone_to_open(const char *directory)
{
	struct stat st;

	return geteuid() == 0 && stat(directory, &st) == 0 && st.st_uid != 0;
}

void stored_place_find(const char *state_dir, struct stored_place *ret)
{
	CLEANUP(forget) struct config *c = configuration();
	int r;

	*ret = (struct stored_place){};
	if (!c) {
		ERR_SET(&ret->err, -ENOMEM, ERR_SYS, 0, "allocate the configuration");
		return;
	}
	ret->limits = limits_of(c);
	r = config_state_dir(state_dir, c, ret->directory, &ret->err);
	if (r == 0 && (r = directories_make(ret->directory, 0700)) < 0)
		ERR_SET(&ret->err, r, ERR_SYS, 0, "make the state directory %s", ret->directory);
	if (r == 0 && is_for_root_alone_to_open(ret->directory))
		r = open_in(ret->directory, &ret->limits, STORE_GUEST, &ret->store, &ret->err);
	if (r < 0)
		ret->directory[0] = '\0';
}

void stored_place_end(struct stored_place *p)
{
	p->store = store_close(p->store);
}

static int put(struct stored_place *p, const struct store_result *r, struct err *err)
{
	int e = 0;

	*err = p->err;
	if (!*p->directory)
		return err->code;
	if (!p->store)
		e = open_in(p->directory, &p->limits, STORE_GUEST, &p->store, err);
	return e < 0 ? e : store_put(p->store, r, false, err);
}

void stored_keep(struct stored_place *place, const struct test_result *result, const char *object,
                 size_t object_bytes)
{
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

	bytes_copy_text(r.id, sizeof(r.id), result->id);
	bytes_copy_text(r.interface, sizeof(r.interface), result->interface);
	if (put(place, &r, &err) < 0)
		log_warning("the result is not kept (--no-store): %s",
		            err_sentence(&err, sentence, sizeof(sentence)));
}
