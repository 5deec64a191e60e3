#include "agent/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "agent/base/directories.h"
#include "agent/store/store_internal.h"
#include "agent/store/store_schema.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define DAEMON_PATIENCE_MS 1000 /* for a guest that mends */
#define GUEST_PATIENCE_MS  2000 /* for another guest that begins the store */

CLEANUP_DEFINE(store_closep, struct store *, store_close)

const char *store_path(const struct store *s, const char *suffix, char out[STORE_PATH_BYTES])
{
	snprintf(out, STORE_PATH_BYTES, "%s/store.db%s", s->directory, suffix);
	return out;
}

static int set_directory(struct store *s, const char *directory, struct err *err)
{
	CLEANUP(freep) char *real = realpath(directory, NULL);

	if (!real)
		return ERR_SET(err, -errno, ERR_SYS, 0, "find %s", directory);
	return bytes_copy_text(s->directory, sizeof(s->directory), real)
	               ? 0
	               : ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "take the path of the store");
}

/* Opens what is there if it is a store of this release, and checks no more of it. */
static int open_as_it_is(struct store *s, enum store_db_mode mode, struct err *err)
{
	char path[STORE_PATH_BYTES];
	struct stat st;
	int r;

	if (lstat(store_path(s, "", path), &st) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "open %s: it is no store", path);
	r = store_db_open(&s->db, path, mode, err);
	if (r == 0)
		r = store_schema_look(&s->db, err);
	if (r == STORE_SCHEMA_NEWER)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
		               "open %s: a later release of radar-pod has written it", path);
	if (r == STORE_SCHEMA_OLDER || r == STORE_SCHEMA_FOREIGN)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "open %s: it is not as this release has it", path);
	return r;
}

static int open_daemon(struct store *s, struct store_report *report, struct err *err)
{
	int r = store_lock_own(&s->lock, DAEMON_PATIENCE_MS, err);

	if (r == 0)
		r = store_lock_use(&s->lock, true, err);
	if (r == 0)
		r = store_mend(s, report, err);
	return r < 0 ? r : store_lock_use(&s->lock, false, err);
}

/* Where there is a daemon, mending is its. */
static int open_guest(struct store *s, struct store_report *report, struct err *err)
{
	int r = store_lock_use(&s->lock, false, err);
	struct err owned;

	if (r < 0)
		return r;
	r = open_as_it_is(s, STORE_DB_WRITE, err);
	if (r == 0 || r == -EPROTONOSUPPORT)
		return r;
	store_db_close(&s->db);
	if (r != -ENOENT && r != -EBADMSG)
		return r;
	if (store_lock_own(&s->lock, GUEST_PATIENCE_MS, &owned) < 0)
		return ERR_SET(err, -EBUSY, ERR_SYS, 0, "mend the store: could not %s", owned.text);
	r = store_lock_use(&s->lock, true, err);
	if (r == 0)
		r = store_mend(s, report, err);
	if (r == 0)
		r = store_lock_use(&s->lock, false, err);
	store_lock_disown(&s->lock);
	return r;
}

static int open_writer(struct store *s, const char *directory, struct store_report *report,
                       struct err *err)
{
	int r = directories_make(directory, 0700);

	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "make the state directory %s", directory);
	r = set_directory(s, directory, err);
	if (r == 0)
		r = store_lock_open(s->directory, &s->lock, err);
	if (r < 0)
		return r;
	return s->role == STORE_DAEMON ? open_daemon(s, report, err) : open_guest(s, report, err);
}

int store_open(const char *directory, enum store_role role, const struct store_limits *limits,
               struct store **ret, struct store_report *report, struct err *err)
{
	CLEANUP(store_closep) struct store *s = calloc(1, sizeof(*s));
	struct store_report unheard;
	int r;

	if (!s)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the store");
	s->lock.fd = -1;
	s->role = role;
	store_clock_read(&s->opened);
	if (limits)
		s->limits = *limits;
	report = report ? report : &unheard;
	*report = (struct store_report){};
	r = libsqlite3_get(&s->db.lib, err);
	if (r < 0)
		return r;
	if (role == STORE_READER) {
		r = set_directory(s, directory, err);
		if (r == 0)
			r = open_as_it_is(s, STORE_DB_READ, err);
	} else {
		r = open_writer(s, directory, report, err);
	}
	if (r < 0)
		return r;
	store_age_begin(s);
	*ret = TAKE(s, NULL);
	return 0;
}

struct store *store_close(struct store *s)
{
	if (!s)
		return NULL;
	store_db_close(&s->db);
	store_lock_close(&s->lock);
	free(s);
	return NULL;
}

int store_tidy(struct store *s, const struct store_clock *now, struct err *err)
{
	uint64_t utc_ns = store_age_clock(s, now);
	int r = store_write_begin(&s->db, err);

	if (r < 0)
		return r;
	r = store_results_prune(s, utc_ns, 0, err);
	if (r == 0)
		r = store_events_prune(s, utc_ns, err);
	if (r == 0)
		r = store_server_errors_tidy(s, err);
	r = store_write_end(&s->db, r, err);
	return r < 0 ? r : store_db_empty_log(&s->db, err);
}

/* A file system that counts no blocks has no end that it could tell. */
bool store_is_full(const struct store *s)
{
	struct statvfs room;

	if (s->db.full)
		return true;
	return statvfs(s->directory, &room) == 0 && room.f_blocks > 0 &&
	       (uint64_t)room.f_bavail * room.f_frsize < STORE_ROOM_BYTES;
}

int store_batch_begin(struct store *s, struct err *err)
{
	int r = store_write_begin(&s->db, err);

	s->db.batch = r == 0;
	s->db.failed = 0;
	return r;
}

int store_batch_end(struct store *s, struct err *err)
{
	int failed = s->db.failed;

	s->db.batch = false;
	s->db.failed = 0;
	if (failed < 0) {
		ERR_SET(err, failed, ERR_SYS, 0, "write a batch: a part of it failed");
		return store_write_end(&s->db, failed, err);
	}
	return store_write_end(&s->db, 0, err);
}
