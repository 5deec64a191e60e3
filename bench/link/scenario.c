#include "bench/link/scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/lines.h"
#include "bench/link/scenario_keys.h"
#include "bench/link/words.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

enum section { SECTION_LINK, SECTION_BOTH, SECTION_DOWN, SECTION_UP, SECTIONS };

static const char *const section_names[SECTIONS] = {
	[SECTION_BOTH] = "both",
	[SECTION_DOWN] = "down",
	[SECTION_UP] = "up",
};

struct parser {
	const char *name; /* of the file */
	struct lines lines;
	char line[LINES_MAX_BYTES + 1];
	scenario_trace_reader reader;
	void *owner;

	enum section section;
	bool section_seen[SECTIONS];
	unsigned int key_line[KEYS];                /* in this section; 0: not yet */
	unsigned int key_at[LINK_DIRECTIONS][KEYS]; /* of what is in force */
	struct scenario scenario;
};

static void parser_end(struct parser *p)
{
	scenario_clear(&p->scenario);
}

/* "cable.link:12: " and what is wrong there. */
#define REFUSE_AT(p, line, code, err, format, ...)                                                 \
	ERR_SET((err), (code), ERR_SYS, (line), "%.60s:%u: " format, (p)->name, (line), __VA_ARGS__)
#define REFUSE(p, err, ...) REFUSE_AT((p), (p)->lines.number, -EINVAL, (err), __VA_ARGS__)

/* --- sections -------------------------------------------------------------------------------------- */

/* Cuts white space from both ends. */
static char *trim(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		text[--n] = '\0';
	return text + strspn(text, " \t");
}

static int enter_section(struct parser *p, struct err *err)
{
	char *name = p->line + 1;
	char *bracket = strchr(name, ']');
	enum section s = SECTION_BOTH;

	if (!bracket || bracket[1] != '\0')
		return REFUSE(p, err, "\"%.40s\" is no section; [down], [up] or [both]", p->line);
	*bracket = '\0';
	name = trim(name);
	while (s < SECTIONS && strcmp(name, section_names[s]) != 0)
		s++;
	if (s == SECTIONS)
		return REFUSE(p, err, "[%.40s] is no section; [down], [up] or [both]", name);
	if (p->section_seen[s])
		return REFUSE(p, err, "[%s] stands here twice", name);
	if (s == SECTION_BOTH && p->section != SECTION_LINK)
		return REFUSE(p, err, "[both] stands before [%s], which refines it",
		              section_names[p->section]);
	p->section = s;
	p->section_seen[s] = true;
	memset(p->key_line, 0, sizeof(p->key_line));
	return 0;
}

static bool section_covers(enum section s, enum link_direction d)
{
	return s == SECTION_BOTH || s == (d == LINK_DOWN ? SECTION_DOWN : SECTION_UP);
}

/* --- keys ------------------------------------------------------------------------------------------ */

static int refuse_unknown(struct parser *p, const char *name, struct err *err)
{
	const struct scenario_key *guess = scenario_key_guess(name);

	if (guess)
		return REFUSE(p, err, "%.40s: no such key; %s was perhaps meant", name,
		              guess->name);
	return REFUSE(p, err, "%.40s: no such key; docs/links.md lists them", name);
}

static int refuse_value(struct parser *p, const struct scenario_key *key, const struct words *w,
                        int code, struct err *err)
{
	if (code == -ENOMEM)
		return ERR_SET(err, code, ERR_SYS, 0, "allocate the scenario");
	return REFUSE_AT(p, p->lines.number, code == -ERANGE ? -EINVAL : code, err, "%s: %s; %s",
	                 key->name, w->refused, key->valid);
}

/* Whether the key may stand here. */
static int admit_key(struct parser *p, const struct scenario_key *key, struct err *err)
{
	unsigned int before = p->key_line[key - scenario_keys];

	if (key->read_link && p->section != SECTION_LINK)
		return REFUSE(p, err, "%s: is the link's, and stands before the first section",
		              key->name);
	if (key->read_direction && p->section == SECTION_LINK)
		return REFUSE(p, err, "%s: stands below [down], [up] or [both]", key->name);
	if (before && !key->repeats)
		return REFUSE(p, err, "%s: stands in line %u already", key->name, before);
	return 0;
}

/* The instants of the trace that the key has named. */
static int load_trace(struct parser *p, struct scenario_direction *d, struct err *err)
{
	struct err cause = {};
	char sentence[sizeof(cause.text) + 64];
	int r;

	free(TAKE(d->trace_ns, NULL));
	d->trace_count = 0;
	if (!*d->trace_name)
		return 0;
	r = p->reader(p->owner, d->trace_name, &d->trace_ns, &d->trace_count, &cause);
	if (r < 0)
		return REFUSE_AT(p, p->lines.number, r, err, "trace: %s",
		                 cause.detail ? cause.text
		                              : err_sentence(&cause, sentence, sizeof(sentence)));
	return 0;
}

static int set_direction(struct parser *p, const struct scenario_key *key, const char *value,
                         enum link_direction which, struct err *err)
{
	struct scenario_direction *d = &p->scenario.direction[which];
	enum scenario_key_id id = (enum scenario_key_id)(key - scenario_keys);
	struct words w;
	int r;

	if (id == KEY_AT && !p->key_line[id])
		d->change_count = 0; /* those of [both] */
	words_open(&w, value);
	r = key->read_direction(&w, d);
	if (r == 0)
		r = words_end(&w);
	if (r < 0)
		return refuse_value(p, key, &w, r, err);
	p->key_at[which][id] = p->lines.number;
	return id == KEY_TRACE ? load_trace(p, d, err) : 0;
}

static int set_link(struct parser *p, const struct scenario_key *key, const char *value,
                    struct err *err)
{
	struct words w;
	int r;

	words_open(&w, value);
	r = key->read_link(&w, &p->scenario);
	if (r == 0)
		r = words_end(&w);
	if (r < 0)
		return refuse_value(p, key, &w, r, err);
	for (int which = 0; which < LINK_DIRECTIONS; which++)
		p->key_at[which][key - scenario_keys] = p->lines.number;
	return 0;
}

static int set_key(struct parser *p, struct err *err)
{
	char *equals = strchr(p->line, '=');
	const struct scenario_key *key;
	const char *value;
	int r;

	if (!equals || equals == p->line)
		return REFUSE(p, err, "\"%.40s\" is neither key = value nor a section", p->line);
	*equals = '\0';
	value = trim(equals + 1);
	key = scenario_key_find(trim(p->line));
	if (!key)
		return refuse_unknown(p, trim(p->line), err);
	r = admit_key(p, key, err);
	if (r == 0 && key->read_link)
		r = set_link(p, key, value, err);
	for (int d = 0; r == 0 && key->read_direction && d < LINK_DIRECTIONS; d++)
		if (section_covers(p->section, (enum link_direction)d))
			r = set_direction(p, key, value, (enum link_direction)d, err);
	p->key_line[key - scenario_keys] = p->lines.number;
	return r;
}

/* --- the whole ------------------------------------------------------------------------------------- */

static int read_lines(struct parser *p, struct err *err)
{
	int r;

	for (;;) {
		r = lines_next(&p->lines, p->line);
		if (r == 0)
			return 0;
		if (r < 0)
			return REFUSE_AT(p, p->lines.number, r, err, "%s", p->lines.problem);
		r = *p->line == '[' ? enter_section(p, err) : set_key(p, err);
		if (r < 0)
			return r;
	}
}

/* Named by the later of the two lines, as that is where the first could not yet be wrong. */
static int check_conflicts(const struct parser *p, struct err *err)
{
	for (int d = 0; d < LINK_DIRECTIONS; d++) {
		const struct scenario_conflict *c =
			scenario_conflict_find(&p->scenario, &p->scenario.direction[d]);
		const unsigned int *at = p->key_at[d];
		enum scenario_key_id key;

		if (!c)
			continue;
		key = at[c->keys[0]] > at[c->keys[1]] ? c->keys[0] : c->keys[1];
		return REFUSE_AT(p, at[key], -EINVAL, err, "%s: %s", scenario_keys[key].name,
		                 c->text);
	}
	return 0;
}

/* "bench/links/cable.link" is cable; what does not fit is cut. */
static void set_name(struct scenario *s, const char *file)
{
	size_t n = strlen(file);
	const char *suffix = ".link";

	if (n > strlen(suffix) && strcmp(file + n - strlen(suffix), suffix) == 0)
		n -= strlen(suffix);
	if (n >= sizeof(s->name))
		n = sizeof(s->name) - 1;
	memcpy(s->name, file, n);
	s->name[n] = '\0';
	bytes_make_printable(s->name);
}

int scenario_parse(const char *name, const char *text, size_t n, scenario_trace_reader reader,
                   void *owner, struct scenario *ret, struct err *err)
{
	const char *slash = strrchr(name, '/');
	CLEANUP(parser_end)
	struct parser p = { .name = slash ? slash + 1 : name,
		            .lines = lines_of(text, n),
		            .reader = reader,
		            .owner = owner };
	int r;

	if (n > SCENARIO_TEXT_MAX_BYTES)
		return ERR_SET(err, -E2BIG, ERR_SYS, 0, "read %s (more than 1 MiB)", name);
	scenario_set_defaults(&p.scenario);
	set_name(&p.scenario, p.name);
	r = read_lines(&p, err);
	if (r == 0)
		r = check_conflicts(&p, err);
	if (r < 0)
		return r;
	*ret = TAKE(p.scenario, (struct scenario){});
	return 0;
}

void scenario_clear(struct scenario *s)
{
	for (int i = 0; i < LINK_DIRECTIONS; i++) {
		free(s->direction[i].changes);
		free(s->direction[i].trace_ns);
	}
	*s = (struct scenario){};
}
