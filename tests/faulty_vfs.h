/* SQLite's file calls made to fail, and a power cut: a shim over the VFS there is, which becomes the default.
 *
 *   faulty_vfs_register();
 *   faulty_vfs_fail(n, SQLITE_FULL);     the n-th call from now on, and all after it where `for_good`
 *   faulty_vfs_calls();                  how many there were since
 *
 *   faulty_vfs_record(true);             writes are remembered until they are synced
 *   faulty_vfs_power_cut(seed);          what was not synced is lost: dropped, or torn, by the seed
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void faulty_vfs_register(void);

/* The n-th call, from 1, answers `code`; 0: none does. */
void faulty_vfs_fail(uint64_t n, int code, bool for_good);
uint64_t faulty_vfs_calls(void);

/* The n-th release of a lock among connections, from 1, fails, and the lock stays; once. Whether it has. */
void faulty_vfs_fail_unlock(uint64_t n);
bool faulty_vfs_unlock_failed(void);

void faulty_vfs_record(bool on);

/* Undoes what was written and not synced since: of each such write, by the seed, nothing, all, or whole sectors of
 * it come back to what was there. The files must be closed. Answers how many writes it looked at. */
uint64_t faulty_vfs_power_cut(uint64_t seed);
