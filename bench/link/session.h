/* A link that is up, from its scenario to its verdict. */
#pragma once

#include <stdbool.h>

#include "bench/link/arguments.h"
#include "bench/link/command.h"
#include "bench/link/namespaces.h"
#include "bench/link/scenario.h"
#include "bench/link/truth.h"

struct err;
struct emulator;
struct loop;
struct loop_timer;

/* How often what the emulator knows is written: far more seldom than TRUTH_BINS_HELD asks for. */
#define SESSION_DRAIN_NS (200 * 1000000ULL)

/* So many packets delivered per bin make a direction busy, as 6 Mbit/s of full ones are. */
#define SESSION_BUSY_PACKETS 5

struct session {
	const struct arguments *arguments; /* these two stay their owner's */
	const char *scenario_path;
	char name[NAMESPACES_NAME_MAX + 1];
	struct scenario scenario;
	struct namespaces *namespaces;
	struct emulator *emulator;
	struct truth_writer *writer; /* NULL: no truth is wanted */
	bool writing_failed;
	bool over; /* session_end() was called; `end` stands */
	struct truth_end end;
};

/* Reads the scenario. What goes wrong these two say themselves; session_close() is for every case. */
enum exit_code session_load(struct session *s, const char *name, const char *scenario_path,
                            const struct arguments *a);

/* Makes the namespaces, begins the truth's file, and tells `link list` of it. */
enum exit_code session_open(struct session *s);

/* Packets pass from now on, which is the scenario's time 0. */
int session_start(struct session *s, struct err *err);

/* Writes what the emulator knows by now. The first failure is told to standard error and remembered.
 * false: the truth cannot be written. */
bool session_drain(struct session *s);

/* Packets pass no more; the verdict is given and the truth is whole. Answers 0, or 1 where the run is
 * void. */
enum exit_code session_end(struct session *s, bool interrupted);

void session_close(struct session *s);
