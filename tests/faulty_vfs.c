#include "tests/faulty_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR     512
#define WRITES_MAX 4096
#define PATH_BYTES 512

/* Our file, and behind it the real one. */
struct faulty_file {
	sqlite3_file base;
	char path[PATH_BYTES];
	sqlite3_file *real;
};

/* What was there before a write that is not synced. */
struct unsynced {
	char path[PATH_BYTES];
	sqlite3_int64 at;
	int bytes;
	sqlite3_int64 size_before;
	uint8_t *before;
};

static sqlite3_vfs *real_vfs;
static uint64_t calls, fail_at, unlocks_left;
static int fail_code;
static bool fail_for_good, recording;
static struct unsynced writes[WRITES_MAX];
static size_t writes_count;

void faulty_vfs_fail(uint64_t n, int code, bool for_good)
{
	calls = 0;
	fail_at = n;
	fail_code = code;
	fail_for_good = for_good;
}

void faulty_vfs_fail_unlock(uint64_t n)
{
	unlocks_left = n;
}

bool faulty_vfs_unlock_failed(void)
{
	return unlocks_left == 0;
}

uint64_t faulty_vfs_calls(void)
{
	return calls;
}

/* SQLITE_OK, or what this call is to answer. */
static int fate(void)
{
	calls++;
	if (fail_at == 0 || (fail_for_good ? calls < fail_at : calls != fail_at))
		return SQLITE_OK;
	return fail_code;
}

static int io_fate(int io_code)
{
	int code = fate();

	return code == SQLITE_IOERR ? io_code : code;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct faulty_file *)f)->real;
}

/* --- recording ------------------------------------------------------------------------------------ */

static void forget(const char *path)
{
	size_t kept = 0;

	for (size_t i = 0; i < writes_count; i++) {
		if (path && strcmp(writes[i].path, path) != 0)
			writes[kept++] = writes[i];
		else
			free(writes[i].before);
	}
	writes_count = kept;
}

void faulty_vfs_record(bool on)
{
	recording = on;
	forget(NULL);
}

static void record(struct faulty_file *f, int bytes, sqlite3_int64 at)
{
	struct unsynced *u = &writes[writes_count];

	if (!recording || writes_count == WRITES_MAX)
		return;
	writes_count++;
	*u = (struct unsynced){ .at = at, .bytes = bytes, .before = calloc(1, (size_t)bytes) };
	strcpy(u->path, f->path);
	f->real->pMethods->xFileSize(f->real, &u->size_before);
	if (u->size_before > at)
		f->real->pMethods->xRead(f->real, u->before, bytes, at);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Sectors below `keep` stay as written. By no assert(3): a build as shipped has none, and would undo nothing. */
static void undo(const struct unsynced *u, int keep)
{
	int fd = open(u->path, O_RDWR | O_CLOEXEC);
	int from = keep * SECTOR < u->bytes ? keep * SECTOR : u->bytes;
	bool undone;

	if (fd < 0)
		return; /* gone meanwhile */
	if (u->size_before < u->at + u->bytes && from == 0)
		undone = ftruncate(fd, u->size_before > u->at ? u->size_before : u->at) == 0;
	else
		undone = pwrite(fd, u->before + from, (size_t)(u->bytes - from), u->at + from) >= 0;
	if (!undone)
		abort();
	close(fd);
}

uint64_t faulty_vfs_power_cut(uint64_t seed)
{
	uint64_t looked = writes_count;

	for (size_t i = writes_count; i-- > 0;) {
		uint64_t draw = next_random(&seed);

		if (draw % 3 == 0)
			continue; /* it had come to the disk by itself */
		undo(&writes[i], draw % 3 == 1 ? 0 : (int)(draw / 3 % 9));
	}
	forget(NULL);
	return looked;
}

/* --- file methods --------------------------------------------------------------------------------- */

static int faulty_close(sqlite3_file *f)
{
	int r = real_of(f)->pMethods->xClose(real_of(f));

	free(real_of(f));
	return r;
}

static int faulty_read(sqlite3_file *f, void *into, int bytes, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), into, bytes, at);
}

static int faulty_write(sqlite3_file *f, const void *from, int bytes, sqlite3_int64 at)
{
	int code = io_fate(SQLITE_IOERR_WRITE);

	if (code != SQLITE_OK)
		return code;
	record((struct faulty_file *)f, bytes, at);
	return real_of(f)->pMethods->xWrite(real_of(f), from, bytes, at);
}

static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int code = io_fate(SQLITE_IOERR_TRUNCATE);

	return code != SQLITE_OK ? code : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int faulty_sync(sqlite3_file *f, int flags)
{
	int code = io_fate(SQLITE_IOERR_FSYNC);
	int r = code != SQLITE_OK ? code : real_of(f)->pMethods->xSync(real_of(f), flags);

	if (r == SQLITE_OK && recording)
		forget(((struct faulty_file *)f)->path);
	return r;
}

static int faulty_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int faulty_lock(sqlite3_file *f, int level)
{
	int code = io_fate(SQLITE_IOERR_LOCK);

	return code != SQLITE_OK ? code : real_of(f)->pMethods->xLock(real_of(f), level);
}

static int faulty_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int faulty_reserved(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int faulty_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int faulty_sector_size(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int faulty_characteristics(sqlite3_file *f)
{
	(void)f;
	return 0; /* no promise that a write is all or nothing */
}

static int faulty_shm_map(sqlite3_file *f, int region, int bytes, int extend, void volatile **ret)
{
	int code = io_fate(SQLITE_IOERR_SHMMAP);

	return code != SQLITE_OK
	               ? code
	               : real_of(f)->pMethods->xShmMap(real_of(f), region, bytes, extend, ret);
}

static int faulty_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	int code = flags & SQLITE_SHM_LOCK ? io_fate(SQLITE_IOERR_SHMLOCK) : SQLITE_OK;

	if (flags & SQLITE_SHM_UNLOCK && unlocks_left > 0 && --unlocks_left == 0)
		return SQLITE_IOERR_SHMLOCK;
	return code != SQLITE_OK ? code
	                         : real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void faulty_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int faulty_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = faulty_close,
	.xRead = faulty_read,
	.xWrite = faulty_write,
	.xTruncate = faulty_truncate,
	.xSync = faulty_sync,
	.xFileSize = faulty_size,
	.xLock = faulty_lock,
	.xUnlock = faulty_unlock,
	.xCheckReservedLock = faulty_reserved,
	.xFileControl = faulty_control,
	.xSectorSize = faulty_sector_size,
	.xDeviceCharacteristics = faulty_characteristics,
	.xShmMap = faulty_shm_map,
	.xShmLock = faulty_shm_lock,
	.xShmBarrier = faulty_shm_barrier,
	.xShmUnmap = faulty_shm_unmap,
};

/* --- the VFS -------------------------------------------------------------------------------------- */

static int faulty_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags,
                       int *ret_flags)
{
	struct faulty_file *file = (struct faulty_file *)f;
	int code = io_fate(SQLITE_CANTOPEN);
	int r;

	(void)vfs;
	file->base.pMethods = NULL;
	if (code != SQLITE_OK)
		return code == SQLITE_FULL ? SQLITE_CANTOPEN : code;
	file->real = calloc(1, (size_t)real_vfs->szOsFile);
	r = real_vfs->xOpen(real_vfs, path, file->real, flags, ret_flags);
	if (r != SQLITE_OK) {
		free(file->real);
		return r;
	}
	strncpy(file->path, path ? path : "", PATH_BYTES - 1);
	file->base.pMethods = &methods;
	return SQLITE_OK;
}

static int faulty_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	int code = io_fate(SQLITE_IOERR_DELETE);

	(void)vfs;
	return code != SQLITE_OK ? code : real_vfs->xDelete(real_vfs, path, sync);
}

/* What waits for a lock that nobody gives back counts its waits, and none is waited out. */
static int faulty_sleep(sqlite3_vfs *vfs, int wait_us)
{
	(void)vfs;
	return wait_us;
}

void faulty_vfs_register(void)
{
	static sqlite3_vfs vfs;

	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.szOsFile = sizeof(struct faulty_file);
	vfs.zName = "faulty";
	vfs.xOpen = faulty_open;
	vfs.xDelete = faulty_delete;
	vfs.xSleep = faulty_sleep;
	sqlite3_vfs_register(&vfs, 1);
}
