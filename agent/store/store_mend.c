/* From whatever stands in the place of the store to a store that is whole.
 *
 * A new store is complete, with what could be salvaged, before the old one gives up its name: it is store.db.new
 * while it grows and store.db.ready when it is complete; then the old one is set aside, then the new one becomes
 * store.db. A start that finds store.db.ready and no store.db was preceded by one that was killed between the
 * two, and goes on there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/directories.h"
#include "agent/store/store_internal.h"
#include "agent/store/store_salvage.h"
#include "agent/store/store_schema.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define ASIDE_MAX  4      /* that are kept: a bad disk does not fill itself with them */
#define NUMBER_MAX 999999 /* that a name has room for */

static const char *const companions[] = { "-wal", "-shm", "-journal" };

/* --- setting aside -------------------------------------------------------------------------------- */

static int kind_of(const char *path, const char **ret)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	*ret = S_ISLNK(st.st_mode)    ? "link"
	       : S_ISDIR(st.st_mode)  ? "directory"
	       : S_ISFIFO(st.st_mode) ? "pipe"
	       : !S_ISREG(st.st_mode) ? "device"
	       : st.st_size == 0      ? "empty"
	                              : "file";
	return 0;
}

/* Of "store.db.20260101T000000Z.07.damaged" 7: by it they are in order, as the clock may have gone back. Negative: no
 * such name. */
static int number_of(const char *name)
{
	unsigned int number;
	int bytes = 0;

	if (sscanf(name, "store.db.%*8[0-9]T%*6[0-9]Z.%6u.%n", &number, &bytes) < 1 || bytes == 0)
		return -1;
	return (int)number;
}

static int is_aside(const struct dirent *d)
{
	return number_of(d->d_name) >= 0;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	int x = number_of((*a)->d_name), y = number_of((*b)->d_name);

	return x != y ? (x > y) - (x < y) : strcmp((*a)->d_name, (*b)->d_name);
}

/* As scandir(3): their number, in their order. */
static int list_asides(const struct store *s, struct dirent ***names)
{
	int n = scandir(s->directory, names, is_aside, by_number);

	return n < 0 ? -errno : n;
}

static int next_number(const struct store *s)
{
	struct dirent **names = NULL;
	int n = list_asides(s, &names), next = n > 0 ? number_of(names[n - 1]->d_name) + 1 : n;

	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return next > NUMBER_MAX ? -EEXIST : next;
}

static int rename_aside(const struct store *s, const char *suffix, const char *kind,
                        char ret[STORE_PATH_BYTES])
{
	char from[STORE_PATH_BYTES], tail[64], when[32];
	time_t now = (time_t)(clock_utc_ns() / NS_PER_S);
	int number = next_number(s);
	struct tm tm;

	if (number < 0)
		return number;
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(tail, sizeof(tail), ".%s.%02d.%s%s", when, number, kind, suffix);
	return rename(store_path(s, suffix, from), store_path(s, tail, ret)) < 0 ? -errno : 0;
}

/* What belonged to a file that is gone must not be taken for the new one's: a log would be played into it. */
static int clear_companions(const struct store *s, const char *kind)
{
	char path[STORE_PATH_BYTES], aside[STORE_PATH_BYTES];
	const char *what;
	int r = 0;

	for (size_t i = 0; i < sizeof(companions) / sizeof(*companions) && r == 0; i++) {
		if (kind_of(store_path(s, companions[i], path), &what) < 0)
			continue;
		if (strcmp(companions[i], "-shm") == 0 && strcmp(what, "directory") != 0)
			r = unlink(path) < 0 ? -errno : 0;
		else
			r = rename_aside(s, companions[i], kind, aside);
	}
	return r;
}

/* The oldest are dropped; directories stay, as they may hold anything. */
static void drop_old_asides(const struct store *s)
{
	struct dirent **names = NULL;
	int n = list_asides(s, &names);
	char path[STORE_PATH_BYTES + 256];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", s->directory, names[i]->d_name);
		if (i < n - ASIDE_MAX)
			unlink(path);
		free(names[i]);
	}
	free(names);
}

/* --- salvaging ------------------------------------------------------------------------------------ */

struct salvaging {
	struct store *into;
	uint64_t count;
};

struct raw_file {
	int fd;
};

static size_t read_raw(void *self, uint64_t at, void *into, size_t bytes)
{
	const struct raw_file *f = self;
	size_t n = 0;

	while (f->fd >= 0 && n < bytes) {
		ssize_t got = pread(f->fd, (char *)into + n, bytes - n, (off_t)(at + n));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

static struct store_bytes raw_bytes(const struct store *s, const char *suffix, struct raw_file *f)
{
	char path[STORE_PATH_BYTES];
	struct stat st = {};

	f->fd = open(store_path(s, suffix, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f->fd >= 0)
		fstat(f->fd, &st);
	return (struct store_bytes){ read_raw, f, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0 };
}

/* It is sent once more: whether it had been is not known. */
static int put_uncertain(struct store *s, int64_t seq, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db,
	               "INSERT INTO outbox(seq, state, unanswered) VALUES(?1, 'uncertain', 1)");
	bind_number(&st, 1, seq);
	return statement_run(&st, err, "salvage a place in the outbox");
}

/* What was there twice has arrived if either says so; its place in the outbox goes when the new store is opened. */
static int take_again(struct store *s, const struct store_row *row, struct err *err)
{
	CLEANUP(statement_close) struct statement st = {};

	statement_open(&st, &s->db, "UPDATE results SET delivery = ?2 WHERE id = ?1");
	bind_text(&st, 1, row->told.id);
	bind_text(&st, 2, store_delivery_name(row->told.delivery));
	return statement_run(&st, err, "salvage a result");
}

/* `self` is struct salvaging. */
static int take_over(void *self, int64_t rowid, const struct store_row *row, bool doubtful,
                     struct err *err)
{
	struct salvaging *salvaging = self;
	struct store *s = salvaging->into;
	int64_t seq = 0;
	int r = store_result_there(s, row->told.id, err);

	if (r < 0)
		return r;
	if (r > 0)
		return doubtful || row->told.delivery == STORE_WAITING ? 0
		                                                       : take_again(s, row, err);
	r = store_result_insert(s, rowid, row, &seq, err);
	if (r < 0)
		return r;
	salvaging->count++;
	return row->told.delivery == STORE_WAITING ? put_uncertain(s, seq, err) : 0;
}

static int salvage_results(struct store *s, struct store *into, struct store_report *report,
                           struct err *err)
{
	CLEANUP(fd_closep) int close_file = -1, close_log = -1;
	struct raw_file file_fd, log_fd;
	struct store_bytes file = raw_bytes(s, "", &file_fd), log = raw_bytes(s, "-wal", &log_fd);
	struct salvaging salvaging = { .into = into };
	int r;

	close_file = file_fd.fd;
	close_log = log_fd.fd;
	r = store_salvage(&file, &log, take_over, &salvaging, &report->damaged, err);
	report->salvaged = salvaging.count;
	return r;
}

/* What can be had of the small tables by SQL; where it cannot, they begin anew. */
static void salvage_small_tables(struct store *s, struct store *into)
{
	static const char *const copies[] = {
		"INSERT OR IGNORE INTO facts SELECT * FROM old.facts",
		"INSERT OR IGNORE INTO counters SELECT * FROM old.counters",
		"INSERT OR IGNORE INTO usage SELECT * FROM old.usage",
		"INSERT OR IGNORE INTO events SELECT * FROM old.events",
	};
	CLEANUP(statement_close) struct statement st = {};
	char path[STORE_PATH_BYTES];

	statement_open(&st, &into->db, "ATTACH ?1 AS old");
	bind_text(&st, 1, store_path(s, "", path));
	if (statement_run(&st, NULL, "attach") < 0)
		return;
	for (size_t i = 0; i < sizeof(copies) / sizeof(*copies); i++)
		store_db_run(&into->db, copies[i], NULL);
	statement_close(&st);
	store_db_run(&into->db, "DETACH old", NULL);
}

/* --- a new store ---------------------------------------------------------------------------------- */

static int create_file(const char *path)
{
	CLEANUP(fd_closep)
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

/* `old`: there is something to salvage. */
static int fill_new(struct store *s, struct store *new, bool old, struct store_report *report,
                    struct err *err)
{
	int r = store_db_run(&new->db, "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'", err);

	if (r == 0)
		r = store_schema_migrate(&new->db, err);
	if (r == 0 && old)
		salvage_small_tables(s, new);
	if (r == 0)
		r = store_write_begin(&new->db, err);
	if (r < 0)
		return r;
	if (old)
		r = salvage_results(s, new, report, err);
	if (r == 0)
		r = store_counter_add(new, "damaged", report->damaged, err);
	r = store_write_end(&new->db, r, err);
	return r < 0 ? r : store_db_run(&new->db, "PRAGMA journal_mode = WAL", err);
}

static void remove_unfinished(const struct store *s)
{
	static const char *const suffixes[] = { ".ready", ".new", ".new-wal", ".new-shm",
		                                ".new-journal" };
	char path[STORE_PATH_BYTES];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		unlink(store_path(s, suffixes[i], path));
}

static int make_new(struct store *s, bool old, struct store_report *report, struct err *err)
{
	struct store new = { .lock.fd = -1, .role = s->role };
	char path[STORE_PATH_BYTES], ready[STORE_PATH_BYTES];
	int r;

	remove_unfinished(s);
	r = create_file(store_path(s, ".new", path));
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "make %s", path);
	r = store_db_open(&new.db, path, STORE_DB_WRITE, err);
	if (r == 0)
		r = fill_new(s, &new, old, report, err);
	store_db_close(&new.db);
	if (r == 0 && rename(path, store_path(s, ".ready", ready)) < 0)
		r = ERR_SET(err, -errno, ERR_SYS, 0, "rename %s", path);
	if (r < 0)
		remove_unfinished(s);
	return r;
}

static int publish_new(struct store *s, const char *kind, struct err *err)
{
	char from[STORE_PATH_BYTES], to[STORE_PATH_BYTES];
	int r = clear_companions(s, kind);

	if (r == 0 && rename(store_path(s, ".ready", from), store_path(s, "", to)) < 0)
		r = -errno;
	if (r == 0)
		r = directory_sync(s->directory);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "begin a store in %s", s->directory) : 0;
}

/* Puts a new store in the place of what is there. */
static int replace(struct store *s, const char *kind, const struct err *why,
                   struct store_report *report, struct err *err)
{
	bool old = strcmp(kind, "damaged") == 0 || strcmp(kind, "foreign") == 0;
	char aside[STORE_PATH_BYTES];
	int r;

	store_db_close(&s->db);
	bytes_copy_text(report->why, sizeof(report->why), why->text);
	r = make_new(s, old, report, err);
	if (r < 0)
		return r;
	r = rename_aside(s, "", kind, aside);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "set what is in the place of the store aside");
	bytes_copy_text(report->aside, sizeof(report->aside), strrchr(aside, '/') + 1);
	report->begun = true;
	r = publish_new(s, kind, err);
	drop_old_asides(s);
	return r;
}

/* --- what is there -------------------------------------------------------------------------------- */

static int check_whole(struct store_db *db, struct err *err)
{
	char told[160] = "";
	int r = store_db_text(db, "PRAGMA integrity_check(1)", told, sizeof(told), err);

	if (r < 0)
		return r;
	return strcmp(told, "ok") == 0
	               ? 0
	               : ERR_SET(err, -EBADMSG, ERR_SYS, 0, "trust the store: %.150s", told);
}

/* Two bytes of the header say which releases of SQLite may read and write the file: 1 or 2 each. */
static bool header_forbids_writing(const struct store *s)
{
	struct raw_file file;
	struct store_bytes bytes = raw_bytes(s, "", &file);
	CLEANUP(fd_closep) int fd = file.fd;
	uint8_t versions[2] = { 1, 1 };

	(void)fd;
	bytes.read(&file, 18, versions, sizeof(versions));
	return versions[0] < 1 || versions[0] > 2 || versions[1] < 1 || versions[1] > 2;
}

/* SQLite opens for reading what it cannot open for writing, whether the file forbids it or the system. */
static int check_writable(struct store *s, struct err *err)
{
	char path[STORE_PATH_BYTES], mode[16] = "";
	int r;

	if (access(store_path(s, "", path), W_OK) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "write to %s", path);
	if (s->db.lib->db_readonly(s->db.at, "main") != 0) {
		store_db_close(&s->db); /* its locks end with any descriptor of the file */
		return header_forbids_writing(s)
		               ? ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		                         "trust the store: its header is wrong")
		               : ERR_SET(err, -EIO, ERR_SYS, 0, "open %s for writing", path);
	}
	r = store_db_text(&s->db, "PRAGMA journal_mode = WAL", mode, sizeof(mode), err);
	if (r == 0 && strcmp(mode, "wal") != 0)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "trust the store: it keeps no log");
	return r;
}

/* A result that waits has a place in the outbox, and none else has. */
static int reconcile(struct store *s, struct store_report *report, struct err *err)
{
	int r = store_write_begin(&s->db, err);

	if (r < 0)
		return r;
	r = store_db_run(&s->db,
	                 "INSERT INTO outbox(seq, state, unanswered) "
	                 "SELECT seq, 'uncertain', 1 FROM results "
	                 "WHERE delivery = 'waiting' AND seq NOT IN (SELECT seq FROM outbox)",
	                 err);
	report->reconciled = r == 0 ? (uint64_t)s->db.lib->changes(s->db.at) : 0;
	if (r == 0)
		r = store_db_run(&s->db,
		                 "DELETE FROM outbox WHERE seq NOT IN "
		                 "(SELECT seq FROM results WHERE delivery = 'waiting')",
		                 err);
	if (r == 0)
		r = store_counter_add(s, "opened", 1, err);
	return store_write_end(&s->db, r, err);
}

/* 0, or enum store_schema_state, or negative: -EBADMSG is what mending mends. */
static int examine(struct store *s, struct store_report *report, struct err *err)
{
	char path[STORE_PATH_BYTES];
	int r = store_db_open(&s->db, store_path(s, "", path), STORE_DB_WRITE, err);

	if (r == 0)
		r = store_schema_look(&s->db, err);
	if (r == STORE_SCHEMA_NEWER || r == STORE_SCHEMA_FOREIGN || r < 0)
		return r;
	r = check_writable(s, err);
	if (r == 0)
		r = check_whole(&s->db, err);
	if (r == 0)
		r = store_schema_migrate(&s->db, err);
	return r < 0 ? r : reconcile(s, report, err);
}

/* Neither a store nor a file that could be one. */
static int begin(struct store *s, struct store_report *report, struct err *err)
{
	char path[STORE_PATH_BYTES];
	const char *kind;
	int r = kind_of(store_path(s, ".ready", path), &kind);

	report->begun = true;
	if (r == 0 && strcmp(kind, "file") == 0) {
		bytes_copy_text(report->why, sizeof(report->why),
		                "an earlier start was ended while it mended the store");
		return publish_new(s, "left", err);
	}
	r = make_new(s, false, report, err);
	return r < 0 ? r : publish_new(s, "left", err);
}

/* A log or an index of it that is no file keeps SQLite from opening. */
static int clear_strange_companions(const struct store *s)
{
	char path[STORE_PATH_BYTES], aside[STORE_PATH_BYTES];
	const char *kind;
	int r = 0;

	for (size_t i = 0; i < sizeof(companions) / sizeof(*companions) && r == 0; i++)
		if (kind_of(store_path(s, companions[i], path), &kind) == 0 &&
		    strcmp(kind, "file") != 0 && strcmp(kind, "empty") != 0)
			r = rename_aside(s, companions[i], kind, aside);
	return r;
}

static int mend_file(struct store *s, struct store_report *report, struct err *err)
{
	struct err why = {};
	int r;

	remove_unfinished(s);
	r = clear_strange_companions(s);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0,
		               "set aside what stands where the store's log is");
	r = examine(s, report, &why);
	if (r == STORE_SCHEMA_NEWER)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
		               "open the store in %s: a later release of radar-pod has written it",
		               s->directory);
	if (r == STORE_SCHEMA_FOREIGN) {
		ERR_SET(&why, -EBADMSG, ERR_SYS, 0, "trust the store: it is another program's");
		r = replace(s, "foreign", &why, report, err);
	} else if (r == -EBADMSG) {
		r = replace(s, "damaged", &why, report, err);
	} else {
		if (r < 0 && err)
			*err = why;
		return r;
	}
	return r < 0 ? r : examine(s, report, err);
}

int store_mend(struct store *s, struct store_report *report, struct err *err)
{
	char path[STORE_PATH_BYTES];
	struct err why = {};
	const char *kind;
	int r = kind_of(store_path(s, "", path), &kind);

	if (r == 0 && strcmp(kind, "file") == 0)
		return mend_file(s, report, err);
	if (r < 0 && r != -ENOENT)
		return ERR_SET(err, r, ERR_SYS, 0, "look at %s", path);
	if (r == -ENOENT) {
		r = begin(s, report, err);
	} else {
		ERR_SET(&why, -EBADMSG, ERR_SYS, 0, "trust the store: it is %s %s",
		        strcmp(kind, "empty") == 0 ? "an" : "a",
		        strcmp(kind, "empty") == 0 ? "empty file" : kind);
		r = replace(s, kind, &why, report, err);
	}
	return r < 0 ? r : examine(s, report, err);
}
