#include <string.h>

#include "bench/link/scenario_keys.h"

#define GUESS_MAX_BYTES 16 /* longer words are meant for nothing of ours */

/* How many letters to change, add or leave out (Levenshtein); case does not count. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[GUESS_MAX_BYTES + 1];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned int)j;
	for (; *a; a++) {
		unsigned int diagonal = row[0]++;

		for (size_t j = 0; j < n; j++) {
			unsigned int best = diagonal + (((*a ^ b[j]) & ~0x20) != 0);

			diagonal = row[j + 1];
			best = best < diagonal + 1 ? best : diagonal + 1;
			row[j + 1] = best < row[j] + 1 ? best : row[j] + 1;
		}
	}
	return row[n];
}

const struct scenario_key *scenario_key_guess(const char *name)
{
	const struct scenario_key *guess = NULL;
	unsigned int nearest = 3; /* so much is another word */

	if (strlen(name) > GUESS_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < KEYS; i++) {
		unsigned int far = distance(name, scenario_keys[i].name);

		if (far < nearest && far < strlen(name) && far < strlen(scenario_keys[i].name)) {
			nearest = far;
			guess = &scenario_keys[i];
		}
	}
	return guess;
}
