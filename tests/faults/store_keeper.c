/* store_keeper DIRECTORY put NUMBER...      stores results; a line "stored NUMBER" for each, once it is
 * store_keeper DIRECTORY send NUMBER...     notes of each that it was sent and has arrived: "arrived NUMBER"
 * store_keeper DIRECTORY look               a line for each result that is whole: "NUMBER DELIVERY" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/store.h"
#include "tests/store_rig.h"
#include "transport/base/err.h"

static struct err err;

/* Written at once: what was said before a kill is heard. */
static void say(const char *what, unsigned int number)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s %u\n", what, number);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		exit(3);
}

static int put(struct store *s, unsigned int number)
{
	struct store_result r = store_rig_result(number, 3000);
	int e = store_put(s, &r, true, &err);

	if (e >= 0)
		say("stored", number);
	return e;
}

static int send_one(struct store *s, unsigned int number)
{
	struct store_clock now;
	struct store_entry entry;
	uint64_t wait_ns;
	int e;

	store_clock_read(&now);
	e = store_outbox_next(s, &now, &entry, &wait_ns, &err);
	if (e == 0)
		e = store_outbox_sending(s, entry.seq, &err);
	if (e == 0)
		say("sent", number);
	if (e == 0)
		e = store_outbox_accepted(s, entry.seq, &err);
	if (e == 0)
		say("arrived", number);
	return e;
}

static int look_at(void *self, const struct store_result *r, struct err *e)
{
	unsigned int number = (unsigned int)strtoul(r->id + 24, NULL, 16);
	struct store_result *whole = NULL;

	if (store_get(self, r->id, &whole, e) != 0 || !store_rig_is(whole, number))
		exit(4);
	free(whole);
	say(store_delivery_name(r->delivery), number);
	return 0;
}

static int run(struct store *s, int argc, char **argv)
{
	uint64_t damaged = 0;
	int r = 0;

	if (strcmp(argv[2], "look") == 0) {
		r = store_each(s, 0, look_at, s, &damaged, &err);
		return damaged > 0 ? -1 : r;
	}
	for (int i = 3; i < argc && r >= 0; i++) {
		unsigned int number = (unsigned int)atoi(argv[i]);

		r = strcmp(argv[2], "put") == 0 ? put(s, number) : send_one(s, number);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct store *s = NULL;
	char sentence[512];
	int r;

	if (argc < 3)
		return 2;
	r = store_open(argv[1], STORE_DAEMON, &(struct store_limits){ .max_results = 100 }, &s,
	               NULL, &err);
	if (r == 0)
		r = run(s, argc, argv);
	store_close(s);
	if (r >= 0)
		return 0;
	fprintf(stderr, "%s\n", err_sentence(&err, sentence, sizeof(sentence)));
	return 1;
}
