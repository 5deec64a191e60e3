#include "bench/link/session.h"

#include <stdio.h>
#include <string.h>

#include "bench/link/about.h"
#include "bench/link/emulator.h"
#include "bench/link/netlink.h"
#include "transport/base/err.h"

/* --- beginning ------------------------------------------------------------------------------------ */

enum exit_code session_load(struct session *s, const char *name, const char *scenario_path,
                            const struct arguments *a)
{
	struct err err = {};

	*s = (struct session){ .arguments = a, .scenario_path = scenario_path };
	snprintf(s->name, sizeof(s->name), "%s", name);
	if (scenario_load(scenario_path, &s->scenario, &err) < 0) {
		if (err.detail) /* a line: the text is a sentence of its own */
			fprintf(stderr, "link: %s\n", err.text);
		else
			complain(&err);
		return EXIT_BAD_FILE;
	}
	if (a->has_seed)
		s->scenario.seed = a->seed;
	return EXIT_DONE;
}

static enum exit_code fail(const struct err *err)
{
	complain(err);
	return exit_code_of(err->code);
}

enum exit_code session_open(struct session *s)
{
	const char *truth = s->arguments->truth;
	struct err err = {};

	if (namespaces_open(s->name, &s->scenario, &s->namespaces, &err) < 0)
		return fail(&err);
	if (truth &&
	    truth_writer_open(truth, &s->scenario, s->scenario_path, &s->writer, &err) < 0) {
		complain(&err);
		return EXIT_NOT_DONE;
	}
	if (about_write(s->name, s->scenario.family, s->scenario_path, truth, &err) < 0)
		return fail(&err);
	return EXIT_DONE;
}

int session_start(struct session *s, struct err *err)
{
	const struct emulator_options o = {
		.scenario = &s->scenario,
		.client_fd = namespaces_tun(s->namespaces, LINK_CLIENT),
		.server_fd = namespaces_tun(s->namespaces, LINK_SERVER),
		.cpu = namespaces_cpu(s->namespaces),
		.awake = s->arguments->awake,
		.doze = s->arguments->doze,
	};

	return emulator_start(&o, &s->emulator, err);
}

/* --- the truth ------------------------------------------------------------------------------------ */

static void writing_failed(struct session *s, const struct err *err)
{
	if (s->writing_failed)
		return;
	s->writing_failed = true;
	complain(err);
}

/* Where much passes, the receiver's work is done elsewhere. Where little does it is done here: an idle CPU would
 * take some 20 µs to wake for it. */
static void steer(struct session *s, uint64_t bins, uint64_t packets)
{
	if (packets > bins * SESSION_BUSY_PACKETS)
		namespaces_receive_elsewhere(s->namespaces, true);
	else if (bins > 0 && packets == 0)
		namespaces_receive_elsewhere(s->namespaces, false);
}

bool session_drain(struct session *s)
{
	struct truth *t = s->emulator ? emulator_truth(s->emulator) : NULL;
	uint64_t bins = 0, packets = 0;
	struct truth_bin bin;
	struct err err = {};

	for (; t && truth_take_bin(t, &bin); bins++) {
		packets += bin.delivered.packets;
		if (s->writer && !s->writing_failed && truth_writer_bin(s->writer, &bin, &err) < 0)
			writing_failed(s, &err);
	}
	steer(s, bins, packets);
	return !s->writing_failed;
}

static void make_void(struct session *s, const struct err *err)
{
	if (!s->end.void_reason[0])
		err_sentence(err, s->end.void_reason, sizeof(s->end.void_reason));
}

/* What the device refused is among what was received and dropped, and accounted for already. */
static void count_drops(struct session *s, const struct netlink_drops *drops)
{
	uint64_t refused = 0;

	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		refused += s->end.counts[d].dropped[DROP_DEVICE].packets;
	s->end.device_drops = drops->sent;
	if (drops->received > refused)
		s->end.receiver_drops = drops->received - refused;
}

/* Why the run may be void, in the order of weight. */
static void judge(struct session *s)
{
	struct netlink_drops drops = {};
	struct err err = {};

	if (emulator_stop(s->emulator, &s->end, &err) < 0)
		make_void(s, &err);
	if (namespaces_drops(s->namespaces, &drops, &err) < 0)
		make_void(s, &err);
	count_drops(s, &drops);
	truth_judge(&s->end);
}

enum exit_code session_end(struct session *s, bool interrupted)
{
	struct err err = {};

	s->end.interrupted = interrupted;
	judge(s);
	session_drain(s);
	if (s->writer && !s->writing_failed &&
	    truth_writer_end(s->writer, emulator_truth(s->emulator), &s->end, &err) < 0)
		writing_failed(s, &err);
	if (s->writing_failed && !s->end.void_reason[0])
		strcpy(s->end.void_reason, "the truth could not be written");
	s->over = true;
	return s->end.void_reason[0] ? EXIT_NOT_DONE : EXIT_DONE;
}

void session_close(struct session *s)
{
	s->emulator = emulator_free(s->emulator);
	s->writer = truth_writer_close(s->writer);
	s->namespaces = namespaces_close(s->namespaces);
	scenario_clear(&s->scenario);
	s->scenario = (struct scenario){};
}
