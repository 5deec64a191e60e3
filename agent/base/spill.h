/* A file without a name, for what does not fit in memory: gone when it is closed, whatever happens. */
#pragma once

/* In the state directory where it is there and can be written to (`state_dir`; NULL: that of a caller who has named none),
 * else where `beside`, a file's name, would be (NULL: nothing to be beside of), else in $TMPDIR, /var/tmp or /tmp. Answers
 * the descriptor, or -1 where none of them takes it. */
int spill_open(const char *state_dir, const char *beside);
